"""How messages travel in PDUs: fragments, their order, and the maximum length (PS3.8 9.3.5, D.1, E)."""

from collections.abc import Iterator
from itertools import groupby

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as GetModel
from pynetdicom.sop_class import Verification

from dcm.data.identifier import write_identifier
from dcm.wire import (
    Abort,
    CEchoRQ,
    CEchoRSP,
    CGetRQ,
    CGetRSP,
    CStoreRQ,
    CStoreRSP,
    Message,
    RoleSelection,
    build_message,
    raw,
    split_pdvs,
)
from harness.cases import Association, Sample, Stored, Suite, Wire, data_set_offset, named

suite = Suite(needs="dimse.echo")


ECHO = (Verification, [ImplicitVRLittleEndian])
COMMAND, LAST = 1, 2
HEADERS = 6 + 4
"""Bytes before context ID and control header of the first PDV."""


@suite.case("ASSOC-050", ref="PS3.8 E.1 (2024e)")
def test_a_message_in_the_smallest_fragments_is_understood(wire: Wire) -> None:
    """A command set in fragments of two bytes, each in a PDU of its own, is put together."""
    pdvs = _pdvs(build_message(CEchoRQ(message_id=3)), size=2)

    assert _echo(wire, b"".join(raw.p_data(each) for each in pdvs)) == 3


@suite.case("ASSOC-051", ref="PS3.8 9.3.5 (2019a)")
def test_many_pdvs_in_one_pdu_are_understood(wire: Wire) -> None:
    """A command set in many PDVs of one P-DATA-TF is put together."""
    pdvs = _pdvs(build_message(CEchoRQ(message_id=4)), size=8)

    assert _echo(wire, raw.p_data(*pdvs)) == 4


@suite.case("ASSOC-052", ref="PS3.8 9.1.1 (2020b)")
def test_pdus_need_not_begin_and_end_with_segments(wire: Wire) -> None:
    """A PDU that arrives byte by byte is one PDU, and two that arrive together are two."""
    pdus = [
        raw.p_data(raw.pdv(1, COMMAND | LAST, build_message(CEchoRQ(message_id=number))))
        for number in (5, 6)
    ]
    with wire.associate([ECHO]) as association:
        association.line.say(*(bytes([byte]) for byte in pdus[0]))
        first = _answered(association)
        association.line.say(pdus[1] + pdus[0])
        both = [_answered(association), _answered(association)]

    assert [first, *both] == [5, 6, 5]


@suite.case("ASSOC-053", ref="PS3.8 E.2 (2019a)")
def test_unused_bits_of_the_control_header_are_not_checked(wire: Wire) -> None:
    """Bits 2 to 7 of the message control header may have any value."""
    message = build_message(CEchoRQ(message_id=9))

    assert _echo(wire, raw.p_data(raw.pdv(1, 0xFC | COMMAND | LAST, message))) == 9


@suite.case("ASSOC-054", ref="PS3.8 D.1 (2020a)", needs=("dimse.get.study", "dimse.store"))
@pytest.mark.parametrize("maximum", [4096, 16384])
def test_no_pdu_is_longer_than_we_can_receive(wire: Wire, stored: Stored, maximum: int) -> None:
    """An object that is longer than our maximum length comes in P-DATA-TF PDUs of at most that length."""
    sample = stored.instance(rows=128, columns=128)
    heard = _retrieved(wire, sample, maximum)

    lengths = [len(pdu) - 6 for pdu in heard.pdus if pdu[0] == 4]
    assert heard.instances == [sample.sop_instance_uid]
    assert max(lengths) <= maximum


@suite.case("ASSOC-055", ref="PS3.8 D.1 (2020a)", needs=("dimse.get.study", "dimse.store"))
def test_without_a_maximum_an_object_comes_whole(wire: Wire, stored: Stored) -> None:
    """A maximum length of 0 sets no limit: the object comes, in PDUs of whatever length."""
    sample = stored.instance(rows=128, columns=128)

    assert _retrieved(wire, sample, 0).instances == [sample.sop_instance_uid]


@suite.case("ASSOC-056", ref="PS3.8 E.1 (2024e)", needs=("dimse.get.study", "dimse.store"))
def test_fragments_have_an_even_length(wire: Wire, stored: Stored) -> None:
    """Each fragment that the server sends has an even number of bytes, also where our maximum is odd."""
    heard = _retrieved(wire, stored.instance(rows=128, columns=128), 4097)

    assert [len(data) for _, _, data in heard.pdvs if len(data) % 2] == []


@suite.case("ASSOC-057", ref="PS3.8 E.1 (2024e)", needs=("dimse.get.study", "dimse.store"))
def test_a_message_keeps_to_its_context_and_order(wire: Wire, stored: Stored) -> None:
    """Command fragments come first, then the data fragments, all on one context, the last one marked."""
    heard = _retrieved(wire, stored.instance(rows=128, columns=128), 4096)

    turns = [turn for turn, _ in groupby((context, control) for context, control, _ in heard.pdvs)]
    store = next(context for context, control in turns if control == 0)
    assert turns[:3] == [(store, COMMAND | LAST), (store, 0), (store, LAST)]


@suite.case("ASSOC-058", ref="PS3.8 E.2 (2019a)")
def test_unused_bits_of_the_control_header_are_zero(wire: Wire) -> None:
    """Bits 2 to 7 of the message control header are sent as zeros."""
    with wire.associate([ECHO]) as association:
        association.ask(CEchoRQ(message_id=1))
        headers = [
            control for _, control, _ in split_pdvs(memoryview(association.line.pdus[1])[6:])
        ]

    assert [control & 0xFC for control in headers] == [0]


@suite.case("ASSOC-059", ref="PS3.8 D.1 (2020a)", level="should")
def test_a_pdu_longer_than_the_server_can_receive_is_a_protocol_error(wire: Wire) -> None:
    """A P-DATA-TF beyond the maximum length that the server has announced is answered by an A-ABORT."""
    with wire.associate([ECHO]) as association:
        beyond = (association.answer.maximum_length or 1 << 20) + 100
        fragment = bytes(beyond - 6 + beyond % 2)
        association.line.say(raw.p_data(raw.pdv(1, COMMAND, fragment)))
        heard = association.line.hear()
        association.line.over = True

    assert named(heard) == Abort.NAME


class _Retrieved:
    """What came in a C-GET: the instances, and all PDUs."""

    def __init__(self, instances: list[str], pdus: list[bytes]) -> None:
        self.instances = instances
        self.pdus = pdus

    @property
    def pdvs(self) -> list[tuple[int, int, bytes]]:
        """Context ID, control header and fragment of each PDV."""
        return [
            (context, control, bytes(data))
            for pdu in self.pdus
            if pdu[0] == 4
            for context, control, data in split_pdvs(memoryview(pdu)[6:])
        ]


def _retrieved(wire: Wire, sample: Sample, maximum: int) -> _Retrieved:
    """Retrieve a study by C-GET as somebody who receives PDUs of at most `maximum` bytes."""
    identifier = write_identifier(
        {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": sample.study_instance_uid},
        ImplicitVRLittleEndian,
    )
    contexts = [
        (GetModel, [ImplicitVRLittleEndian]),
        (sample.sop_class_uid, [sample.transfer_syntax]),
    ]
    role = RoleSelection(sample.sop_class_uid, scu=False, scp=True)
    instances = []
    with wire.associate(contexts, maximum_length=maximum, items=[role]) as association:
        request = CGetRQ(message_id=1, affected_sop_class_uid=GetModel)
        association.send_message(request, identifier, context_id=1)
        while True:
            came = association.receive()
            if isinstance(came.message, CStoreRQ):
                instances.append(came.message.affected_sop_instance_uid)
                assert came.data_set == sample.data[data_set_offset(sample.data) :]
                association.send_message(_stored(came.message), context_id=came.context_id)
            elif isinstance(came.message, CGetRSP) and came.message.status not in (0xFF00, 0xFF01):
                break
    return _Retrieved(instances, association.line.pdus)


def _stored(request: CStoreRQ) -> Message:
    return CStoreRSP(
        message_id_being_responded_to=request.message_id,
        status=0,
        affected_sop_class_uid=request.affected_sop_class_uid,
        affected_sop_instance_uid=request.affected_sop_instance_uid,
    )


def _pdvs(message: bytes, *, size: int) -> Iterator[bytes]:
    """Cut a command set into PDVs of `size` bytes."""
    for at in range(0, len(message), size):
        last = LAST if at + size >= len(message) else 0
        yield raw.pdv(1, COMMAND | last, message[at : at + size])


def _echo(wire: Wire, request: bytes) -> int:
    """Say a C-ECHO request, however cut, and give the message ID of the answer."""
    with wire.associate([ECHO]) as association:
        association.line.say(request)
        return _answered(association)


def _answered(association: Association) -> int:
    """Wait for the response to a C-ECHO, and give the message ID that it answers."""
    answer = association.receive().message
    assert isinstance(answer, CEchoRSP)
    return answer.message_id_being_responded_to
