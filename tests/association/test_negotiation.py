"""User information beyond the maximum length: implementation, window, roles, identity (PS3.7 D.3.3)."""

from collections.abc import Sequence

import pytest
from pydicom.uid import CTImageStorage
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FindModel

from dcm.wire import (
    AssociateAC,
    AssociateRJ,
    AsynchronousOperationsWindow,
    CEchoRQ,
    ImplementationClassUID,
    ImplementationVersionName,
    RoleSelection,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    UserItem,
)
from harness.cases import (
    CT,
    ECHO,
    FIND_STUDIES,
    IMPLICIT,
    SUCCESS,
    Suite,
    Wire,
    needs,
    results,
    status_of,
)

suite = Suite(needs="dimse.echo")


ALL_CONTEXTS = [ECHO, *CT, FIND_STUDIES]


@suite.case("DMSG-020", ref="PS3.7 D.3.3.2.2 (2020b)")
def test_answer_has_one_implementation_class_uid(wire: Wire) -> None:
    """The answer has exactly one implementation class UID."""
    answer = wire.accepted(wire.request([ECHO]))

    found = [type(each) for each in answer.items(ImplementationClassUID)]
    assert found == [ImplementationClassUID]


@suite.case("DMSG-021", ref="PS3.7 D.3.3.2.4 (2020b)")
def test_implementation_version_name_is_short(wire: Wire) -> None:
    """The answer has at most one implementation version name, of 1 to 16 characters."""
    answer = wire.accepted(wire.request([ECHO]))

    names = [
        each.body()
        for each in answer.user_information
        if each.TYPE == ImplementationVersionName.TYPE
    ]
    assert names[1:] == []
    assert [name for name in names if not 1 <= len(name) <= 16] == []


@suite.case("DMSG-022", ref="PS3.7 D.3.3 (2024d)")
@pytest.mark.parametrize(
    "kind",
    [AsynchronousOperationsWindow, RoleSelection, SOPClassExtendedNegotiation, UserIdentityAC],
    ids=["window", "role", "extended", "identity"],
)
def test_negotiation_is_not_answered_unless_requested(wire: Wire, kind: type[UserItem]) -> None:
    """The answer has no optional negotiation that the request did not have."""
    answer = wire.accepted(wire.request(ALL_CONTEXTS))

    assert [each for each in answer.user_information if isinstance(each, kind)] == []


@suite.case("DMSG-023", ref="PS3.7 D.3.3.3 (2024d)")
@pytest.mark.parametrize("proposed", [(1, 1), (4, 2)], ids=["synchronous", "four-and-two"])
def test_window_is_not_wider_than_proposed(wire: Wire, proposed: tuple[int, int]) -> None:
    """The accepted window of asynchronous operations is at most the proposed one."""
    window = AsynchronousOperationsWindow(*proposed)

    answer = wire.accepted(wire.request([ECHO], items=[window]))

    wider = [
        each
        for each in answer.items(AsynchronousOperationsWindow)
        if not 0 < each.operations_invoked <= proposed[0]
        or not 0 < each.operations_performed <= proposed[1]
    ]
    assert wider == []


@suite.case("DMSG-024", ref="PS3.7 D.3.3.4 (2024e)", needs="dimse.store")
@pytest.mark.parametrize("proposed", [(True, False), (False, True)], ids=["only-scu", "only-scp"])
def test_role_is_not_granted_unless_proposed(wire: Wire, proposed: tuple[bool, bool]) -> None:
    """The answer grants no role for a SOP class that was not proposed for it."""
    role = RoleSelection(CTImageStorage, *proposed)

    answer = wire.accepted(wire.request(CT, items=[role]))

    granted = [each for each in answer.items(RoleSelection) if each.sop_class_uid == CTImageStorage]
    assert granted[1:] == []
    assert [
        each for each in granted if (each.scu and not proposed[0]) or (each.scp and not proposed[1])
    ] == []


@suite.case("DMSG-025", ref="PS3.7 D.3.3.4 (2024e)", needs="dimse.store")
def test_role_is_answered_for_its_class_only(wire: Wire) -> None:
    """A role that is proposed for one SOP class is answered for that class, or not at all."""
    role = RoleSelection(CTImageStorage, scu=True, scp=True)

    answer = wire.accepted(wire.request([*CT, ECHO], items=[role]))

    assert {each.sop_class_uid for each in answer.items(RoleSelection)} <= {CTImageStorage}


@suite.case("DMSG-026", ref="PS3.7 D.3.3.7 (2020b)")
@pytest.mark.parametrize(
    "identity",
    [
        pytest.param((1, b"nobody", b""), id="name"),
        pytest.param((2, b"nobody", b"wrong"), id="passcode"),
    ],
)
def test_unknown_user_is_ignored_or_rejected_permanently(
    wire: Wire, identity: tuple[int, bytes, bytes]
) -> None:
    """A request of an unknown user is accepted, or rejected permanently by the service provider."""
    answer = wire.propose(wire.request([ECHO], items=[UserIdentityRQ(*identity)]))

    assert isinstance(answer, AssociateAC) or answer == AssociateRJ(result=1, source=2, reason=1)


@suite.case("DMSG-027", ref="PS3.7 D.3.3.7 (2020b)")
def test_identity_is_not_answered_unless_requested(wire: Wire) -> None:
    """A user identity without a request for a positive response gets no response."""
    identity = UserIdentityRQ(1, b"nobody", positive_response_requested=False)

    answer = wire.propose(wire.request([ECHO], items=[identity]))

    answered = answer.items(UserIdentityAC) if isinstance(answer, AssociateAC) else ()
    assert answered == ()


@suite.case("DMSG-028", ref="PS3.7 D.3.3 (2024d)")
def test_all_negotiations_together_are_accepted(wire: Wire) -> None:
    """A request with every optional negotiation is accepted, and a C-ECHO succeeds."""
    items: Sequence[UserItem] = (
        ImplementationVersionName("EVERYTHING"),
        AsynchronousOperationsWindow(1, 1),
        RoleSelection(CTImageStorage, scu=True, scp=True),
        SOPClassExtendedNegotiation(FindModel, b"\1"),
    )
    with wire.associate(ALL_CONTEXTS, items=items) as association:
        answer = association.ask(CEchoRQ(message_id=1)).message

    assert status_of(answer) == SUCCESS


@suite.case("DMSG-029", ref="PS3.5 10.1")
@pytest.mark.parametrize(
    "abstract_syntax",
    [
        pytest.param(ECHO[0], id="echo"),
        pytest.param(CT[0][0], marks=needs("dimse.store"), id="store"),
        pytest.param(FIND_STUDIES[0], marks=needs("dimse.find.study"), id="find"),
    ],
)
def test_default_transfer_syntax_alone_is_accepted(wire: Wire, abstract_syntax: str) -> None:
    """A context that offers only Implicit VR Little Endian, which everyone must support, is accepted."""
    answer = wire.accepted(wire.request([(abstract_syntax, IMPLICIT)]))

    assert results(answer) == {1: 0}
    assert [each.transfer_syntax for each in answer.presentation_contexts] == [*IMPLICIT]
