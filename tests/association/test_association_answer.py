"""The answer of an acceptor: the fields and items of an A-ASSOCIATE-AC (PS3.8 9.3.3)."""

import re
from collections.abc import Iterator, Sequence

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification

from dcm.wire import AssociateAC, CEchoRQ, MaximumLength, ReleaseRQ, build
from harness.cases import ECHO, ECHO_ITEMS, UNKNOWN_UID, Suite, Wire, named, results

suite = Suite(needs="dimse.echo")


ITEMS = 74  # offset of the items in the PDU


@suite.case("ASSOC-012", ref="PS3.8 9.3.3 (2019a)")
def test_titles_are_returned(wire: Wire) -> None:
    """The answer has both title fields as they were sent, leading spaces included."""
    request = wire.bent_request(ECHO_ITEMS, calling=b"  CALLER")

    assert _accepted(wire, request)[10:42] == request[10:42]


@suite.case("ASSOC-013", ref="PS3.8 9.3.3 (2019a)")
def test_reserved_field_is_returned(wire: Wire) -> None:
    """The answer has the 32 reserved bytes after the titles as they were sent."""
    request = wire.bent_request(ECHO_ITEMS, reserved=0x5A)

    assert _accepted(wire, request)[42:ITEMS] == bytes([0x5A]) * 32


@suite.case("ASSOC-014", ref="PS3.8 9.3.3 (2019a)")
def test_answer_has_its_mandatory_items(wire: Wire) -> None:
    """An answer has bit 0 of the version, one application context, DICOM's, and one user information."""
    pdu = _accepted(wire, wire.bent_request(ECHO_ITEMS))
    items = list(_items(pdu[ITEMS:]))

    assert [body for kind, body in items if kind == 0x10] == [b"1.2.840.10008.3.1.1.1"]
    assert [kind for kind, _ in items].count(0x50) == 1
    assert pdu[7] & 1 == 1


@suite.case("ASSOC-015", ref="PS3.8 D.1 (2020a)")
def test_answer_states_one_maximum_length(wire: Wire) -> None:
    """The answer states the maximum length exactly once."""
    answer = wire.accepted(wire.request([ECHO]))

    assert [type(each) for each in answer.items(MaximumLength)] == [MaximumLength]


@suite.case("ASSOC-016", ref="PS3.8 F.1 (2019a)")
def test_uids_are_not_padded(wire: Wire) -> None:
    """The UIDs in an answer have no trailing NUL or space, whether their length is odd or even."""
    items = list(_items(_accepted(wire, wire.bent_request(ECHO_ITEMS))[ITEMS:]))
    uids = [("application context", body) for kind, body in items if kind == 0x10]
    for kind, body in items:
        if kind == 0x21 and body[2:3] == b"\0":
            uids += [("transfer syntax", uid) for _, uid in _items(body[4:])]
        elif kind == 0x50:
            uids += [("implementation class", uid) for sub, uid in _items(body) if sub == 0x52]

    assert [name for name, _ in uids] == [
        "application context", "transfer syntax", "implementation class"
    ]  # fmt: skip
    assert [uid for _, uid in uids if not re.fullmatch(rb"[0-9.]{1,64}", uid)] == []


@suite.case("ASSOC-017", ref="PS3.8 7.1.1.14 (2020b)")
def test_each_context_gets_one_result(wire: Wire) -> None:
    """Each proposed context gets one result, whether it is supported or not."""
    contexts = [ECHO, (UNKNOWN_UID, [ImplicitVRLittleEndian]), (Verification, [UNKNOWN_UID]), ECHO]

    answer = wire.accepted(wire.request(contexts))

    assert sorted(each.context_id for each in answer.presentation_contexts) == [1, 3, 5, 7]


# Not a private UID: an archive may accept that as a storage class.
NO_SOP_CLASS = "1.2.840.10008.3.1.1.1"  # the DICOM application context (PS3.7 A.2.1)


@suite.case("ASSOC-018", ref="PS3.8 9.3.3.2 (2020a)")
@pytest.mark.parametrize(
    ("contexts", "result"),
    [
        pytest.param([(NO_SOP_CLASS, [ImplicitVRLittleEndian]), ECHO], 3, id="abstract-syntax"),
        pytest.param([(Verification, [UNKNOWN_UID]), ECHO], 4, id="transfer-syntaxes"),
    ],
)
def test_result_tells_what_is_not_supported(
    wire: Wire, contexts: list[tuple[str, Sequence[str]]], result: int
) -> None:
    """A context that is not supported gets the result for its reason; the other one is accepted."""
    answer = wire.accepted(wire.request(contexts))

    assert results(answer) == {1: result, 3: 0}


@suite.case("ASSOC-019", ref="PS3.8 9.3.3.2 (2020a)")
def test_each_context_gets_its_own_transfer_syntax(wire: Wire) -> None:
    """Each of two contexts of one SOP class is accepted with the transfer syntax that it proposes."""
    contexts = [(Verification, [ImplicitVRLittleEndian]), (Verification, [ExplicitVRLittleEndian])]

    answer = wire.accepted(wire.request(contexts))

    assert {
        each.context_id: each.transfer_syntax
        for each in answer.presentation_contexts
        if each.accepted
    } == {1: ImplicitVRLittleEndian, 3: ExplicitVRLittleEndian}


@suite.case("ASSOC-020", ref="PS3.8 9.3.2.2 (2019a)")
def test_all_128_contexts_can_be_used(wire: Wire) -> None:
    """All of 128 contexts, with the IDs 1 to 255, are answered, and the last one carries a C-ECHO."""
    with wire.associate([ECHO] * 128) as association:
        answered = {each.context_id for each in association.answer.presentation_contexts}
        echo = association.ask(CEchoRQ(message_id=1), context_id=255)

    assert answered == set(range(1, 256, 2))
    assert echo.context_id == 255


@suite.case("ASSOC-021", ref="PS3.8 9.3.2.2 (2019a)", waits=3)
def test_last_of_many_transfer_syntaxes_is_accepted(wire: Wire) -> None:
    """A context with 60 transfer syntaxes is accepted with the last one, which is the only known one."""
    proposed = [f"2.25.{number}" for number in range(300, 359)] + [ImplicitVRLittleEndian]

    answer = wire.accepted(wire.request([(Verification, proposed)]), within=3.0)

    assert [each.transfer_syntax for each in answer.presentation_contexts] == [
        ImplicitVRLittleEndian
    ]


def _accepted(wire: Wire, request: bytes) -> bytes:
    """Return the bytes of the A-ASSOCIATE-AC that answers `request`."""
    with wire.connect() as line:
        line.say(request)
        assert named(line.hear()) == AssociateAC.NAME
        line.say(build(ReleaseRQ()))
        line.hear()
        return line.pdus[0]


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of the items on one level; raises AssertionError for a truncated one."""
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        assert end <= len(data), f"an item of type {data[at]:#04x} reaches beyond what holds it"
        yield data[at], data[at + 4 : end]
        at = end
