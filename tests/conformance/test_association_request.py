"""What an acceptor makes of a request for an association: fields, items, titles (PS3.8 9.3.2)."""

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification

from dcm.wire import AssociateAC, AssociateRJ, raw
from harness.cases import Suite, Wire

suite = Suite(needs="dimse.echo")


VERIFICATION, IMPLICIT = Verification.encode(), ImplicitVRLittleEndian.encode()
CONTEXT = raw.context(1, VERIFICATION, [IMPLICIT])
USUAL = (raw.application_context(), CONTEXT, raw.user_information())
STRANGER = b"NOBODY-KNOWS-ME"


@suite.case("ASSOC-001", ref="PS3.8 9.3.4 (2024e)")
def test_another_version_of_the_protocol_is_rejected(wire: Wire) -> None:
    """A request whose protocol version lacks bit 0 is rejected: protocol version not supported."""
    answer = wire.propose(wire.bent_request(USUAL, protocol_version=2))

    assert answer == AssociateRJ(result=1, source=2, reason=2)


@suite.case("ASSOC-002", ref="PS3.8 9.3.2 (2019a)")
@pytest.mark.parametrize("version", [0x0003, 0xFFFF], ids=["two-versions", "all-versions"])
def test_only_bit_0_of_the_version_is_tested(wire: Wire, version: int) -> None:
    """Who supports further versions of the protocol beside the first is accepted."""
    answer = wire.accepted(wire.bent_request(USUAL, protocol_version=version))

    assert answer.presentation_contexts[0].accepted


@suite.case("ASSOC-003", ref="PS3.8 9.3.2 (2019a)")
def test_reserved_fields_are_not_tested(wire: Wire) -> None:
    """Reserved fields of the PDU and of its items may have any value."""
    uids = raw.item(0x30, VERIFICATION, reserved=0xFF) + raw.item(0x40, IMPLICIT, reserved=0xFF)
    items = (
        raw.item(0x10, b"1.2.840.10008.3.1.1.1", reserved=0xFF),
        raw.item(0x20, bytes((1, 0xFF, 0xFF, 0xFF)) + uids, reserved=0xFF),
        raw.user_information(),
    )

    answer = wire.accepted(wire.bent_request(items, reserved=0xFF))

    assert answer.presentation_contexts[0].accepted


@suite.case("ASSOC-004", ref="PS3.8 9.3.1 (2020b)")
def test_an_unknown_item_is_ignored(wire: Wire) -> None:
    """An item of a type that is not defined does not hinder the association."""
    answer = wire.accepted(wire.bent_request((*USUAL, raw.item(0x7F, b"whatever"))))

    assert answer.presentation_contexts[0].accepted


@suite.case("ASSOC-005", ref="PS3.8 D.2 (2020a)")
def test_an_unknown_user_information_is_ignored(wire: Wire) -> None:
    """A sub-item of user information of a later edition does not hinder the association."""
    user = raw.user_information(raw.item(0x7F, b"whatever"))

    answer = wire.accepted(wire.bent_request((raw.application_context(), CONTEXT, user)))

    assert answer.presentation_contexts[0].accepted


@suite.case("ASSOC-006", ref="PS3.8 9.3.2.3 (2019a)")
def test_user_information_may_stand_in_any_order(wire: Wire) -> None:
    """The maximum length, which has the lowest type, may come last."""
    maximum, implementation = (0x51, (16384).to_bytes(4, "big")), (0x52, b"1.2.3")
    name = (0x55, b"BACKWARDS")
    user = raw.item(0x50, b"".join(raw.item(*each) for each in (name, implementation, maximum)))

    answer = wire.accepted(wire.bent_request((raw.application_context(), CONTEXT, user)))

    assert answer.presentation_contexts[0].accepted


@suite.case("ASSOC-007", ref="PS3.8 9.3.2 (2019a)")
def test_spaces_around_a_title_do_not_count(wire: Wire) -> None:
    """An AE title with leading spaces is the same title."""
    called, calling = (b" " + each.encode()[:15] for each in (wire.called, wire.calling))

    answer = wire.accepted(wire.bent_request(USUAL, called=called, calling=calling))

    assert answer.presentation_contexts[0].accepted


@suite.case("ASSOC-008", ref="PS3.8 9.3.4 (2024e)", level="should")
def test_who_does_not_know_the_called_title_says_so(wire: Wire) -> None:
    """A request for an unknown AE title is accepted, or rejected with that reason."""
    answer = wire.propose(wire.bent_request(USUAL, called=STRANGER))

    assert isinstance(answer, AssociateAC) or answer == AssociateRJ(result=1, source=1, reason=7)


@suite.case("ASSOC-009", ref="PS3.8 9.3.4 (2024e)", level="should")
def test_who_does_not_know_the_calling_title_says_so(wire: Wire) -> None:
    """A request from an unknown AE title is accepted, or rejected with that reason."""
    answer = wire.propose(wire.bent_request(USUAL, calling=STRANGER))

    assert isinstance(answer, AssociateAC) or answer == AssociateRJ(result=1, source=1, reason=3)


@suite.case("ASSOC-010", ref="PS3.8 9.3.4 (2024e)")
def test_another_application_context_is_rejected(wire: Wire) -> None:
    """A request with an application context that is not DICOM's is rejected with that reason."""
    items = (raw.application_context(b"1.2.840.10008.3.1.1.999"), *USUAL[1:])

    answer = wire.propose(wire.bent_request(items))

    assert answer == AssociateRJ(result=1, source=1, reason=2)


@suite.case("ASSOC-011", ref="PS3.8 F.1 (2019a)", level="should")
def test_a_padded_uid_is_understood(wire: Wire) -> None:
    """UIDs with a trailing NUL, as they stand in data sets, are taken for what they are."""
    context = raw.context(1, VERIFICATION + b"\0", [IMPLICIT + b"\0"])

    answer = wire.accepted(
        wire.bent_request((raw.application_context(), context, raw.user_information()))
    )

    assert answer.presentation_contexts[0].accepted
