"""The stream cut into PDUs: at any split the same, never copied in vain, never beyond its limits."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire.strategies import pdus

from dcm.errors import AbortReason, RemoteProtocolError
from dcm.wire import PDU, Framer, Limits, ReleaseRQ, build, parse_body, raw


def cut(framer: Framer) -> list[tuple[int, bytes]]:
    """Take all PDUs that are complete."""
    found = []
    while (pdu := framer.next_pdu()) is not None:
        found.append((pdu[0], bytes(pdu[1])))
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(pdus, max_size=5), st.data())
def test_any_split_gives_the_same_pdus(sent: list[PDU], data: st.DataObject) -> None:
    """How TCP cuts the stream does not matter, nor when the PDUs are taken."""
    stream = b"".join(map(build, sent))
    borders = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    framer = Framer(Limits())
    found = []
    for start, end in zip([0, *borders], [*borders, len(stream)], strict=True):
        framer.feed(stream[start:end])
        if data.draw(st.booleans()):
            found += cut(framer)
    found += cut(framer)
    assert [parse_body(kind, memoryview(body), Limits()) for kind, body in found] == sent


def test_byte_by_byte() -> None:
    """The slowest peer is understood."""
    framer = Framer(Limits())
    stream = build(ReleaseRQ()) + raw.p_data() + raw.p_data(raw.pdv(1, 3, b"ab"))
    found = []
    for at in range(len(stream)):
        framer.feed(stream[at : at + 1])
        found += cut(framer)
    assert [kind for kind, _ in found] == [5, 4, 4]


def test_a_pdu_in_one_piece_is_not_copied() -> None:
    """Its body is a view of the bytes that were fed."""
    fed = bytearray(raw.p_data(raw.pdv(1, 2, bytes(1000))) * 3)
    framer = Framer(Limits())
    framer.feed(fed)
    for _ in range(3):
        pdu = framer.next_pdu()
        assert pdu is not None
        assert pdu[1].obj is fed


def test_what_is_incomplete_does_not_hold_the_fed_buffer() -> None:
    """Once all PDUs are taken, the caller may use his buffer again."""
    whole = raw.p_data(raw.pdv(1, 2, b"abcd"))
    buffer = bytearray(whole[:10])
    framer = Framer(Limits())
    framer.feed(buffer)
    assert framer.next_pdu() is None
    buffer[:] = b"\xff" * 10
    framer.feed(whole[10:])
    assert cut(framer) == [(4, whole[6:])]


@pytest.mark.parametrize(
    ("kind", "length"),
    [(1, 1001), (2, 1001), (3, 5), (4, 2001), (5, 5), (6, 5), (7, 5), (4, 2**32 - 1)],
)
def test_a_length_beyond_its_limit_is_refused_at_the_header(kind: int, length: int) -> None:
    """Nothing of the body needs to arrive."""
    limits = Limits(association_pdu=1000, p_data_pdu=2000)
    framer = Framer(limits)
    framer.feed(raw.pdu(kind, length=length))
    with pytest.raises(RemoteProtocolError, match=f"announces a length of {length}"):
        framer.next_pdu()
    allowed = Framer(limits)
    allowed.feed(raw.pdu(kind, length=min(length - 1, 2000)))
    assert allowed.next_pdu() is None


def test_the_announced_maximum_length_is_the_limit_for_p_data() -> None:
    """A peer who sends more than we announced breaks the protocol (PS3.8 D.1)."""
    framer = Framer(Limits())
    framer.limit_p_data(100)
    framer.feed(raw.p_data(raw.pdv(1, 2, bytes(94))) + raw.p_data(raw.pdv(1, 2, bytes(96))))
    assert framer.next_pdu() is not None
    with pytest.raises(RemoteProtocolError, match="length of 102, 100 are allowed"):
        framer.next_pdu()


def test_after_what_is_no_pdu_nothing_is_understood_or_kept() -> None:
    """The stream has lost its borders."""
    framer = Framer(Limits())
    framer.feed(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(RemoteProtocolError, match="47H is no type of a PDU") as caught:
        framer.next_pdu()
    assert caught.value.reason is AbortReason.UNRECOGNIZED_PDU
    framer.feed(build(ReleaseRQ()))
    assert framer.next_pdu() is None


def test_memory_is_bounded_whatever_a_peer_sends() -> None:
    """A PDU that never ends costs what has arrived of it; one that ends is let go."""
    framer = Framer(Limits())
    piece = bytes(4096)
    tracemalloc.start()
    try:
        for _ in range(50):
            framer.feed(raw.pdu(4, length=1 << 20))
            for _ in range(256):
                framer.feed(piece)
                framer.next_pdu()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 << 20
