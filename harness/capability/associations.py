"""What a server declares when it is asked for associations: everything is proposed, the answers are read."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from dcm.errors import DcmError
from dcm.net.association import IMPLEMENTATION_CLASS_UID, Association
from dcm.net.errors import AssociationRejected, ConnectionFailed, NetworkError, NotAccepted
from dcm.wire import (
    AsynchronousOperationsWindow,
    ContextResult,
    ImplementationClassUID,
    ImplementationVersionName,
    RoleSelection,
    SOPClassExtendedNegotiation,
    UserIdentityRQ,
)
from dcm.wire.negotiation import incomplete
from harness.capability.known_classes import (
    FAMILIES,
    FIND,
    GET,
    MOVE,
    NATIVE,
    VERIFICATION,
    name_of,
    sop_classes,
    transfer_syntaxes,
)
from harness.capability.notebook import Notebook
from harness.capability.peer import Peer, Proposal, split

_ECHO: Proposal = (VERIFICATION, NATIVE[::-1])
_NOBODY = "HARNESS-NOBODY"
_PATIENCE = 1.5  # seconds for one association among many: some servers let the next one wait
_FIND_ABILITIES = (
    "relational queries",
    "date-time matching",
    "fuzzy matching of names",
    "timezone adjustment",
    "conversion of enhanced multi-frame images",
)  # PS3.4 C.5.1.1, byte by byte
_RETRIEVE_ABILITIES = ("relational retrieval", "conversion of enhanced multi-frame images")


class Negotiated:
    """What was agreed to.

    classes: the transfer syntax that was chosen, by accepted SOP class.
    syntaxes: the classes of the families that are accepted with a transfer syntax, by that.
    extended: the answers to extended negotiation, by SOP class.
    """

    def __init__(self) -> None:
        self.classes: dict[str, str] = {}
        self.syntaxes: dict[str, list[str]] = {}
        self.extended: dict[str, bytes] = {}

    def grants(self, uid: str, place: int) -> bool:
        """Return whether extended negotiation granted the ability at this place of the answer."""
        answer = self.extended.get(uid, b"")
        return len(answer) > place and answer[place] == 1


async def negotiate(peer: Peer, notes: Notebook) -> Negotiated:
    """Propose everything, and note what is accepted."""
    found = Negotiated()
    with notes.noting():
        await _classes(peer, notes, found)
    for step in (_transfer_syntaxes, _roles, _extended, _window):
        with notes.noting():
            await step(peer, notes, found)
    await _titles(peer, notes)
    await _identity(peer, notes)
    return found


async def _classes(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Propose every SOP class with the native transfer syntaxes."""
    notes.progress("proposing every SOP class")
    refused: list[str] = []
    for part in split([(uid, NATIVE) for uid in sop_classes()]):
        with notes.noting():
            async with _proposing(peer, part) as association:
                _note_answer(association, notes)
                for (uid, _), (result, syntax) in zip(part, _results(association), strict=True):
                    accepted = result == ContextResult.ACCEPTANCE
                    if accepted:
                        found.classes[uid] = syntax
                    elif result == ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED:
                        refused.append(uid)
                    notes.declared(f"sop-class/{uid}", name_of(uid), accepted)
    for uid in refused:  # video, for example, may be accepted as such only
        syntaxes = [(uid, (each,)) for each in transfer_syntaxes()]
        async with _proposing(peer, syntaxes) as association:
            taken = [syntax for result, syntax in _results(association) if result == 0]
            if taken:
                found.classes[uid] = taken[0]
                notes.declared(f"sop-class/{uid}", name_of(uid), value=True)


@contextlib.asynccontextmanager
async def _proposing(peer: Peer, proposals: Sequence[Proposal]) -> AsyncIterator[Association]:
    """Propose all this, after Verification: some reject an association of which they accept nothing."""
    words = f"an association that proposes {len(proposals) + 1} contexts"
    async with peer.associate(words, [_ECHO, *proposals]) as association:
        yield association


def _results(association: Association) -> list[tuple[int, str]]:
    """Return result and transfer syntax for each context after the first; one that was not answered is -1."""
    answers = {each.context_id: each for each in association.answer_pdu.presentation_contexts}
    proposed = association.request_pdu.presentation_contexts[1:]
    found = (answers.get(each.context_id) for each in proposed)
    return [
        (-1, "") if each is None else (each.result, each.transfer_syntax or "") for each in found
    ]


def _note_answer(association: Association, notes: Notebook) -> None:
    """Note what the first answer says of the server itself."""
    answer = association.answer_pdu
    for words in incomplete(association.request_pdu, answer):
        notes.contradiction(
            "association/contexts", "PS3.8 7.1.1.14", "answers an association", words
        )
    if "association/maximum-length" in notes.findings:
        return
    notes.declared(
        "association/maximum-length", "Maximum PDU length that it receives", answer.maximum_length
    )
    for class_uid in answer.items(ImplementationClassUID):
        notes.server["implementation_class_uid"] = class_uid.uid
        key, ours = "association/implementation", class_uid.uid == IMPLEMENTATION_CLASS_UID
        notes.declared(key, "Its implementation class UID is its own", not ours)
        if ours:
            notes.contradiction(
                key,
                "PS3.7 D.3.3.2",
                "names its implementation",
                "what it names is ours, given back",
            )
    for version in answer.items(ImplementationVersionName):
        notes.server["implementation_version_name"] = version.name


async def _transfer_syntaxes(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Propose each transfer syntax alone, for a class of each family that is accepted."""
    notes.progress("proposing every transfer syntax")
    families = [uid for uid in FAMILIES if uid in found.classes]
    proposals: list[Proposal] = [(uid, (each,)) for each in transfer_syntaxes() for uid in families]
    for part in split(proposals):
        async with _proposing(peer, part) as association:
            for (uid, (syntax,)), (result, _) in zip(part, _results(association), strict=True):
                if result == ContextResult.ACCEPTANCE:
                    found.syntaxes.setdefault(syntax, []).append(uid)
    for syntax in transfer_syntaxes() if families else ():
        taken = found.syntaxes.get(syntax, [])
        missing = [name_of(uid) for uid in families if uid not in taken]
        value = "accepted" if not missing else "not accepted"
        if taken and missing:
            value = f"accepted, not for {', '.join(missing)}"
        notes.declared(f"transfer-syntax/{syntax}", name_of(syntax), value)


async def _roles(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Propose to be the SCP of storage, as C-GET needs it (PS3.7 D.3.3.4)."""
    families = [uid for uid in FAMILIES if uid in found.classes]
    if not families:
        return
    roles = [RoleSelection(uid, scu=True, scp=True) for uid in families]
    async with peer.associate(
        "role selection", [(uid, NATIVE) for uid in families], *roles
    ) as association:
        granted = association.answer_pdu.items(RoleSelection)
    scp = {each.sop_class_uid for each in granted if each.scp}
    both = {each.sop_class_uid for each in granted if each.scp and each.scu}
    words = "as SCU only: role selection is not answered"
    if granted:
        words = f"as SCP for {len(scp)} of {len(families)} classes, as both for {len(both)}"
    notes.declared("association/roles", "What it lets a requestor be for storage", words)


async def _extended(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Propose all abilities of extended negotiation for query and retrieve (PS3.4 C.5)."""
    wanted = [
        (name, root, uid, abilities)
        for name, services, abilities in (
            ("C-FIND", FIND, _FIND_ABILITIES),
            ("C-MOVE", MOVE, _RETRIEVE_ABILITIES),
            ("C-GET", GET, _RETRIEVE_ABILITIES),
        )
        for root, uid in services.items()
        if uid in found.classes
    ]
    if not wanted:
        return
    items = [
        SOPClassExtendedNegotiation(uid, b"\1" * len(abilities)) for _, _, uid, abilities in wanted
    ]
    async with peer.associate(
        "extended negotiation", [(uid, NATIVE) for _, _, uid, _ in wanted], *items
    ) as association:
        answers = association.answer_pdu.items(SOPClassExtendedNegotiation)
    found.extended = {
        each.sop_class_uid: each.service_class_application_information for each in answers
    }
    for name, root, uid, abilities in wanted:
        granted = tuple(words for at, words in enumerate(abilities) if found.grants(uid, at))
        value = granted if uid in found.extended else "not answered"
        key = f"association/extended/{name}/{root}"
        notes.declared(key, f"Extended negotiation of {name}, {root} root", value)


async def _window(peer: Peer, notes: Notebook, _: Negotiated) -> None:
    """Propose that several operations be under way at once (PS3.7 D.3.3.3)."""
    item = AsynchronousOperationsWindow(8, 8)
    async with peer.associate("an asynchronous operations window", [_ECHO], item) as association:
        answers = association.answer_pdu.items(AsynchronousOperationsWindow)
    value = "one operation at a time: not answered"
    if answers:
        value = (
            f"{answers[0].operations_invoked} invoked, {answers[0].operations_performed} performed"
        )
    notes.declared("association/window", "Asynchronous operations window, 8 and 8 proposed", value)


async def _titles(peer: Peer, notes: Notebook) -> None:
    """Call it, and ourselves, by a title that nobody has."""
    for key, subject, changed in (
        ("called", "An AE title that is not its own", {"called": _NOBODY}),
        ("calling", "A calling AE title that it does not know", {"calling": _NOBODY}),
    ):
        value = await _outcome(peer, changed)
        notes.probed(f"association/{key}-ae-title", subject, value)


async def _outcome(peer: Peer, titles: dict[str, str]) -> str:
    try:
        async with await peer.request([_ECHO], **titles):
            return "accepted"
    except AssociationRejected as error:
        return error.what
    except DcmError as error:
        return f"neither accepted nor rejected: {getattr(error, 'what', error)}"


async def _identity(peer: Peer, notes: Notebook) -> None:
    """Name a user, and ask that this be confirmed (PS3.7 D.3.3.7)."""
    user = UserIdentityRQ(1, b"probe", positive_response_requested=True)
    try:
        async with await peer.request([_ECHO], user):
            value = "confirmed"
    except NotAccepted:
        value = "accepted, not confirmed"
    except AssociationRejected as error:
        value = error.what
    except DcmError as error:
        value = f"neither accepted nor rejected: {getattr(error, 'what', error)}"
    notes.declared("association/user-identity", "A user name, with confirmation asked", value)


async def at_once(peer: Peer, notes: Notebook) -> None:
    """Open associations one after the other, and keep them, until one is not accepted."""
    bound = peer.target.limits.associations
    notes.progress(f"opening up to {bound} associations at once")
    opened: list[Association] = []
    note = ""
    patient = peer.with_patience(_PATIENCE)
    try:
        while len(opened) < bound and not note:
            try:
                opened.append(await patient.request([_ECHO]))
            except (AssociationRejected, ConnectionFailed) as error:
                note = error.what
            except NetworkError:
                note = "the next one is kept waiting"
    finally:
        await _release(opened)
    value = f"{bound} or more" if len(opened) == bound else str(len(opened))
    notes.probed("association/at-once", "Associations at once", value, note)


async def _release(associations: Sequence[Association]) -> None:
    for association in associations:
        await association.release()
