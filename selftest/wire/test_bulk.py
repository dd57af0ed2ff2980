"""Data sets taken in whatever pieces they arrive: `Connection.next_fragments`."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire.pair import CT, drain, established, in_state, joined

from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.wire import (
    NEED_DATA,
    Abort,
    CloseTransport,
    Command,
    Connection,
    ConnectionLost,
    CStoreRQ,
    DataFragment,
    ReleaseRQ,
    State,
    build,
    build_message,
    raw,
)

STORE = Command(
    3, CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2")
)
COMMAND, LAST = 1, 2


def storing() -> Connection:
    """Give an acceptor to whom a data set is due."""
    connection = established("acceptor")
    connection.receive_data(raw.p_data(raw.pdv(3, COMMAND | LAST, build_message(STORE.message))))
    assert drain(connection) == [STORE]
    return connection


def pdu(data: bytes, control: int = 0) -> bytes:
    """Give a PDU with one fragment of the data set."""
    return raw.p_data(raw.pdv(3, control, data))


def taken(connection: Connection) -> tuple[list[bytes], bool]:
    """Take what is there once."""
    found, last = connection.next_fragments()
    return [bytes(each) for each in found], last


def test_all_that_is_there_is_given_at_once() -> None:
    """One list for many PDUs, up to the end of the message and not beyond it."""
    connection = storing()
    connection.receive_data(pdu(b"ab") + pdu(b"cdef") + pdu(b"gh", LAST) + build(ReleaseRQ()))
    assert taken(connection) == ([b"ab", b"cdef", b"gh"], True)
    assert taken(connection) == ([], False)
    assert drain(connection) == [ReleaseRQ()]


def test_nobody_waits_for_the_rest_of_a_fragment() -> None:
    """What has arrived of it is given as a view of what was fed; the end is said when it is there."""
    connection = storing()
    whole = pdu(b"abcdefgh", LAST)
    fed = bytearray(whole[:15])
    connection.receive_data(fed)
    found, last = connection.next_fragments()
    assert ([bytes(each) for each in found], last) == ([b"abc"], False)
    assert found[0].obj is fed
    assert connection.next_event() is NEED_DATA
    connection.receive_data(whole[15:16])
    assert taken(connection) == ([b"d"], False)
    connection.receive_data(whole[16:])
    assert taken(connection) == ([b"efgh"], True)


def test_the_end_may_be_empty() -> None:
    """A last fragment without a byte ends the data set all the same."""
    connection = storing()
    connection.receive_data(pdu(b"ab") + pdu(b"", LAST))
    assert taken(connection) == ([b"ab", b""], True)


def test_several_fragments_may_share_a_pdu() -> None:
    """They are given one by one."""
    connection = storing()
    both = raw.p_data(raw.pdv(3, 0, b"cd"), raw.pdv(3, 0, b"ef"))
    connection.receive_data(pdu(b"ab") + both + pdu(b"gh", LAST))
    assert [taken(connection) for _ in range(5)] == [
        ([b"ab"], False),
        ([b"cd"], False),
        ([b"ef"], False),
        ([b"gh"], True),
        ([], False),
    ]


def test_a_data_set_may_look_like_pdus() -> None:
    """Where one is begun, what follows is its content."""
    connection = storing()
    whole = pdu(pdu(b"ab", LAST), LAST)
    connection.receive_data(whole[:8])
    assert taken(connection) == ([], False)
    connection.receive_data(whole[8:12])
    assert taken(connection) == ([], False)
    connection.receive_data(whole[12:])
    assert taken(connection) == ([whole[12:]], True)


def test_the_rest_of_a_fragment_can_be_had_as_an_event() -> None:
    """Who changes his mind in the middle misses nothing."""
    connection = storing()
    stream = pdu(b"abcd") + pdu(b"efgh", LAST)
    connection.receive_data(stream[:14])
    assert taken(connection) == ([b"ab"], False)
    connection.receive_data(stream[14:])
    assert drain(connection) == [
        DataFragment(3, b"cd", last=False),
        DataFragment(3, b"efgh", last=True),
    ]


def test_without_a_data_set_events_stay_where_they_are() -> None:
    """A command is not taken by who asks for fragments."""
    connection = established("acceptor")
    assert taken(connection) == ([], False)
    command = raw.p_data(raw.pdv(3, COMMAND | LAST, build_message(STORE.message)))
    connection.receive_data(command + pdu(b"ab", LAST) + build(Abort()))
    assert taken(connection) == taken(connection) == ([], False)
    assert connection.next_event() == STORE
    assert taken(connection) == ([b"ab"], True)
    assert taken(connection) == ([], False)
    assert drain(connection) == [Abort(), CloseTransport()]


@pytest.mark.parametrize(
    "wrong",
    [
        raw.p_data(raw.pdv(5, 0, b"ab")),
        raw.p_data(raw.pdv(3, COMMAND, b"ab")),
        raw.p_data(raw.pdv(3, 0, b"ab", length=5)),
        raw.p_data(raw.pdv(3, 0, b"", length=0)),
        raw.pdu(4, bytes(4)) + bytes((3, 0)),
        raw.p_data(raw.pdv(3, 0, bytes(16384))),
        raw.p_data(),
        raw.pdu(1, raw.pdv(3, 0, b"ab")),
        raw.pdu(4, b"ab", length=1 << 24),
        raw.pdu(9, b"abcdefgh"),
        build(Abort())[:1] + build(Abort()),
    ],
)
def test_what_is_right_is_given_before_what_is_wrong_is_refused(wrong: bytes) -> None:
    """As with events: the error comes when it is its turn, and is answered with an abort."""
    connection = storing()
    connection.receive_data(pdu(b"ab") + wrong + bytes(20))
    assert taken(connection) == ([b"ab"], False)
    assert connection.data_to_send() == []
    with pytest.raises(RemoteProtocolError):
        connection.next_fragments()
    assert connection.data_to_send() != []
    assert connection.state is State.STA13


def test_odd_fragments_are_taken() -> None:
    """Senders leave out padding bytes; the stream is understood all the same (PS3.8 E.1)."""
    connection = storing()
    connection.receive_data(pdu(b"odd") + pdu(b"even") + pdu(b"1", LAST))
    assert taken(connection) == ([b"odd", b"even", b"1"], True)


def test_after_the_end_of_a_data_set_no_other_one_is_due() -> None:
    """Two data sets do not follow one command."""
    connection = storing()
    connection.receive_data(pdu(b"ab", LAST) + pdu(b"cd"))
    assert taken(connection) == ([b"ab"], True)
    with pytest.raises(RemoteProtocolError, match="where the command of a message is due"):
        connection.next_fragments()


def test_the_rest_of_a_fragment_is_ignored_after_an_abort() -> None:
    """It is no PDU, and must not be taken for one (PS3.8 AA-6)."""
    connection = storing()
    stream = pdu(bytes(range(100))) + pdu(b"ab") + build(Abort())
    connection.receive_data(stream[:50])
    taken(connection)
    connection.send(Abort())
    drain(connection)
    connection.receive_data(stream[50:70])
    assert taken(connection) == ([], False)
    connection.receive_data(stream[70:])
    assert isinstance(drain(connection)[-1], CloseTransport)
    assert connection.data_to_send() == []


def test_a_connection_may_end_within_a_fragment() -> None:
    """What came before is given, and the data set has no end."""
    connection = storing()
    connection.receive_data(pdu(b"abcd", LAST)[:14])
    connection.receive_data(b"")
    assert taken(connection) == ([b"ab"], False)
    assert taken(connection) == ([], False)
    assert drain(connection) == [ConnectionLost()]


def test_data_may_come_while_a_release_is_answered() -> None:
    """In Sta7 it is taken, in others it is not expected."""
    connection = storing()
    connection.send(ReleaseRQ())
    connection.receive_data(pdu(b"ab", LAST))
    assert taken(connection) == ([b"ab"], True)


def test_before_the_connection_is_open_there_is_nothing() -> None:
    """As for events."""
    assert taken(Connection("acceptor")) == ([], False)
    with pytest.raises(LocalProtocolError):
        Connection("acceptor").receive_data(b"ab")


def followed(stream: bytes, borders: list[int], *, at_once: bool) -> tuple[list[object], str]:
    """Give all that a stream means, its data joined, and the error that it ends with."""
    connection = in_state("acceptor", State.STA6)
    found: list[object] = []
    for start, end in pairwise(sorted({0, *borders, len(stream)})):
        connection.receive_data(stream[start:end])
        try:
            while True:
                if at_once:
                    parts, last = connection.next_fragments()
                    if parts:
                        _add(found, joined(parts), last=last)
                        continue
                event = connection.next_event()
                if event is NEED_DATA:
                    break
                if isinstance(event, DataFragment):
                    _add(found, bytes(event.data), last=event.last)
                else:
                    found.append(event)
        except RemoteProtocolError as error:
            return found, str(error)
    return found, ""


def _add(found: list[object], data: bytes, *, last: bool) -> None:
    """Join data to what came before it, until the end of its message."""
    before = found.pop() if found and isinstance(found[-1], bytearray) else bytearray()
    assert isinstance(before, bytearray)
    joint = before + data
    found.append(bytes(joint) if last else joint)


fragments = st.lists(st.binary(max_size=40).map(lambda data: data * 2), max_size=6)


@settings(max_examples=80, deadline=None)
@given(st.lists(fragments, min_size=1, max_size=3), st.data())
def test_the_bytes_are_those_of_the_events(sent: list[list[bytes]], data: st.DataObject) -> None:
    """However the stream is cut, and where one byte of it is wrong the same is refused in the same words."""
    stream = bytearray()
    for parts in sent:
        stream += raw.p_data(raw.pdv(3, COMMAND | LAST, build_message(STORE.message)))
        stream += b"".join(map(pdu, parts)) + pdu(b"end!", LAST)
    if data.draw(st.booleans()):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    borders = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))

    events, refused = followed(bytes(stream), borders, at_once=False)
    at_once, refused_at_once = followed(bytes(stream), borders, at_once=True)

    assert refused_at_once == refused
    if events != at_once:  # what has arrived of the last fragment is given, and was not before
        unended = at_once.pop()
        assert isinstance(unended, bytearray)
        before = events.pop() if len(events) > len(at_once) else bytearray()
        assert isinstance(before, bytearray)
        assert unended.startswith(before)
        assert events == at_once
