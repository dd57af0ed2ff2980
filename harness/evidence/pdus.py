"""Recorded DICOM connections, cut into the PDUs that passed (PS3.8 9.3), whatever is wrong with them.

`dcm.wire.Framer` stops at the first header that lies. A record must go on as far as it makes sense, and
must say when and where in the stream each PDU began.
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
"""Bytes of one PDU that are decoded; only a header that lies announces more."""

_MAX_UNKNOWN: Final = 2**20
"""Length up to which a header of an unknown type is believed."""


@dataclass
class Pdu:
    """One PDU, or what stands where one should begin."""

    direction: Direction
    at: int
    """Where it begins among all bytes that went in its direction."""
    began: float
    ended: float
    kind: int
    length: int
    """What its header says; the header's own 6 bytes are not counted."""
    framed: bool
    """The header can be one: its length says where the next PDU begins."""
    start: bytes = b""
    """The header, as far as it came."""
    body: bytearray = field(default_factory=bytearray)
    """What follows the header, at most `MAX_BODY` of it."""
    received: int = 0
    """Bytes that came, header and all."""

    @property
    def name(self) -> str:
        """The standard's name of its type."""
        return NAMES.get(self.kind, f"no PDU (type 0x{self.kind:02x})")

    @property
    def missing(self) -> int:
        """Bytes that its header announces and that never came."""
        return HEADER.size + self.length - self.received if self.framed else 0


def pdus(tape: Tape, track: Track) -> Iterator[Pdu]:
    """Return the PDUs of both directions in the order in which they began, one at a time.

    What cannot be a PDU is given as it is, to the end of its direction: a continuation, for one, may begin
    anywhere.
    """
    ways = (pdus_of(tape, track, direction) for direction in Direction)
    return merge(*ways, key=lambda pdu: pdu.began)


def pdus_of(tape: Tape, track: Track, direction: Direction) -> Iterator[Pdu]:
    """Return the PDUs of one direction."""
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
    """Begin a PDU; a header that the end of the connection cut is none."""
    whole = len(header) == HEADER.size
    kind, length = HEADER.unpack(header) if whole else (header[0], 0)
    framed = whole and (kind in NAMES or (header[1] == 0 and length <= _MAX_UNKNOWN))
    return Pdu(direction, at, began, began, kind, length, framed, header, received=len(header))


def refusal(pdu: Pdu) -> str:
    """Say why a PDU rejects or aborts an association; nothing of another PDU, or of one that is cut."""
    if pdu.framed and pdu.length == 4 and not pdu.missing:
        if pdu.kind == AssociateRJ.TYPE:
            return rejection(AssociateRJ(*pdu.body[1:4]))
        if pdu.kind == Abort.TYPE:
            return describe_abort(Abort(*pdu.body[2:4]))
    return ""
