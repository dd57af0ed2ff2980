"""What an acceptor says to a request: the fields and items of an A-ASSOCIATE-AC (PS3.8 9.3.3)."""

import re
from collections.abc import Iterator

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification

from dcm.wire import AssociateAC, CEchoRQ, MaximumLength, raw
from harness.cases import Suite, Wire, named

suite = Suite(needs="dimse.echo")


ITEMS = 74  # where they begin in the PDU
UNKNOWN_UID = "2.25.201"  # valid, and nobody's
ECHO = (Verification, [ImplicitVRLittleEndian])
USUAL = (
    raw.application_context(),
    raw.context(1, Verification.encode(), [ImplicitVRLittleEndian.encode()]),
    raw.user_information(),
)


@suite.case("ASSOC-012", ref="PS3.8 9.3.3 (2019a)")
def test_the_titles_are_sent_back(wire: Wire) -> None:
    """The fields of both titles come back as they were sent, spaces and all."""
    request = wire.bent_request(USUAL, calling=b"  CALLER")

    assert _accepted(wire, request)[10:42] == request[10:42]


@suite.case("ASSOC-013", ref="PS3.8 9.3.3 (2019a)")
def test_the_reserved_field_is_sent_back(wire: Wire) -> None:
    """The 32 reserved bytes after the titles come back as they were sent."""
    request = wire.bent_request(USUAL, reserved=0x5A)

    assert _accepted(wire, request)[42:ITEMS] == bytes([0x5A]) * 32


@suite.case("ASSOC-014", ref="PS3.8 9.3.3 (2019a)")
def test_the_answer_has_the_items_that_it_must_have(wire: Wire) -> None:
    """An answer has one application context, DICOM's, and one user information, and bit 0 of the version."""
    pdu = _accepted(wire, wire.bent_request(USUAL))
    items = list(_items(pdu[ITEMS:]))

    assert [body for kind, body in items if kind == 0x10] == [b"1.2.840.10008.3.1.1.1"]
    assert [kind for kind, _ in items].count(0x50) == 1
    assert pdu[7] & 1 == 1


@suite.case("ASSOC-015", ref="PS3.8 D.1 (2020a)")
def test_the_answer_states_a_maximum_length_once(wire: Wire) -> None:
    """The maximum length is stated, and only once."""
    answer = wire.accepted(wire.request([ECHO]))

    assert len(answer.items(MaximumLength)) == 1


@suite.case("ASSOC-016", ref="PS3.8 F.1 (2019a)")
def test_uids_are_not_padded(wire: Wire) -> None:
    """The UIDs of an answer have no trailing NUL or space, be their length odd or even."""
    items = list(_items(_accepted(wire, wire.bent_request(USUAL))[ITEMS:]))
    uids = [body for kind, body in items if kind == 0x10]
    for kind, body in items:
        if kind == 0x21 and body[2] == 0:
            uids += [uid for _, uid in _items(body[4:])]
        elif kind == 0x50:
            uids += [uid for sub_kind, uid in _items(body) if sub_kind == 0x52]

    assert len(uids) == 3
    assert [uid for uid in uids if not re.fullmatch(rb"[0-9.]{1,64}", uid)] == []


@suite.case("ASSOC-017", ref="PS3.8 7.1.1.14 (2020b)")
def test_each_context_gets_one_result(wire: Wire) -> None:
    """Of contexts that can be used and contexts that cannot, each gets one result."""
    contexts = [ECHO, (UNKNOWN_UID, [ImplicitVRLittleEndian]), (Verification, [UNKNOWN_UID]), ECHO]

    answer = wire.accepted(wire.request(contexts))

    assert sorted(each.context_id for each in answer.presentation_contexts) == [1, 3, 5, 7]


@suite.case("ASSOC-018", ref="PS3.8 9.3.3.2 (2020a)")
@pytest.mark.parametrize(
    ("contexts", "result"),
    [
        pytest.param([(UNKNOWN_UID, [ImplicitVRLittleEndian]), ECHO], 3, id="abstract-syntax"),
        pytest.param([(Verification, [UNKNOWN_UID]), ECHO], 4, id="transfer-syntaxes"),
    ],
)
def test_the_result_says_what_is_not_supported(
    wire: Wire, contexts: list[tuple[str, list[str]]], result: int
) -> None:
    """A context that is not supported gets the result for its reason, and the other is accepted."""
    answer = wire.accepted(wire.request(contexts))

    assert {each.context_id: each.result for each in answer.presentation_contexts} == {
        1: result,
        3: 0,
    }


@suite.case("ASSOC-019", ref="PS3.8 9.3.3.2 (2020a)")
def test_each_context_gets_a_transfer_syntax_of_its_own(wire: Wire) -> None:
    """Two contexts of one SOP class with different transfer syntaxes get each what was proposed for it."""
    contexts = [(Verification, [ImplicitVRLittleEndian]), (Verification, [ExplicitVRLittleEndian])]

    answer = wire.accepted(wire.request(contexts))

    assert {
        each.context_id: each.transfer_syntax
        for each in answer.presentation_contexts
        if each.accepted
    } == {1: ImplicitVRLittleEndian, 3: ExplicitVRLittleEndian}


@suite.case("ASSOC-020", ref="PS3.8 9.3.2.2 (2019a)")
def test_all_128_contexts_can_be_used(wire: Wire) -> None:
    """With all odd numbers from 1 to 255 as context IDs, a C-ECHO on the last is answered there."""
    with wire.associate([ECHO] * 128) as association:
        answered = {each.context_id for each in association.answer.presentation_contexts}
        echo = association.ask(CEchoRQ(message_id=1), context_id=255)

    assert answered == set(range(1, 256, 2))
    assert echo.context_id == 255


@suite.case("ASSOC-021", ref="PS3.8 9.3.2.2 (2019a)")
def test_the_last_of_many_transfer_syntaxes_is_found(wire: Wire) -> None:
    """Of 60 transfer syntaxes the only one that the acceptor knows is taken."""
    proposed = [f"2.25.{number}" for number in range(300, 359)] + [ImplicitVRLittleEndian]

    answer = wire.accepted(wire.request([(Verification, proposed)]), within=wire.time_limit / 2)

    assert [each.transfer_syntax for each in answer.presentation_contexts] == [
        ImplicitVRLittleEndian
    ]


def _accepted(wire: Wire, request: bytes) -> bytes:
    """Give the A-ASSOCIATE-AC that answers `request`, as bytes."""
    with wire.connect() as line:
        line.say(request)
        assert named(line.hear()) == AssociateAC.NAME
        line.say(raw.pdu(5, bytes(4)))
        line.hear()
        return line.pdus[0]


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give type and body of the items on one level."""
    at = 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at], data[at + 4 : end]
        at = end
