"""A stream of bytes cut into PDUs, without copying what arrived in one piece."""

import struct
import sys
from collections import deque
from typing import Final

from dcm.errors import AbortReason, RemoteProtocolError
from dcm.wire.codec import COMMAND, HEADER, LAST, PDV_HEADER
from dcm.wire.limits import Limits
from dcm.wire.pdu import NAMES, AssociateAC, AssociateRQ, PDataTF
from dcm.wire.values import Buffer

_FIXED_LENGTH: Final = 4
"""Length of all PDUs but three (PS3.8 9.3.4, 9.3.6 to 9.3.8)."""
_ONE_PDV: Final = struct.Struct(HEADER.format + PDV_HEADER.format.lstrip(">"))
"""Both headers of a P-DATA-TF with one PDV, as bulk data comes."""
_WHOLE_COMMAND: Final = COMMAND | LAST


class Framer:
    """Cuts a stream into PDUs: `feed` bytes, take `next_pdu` until it gives None.

    A PDU that lies in one piece is given as a view of the bytes that were fed; only one that is spread over
    several is put together in memory of its own, at most one at a time and never longer than its limit. So
    whoever feeds from a buffer that he uses again must first take all PDUs and be done with them.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits: Final = dict.fromkeys(NAMES, _FIXED_LENGTH) | {
            AssociateRQ.TYPE: limits.association_pdu,
            AssociateAC.TYPE: limits.association_pdu,
            PDataTF.TYPE: limits.p_data_pdu,
        }
        self._pieces: deque[memoryview] = deque()
        self._at = 0
        """How much of the first piece is taken."""
        self._begun = bytearray()
        self._missing = 0
        """How many bytes of a fragment are to come that `next_fragments` gave in part."""
        self._cut_last = 0
        """The bit `LAST` of that fragment."""
        self._lost = False

    @property
    def within_fragment(self) -> bool:
        """Whether a fragment was given in part."""
        return self._missing > 0

    @property
    def has_more(self) -> bool:
        """Whether something was fed that is not taken yet, if only to put it together."""
        return bool(self._pieces)

    def limit_p_data(self, length: int) -> None:
        """Accept no P-DATA-TF longer than `length`: the maximum length that was announced (PS3.8 D.1)."""
        self._limits[PDataTF.TYPE] = length

    def feed(self, data: Buffer) -> None:
        """Add what was received."""
        if len(data) and not self._lost:
            self._pieces.append(memoryview(data))

    def next_pdu(self) -> tuple[int, memoryview] | None:
        """Return type and body of the next PDU; None: more bytes are needed.

        Raises `RemoteProtocolError` as soon as a header announces what is no PDU or is too long. What
        follows it can not be understood and is thrown away. So is the rest of a fragment of which
        `next_fragments` gave a part.
        """
        while self._pieces:
            if self._missing:
                self._skip()
                continue
            piece, at = self._pieces[0], self._at
            if not self._begun and len(piece) - at >= HEADER.size:
                kind, length = self._header(piece, at)
                end = at + HEADER.size + length
                if end <= len(piece):  # in one piece, as most are
                    self._taken(end)
                    return kind, piece[at + HEADER.size : end]
            found = self._gather(piece[at:])
            if found is not None:
                return found
        return None

    def next_command(self) -> tuple[int, memoryview] | None:
        """Take a whole command set that is alone in its PDU, as nearly all are: its context, and its bytes.

        Anything else, right or wrong, is left to `next_pdu`.
        """
        if self._begun or self._missing or not self._pieces:
            return None
        piece, at = self._pieces[0], self._at
        whole = self._alone(piece, at, _WHOLE_COMMAND)
        if whole is None:
            return None
        context, end = whole
        self._taken(end)
        return context, piece[at + _ONE_PDV.size : end]

    def next_message(self) -> tuple[int, memoryview, int, memoryview] | None:
        """Take a command set and all of its data set where each is alone in its PDU, and both are here.

        So come the answers to a query. Gives both with the IDs of their contexts. Anything else, right or
        wrong, is left to the other methods.
        """
        if self._begun or self._missing or not self._pieces:
            return None
        piece, at = self._pieces[0], self._at
        begun = self._alone(piece, at, _WHOLE_COMMAND)
        if begun is None:
            return None
        context, command_end = begun
        whole = self._alone(piece, command_end, LAST)
        if whole is None:
            return None
        data_context, end = whole
        self._taken(end)
        size = _ONE_PDV.size
        return (
            context,
            piece[at + size : command_end],
            data_context,
            piece[command_end + size : end],
        )

    def _alone(self, piece: memoryview, at: int, wanted: int) -> tuple[int, int] | None:
        """Return context and end of the P-DATA-TF at `at`, if it is whole and one PDV with this control."""
        if len(piece) - at < _ONE_PDV.size:
            return None
        kind, length, pdv_length, context, control = _ONE_PDV.unpack_from(piece, at)
        end: int = at + HEADER.size + length
        if (
            kind != PDataTF.TYPE
            or control & _WHOLE_COMMAND != wanted
            or pdv_length != length - 4
            or not PDV_HEADER.size <= length <= self._limits[PDataTF.TYPE]
            or end > len(piece)
        ):
            return None
        return context, end

    def next_fragments(
        self, context_id: int, most: int = sys.maxsize
    ) -> tuple[list[memoryview], bool]:
        """Take what is there of the data set on `context_id`, and say whether it ends with that.

        Bulk data comes as thousands of P-DATA-TF PDUs with one PDV each, and all that each of them needs is
        in this one loop. It does not wait for the rest of a fragment, so nothing is copied. Anything else,
        right or wrong, is left to `next_pdu`. `most`: how many views are wanted.
        """
        found: list[memoryview] = []
        if self._begun or not self._pieces:
            return found, False
        piece, at, limit = self._pieces[0], self._at, self._limits[PDataTF.TYPE]
        there, last = len(piece), 0
        if self._missing:
            found.append(piece[at : at + self._missing])
            at += self._missing
            last = self._cut_last
        while not last and there - at >= _ONE_PDV.size and len(found) < most:
            kind, length, pdv_length, context, control = _ONE_PDV.unpack_from(piece, at)
            if (
                kind != PDataTF.TYPE
                or not PDV_HEADER.size <= length <= limit
                or pdv_length != length - 4
                or context != context_id
                or control & COMMAND
            ):
                break
            last = control & LAST
            end = at + HEADER.size + length
            found.append(piece[at + _ONE_PDV.size : end])
            if not last and most == sys.maxsize:
                same = _alike(piece[at:], end - at)
                found += [
                    piece[begin + _ONE_PDV.size : begin + end - at]
                    for begin in range(end, at + same * (end - at), end - at)
                ]
                end += (same - 1) * (end - at)
            at = end
        self._missing, self._cut_last = max(0, at - there), last
        if found:
            self._taken(min(at, there))
        return found, last != 0 and not self._missing

    def _skip(self) -> None:
        """Leave out what is missing of a fragment."""
        end = min(self._at + self._missing, len(self._pieces[0]))
        self._missing -= end - self._at
        self._taken(end)

    def _taken(self, at: int) -> None:
        """Remember that the first piece is taken up to `at`."""
        if at == len(self._pieces[0]):
            self._pieces.popleft()
            at = 0
        self._at = at

    def _gather(self, piece: memoryview) -> tuple[int, memoryview] | None:
        """Add what is missing of the PDU that was begun, or all there is."""
        begun = self._begun
        missing = max(0, HEADER.size - len(begun))
        begun += piece[:missing]
        used = min(missing, len(piece))
        whole = False
        if len(begun) >= HEADER.size:
            kind, length = self._header(begun, 0)
            missing = HEADER.size + length - len(begun)
            begun += piece[used : used + missing]
            whole = len(piece) - used >= missing
            used = min(used + missing, len(piece))
        self._taken(self._at + used)
        if not whole:
            return None
        self._begun = bytearray()
        return kind, memoryview(begun)[HEADER.size :]

    def _header(self, data: bytearray | memoryview, at: int) -> tuple[int, int]:
        kind, length = HEADER.unpack_from(data, at)
        limit = self._limits.get(kind)
        if limit is not None and length <= limit:
            return kind, length
        self._lost = True
        self._pieces.clear()
        self._begun.clear()
        if limit is None:
            raise RemoteProtocolError(
                f"{kind:02X}H is no type of a PDU", reason=AbortReason.UNRECOGNIZED_PDU
            )
        raise RemoteProtocolError(
            f"{NAMES[kind]} announces a length of {length}, {limit} are allowed"
        )


def _alike(pdus: memoryview, length: int) -> int:
    """Count the PDUs of this length with the same header that follow each other from the first on.

    All but the last PDU of a data set are like that, and to compare many headers at once costs little.
    """
    count = len(pdus) // length
    if count < 2:
        return 1
    headers = struct.iter_unpack(
        f"{_ONE_PDV.size}s{length - _ONE_PDV.size}x", pdus[: count * length]
    )
    first, *others = headers
    same = 1
    for header in others:
        if header != first:
            break
        same += 1
    return same
