"""Data sets taken in pieces of any size."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire.pair import CT, drain, established, in_state, merged

from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.wire import (
    Abort,
    CloseTransport,
    Command,
    Connection,
    ConnectionLost,
    CStoreRQ,
    DataFragments,
    Received,
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
    """Return an acceptor that expects a data set."""
    connection = established("acceptor")
    connection.receive_data(raw.p_data(raw.pdv(3, COMMAND | LAST, build_message(STORE.message))))
    assert drain(connection) == [STORE]
    return connection


def pdu(data: bytes, control: int = 0) -> bytes:
    """Return a PDU with one fragment of the data set."""
    return raw.p_data(raw.pdv(3, control, data))


def taken(connection: Connection) -> tuple[list[bytes], bool]:
    """Take once what is available."""
    events = connection.next_events()
    if not events:
        return [], False
    (event,) = events
    assert isinstance(event, DataFragments)
    return [bytes(part) for part in event.parts], event.last


def test_all_that_is_there_is_given_at_once() -> None:
    """One list for many PDUs, up to the end of the message and not beyond it."""
    connection = storing()
    connection.receive_data(pdu(b"ab") + pdu(b"cdef") + pdu(b"gh", LAST) + build(ReleaseRQ()))
    assert taken(connection) == ([b"ab", b"cdef", b"gh"], True)
    assert drain(connection) == [ReleaseRQ()]


def test_nobody_waits_for_the_rest_of_a_fragment() -> None:
    """Its received part is a view of the input; the end is reported when it arrives."""
    connection = storing()
    whole = pdu(b"abcdefgh", LAST)
    fed = bytearray(whole[:15])
    connection.receive_data(fed)
    (event,) = connection.next_events()
    assert event == DataFragments(3, [b"abc"], last=False)
    assert isinstance(event, DataFragments)
    assert isinstance(event.parts[0], memoryview)
    assert event.parts[0].obj is fed
    assert connection.next_events() == []
    connection.receive_data(whole[15:16])
    assert taken(connection) == ([b"d"], False)
    connection.receive_data(whole[16:])
    assert taken(connection) == ([b"efgh"], True)


def test_the_end_may_be_empty() -> None:
    """A last fragment of zero bytes still ends the data set."""
    connection = storing()
    connection.receive_data(pdu(b"ab") + pdu(b"", LAST))
    assert taken(connection) == ([b"ab", b""], True)


def test_several_fragments_may_share_a_pdu() -> None:
    """They are treated like others."""
    connection = storing()
    both = raw.p_data(raw.pdv(3, 0, b"cd"), raw.pdv(3, 0, b"ef"))
    connection.receive_data(pdu(b"ab") + both + pdu(b"gh", LAST))
    assert taken(connection) == ([b"ab", b"cd", b"ef", b"gh"], True)
    assert taken(connection) == ([], False)


def test_a_data_set_may_look_like_pdus() -> None:
    """Within a fragment, the following bytes are its content."""
    connection = storing()
    whole = pdu(pdu(b"ab", LAST), LAST)
    for begin, end in ((0, 8), (8, 12)):
        connection.receive_data(whole[begin:end])
        assert taken(connection) == ([], False)
    connection.receive_data(whole[12:20])
    assert taken(connection) == ([whole[12:20]], False)
    connection.receive_data(whole[20:])
    assert taken(connection) == ([whole[20:]], True)


def test_a_data_set_without_its_command_is_refused() -> None:
    """The error comes before the rest of it arrives."""
    connection = established("acceptor")
    connection.receive_data(pdu(bytes(100), LAST)[:20])
    with pytest.raises(RemoteProtocolError, match="where the command of a message was expected"):
        connection.next_events()


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
    """As with events: the error comes in turn, and is answered with an abort."""
    connection = storing()
    connection.receive_data(pdu(b"ab") + wrong + bytes(20))
    assert taken(connection) == ([b"ab"], False)
    assert connection.data_to_send() == []
    with pytest.raises(RemoteProtocolError):
        connection.next_events()
    assert connection.data_to_send() != []
    assert connection.state is State.STA13


def test_odd_fragments_are_taken() -> None:
    """Senders omit padding bytes; the stream is still understood (PS3.8 E.1)."""
    connection = storing()
    connection.receive_data(pdu(b"odd") + pdu(b"even") + pdu(b"1", LAST))
    assert taken(connection) == ([b"odd", b"even", b"1"], True)


def test_after_the_end_of_a_data_set_no_other_one_is_due() -> None:
    """Two data sets cannot follow one command."""
    connection = storing()
    connection.receive_data(pdu(b"ab", LAST) + pdu(b"cd"))
    assert taken(connection) == ([b"ab"], True)
    with pytest.raises(RemoteProtocolError, match="where the command of a message was expected"):
        connection.next_events()


def test_the_rest_of_a_fragment_is_ignored_after_an_abort() -> None:
    """It is not a PDU, and must not be taken for one (PS3.8 AA-6)."""
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
    """The data before it is returned, and the data set has no end."""
    connection = storing()
    connection.receive_data(pdu(b"abcd", LAST)[:14])
    connection.receive_data(b"")
    assert taken(connection) == ([b"ab"], False)
    assert drain(connection) == [ConnectionLost()]


def test_data_may_come_while_a_release_is_answered() -> None:
    """In Sta7 it is accepted, in other states it is unexpected."""
    connection = storing()
    connection.send(ReleaseRQ())
    connection.receive_data(pdu(b"ab", LAST))
    assert taken(connection) == ([b"ab"], True)


def test_before_the_connection_is_open_there_is_nothing() -> None:
    """As for events."""
    assert taken(Connection("acceptor")) == ([], False)
    with pytest.raises(LocalProtocolError):
        Connection("acceptor").receive_data(b"ab")


def followed(stream: bytes, borders: list[int]) -> tuple[list[object], str]:
    """Return all events of a stream, its data joined, and the final error."""
    connection = in_state("acceptor", State.STA6)
    found: list[Received] = []
    refused = ""
    for start, end in pairwise(sorted({0, *borders, len(stream)})):
        connection.receive_data(stream[start:end])
        try:
            while events := connection.next_events():
                found += merged(events)  # copies: the views are not valid for long
        except RemoteProtocolError as error:
            refused = str(error)
            break
    return merged(found), refused


fragments = st.lists(st.binary(max_size=40).map(lambda data: data * 2), max_size=6)


@settings(max_examples=120, deadline=None)
@given(st.lists(fragments, min_size=1, max_size=3), st.data())
def test_how_the_stream_is_cut_does_not_matter(
    sent: list[list[bytes]], data: st.DataObject
) -> None:
    """If one byte is wrong, the same error follows the same events."""
    stream, meant = bytearray(), []
    for parts in sent:
        command = raw.pdv(3, COMMAND | LAST, build_message(STORE.message))
        content = [raw.pdv(3, 0, part) for part in parts] + [raw.pdv(3, LAST, b"end!")]
        together = data.draw(st.lists(st.integers(0, len(content)), max_size=3))
        stream += raw.p_data(command)
        for begin, end in pairwise(sorted({0, *together, len(content)})):
            stream += raw.p_data(*content[begin:end])
        meant += [STORE, DataFragments(3, [b"".join(parts) + b"end!"], last=True)]
    at = data.draw(st.one_of(st.none(), st.integers(0, len(stream) - 1)))
    if at is not None:
        stream[at] = data.draw(st.integers(0, 255))
    borders = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))

    events, refused = followed(bytes(stream), borders)

    assert (events, refused) == followed(bytes(stream), [])
    if at is None:
        assert (events, refused) == (meant, "")
