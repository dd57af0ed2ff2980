"""Storing one tiny object of each SOP class, transfer syntax and character set that was accepted."""

from collections.abc import Iterable, Sequence

from dcm.net.association import Association
from dcm.wire import CEchoRQ, CEchoRSP, Command, CStoreRSP, StatusClass, describe
from harness.capability import objects
from harness.capability.associations import Negotiated
from harness.capability.known_classes import NATIVE, VERIFICATION, is_storage, name_of
from harness.capability.notebook import Notebook, Trouble, listed
from harness.capability.peer import Peer, split, store
from harness.corpus import Sample

_MISFIT = (0xA900, 0xC000)
"""Data set does not match SOP class, cannot understand: what may be said of an object without its modules."""


async def echo(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Send a C-ECHO."""
    if VERIFICATION not in found.classes:
        return
    key = f"sop-class/{VERIFICATION}"
    with notes.noting(key, "PS3.7 9.3.5.2", "accepts the Verification SOP Class"):
        async with peer.associate("C-ECHO", [(VERIFICATION, NATIVE)]) as association:
            context = association.context(VERIFICATION)
            message_id = association.next_message_id()
            await association.send(Command(context.context_id, CEchoRQ(message_id=message_id)))
            status = (await association.response(CEchoRSP, message_id)).status
        _echoed(notes, status)


def _echoed(notes: Notebook, status: int) -> None:
    words = "answered" if status == 0 else str(describe(status, CEchoRSP))
    notes.probed(f"sop-class/{VERIFICATION}", name_of(VERIFICATION), words)
    if status:
        notes.contradiction(
            f"sop-class/{VERIFICATION}", "PS3.7 9.3.5.2", "accepts the Verification SOP Class",
            f"it answers C-ECHO with {words}",
        )  # fmt: skip


async def store_study(peer: Peer, notes: Notebook, found: Negotiated) -> bool:
    """Store the study that queries look at, and say whether it is there."""
    samples = [*objects.study(), objects.other_study()]
    statuses = await _store_all(peer, notes, found, samples, "storing a small study")
    return len(statuses) == len(samples) and all(
        describe(status, CStoreRSP).kind in (StatusClass.SUCCESS, StatusClass.WARNING)
        for status, _ in statuses.values()
    )


async def classes(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Store an object of each class that was accepted."""
    accepted = {uid: syntax for uid, syntax in found.classes.items() if is_storage(uid)}
    samples = list(objects.all_of(accepted))
    statuses = await _store_all(peer, notes, found, samples, "storing an object of each SOP class")
    whole = objects.by_class()
    refused: dict[int, list[str]] = {}
    for sample in samples:
        uid = str(sample.sop_class_uid)
        if sample.sop_instance_uid not in statuses:
            continue
        status, comment = statuses[sample.sop_instance_uid]
        notes.probed(f"sop-class/{uid}", name_of(uid), _words(status), comment)
        misfit = uid not in whole and any(status & 0xF000 == each & 0xF000 for each in _MISFIT)
        if _failed(status) and not misfit:
            refused.setdefault(status, []).append(uid)
    for status, uids in refused.items():
        notes.contradiction(
            f"sop-class/{uids[0]}", "PS3.4 B.2.2",
            f"accepts {listed(name_of(uid) for uid in uids)} in negotiation",
            f"it answers C-STORE with {_words(status)}",
        )  # fmt: skip


async def transfer_syntaxes(peer: Peer, notes: Notebook, found: Negotiated) -> None:
    """Store an object in each transfer syntax."""
    samples = objects.by_syntax()
    statuses = await _store_all(
        peer, notes, found, samples.values(), "storing an object in each transfer syntax"
    )
    refused: dict[int, list[str]] = {}
    for syntax, sample in samples.items():
        if sample.sop_instance_uid not in statuses:
            continue
        status, comment = statuses[sample.sop_instance_uid]
        notes.probed(f"transfer-syntax/{syntax}", name_of(syntax), _words(status), comment)
        if _failed(status):
            refused.setdefault(status, []).append(syntax)
    for status, syntaxes in refused.items():
        notes.contradiction(
            f"transfer-syntax/{syntaxes[0]}", "PS3.4 B.2.2",
            f"accepts {listed(name_of(each) for each in syntaxes)} in negotiation",
            f"it answers C-STORE of a whole object with {_words(status)}",
        )  # fmt: skip


async def character_sets(peer: Peer, notes: Notebook, found: Negotiated) -> dict[str, Sample]:
    """Store a person name in each character set; give what was stored."""
    samples = objects.by_character_set()
    statuses = await _store_all(
        peer, notes, found, samples.values(), "storing a name in each character set"
    )
    stored = {}
    for term, sample in samples.items():
        if sample.sop_instance_uid not in statuses:
            continue
        status, comment = statuses[sample.sop_instance_uid]
        if _failed(status):
            notes.probed(f"character-set/{term}", term, _words(status), comment)
        else:
            stored[term] = sample
    return stored


async def _store_all(
    peer: Peer, notes: Notebook, found: Negotiated, samples: Iterable[Sample], doing: str
) -> dict[str, tuple[int, str]]:
    """Store what has an accepted class; give status and comment by SOP Instance UID.

    What is not accepted as it is, is not sent. After an association that fails, the object after the one
    that was under way is the first on the next one.
    """
    notes.progress(doing)
    wanted = [each for each in samples if str(each.sop_class_uid) in found.classes]
    statuses: dict[str, tuple[int, str]] = {}
    for part in split([(str(each.sop_class_uid), (str(each.transfer_syntax),)) for each in wanted]):
        batch, wanted = wanted[: len(part)], wanted[len(part) :]
        while batch:
            tried: list[Sample] = []
            try:
                proposals = dict.fromkeys(
                    (str(each.sop_class_uid), (str(each.transfer_syntax),)) for each in batch
                )
                async with peer.associate(doing, list(proposals)) as association:
                    await _store_on(association, notes, batch, statuses, tried)
            except Trouble as trouble:
                _broken(notes, trouble, tried)
            batch = batch[len(tried) :] if tried else []
    return statuses


def _broken(notes: Notebook, trouble: Trouble, tried: Sequence[Sample]) -> None:
    """Note an association that did not come to its end, with the object that was under way."""
    if not tried:
        notes.trouble(trouble)
        return
    uid = str(tried[-1].sop_class_uid)
    notes.probed(f"sop-class/{uid}", name_of(uid), str(trouble))
    notes.trouble(trouble)
    notes.contradiction(
        f"sop-class/{uid}", "PS3.4 B.2.2", f"accepts {name_of(uid)} in negotiation", str(trouble)
    )


async def _store_on(
    association: Association,
    notes: Notebook,
    samples: Sequence[Sample],
    statuses: dict[str, tuple[int, str]],
    tried: list[Sample],
) -> None:
    taken = {
        (each.abstract_syntax, each.transfer_syntax) for each in association.accepted_contexts()
    }
    for sample in samples:
        tried.append(sample)
        if (sample.sop_class_uid, sample.transfer_syntax) not in taken:
            continue
        association.doing = f"C-STORE of {name_of(str(sample.sop_class_uid))}"
        notes.stored[str(sample.study_instance_uid)] = sample.patient_id
        statuses[str(sample.sop_instance_uid)] = await store(association, sample)


def _failed(status: int) -> bool:
    return describe(status, CStoreRSP).kind is StatusClass.FAILURE


def _words(status: int) -> str:
    return "stored" if status == 0 else str(describe(status, CStoreRSP))
