"""The stream split into PDUs: independent of the input chunks, without copies, within limits."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire.strategies import pdus

from dcm.errors import AbortReason, RemoteProtocolError
from dcm.wire import PDU, Framer, Limits, PDataTF, ReleaseRQ, build, raw
from dcm.wire.codec import COMMAND, LAST
from dcm.wire.framing import Part

Found = tuple[int, bytes] | tuple[int, int, bytes]
"""Type and body of a PDU; for a PDV, context, control header, and content."""


def cut(framer: Framer) -> list[Found]:
    """Take everything that is complete, and the received parts of a PDV."""
    found: list[Found] = []
    while True:
        parts: list[Part] = []
        framer.pdvs(parts)
        found += [(context_id, control, bytes(data)) for context_id, control, data in parts]
        if parts:
            continue
        pdu = None if framer.within_p_data else framer.next_pdu()
        if pdu is None:
            return found
        found.append((pdu[0], bytes(pdu[1])))


def merged(found: list[Found]) -> list[Found]:
    """Join the PDVs of one message, so that their division does not matter."""
    joint: list[Found] = []
    for each in found:
        before = joint[-1] if joint else ()
        goes_on = len(each) == len(before) == 3 and not before[1] & LAST
        if goes_on and (before[0], before[1] & COMMAND) == (each[0], each[1] & COMMAND):
            joint[-1] = (each[0], each[1], before[2] + each[2])
        else:
            joint.append(each)
    return joint


def told(pdus: list[PDU]) -> list[Found]:
    """Return what `cut` should find in these PDUs."""
    found: list[Found] = []
    for pdu in pdus:
        if isinstance(pdu, PDataTF):
            found += [
                (pdv.context_id, pdv.command * COMMAND | pdv.last * LAST, bytes(pdv.data))
                for pdv in pdu.pdvs
            ]
        else:
            found.append((pdu.TYPE, build(pdu)[6:]))
    return found


@settings(max_examples=80, deadline=None)
@given(st.lists(pdus, max_size=5), st.data())
def test_any_split_gives_the_same_pdus(sent: list[PDU], data: st.DataObject) -> None:
    """Neither the way in which TCP splits the stream matters, nor when the PDUs are taken."""
    stream = b"".join(map(build, sent))
    borders = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    framer = Framer(Limits())
    found = []
    for start, end in zip([0, *borders], [*borders, len(stream)], strict=True):
        buffer = bytearray(stream[start:end])
        framer.feed(buffer)
        if data.draw(st.booleans()):
            found += cut(framer)
            buffer[:] = b"\xff" * len(buffer)  # once all is taken, the caller reuses it
    found += cut(framer)
    assert merged(found) == merged(told(sent))


def test_byte_by_byte() -> None:
    """Very small chunks are understood, and PDVs are returned as they arrive."""
    framer = Framer(Limits())
    stream = build(ReleaseRQ()) + raw.p_data(raw.pdv(1, 3, b"ab"), raw.pdv(3, 2, b""))
    found = []
    for at in range(len(stream)):
        framer.feed(stream[at : at + 1])
        found += cut(framer)
    assert found == [(5, bytes(4)), (1, 1, b"a"), (1, 3, b"b"), (3, 2, b"")]


@pytest.mark.parametrize(
    ("pdu", "words"),
    [
        (raw.p_data(), "without a PDV"),
        (raw.pdu(4, bytes(3)), "3 bytes that are not a PDV"),
        (raw.p_data(raw.pdv(1, 0, b"ab", length=1)), "is 1 bytes long, where 2 to 4"),
        (raw.p_data(raw.pdv(1, 0, b"ab", length=5)), "is 5 bytes long, where 2 to 4"),
        (raw.p_data(raw.pdv(1, 0, b"ab"), b"\0"), "1 bytes that are not a PDV"),
    ],
)
def test_pdvs_that_do_not_fit_into_their_pdu_are_refused(pdu: bytes, words: str) -> None:
    """PDVs before them are returned, and the rest of their PDU is skipped."""
    framer = Framer(Limits())
    framer.feed(raw.p_data(raw.pdv(1, 0, b"before")) + pdu)
    parts: list[Part] = []
    with pytest.raises(RemoteProtocolError, match=words):
        framer.pdvs(parts)
    assert bytes(parts[0][2]) == b"before"
    framer.feed(build(ReleaseRQ()))
    assert framer.next_pdu() == (5, bytes(4))


def test_what_is_left_of_a_p_data_tf_is_skipped() -> None:
    """Asking for the next PDU skips it, whether its PDVs were taken or not."""
    for taken in range(3):
        framer = Framer(Limits())
        stream = raw.p_data(raw.pdv(1, 0, b"abcdef"), raw.pdv(1, 2, b"gh")) + build(ReleaseRQ())
        framer.feed(stream[:14])
        if taken:
            framer.pdvs([])
        elif framer.next_pdu() != (4, b""):
            pytest.fail("P-DATA-TF was not announced")
        for part in (stream[14:20], stream[20:]) if taken == 2 else (stream[14:],):
            framer.feed(part)
            pdu = framer.next_pdu()
        assert pdu == (5, bytes(4))


def test_what_came_in_one_piece_is_not_copied() -> None:
    """PDVs and the bodies of PDUs are views of the input."""
    fed = bytearray(raw.p_data(raw.pdv(1, 0, bytes(1000))) * 3 + build(ReleaseRQ()))
    framer = Framer(Limits())
    framer.feed(fed)
    parts: list[Part] = []
    framer.pdvs(parts)
    pdu = framer.next_pdu()
    assert pdu is not None
    assert [view.obj for view in (*(part[2] for part in parts), pdu[1])] == [fed] * 4


def test_what_is_incomplete_does_not_hold_the_fed_buffer() -> None:
    """Once all PDUs are taken, the caller may reuse its buffer."""
    whole = build(ReleaseRQ())
    buffer = bytearray(whole[:8])
    framer = Framer(Limits())
    framer.feed(buffer)
    assert framer.next_pdu() is None
    buffer[:] = b"\xff" * 8
    framer.feed(whole[8:])
    assert cut(framer) == [(5, whole[6:])]


@pytest.mark.parametrize(
    ("kind", "length"),
    [(1, 1001), (2, 1001), (3, 5), (4, 2001), (5, 5), (6, 5), (7, 5), (4, 2**32 - 1)],
)
def test_a_length_beyond_its_limit_is_refused_at_the_header(kind: int, length: int) -> None:
    """The body need not arrive."""
    limits = Limits(association_pdu=1000, p_data_pdu=2000)
    framer = Framer(limits)
    framer.feed(raw.pdu(kind, length=length))
    with pytest.raises(RemoteProtocolError, match=f"declares a length of {length}"):
        framer.next_pdu()
    allowed = Framer(limits)
    allowed.feed(raw.pdu(kind, length=min(length - 1, 2000)))
    assert allowed.next_pdu() == ((4, b"") if kind == 4 else None)


def test_the_announced_maximum_length_is_the_limit_for_p_data() -> None:
    """A longer PDU than announced breaks the protocol (PS3.8 D.1)."""
    framer = Framer(Limits())
    framer.limit_p_data(100)
    framer.feed(raw.p_data(raw.pdv(1, 2, bytes(94))) + raw.p_data(raw.pdv(1, 2, bytes(96))))
    parts: list[Part] = []
    with pytest.raises(RemoteProtocolError, match="length of 102, but the limit is 100"):
        framer.pdvs(parts)
    assert len(parts) == 1


def test_after_what_is_no_pdu_nothing_is_understood_or_kept() -> None:
    """The boundaries in the stream are lost."""
    framer = Framer(Limits())
    framer.feed(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(RemoteProtocolError, match="47H is not a PDU type") as caught:
        framer.next_pdu()
    assert caught.value.reason is AbortReason.UNRECOGNIZED_PDU
    framer.feed(build(ReleaseRQ()))
    assert framer.next_pdu() is None


def test_memory_is_bounded_whatever_a_peer_sends() -> None:
    """An endless PDU uses the memory of what has arrived; a complete one is freed."""
    framer = Framer(Limits())
    piece = bytes(4096)
    tracemalloc.start()
    try:
        for _ in range(50):
            framer.feed(raw.pdu(1, length=1 << 20))
            for _ in range(256):
                framer.feed(piece)
                framer.next_pdu()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 << 20


def test_a_fragment_of_which_nothing_has_come_is_not_returned() -> None:
    """Headers alone give no event; the end of a PDV is reported only with its last byte."""
    framer = Framer(Limits())
    stream = raw.p_data(raw.pdv(1, 2, b"abcd"))
    found = []
    for part in (stream[:12], stream[12:15], stream[15:]):
        framer.feed(part)
        found.append(cut(framer))
    assert found == [[], [(1, 0, b"abc")], [(1, 2, b"d")]]
