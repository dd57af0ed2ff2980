"""User information beyond the maximum length: who implements it, window, roles, identity (PS3.7 D.3.3)."""

from collections.abc import Sequence

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FindModel
from pynetdicom.sop_class import Verification

from dcm.wire import (
    AssociateAC,
    AssociateRJ,
    AsynchronousOperationsWindow,
    CEchoRQ,
    CEchoRSP,
    ImplementationClassUID,
    ImplementationVersionName,
    RoleSelection,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    UserItem,
)
from harness.cases import Suite, Wire

suite = Suite(needs="dimse.echo")


ECHO = (Verification, [ImplicitVRLittleEndian])
CT = (CTImageStorage, [ExplicitVRLittleEndian])
FIND = (FindModel, [ImplicitVRLittleEndian])


@suite.case("DMSG-020", ref="PS3.7 D.3.3.2.2 (2020b)")
def test_the_acceptor_says_what_implements_it(wire: Wire) -> None:
    """The answer has one implementation class UID."""
    assert len(wire.accepted(wire.request([ECHO])).items(ImplementationClassUID)) == 1


@suite.case("DMSG-021", ref="PS3.7 D.3.3.2.4 (2020b)")
def test_the_implementation_version_name_is_short(wire: Wire) -> None:
    """The implementation version name, which may be left out, is there once and has 1 to 16 characters."""
    answer = wire.accepted(wire.request([ECHO]))

    names = [
        each.body()
        for each in answer.user_information
        if each.TYPE == ImplementationVersionName.TYPE
    ]
    assert len(names) <= 1
    assert [name for name in names if not 1 <= len(name) <= 16] == []


@suite.case("DMSG-022", ref="PS3.7 D.3.3 (2024d)")
@pytest.mark.parametrize(
    "kind",
    [AsynchronousOperationsWindow, RoleSelection, SOPClassExtendedNegotiation, UserIdentityAC],
    ids=["window", "role", "extended", "identity"],
)
def test_what_was_not_asked_is_not_answered(wire: Wire, kind: type[UserItem]) -> None:
    """An optional negotiation that the request does not have is left out of the answer."""
    answer = wire.accepted(wire.request([ECHO, CT, FIND]))

    assert [each for each in answer.user_information if isinstance(each, kind)] == []


@suite.case("DMSG-023", ref="PS3.7 D.3.3.3 (2024d)")
@pytest.mark.parametrize("proposed", [(1, 1), (4, 2)], ids=["synchronous", "four-and-two"])
def test_the_window_is_not_wider_than_was_proposed(wire: Wire, proposed: tuple[int, int]) -> None:
    """The window of asynchronous operations is at most the proposed one; left out it is one."""
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
def test_no_role_is_granted_that_was_not_proposed(wire: Wire, proposed: tuple[bool, bool]) -> None:
    """Of the roles for a SOP class only those are accepted that were proposed."""
    role = RoleSelection(CTImageStorage, *proposed)

    answer = wire.accepted(wire.request([CT], items=[role]))

    granted = [each for each in answer.items(RoleSelection) if each.sop_class_uid == CTImageStorage]
    assert len(granted) <= 1
    assert [
        each for each in granted if (each.scu and not proposed[0]) or (each.scp and not proposed[1])
    ] == []


@suite.case("DMSG-025", ref="PS3.7 D.3.3.4 (2024e)", needs="dimse.store")
def test_roles_are_answered_for_the_classes_that_were_asked(wire: Wire) -> None:
    """A role that is proposed for one SOP class is answered for that one, or not at all."""
    role = RoleSelection(CTImageStorage, scu=True, scp=True)

    answer = wire.accepted(wire.request([CT, ECHO], items=[role]))

    assert {each.sop_class_uid for each in answer.items(RoleSelection)} <= {CTImageStorage}


@suite.case("DMSG-026", ref="PS3.7 D.3.3.7 (2020b)")
@pytest.mark.parametrize(
    "identity",
    [
        pytest.param((1, b"nobody", b""), id="name"),
        pytest.param((2, b"nobody", b"wrong"), id="passcode"),
    ],
)
def test_an_unknown_user_is_ignored_or_rejected_for_good(
    wire: Wire, identity: tuple[int, bytes, bytes]
) -> None:
    """Who does not know the user ignores the identity, or rejects permanently as the service provider."""
    answer = wire.propose(wire.request([ECHO], items=[UserIdentityRQ(*identity)]))

    assert isinstance(answer, AssociateAC) or answer == AssociateRJ(result=1, source=2, reason=1)


@suite.case("DMSG-027", ref="PS3.7 D.3.3.7 (2020b)")
def test_an_identity_is_not_answered_unless_that_is_asked(wire: Wire) -> None:
    """A user identity for which no response is requested gets none."""
    identity = UserIdentityRQ(1, b"nobody", positive_response_requested=False)

    answer = wire.propose(wire.request([ECHO], items=[identity]))

    answered = answer.items(UserIdentityAC) if isinstance(answer, AssociateAC) else ()
    assert answered == ()


@suite.case("DMSG-028", ref="PS3.7 D.3.3 (2024d)")
def test_all_negotiations_at_once_hinder_nothing(wire: Wire) -> None:
    """A request with every optional negotiation is accepted, and a C-ECHO answered."""
    items: Sequence[UserItem] = (
        ImplementationVersionName("EVERYTHING"),
        AsynchronousOperationsWindow(1, 1),
        RoleSelection(CTImageStorage, scu=True, scp=True),
        SOPClassExtendedNegotiation(FindModel, b"\1"),
    )
    with wire.associate([ECHO, CT, FIND], items=items) as association:
        answer = association.ask(CEchoRQ(message_id=1)).message

    assert isinstance(answer, CEchoRSP)
