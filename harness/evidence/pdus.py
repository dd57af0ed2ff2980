"""Split recorded DICOM connections into PDUs (PS3.8 9.3), whatever is wrong with them.

`dcm.wire.Framer` stops at the first invalid header. A record must continue as far as possible, and
must tell when and where in the stream each PDU began.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from typing import Final

from dcm.wire.codec import HEADER
from dcm.wire.pdu import NAMES, Abort, AssociateRJ
from dcm.wire.status import describe_abort, rejection
from harness.relay.tape import Direction, Tape, Track

MAX_BODY: Final = 16 * 2**20
"""Most bytes of one PDU that are decoded; only an invalid header announces more."""

_MAX_UNKNOWN: Final = 2**20
"""Greatest length that is accepted in a header of an unknown type."""


@dataclass
class Pdu:
    """A PDU, or the bytes found where one should begin."""

    direction: Direction
    at: int
    """Its offset in the byte stream of its direction."""
    began: float
    ended: float
    kind: int
    length: int
    """The length in its header, which does not count the 6 bytes of the header."""
    framed: bool
    """Whether the header is plausible, so that its length tells where the next PDU begins."""
    start: bytes = b""
    """The header, as far as it was received."""
    body: bytearray = field(default_factory=bytearray)
    """What follows the header, at most `MAX_BODY` bytes."""
    received: int = 0
    """Number of bytes received, including the header."""

    @property
    def name(self) -> str:
        """The name of its type in the standard."""
        return NAMES.get(self.kind, f"no PDU (type 0x{self.kind:02x})")

    @property
    def missing(self) -> int:
        """Number of bytes that its header announces but that were not received."""
        return HEADER.size + self.length - self.received if self.framed else 0


def pdus(tape: Tape, track: Track) -> Iterator[Pdu]:
    """Yield the PDUs of both directions in the order in which they began.

    Bytes that cannot be a PDU are yielded as they are, to the end of their direction: the record of a
    connection that an earlier case opened, for example, may begin anywhere.
    """
    ways = (pdus_of(tape, track, direction) for direction in Direction)
    return merge(*ways, key=lambda pdu: pdu.began)


def pdus_of(tape: Tape, track: Track, direction: Direction) -> Iterator[Pdu]:
    """Yield the PDUs of one direction."""
    header, at, began = b"", 0, track.opened
    pdu: Pdu | None = None
    for time, piece in tape.pieces(track, direction):
        rest = memoryview(piece)
        while rest:
            if pdu is None:
                began = began if header else time
                taken = HEADER.size - len(header)
                header, rest = header + rest[:taken], rest[taken:]
                if len(header) < HEADER.size:
                    continue
                pdu = _begun(direction, at, began, header)
                header = b""
            taken = min(pdu.missing, len(rest)) if pdu.framed else len(rest)
            pdu.body += rest[: min(taken, MAX_BODY - len(pdu.body))]
            pdu.received += taken
            pdu.ended = time
            rest = rest[taken:]
            if pdu.framed and not pdu.missing:
                at += pdu.received
                yield pdu
                pdu = None
    if pdu is not None:
        yield pdu
    elif header:
        yield _begun(direction, at, began, header)


def _begun(direction: Direction, at: int, began: float, header: bytes) -> Pdu:
    """Begin a PDU; a header that the end of the connection cut off is not framed."""
    whole = len(header) == HEADER.size
    kind, length = HEADER.unpack(header) if whole else (header[0], 0)
    framed = whole and (kind in NAMES or (header[1] == 0 and length <= _MAX_UNKNOWN))
    return Pdu(direction, at, began, began, kind, length, framed, header, received=len(header))


def refusal(pdu: Pdu) -> str:
    """Return why a PDU rejects or aborts an association; empty for other PDUs and truncated ones."""
    if pdu.framed and pdu.length == 4 and not pdu.missing:
        if pdu.kind == AssociateRJ.TYPE:
            return rejection(AssociateRJ(*pdu.body[1:4]))
        if pdu.kind == Abort.TYPE:
            return describe_abort(Abort(*pdu.body[2:4]))
    return ""
