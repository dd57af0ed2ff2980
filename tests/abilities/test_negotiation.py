"""What a server accepts if all SOP classes, transfer syntaxes and other items are proposed."""

import contextlib

import pytest

from dcm.wire import (
    AssociateAC,
    AssociateRJ,
    AsynchronousOperationsWindow,
    ImplementationClassUID,
    ImplementationVersionName,
    RoleSelection,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    build,
)
from harness.cases import (
    ECHO,
    FIND,
    GET,
    MOVE,
    NATIVE,
    SOP_CLASSES,
    STORAGE_FAMILIES,
    TRANSFER_SYNTAXES,
    AETitle,
    Observe,
    Suite,
    Wire,
    described,
    uid_name,
)

suite = Suite(needs="dimse.echo")
pytestmark = pytest.mark.read_only

MOST_ASSOCIATIONS = 24


@suite.case("ABIL-001", ref="PS3.8 7.1.1.14 (2024e)", shows="SOP classes")
def test_each_sop_class_is_answered(wire: Wire, observe: Observe) -> None:
    """Every context of every association is answered, whatever SOP class it proposes."""
    proposals = [(uid, NATIVE) for uid in SOP_CLASSES]

    for (uid, _), syntax in zip(proposals, wire.chosen(proposals), strict=True):
        observe(uid_name(uid), "not accepted" if syntax is None else "accepted")


@suite.case("ABIL-002", ref="PS3.8 9.3.3.2 (2024e)", needs="dimse.store", shows="Transfer syntaxes")
def test_chosen_transfer_syntax_was_proposed(wire: Wire, observe: Observe) -> None:
    """A context that proposes one transfer syntax is accepted with that one, or not at all."""
    families = [uid for uid in STORAGE_FAMILIES if wire.chosen([(uid, NATIVE)])[0]]
    proposals = [(uid, (syntax,)) for syntax in TRANSFER_SYNTAXES for uid in families]

    answers = wire.chosen(proposals)

    taken: dict[str, list[str]] = {syntax: [] for syntax in TRANSFER_SYNTAXES}
    for (uid, (proposed,)), chosen in zip(proposals, answers, strict=True):
        assert chosen in (None, proposed)
        if chosen is not None:
            taken[proposed].append(uid)
    for syntax, uids in taken.items():
        left_out = ", ".join(uid_name(each) for each in families if each not in uids)
        some = f"accepted, not for {left_out}" if left_out else "accepted"
        observe(uid_name(syntax), some if uids else "not accepted")


@suite.case("ABIL-003", ref="PS3.7 D.3.3 (2024d)", shows="Associations")
def test_everything_is_negotiated(wire: Wire, observe: Observe) -> None:
    """A request with every kind of negotiation is accepted, and the answer has only what was requested."""
    models = [model for each in (FIND, MOVE, GET) for model in each.values()]
    request = wire.request(
        [ECHO, *((each, NATIVE) for each in (*models, *STORAGE_FAMILIES))],
        items=[
            AsynchronousOperationsWindow(8, 8),
            *(RoleSelection(uid, scu=True, scp=True) for uid in STORAGE_FAMILIES),
            *(SOPClassExtendedNegotiation(each, bytes([1] * 5)) for each in models),
            UserIdentityRQ(1, b"probe", positive_response_requested=True),
        ],
    )

    answer = wire.accepted(request)

    extended = answer.items(SOPClassExtendedNegotiation)
    assert {each.sop_class_uid for each in extended} <= set(models)
    roles = answer.items(RoleSelection)
    assert {each.sop_class_uid for each in roles} <= set(STORAGE_FAMILIES)
    observe("Maximum PDU length that it receives", str(answer.maximum_length))
    for class_uid in answer.items(ImplementationClassUID):
        observe("Implementation class UID", class_uid.uid)
    for version in answer.items(ImplementationVersionName):
        observe("Implementation version name", version.name)
    windows = [f"{each.operations_invoked} invoked, {each.operations_performed} performed"
               for each in answer.items(AsynchronousOperationsWindow)]  # fmt: skip
    observe("Asynchronous operations window, 8 and 8 proposed", *(windows or ["not answered"]))
    scp = sum(each.scp for each in roles)
    observe("SCP role for the requestor", f"for {scp} of {len(STORAGE_FAMILIES)} storage classes")
    for each in extended:
        bits = each.service_class_application_information.hex(" ")
        observe(f"Extended negotiation, {uid_name(each.sop_class_uid)}", bits)
    confirmed = bool(answer.items(UserIdentityAC))
    observe("A user name, with confirmation requested", "confirmed" if confirmed else "ignored")


@suite.case("ABIL-004", ref="PS3.8 9.3.4 (2024e)", shows="Associations")
@pytest.mark.parametrize("whose", ["called", "calling"])
def test_unknown_title_is_accepted_or_rejected(wire: Wire, observe: Observe, whose: str) -> None:
    """A request with an unknown AE title is accepted or rejected."""
    nobody = AETitle("HARNESS-NOBODY")
    titles = (nobody, wire.calling) if whose == "called" else (wire.called, nobody)
    stranger = Wire(wire.peer, *titles, wire.time_limit, wire.tls)

    answer = stranger.propose(stranger.request([ECHO]))

    assert isinstance(answer, AssociateAC | AssociateRJ)
    rejected = isinstance(answer, AssociateRJ)
    observe(f"An unknown {whose} AE title", found=described(answer) if rejected else "accepted")


@suite.case(
    "ABIL-005", level="quality", ref="PS3.2 Annex A, number of associations", shows="Associations"
)
def test_two_associations_at_once(wire: Wire, observe: Observe) -> None:
    """Two associations can be open at once."""
    request = wire.request([ECHO])
    with contextlib.ExitStack() as stack:
        opened = 0
        while opened < MOST_ASSOCIATIONS:
            line = stack.enter_context(wire.connect())
            line.say(build(request))
            if not isinstance(line.hear(within=1.5), AssociateAC):
                break
            opened += 1

    observe(
        "Associations at once", found=f"{opened}{' or more' if opened == MOST_ASSOCIATIONS else ''}"
    )
    assert opened >= 2
