"""How an acceptor treats a request for an association: fields, items, titles (PS3.8 9.3.2)."""

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification

from dcm.wire import AssociateAC, AssociateRJ, raw
from harness.cases import ECHO_ITEMS, Suite, Wire, results

suite = Suite(needs="dimse.echo")


VERIFICATION, IMPLICIT = Verification.encode(), ImplicitVRLittleEndian.encode()
APPLICATION_CONTEXT, CONTEXT, _ = ECHO_ITEMS
STRANGER = b"NOBODY-KNOWS-ME"
ACCEPTANCE = 0


@suite.case("ASSOC-001", ref="PS3.8 9.3.4 (2024e)")
def test_unsupported_protocol_version_is_rejected(wire: Wire) -> None:
    """A request without bit 0 in the protocol version is rejected with "protocol version not supported"."""
    answer = wire.propose(wire.bent_request(ECHO_ITEMS, protocol_version=2))

    assert answer == AssociateRJ(result=1, source=2, reason=2)


@suite.case("ASSOC-002", ref="PS3.8 9.3.2 (2019a)")
@pytest.mark.parametrize("version", [0x0003, 0xFFFF], ids=["two-versions", "all-versions"])
def test_only_bit_0_of_the_protocol_version_counts(wire: Wire, version: int) -> None:
    """A requestor that supports further versions of the protocol is accepted."""
    answer = wire.accepted(wire.bent_request(ECHO_ITEMS, protocol_version=version))

    assert results(answer) == {1: ACCEPTANCE}


@suite.case("ASSOC-003", ref="PS3.8 9.3.2 (2019a)")
def test_reserved_fields_are_ignored(wire: Wire) -> None:
    """Reserved fields of the PDU and of its items can have any value."""
    uids = raw.item(0x30, VERIFICATION, reserved=0xFF) + raw.item(0x40, IMPLICIT, reserved=0xFF)
    items = (
        raw.item(0x10, b"1.2.840.10008.3.1.1.1", reserved=0xFF),
        raw.item(0x20, bytes((1, 0xFF, 0xFF, 0xFF)) + uids, reserved=0xFF),
        raw.user_information(),
    )

    answer = wire.accepted(wire.bent_request(items, reserved=0xFF))

    assert results(answer) == {1: ACCEPTANCE}


@suite.case("ASSOC-004", ref="PS3.8 9.3.1 (2020b)")
def test_unknown_item_is_ignored(wire: Wire) -> None:
    """A request with an item of an undefined type is accepted."""
    answer = wire.accepted(wire.bent_request((*ECHO_ITEMS, raw.item(0x7F, b"whatever"))))

    assert results(answer) == {1: ACCEPTANCE}


@suite.case("ASSOC-005", ref="PS3.8 D.2 (2020a)")
def test_unknown_user_information_is_ignored(wire: Wire) -> None:
    """A request with an unknown sub-item in its user information is accepted."""
    user = raw.user_information(raw.item(0x7F, b"whatever"))

    answer = wire.accepted(wire.bent_request((APPLICATION_CONTEXT, CONTEXT, user)))

    assert results(answer) == {1: ACCEPTANCE}


@suite.case("ASSOC-006", ref="PS3.8 9.3.2.3 (2019a)")
def test_user_information_can_have_any_order(wire: Wire) -> None:
    """A request is accepted if the maximum length comes last in the user information."""
    maximum, implementation = (0x51, (16384).to_bytes(4, "big")), (0x52, b"1.2.3")
    name = (0x55, b"BACKWARDS")
    user = raw.item(0x50, b"".join(raw.item(*each) for each in (name, implementation, maximum)))

    answer = wire.accepted(wire.bent_request((APPLICATION_CONTEXT, CONTEXT, user)))

    assert results(answer) == {1: ACCEPTANCE}


@suite.case("ASSOC-007", ref="PS3.8 9.3.2 (2019a)")
def test_leading_spaces_of_a_title_are_ignored(wire: Wire) -> None:
    """A request whose AE titles have leading spaces is accepted as one without them."""
    called, calling = (b" " + each.encode()[:15] for each in (wire.called, wire.calling))

    answer = wire.accepted(wire.bent_request(ECHO_ITEMS, called=called, calling=calling))

    assert results(answer) == {1: ACCEPTANCE}


@suite.case("ASSOC-008", ref="PS3.8 9.3.4 (2024e)", level="should")
def test_unknown_called_title_has_its_reason(wire: Wire) -> None:
    """A request for an unknown AE title is accepted, or rejected with "called AE title not recognized"."""
    answer = wire.propose(wire.bent_request(ECHO_ITEMS, called=STRANGER))

    assert isinstance(answer, AssociateAC) or answer == AssociateRJ(result=1, source=1, reason=7)


@suite.case("ASSOC-009", ref="PS3.8 9.3.4 (2024e)", level="should")
def test_unknown_calling_title_has_its_reason(wire: Wire) -> None:
    """A request from an unknown AE title is accepted, or rejected with "calling AE title not recognized"."""
    answer = wire.propose(wire.bent_request(ECHO_ITEMS, calling=STRANGER))

    assert isinstance(answer, AssociateAC) or answer == AssociateRJ(result=1, source=1, reason=3)


@suite.case("ASSOC-010", ref="PS3.8 9.3.4 (2024e)")
def test_unknown_application_context_is_rejected(wire: Wire) -> None:
    """A request with an application context other than DICOM's is rejected permanently, with its reason."""
    items = (raw.application_context(b"1.2.840.10008.3.1.1.999"), *ECHO_ITEMS[1:])

    answer = wire.propose(wire.bent_request(items))

    assert answer == AssociateRJ(result=1, source=1, reason=2)


@suite.case("ASSOC-011", ref="PS3.8 F.1 (2019a)", level="quality")
def test_padded_uid_is_understood(wire: Wire) -> None:
    """A request whose UIDs have a trailing NUL, as in data sets, is accepted.

    No clause requires this: F.1 forbids a requestor to pad them, but does not say what an acceptor should do.
    """
    context = raw.context(1, VERIFICATION + b"\0", [IMPLICIT + b"\0"])

    answer = wire.accepted(
        wire.bent_request((APPLICATION_CONTEXT, context, raw.user_information()))
    )

    assert results(answer) == {1: ACCEPTANCE}
