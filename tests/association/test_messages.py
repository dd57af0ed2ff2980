"""Command sets and responses: fields, statuses, cancellation (PS3.7 6.3, 9.3, C, E).

In a response, Affected SOP Class UID and Affected SOP Instance UID are "U(=)" (PS3.7 Tables 9.1-1,
9.1-2, 9.1-5): they may be absent, and equal those of the request if they are present.
"""

import struct
from collections.abc import Iterator
from typing import TypeVar

import pytest
from pydicom.uid import CTImageStorage, MRImageStorage
from pynetdicom.sop_class import Verification

from dcm.frozen import replace
from dcm.wire import (
    NO_DATA_SET,
    Abort,
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CStoreRQ,
    CStoreRSP,
    Message,
    NGetRQ,
    Response,
    raw,
)
from harness.cases import (
    CANCELLED,
    COMMAND,
    ECHO,
    FIND_STUDIES,
    LAST,
    SUCCESS,
    Association,
    Incoming,
    Maker,
    Sample,
    Stored,
    Suite,
    Wire,
    answered_id,
    assert_refused,
    get_study,
    named,
    pdvs_of,
    receiving,
    status_of,
    store_request,
    stored_response,
    study_identifier,
    sub_operations,
)

suite = Suite(needs="dimse.echo")


Answer = TypeVar("Answer", bound=Response)
FindModel, _ = FIND_STUDIES


@suite.case("DMSG-001", ref="PS3.7 6.3.1 (2020b)")
def test_command_elements_are_in_ascending_order(wire: Wire) -> None:
    """The command set of a C-ECHO response holds elements of group 0000, in ascending order."""
    tags = [tag for tag, _ in _elements(_echoed(wire))]

    assert tags == sorted(tags)
    assert all(tag >> 16 == 0 for tag in tags)


@suite.case("DMSG-002", ref="PS3.7 6.3.1 (2020b)")
def test_command_group_length_is_right(wire: Wire) -> None:
    """The group length is the first element of a command set, and counts the bytes that follow it."""
    command = _echoed(wire)
    elements = list(_elements(command))

    assert elements[:1] == [(0, (len(command) - 12).to_bytes(4, "little"))]


@suite.case("DMSG-003", ref="PS3.7 9.3.5.2 (2024d)")
def test_echo_response_has_its_fields(wire: Wire) -> None:
    """A C-ECHO response names its request, is a success without a data set, and names no other SOP class."""
    with wire.associate([ECHO]) as association:
        answer = association.ask(CEchoRQ(message_id=4711)).message

    assert isinstance(answer, CEchoRSP), answer.NAME
    assert _unless_absent(answer, affected_sop_class_uid=Verification) == CEchoRSP(
        message_id_being_responded_to=4711,
        status=SUCCESS,
        affected_sop_class_uid=Verification,
        command_data_set_type=NO_DATA_SET,
    )


@suite.case("DMSG-004", ref="PS3.8 E.1 (2024e)")
def test_response_uses_the_context_of_its_request(wire: Wire) -> None:
    """With two contexts of one SOP class, each request is answered on the context on which it came."""
    with wire.associate([ECHO, ECHO]) as association:
        contexts = [
            association.ask(CEchoRQ(message_id=number), context_id=context_id).context_id
            for number, context_id in enumerate((3, 1, 3), start=1)
        ]

    assert contexts == [3, 1, 3]


@suite.case("DMSG-005", ref="PS3.7 9.3.1.2 (2024d)", needs="dimse.store")
def test_store_response_has_its_fields(wire: Wire, make: Maker) -> None:
    """A C-STORE response names its request, is a success, and names no other SOP class or instance."""
    sample = make.instance()
    with wire.associate([sample.context]) as association:
        answer = _store(association, sample, message_id=815)

    names = {
        "affected_sop_class_uid": str(sample.sop_class_uid),
        "affected_sop_instance_uid": str(sample.sop_instance_uid),
    }
    assert isinstance(answer, CStoreRSP), answer.NAME
    assert _unless_absent(answer, **names) == CStoreRSP(
        message_id_being_responded_to=815, status=SUCCESS, **names
    )


@suite.case("DMSG-006", ref="PS3.7 9.3.2.2 (2024d)", needs=("dimse.find.study", "dimse.store"))
def test_find_responses_have_their_fields(wire: Wire, stored: Stored) -> None:
    """A pending C-FIND response has an identifier, the final one has none; both name their request."""
    sample = stored.instance()
    with wire.associate([FIND_STUDIES]) as association:
        responses = [each.message for each in _find(association, sample, message_id=99)]

    assert [(answered_id(each), each.has_data_set) for each in responses] == [
        (99, True),
        (99, False),
    ]
    classes = {each.affected_sop_class_uid for each in responses if isinstance(each, CFindRSP)}
    assert classes <= {FindModel, None}


@suite.case("DMSG-007", ref="PS3.7 E.1 (2013)", needs="dimse.store")
@pytest.mark.parametrize("kind", [0x0000, 0x0102, 0xFEFE], ids="{:04X}".format)
def test_any_data_set_type_but_0101_announces_a_data_set(
    wire: Wire, make: Maker, kind: int
) -> None:
    """A C-STORE request with any Command Data Set Type but 0101H is read with its data set, and succeeds."""
    sample = make.instance()
    with wire.associate([sample.context]) as association:
        answer = _store(association, sample, message_id=1, command_data_set_type=kind)

    assert status_of(answer) == SUCCESS


@suite.case("DMSG-008", ref="PS3.7 E.2 (2020b)", level="should")
def test_retired_command_element_is_ignored(wire: Wire) -> None:
    """A C-ECHO request with Command Length to End, which old implementations send, succeeds."""
    request = CEchoRQ(message_id=12, other_elements=((0x0001, bytes((56, 0, 0, 0))),))
    with wire.associate([ECHO]) as association:
        answer = association.ask(request).message

    assert status_of(answer) == SUCCESS


@suite.case("DMSG-009", ref="PS3.7 C.5.6 (2020b)", needs="dimse.store")
def test_store_of_another_class_than_the_context_fails(wire: Wire, make: Maker) -> None:
    """A C-STORE whose Affected SOP Class is not that of its context is answered by a failure or an abort."""
    sample = make.instance()
    assert sample.sop_class_uid == CTImageStorage
    with wire.associate([sample.context]) as association:
        association.send_message(
            CStoreRQ(
                message_id=1,
                affected_sop_class_uid=MRImageStorage,
                affected_sop_instance_uid=sample.sop_instance_uid,
            ),
            sample.data_set,
        )
        assert_refused(association, association.event())


@suite.case("DMSG-010", ref="PS3.7 C.5.23 (2020b)", level="should", waits=3)
def test_operation_foreign_to_the_class_fails(wire: Wire) -> None:
    """An N-GET on a context of verification is answered by a failure or an abort."""
    request = NGetRQ(
        message_id=1, requested_sop_class_uid=Verification, requested_sop_instance_uid="2.25.1"
    )
    with wire.associate([ECHO]) as association:
        association.send_message(request)
        assert_refused(association, association.event(within=3.0))


@suite.case("DMSG-011", ref="PS3.7 9.3.2.3 (2024d)", needs=("dimse.find.study", "dimse.store"))
def test_late_cancel_is_not_answered(wire: Wire, stored: Stored) -> None:
    """A C-CANCEL for a finished query is not answered; the next query is."""
    sample = stored.instance()
    with wire.associate([FIND_STUDIES]) as association:
        _find(association, sample, message_id=1)
        association.send_message(CCancelRQ(message_id_being_responded_to=1))
        responses = _find(association, sample, message_id=2)

    assert [answered_id(each.message) for each in responses] == [2, 2]


@suite.case("DMSG-012", ref="PS3.7 9.3.3.3 (2024d)", needs=("dimse.get.study", "dimse.store"))
def test_cancelled_retrieval_ends_with_its_status(wire: Wire, stored: Stored) -> None:
    """A C-CANCEL that is sent before the first of four objects is answered ends the C-GET with FE00."""
    first, *_ = stored.study(instances=4)
    contexts, roles = receiving(first)
    came = []
    with wire.associate(contexts, items=roles) as association:
        get_study(association, first, message_id=5)
        for incoming in sub_operations(association):
            if isinstance(incoming.message, CStoreRQ):
                came.append(incoming.message.affected_sop_instance_uid)
                if len(came) == 1:
                    cancel = CCancelRQ(message_id_being_responded_to=5)
                    association.send_message(cancel, context_id=1)
                response = stored_response(incoming.message)
                association.send_message(response, context_id=incoming.context_id)

    assert status_of(incoming.message) == CANCELLED
    assert len(came) < 4, f"all of {came} were sent"


@suite.case("DMSG-013", ref="PS3.7 9.3.5.1 (2024d)")
@pytest.mark.parametrize("message_id", [0, 1, 0x8000, 0xFFFF])
def test_any_message_id_is_answered(wire: Wire, message_id: int) -> None:
    """A C-ECHO response names the message ID of its request, any number of 16 bits."""
    with wire.associate([ECHO]) as association:
        answer = association.ask(CEchoRQ(message_id=message_id)).message

    assert answered_id(answer) == message_id


@suite.case("DMSG-014", ref="PS3.7 6.3.1 (2020b)")
def test_unknown_command_field_is_not_a_success(wire: Wire) -> None:
    """A message whose Command Field is undefined is answered by a failure or an abort."""
    unknown = raw.command_set(
        [
            (0, 0x0002, Verification.encode() + b"\0"),
            (0, 0x0100, b"\x77\x07"),
            (0, 0x0110, b"\1\0"),
            (0, 0x0800, b"\1\1"),
        ]
    )
    with wire.associate([ECHO]) as association:
        association.line.say(raw.p_data(raw.pdv(1, COMMAND | LAST, unknown)))
        heard = association.line.hear_bytes()
        association.line.over = True

    assert isinstance(heard, bytes), named(heard)
    assert heard[0] == Abort.TYPE or b"\0\0\0\x09\2\0\0\0\0\0" not in heard


def _echoed(wire: Wire) -> bytes:
    """Return the command set of the response to a C-ECHO."""
    with wire.associate([ECHO]) as association:
        association.ask(CEchoRQ(message_id=1))
        return b"".join(data for _, _, data in pdvs_of(association.line.pdus))


def _elements(command: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and value of each element of a command set."""
    at = 0
    while at < len(command):
        assert at + 8 <= len(command), "the command set ends within the header of an element"
        group, number, length = struct.unpack_from("<HHI", command, at)
        yield group << 16 | number, command[at + 8 : at + 8 + length]
        at += 8 + length


def _unless_absent(answer: Answer, **names: str) -> Answer:
    """Return the answer with these names substituted for absent fields."""
    absent = {field: name for field, name in names.items() if getattr(answer, field) is None}
    return replace(answer, **absent)


def _store(association: Association, sample: Sample, message_id: int, **fields: int) -> Message:
    """Store an object, and return the response."""
    request = store_request(sample, message_id, **fields)
    return association.ask(request, sample.data_set).message


def _find(association: Association, sample: Sample, message_id: int) -> list[Incoming]:
    """Query the study of an object, and return the responses."""
    request = CFindRQ(message_id=message_id, affected_sop_class_uid=FindModel)
    association.send_message(request, study_identifier(sample))
    return association.responses()
