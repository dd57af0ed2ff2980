"""Command sets and what answers a request: fields, statuses, cancellation (PS3.7 6.3, 9.3, C, E)."""

import struct
from collections.abc import Iterator, Sequence

import pytest
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian, MRImageStorage
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FindModel
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as GetModel
from pynetdicom.sop_class import Verification

from dcm.data.identifier import write_identifier
from dcm.wire import (
    NO_DATA_SET,
    Abort,
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CGetRSP,
    Command,
    CStoreRQ,
    CStoreRSP,
    Message,
    NGetRQ,
    Response,
    RoleSelection,
    raw,
    split_pdvs,
)
from harness.cases import (
    Association,
    Incoming,
    Maker,
    Sample,
    Stored,
    Suite,
    Wire,
    data_set_offset,
    named,
)

suite = Suite(needs="dimse.echo")


IMPLICIT = [ImplicitVRLittleEndian]
ECHO = (Verification, IMPLICIT)
FIND = (FindModel, IMPLICIT)
SUCCESS, CANCEL = 0x0000, 0xFE00
COMMAND, LAST = 1, 2


@suite.case("DMSG-001", ref="PS3.7 6.3.1 (2020b)")
def test_elements_of_a_command_set_ascend(wire: Wire) -> None:
    """The command set of a C-ECHO response is implicit VR little endian, with tags that ascend."""
    tags = [tag for tag, _ in _elements(_echoed(wire))]

    assert tags == sorted(tags)
    assert all(tag >> 16 == 0 for tag in tags)


@suite.case("DMSG-002", ref="PS3.7 6.3.1 (2020b)")
def test_the_group_length_is_right(wire: Wire) -> None:
    """The group length comes first and counts what follows it."""
    command = _echoed(wire)
    (tag, length), *_ = _elements(command)

    assert tag == 0
    assert int.from_bytes(length, "little") == len(command) - 12


@suite.case("DMSG-003", ref="PS3.7 9.3.5.2 (2024d)")
def test_the_response_to_an_echo_has_its_fields(wire: Wire) -> None:
    """A C-ECHO response names its request and the SOP class, and is a success without data set."""
    with wire.associate([ECHO]) as association:
        answer = association.ask(CEchoRQ(message_id=4711)).message

    assert answer == CEchoRSP(
        message_id_being_responded_to=4711,
        status=SUCCESS,
        affected_sop_class_uid=Verification,
        command_data_set_type=NO_DATA_SET,
    )


@suite.case("DMSG-004", ref="PS3.8 E.1 (2024e)")
def test_a_response_comes_on_the_context_of_its_request(wire: Wire) -> None:
    """With two contexts of one SOP class, each request is answered on its own."""
    with wire.associate([ECHO, ECHO]) as association:
        contexts = [
            association.ask(CEchoRQ(message_id=number), context_id=context_id).context_id
            for number, context_id in enumerate((3, 1, 3), start=1)
        ]

    assert contexts == [3, 1, 3]


@suite.case("DMSG-005", ref="PS3.7 9.3.1.2 (2024d)", needs="dimse.store")
def test_the_response_to_a_store_names_the_instance(wire: Wire, make: Maker) -> None:
    """A C-STORE response names its request, the SOP class and the SOP instance."""
    sample = make.instance()
    with wire.associate([_storage(sample)]) as association:
        answer = _store(association, sample, message_id=815)

    assert answer == CStoreRSP(
        message_id_being_responded_to=815,
        status=SUCCESS,
        affected_sop_class_uid=sample.sop_class_uid,
        affected_sop_instance_uid=sample.sop_instance_uid,
    )


@suite.case("DMSG-006", ref="PS3.7 9.3.2.2 (2024d)", needs=("dimse.find.study", "dimse.store"))
def test_the_responses_to_a_find_have_their_fields(wire: Wire, stored: Stored) -> None:
    """A pending C-FIND response has an identifier and the final one has none; both name request and class."""
    sample = stored.instance()
    with wire.associate([FIND]) as association:
        responses = _find(association, sample, message_id=99)

    found = [each.message for each in responses]
    assert [
        (each.message_id_being_responded_to, each.affected_sop_class_uid, each.has_data_set)
        for each in found
        if isinstance(each, CFindRSP)
    ] == [(99, FindModel, True), (99, FindModel, False)]


@suite.case("DMSG-007", ref="PS3.7 E.1 (2013)", needs="dimse.store")
@pytest.mark.parametrize("kind", [0x0000, 0x0102, 0xFEFE], ids="{:04X}".format)
def test_any_data_set_type_but_null_announces_a_data_set(
    wire: Wire, make: Maker, kind: int
) -> None:
    """A request with another Command Data Set Type than 0101H has a data set."""
    sample = make.instance()
    with wire.associate([_storage(sample)]) as association:
        answer = _store(association, sample, message_id=1, command_data_set_type=kind)

    assert _status(answer) == SUCCESS


@suite.case("DMSG-008", ref="PS3.7 E.2 (2020b)", level="should")
def test_a_retired_command_element_is_ignored(wire: Wire) -> None:
    """A request with Command Length to End, which old implementations send, is understood."""
    request = CEchoRQ(message_id=12, other_elements=((0x0001, bytes((56, 0, 0, 0))),))
    with wire.associate([ECHO]) as association:
        answer = association.ask(request).message

    assert _status(answer) == SUCCESS


@suite.case("DMSG-009", ref="PS3.7 C.5.6 (2020b)", needs="dimse.store")
def test_an_instance_of_another_class_than_the_context_is_no_success(
    wire: Wire, make: Maker
) -> None:
    """A C-STORE whose Affected SOP Class is not the abstract syntax of its context fails, or is aborted."""
    sample = make.instance()
    with wire.associate([_storage(sample)]) as association:
        association.send_message(
            CStoreRQ(
                message_id=1,
                affected_sop_class_uid=MRImageStorage,
                affected_sop_instance_uid=sample.sop_instance_uid,
            ),
            _data_set(sample),
        )
        event = association.event()
        association.line.over = True

    assert sample.sop_class_uid == CTImageStorage
    assert isinstance(event, Abort) or _failed(event)


@suite.case("DMSG-010", ref="PS3.7 C.5.23 (2020b)", level="should")
def test_an_operation_that_is_none_of_the_class_is_refused(wire: Wire) -> None:
    """An N-GET on the context of verification is answered by a failure, or by an abort."""
    request = NGetRQ(
        message_id=1, requested_sop_class_uid=Verification, requested_sop_instance_uid="2.25.1"
    )
    with wire.associate([ECHO]) as association:
        association.send_message(request)
        event = association.event()
        association.line.over = True

    assert isinstance(event, Abort) or _failed(event)


@suite.case("DMSG-011", ref="PS3.7 9.3.2.3 (2024d)", needs=("dimse.find.study", "dimse.store"))
def test_a_cancel_that_comes_too_late_does_no_harm(wire: Wire, stored: Stored) -> None:
    """A C-CANCEL for a query that is over is not answered, and the next query is."""
    sample = stored.instance()
    with wire.associate([FIND]) as association:
        _find(association, sample, message_id=1)
        association.send_message(CCancelRQ(message_id_being_responded_to=1))
        responses = _find(association, sample, message_id=2)

    assert [_answered(each) for each in responses] == [2, 2]


@suite.case("DMSG-012", ref="PS3.7 9.3.3.3 (2024d)", needs=("dimse.get.study", "dimse.store"))
def test_a_cancelled_retrieval_ends_as_cancelled(wire: Wire, stored: Stored) -> None:
    """A C-CANCEL that comes before the first of four objects is answered ends the C-GET with FE00."""
    samples = stored.study(instances=4)
    first = samples[0]
    contexts = [(GetModel, IMPLICIT), _storage(first)]
    role = RoleSelection(first.sop_class_uid, scu=False, scp=True)
    came = 0
    with wire.associate(contexts, items=[role]) as association:
        request = CGetRQ(message_id=5, affected_sop_class_uid=GetModel)
        association.send_message(request, _identifier(first), context_id=1)
        final = association.receive()
        while not isinstance(final.message, CGetRSP) or final.message.status in (0xFF00, 0xFF01):
            if isinstance(final.message, CStoreRQ):
                came += 1
                if came == 1:
                    cancel = CCancelRQ(message_id_being_responded_to=5)
                    association.send_message(cancel, context_id=1)
                association.send_message(_taken(final.message), context_id=final.context_id)
            final = association.receive()

    assert _status(final.message) == CANCEL
    assert came < 4


@suite.case("DMSG-013", ref="PS3.7 9.3.5.1 (2024d)")
@pytest.mark.parametrize("message_id", [0, 1, 0x8000, 0xFFFF])
def test_any_message_id_is_answered(wire: Wire, message_id: int) -> None:
    """A message ID may be any number of 16 bits."""
    with wire.associate([ECHO]) as association:
        answer = association.ask(CEchoRQ(message_id=message_id))

    assert _answered(answer) == message_id


@suite.case("DMSG-014", ref="PS3.7 6.3.1 (2020b)")
def test_a_message_that_is_none_is_not_answered_with_success(wire: Wire) -> None:
    """A command field that no message has is answered by a failure or an abort."""
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
    """Give the command set of the response to a C-ECHO."""
    with wire.associate([ECHO]) as association:
        association.send_message(CEchoRQ(message_id=1))
        association.receive()
        pdu = next(pdu for pdu in association.line.pdus if pdu[0] == 4)
        return b"".join(bytes(data) for _, _, data in split_pdvs(memoryview(pdu)[6:]))


def _elements(command: bytes) -> Iterator[tuple[int, bytes]]:
    """Give tag and value of each element of a command set."""
    at = 0
    while at < len(command):
        group, number, length = struct.unpack_from("<HHI", command, at)
        yield group << 16 | number, command[at + 8 : at + 8 + length]
        at += 8 + length


def _storage(sample: Sample) -> tuple[str, Sequence[str]]:
    return sample.sop_class_uid, [sample.transfer_syntax]


def _data_set(sample: Sample) -> bytes:
    return sample.data[data_set_offset(sample.data) :]


def _identifier(sample: Sample) -> bytes:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": sample.study_instance_uid}
    return write_identifier(keys, ImplicitVRLittleEndian)


def _store(association: Association, sample: Sample, message_id: int, **fields: int) -> Message:
    """Store an object, and give the response."""
    request = CStoreRQ(
        message_id=message_id,
        affected_sop_class_uid=sample.sop_class_uid,
        affected_sop_instance_uid=sample.sop_instance_uid,
        **fields,
    )
    return association.ask(request, _data_set(sample)).message


def _find(association: Association, sample: Sample, message_id: int) -> list[Incoming]:
    """Query the study of an object, and give the responses."""
    request = CFindRQ(message_id=message_id, affected_sop_class_uid=FindModel)
    association.send_message(request, _identifier(sample))
    return association.responses()


def _taken(request: CStoreRQ) -> CStoreRSP:
    return CStoreRSP(
        message_id_being_responded_to=request.message_id,
        status=SUCCESS,
        affected_sop_class_uid=request.affected_sop_class_uid,
        affected_sop_instance_uid=request.affected_sop_instance_uid,
    )


def _status(message: Message) -> int | str:
    return message.status if isinstance(message, Response) else message.NAME


def _answered(incoming: Incoming) -> int | str:
    """Give the message ID that a response answers."""
    message = incoming.message
    return message.message_id_being_responded_to if isinstance(message, Response) else message.NAME


def _failed(event: object) -> bool:
    """Say whether a response came, whose status is a failure (PS3.7 C.1)."""
    message = event.message if isinstance(event, Command) else None
    return (
        isinstance(message, Response)
        and message.status >> 12 in (0x0, 0xA, 0xC)
        and (message.status != SUCCESS)
    )
