"""Messages split into P-DATA-TF PDUs and joined again."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.wire import (
    CCancelRQ,
    CEchoRQ,
    Command,
    CStoreRQ,
    DataFragments,
    Limits,
    PDataTF,
    build_message,
    fragments,
    parse,
)
from dcm.wire.message_reader import MessageReader

STORE = CStoreRQ(message_id=1, affected_sop_class_uid="1.2", affected_sop_instance_uid="1.2.3")
ECHO = build_message(CEchoRQ(message_id=1))
COMMAND, LAST = 1, 2


def cut(
    data: bytes, *, command: bool = False, last: bool = True, maximum: int = 16384
) -> list[bytes]:
    """Return the PDUs, each as one buffer."""
    buffers = list(fragments(3, data, command=command, last=last, maximum_length=maximum))
    assert len(buffers) % 2 == 0
    return [
        bytes(head) + bytes(body) for head, body in zip(buffers[::2], buffers[1::2], strict=True)
    ]


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=300).map(lambda d: d * 2), st.integers(8, 300), st.booleans(), st.booleans()
)
@example(bytes(60), 26, False, True)
@example(bytes(60), 26, False, False)
def test_fragments_are_even_and_fit(data: bytes, maximum: int, command: bool, last: bool) -> None:
    """Each PDU has the maximum length, its fragment is even; the last one may end the message."""
    pdus = [parse(pdu) for pdu in cut(data, command=command, last=last, maximum=maximum)]
    pdvs = [pdv for pdu in pdus if isinstance(pdu, PDataTF) for pdv in pdu.pdvs]

    size = (maximum - 6) // 2 * 2
    assert len(pdvs) == len(pdus) == max(-(-len(data) // size), last)
    assert b"".join(bytes(pdv.data) for pdv in pdvs) == data
    assert all(len(pdv.data) % 2 == 0 and len(pdv.data) + 6 <= maximum for pdv in pdvs)
    assert all(len(pdv.data) + 6 > maximum - 2 for pdv in pdvs[:-1])
    assert {pdv.command for pdv in pdvs} <= {command}
    assert [pdv.last for pdv in pdvs] == [False] * (len(pdvs) - last) + [True] * last


def test_bulk_is_not_copied() -> None:
    """Between the headers are views of the caller's data, and the headers are short."""
    data = bytes(500_000)
    buffers = list(fragments(1, data, command=False, last=True, maximum_length=16384))
    views = [buffer for buffer in buffers if isinstance(buffer, memoryview)]
    headers = [buffer for buffer in buffers if isinstance(buffer, bytes)]

    assert all(view.obj is data for view in views)
    assert sum(map(len, views)) == len(data)
    assert len(headers) == len(views) == 31
    assert sum(map(len, headers)) == 31 * 12


def test_an_empty_end_is_sent_and_an_empty_middle_is_not() -> None:
    """The end of a data set must be sent even if no bytes are left."""
    assert [
        pdv.last for pdu in map(parse, cut(b"")) if isinstance(pdu, PDataTF) for pdv in pdu.pdvs
    ] == [True]
    assert cut(b"", last=False) == []


@pytest.mark.parametrize(("data", "maximum"), [(b"odd", 16384), (b"even", 7), (b"even", 0)])
def test_what_cannot_be_cut_is_refused(data: bytes, maximum: int) -> None:
    """Fragments are even (PS3.8 E.1), and need some room."""
    with pytest.raises(LocalProtocolError):
        cut(data, maximum=maximum)


def reader(**limits: int) -> MessageReader:
    """Return a reader that knows contexts 1 and 3."""
    return MessageReader((1, 3), Limits(**limits))


def receive(one: MessageReader, context_id: int, control: int, data: bytes) -> object:
    """Receive one PDV; return its event, if there is one."""
    events: list[Command | DataFragments] = []
    one.take([(context_id, control, memoryview(data))], events)
    return events[0] if events else None


def test_a_message_is_put_together() -> None:
    """The command set is returned when complete, the data set as it arrives."""
    command = build_message(STORE)
    one = reader()
    assert receive(one, 1, COMMAND, command[:10]) is None
    assert receive(one, 1, COMMAND, b"") is None
    assert receive(one, 1, COMMAND | LAST, command[10:]) == Command(1, STORE)
    assert receive(one, 1, 0, b"data") == DataFragments(1, [b"data"], last=False)
    assert receive(one, 1, LAST, b"") == DataFragments(1, [b""], last=True)
    echo = CEchoRQ(message_id=2)
    assert receive(one, 3, COMMAND | LAST, build_message(echo)) == Command(3, echo)
    cancel = CCancelRQ(message_id_being_responded_to=1)
    assert receive(one, 1, COMMAND | LAST, build_message(cancel)) == Command(1, cancel)


def test_odd_fragments_are_taken() -> None:
    """Their length need not be even (PS3.8 E.1), in a command set or a data set."""
    command = build_message(STORE)
    one = reader()
    assert receive(one, 1, COMMAND, command[:11]) is None
    assert receive(one, 1, COMMAND | LAST, command[11:]) == Command(1, STORE)
    assert receive(one, 1, LAST, b"odd") == DataFragments(1, [b"odd"], last=True)


def test_reserved_bits_of_the_control_header_are_not_tested() -> None:
    """A receiver never checks bits 2 to 7 (PS3.8 E.2)."""
    assert receive(reader(), 1, 0xFC | COMMAND | LAST, build_message(STORE)) == Command(1, STORE)


def test_data_is_a_view_of_what_was_fed() -> None:
    """It can be written to a file without a copy."""
    one = reader()
    receive(one, 1, COMMAND | LAST, build_message(STORE))
    fed = bytearray(b"0123456789")
    events: list[Command | DataFragments] = []
    one.take([(1, LAST, memoryview(fed)[2:6])], events)
    (event,) = events
    assert isinstance(event, DataFragments)
    (part,) = event.parts
    assert isinstance(part, memoryview)
    assert part.obj is fed
    assert part == b"2345"


@pytest.mark.parametrize(
    ("what", "pdvs"),
    [
        ("data set before any command", [(1, LAST, b"data")]),
        ("command within a data set", [(1, COMMAND | LAST, build_message(STORE)), (1, COMMAND, b"")]),
        ("data set within a command", [(1, COMMAND, build_message(STORE)[:10]), (1, LAST, b"data")]),
        ("data set on another context", [(1, COMMAND | LAST, build_message(STORE)), (3, LAST, b"data")]),
        ("command on two contexts", [(1, COMMAND, build_message(STORE)[:10]), (3, COMMAND, b"data")]),
        ("context that was not accepted", [(5, COMMAND | LAST, build_message(STORE))]),
        ("command set beyond the limit", [(1, COMMAND, bytes(900)), (1, COMMAND, bytes(102))]),
        ("data set after a message without one", [(1, COMMAND | LAST, ECHO), (1, LAST, b"")]),
        ("unreadable command set", [(1, COMMAND | LAST, b"no")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(what: str, pdvs: list[tuple[int, int, bytes]]) -> None:
    """The last PDV of each list breaks PS3.8 Annex E or PS3.7; those before it are right."""
    one = reader(command_set=1000)
    for pdv in pdvs[:-1]:
        receive(one, *pdv)
    with pytest.raises(RemoteProtocolError):
        receive(one, *pdvs[-1])
    # The correct ones before it are returned, also if all come at once.
    events: list[Command | DataFragments] = []
    at_once = [(context_id, control, memoryview(data)) for context_id, control, data in pdvs]
    with pytest.raises(RemoteProtocolError):
        reader(command_set=1000).take(at_once, events)
    assert len(events) == sum(control & LAST > 0 for _, control, _ in pdvs[:-1])
