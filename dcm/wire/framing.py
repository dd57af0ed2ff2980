"""Split a stream of bytes into PDUs and PDVs, without copying those that arrive in one piece."""

import struct
from typing import Final

from dcm.errors import AbortReason, RemoteProtocolError
from dcm.wire.codec import COMMAND, HEADER, LAST, PDV_HEADER, check_room
from dcm.wire.limits import Limits
from dcm.wire.pdu import NAMES, AssociateAC, AssociateRQ, PDataTF
from dcm.wire.values import Buffer

_FIXED_LENGTH: Final = 4
"""The length of all PDUs except three (PS3.8 9.3.4, 9.3.6 to 9.3.8)."""
ONE_PDV: Final = struct.Struct(HEADER.format + PDV_HEADER.format.lstrip(">"))
"""Both headers of a P-DATA-TF with one PDV; nearly all have only one."""
_HEADERS: Final = ONE_PDV.size
_P_DATA: Final = PDataTF.TYPE
_AT_ONCE: Final = 1024  # PDVs; limits the work if a peer sends many tiny ones

Part = tuple[int, int, memoryview]
"""A PDV, or as much of it as has arrived: context ID, control header, bytes.

The control header has the bit `LAST` only in the part that ends the PDV.
"""


class Framer:
    """Splits a stream into PDUs: `feed` bytes, then call `pdvs` and `next_pdu` until they return nothing.

    They return views of the bytes that were fed. Only a header or an association PDU that arrives in several
    pieces is copied, to a buffer that never exceeds its limit. A caller that reuses its own buffer must take
    everything first.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits: Final = dict.fromkeys(NAMES, _FIXED_LENGTH) | {
            AssociateRQ.TYPE: limits.association_pdu,
            AssociateAC.TYPE: limits.association_pdu,
            _P_DATA: limits.p_data_pdu,
        }
        self._data: Buffer = b""
        self._at = 0
        """How many bytes of `_data` were taken."""
        self._in_pdu = 0
        """How many bytes of the current P-DATA-TF are still to be taken."""
        self._in_pdv: int | None = None
        """How many of them belong to the current PDV; None between PDVs."""
        self._context_id = self._control = 0
        self._lost = False

    @property
    def has_more(self) -> bool:
        """Whether any bytes were fed but not taken yet, even if only the beginning of a PDU."""
        return self._at < len(self._data)

    @property
    def within_p_data(self) -> bool:
        """Whether a P-DATA-TF was taken in part."""
        return self._in_pdu > 0 or self._in_pdv is not None

    def limit_p_data(self, length: int) -> None:
        """Accept no P-DATA-TF longer than `length`, the maximum length that we announced (PS3.8 D.1)."""
        self._limits[_P_DATA] = length

    def feed(self, data: Buffer) -> None:
        """Add received bytes."""
        if self._lost or not len(data):
            return
        if self._at == len(self._data):
            self._data, self._at = memoryview(data), 0
        else:
            self._keep_rest()
            assert isinstance(self._data, bytearray)
            self._data += data

    def next_pdu(self) -> tuple[int, memoryview] | None:
        """Return type and body of the next PDU, or None if more bytes are needed.

        The body of a P-DATA-TF is returned empty: `pdvs` returns its contents, and the next call of this
        method skips the rest. Raises `RemoteProtocolError` as soon as a header announces an unknown type or a
        length above the limit; everything after it is discarded.
        """
        self._skip()
        found = self._header()
        if found is None:
            return None
        kind, length = found
        begin = self._at + HEADER.size
        if kind == _P_DATA:
            self._at, self._in_pdu = begin, length
            return kind, memoryview(b"")
        if begin + length > len(self._data):
            self._keep_rest()
            return None
        body = memoryview(self._data)[begin : begin + length]
        self._at = begin + length
        return kind, body

    def pdvs(self, found: list[Part]) -> None:  # noqa: C901 - one loop, for speed
        """Add the next PDVs to `found`, up to a PDU of another type; the last PDV may be incomplete.

        Bulk data arrives as thousands of P-DATA-TF PDUs with one PDV each, all of which this one loop can
        handle. Raises the same errors as `next_pdu`, and `RemoteProtocolError` for a PDV that does not fit
        into its PDU; PDVs before the error are in `found`.
        """
        while self.within_p_data and len(found) < _AT_ONCE:
            part = self._part()
            if part is None:
                return
            found.append(part)
        data, at, limit = self._data, self._at, self._limits[_P_DATA]
        there = len(data) - _HEADERS
        if at <= there:
            view = memoryview(data)
            while at <= there and len(found) < _AT_ONCE:
                kind, length, pdv_length, context_id, control = ONE_PDV.unpack_from(data, at)
                end = at + HEADER.size + length
                if (
                    kind != _P_DATA
                    or pdv_length != length - 4
                    or not PDV_HEADER.size <= length <= limit
                ):
                    break
                if end > len(view):
                    if at < there:
                        found.append((context_id, control & ~LAST, view[at + _HEADERS :]))
                    self._in_pdu = self._in_pdv = end - len(view)
                    self._context_id, self._control = context_id, control
                    at = len(view)
                    break
                found.append((context_id, control, view[at + _HEADERS : end]))
                if control & (COMMAND | LAST) == 0 and end <= there:
                    size = end - at
                    same = _alike(view[at : at + _AT_ONCE * size], size)
                    found += [
                        (context_id, control, view[begin + _HEADERS : begin + size])
                        for begin in range(end, at + same * size, size)
                    ]
                    end = at + same * size
                at = end
            if at == len(view):  # nearly always
                self._data, self._at = b"", 0
                return
            self._at = at
        while len(found) < _AT_ONCE and (part := self._part()) is not None:
            found.append(part)

    def _part(self) -> Part | None:
        """Return the next PDV, or its part that has arrived; None if there is none before another PDU."""
        if self._in_pdv is None:
            if not self._in_pdu:
                found = self._header()
                if found is None or found[0] != _P_DATA:
                    return None
                self._in_pdu = found[1]
                self._at += HEADER.size
                if not self._in_pdu:
                    raise RemoteProtocolError("a P-DATA-TF without a PDV")
            check_room(self._in_pdu)
            if len(self._data) - self._at < PDV_HEADER.size:
                self._keep_rest()
                return None
            length, self._context_id, self._control = PDV_HEADER.unpack_from(self._data, self._at)
            check_room(self._in_pdu, length)
            self._at += PDV_HEADER.size
            self._in_pdu -= PDV_HEADER.size
            self._in_pdv = length - 2
        begin, control = self._at, self._control
        size = min(self._in_pdv, len(self._data) - begin)
        if not size and self._in_pdv:
            return None
        self._at += size
        self._in_pdu -= size
        self._in_pdv -= size
        if self._in_pdv:
            control &= ~LAST
        else:
            self._in_pdv = None
        return self._context_id, control, memoryview(self._data)[begin : begin + size]

    def _skip(self) -> None:
        """Skip the rest of a P-DATA-TF."""
        size = min(self._in_pdu, len(self._data) - self._at)
        self._at += size
        self._in_pdu -= size
        self._in_pdv = None

    def _keep_rest(self) -> None:
        """Copy the bytes not taken yet to our own buffer, so that the caller can reuse its buffer."""
        if self._at == len(self._data):
            self._data, self._at = b"", 0
        elif self._at or not isinstance(self._data, bytearray):
            self._data, self._at = bytearray(self._data[self._at :]), 0

    def _header(self) -> tuple[int, int] | None:
        """Return type and length of the PDU that begins here, or None if they have not arrived yet."""
        if len(self._data) - self._at < HEADER.size:
            self._keep_rest()
            return None
        kind, length = HEADER.unpack_from(self._data, self._at)
        limit = self._limits.get(kind)
        if limit is not None and length <= limit:
            return kind, length
        self._lost = True
        self._data, self._at = b"", 0
        if limit is None:
            raise RemoteProtocolError(
                f"{kind:02X}H is not a PDU type", reason=AbortReason.UNRECOGNIZED_PDU
            )
        raise RemoteProtocolError(
            f"{NAMES[kind]} declares a length of {length}, but the limit is {limit}"
        )


def _alike(pdus: memoryview, length: int) -> int:
    """Count the PDUs at the beginning that have this length and the same header as the first.

    All PDUs of a data set except the last are alike, and comparing many headers at once is fast.
    """
    count = len(pdus) // length
    headers = struct.iter_unpack(f"{_HEADERS}s{length - _HEADERS}x", pdus[: count * length])
    first, *others = headers
    same = 1
    for header in others:
        if header != first:
            break
        same += 1
    return same
