"""A data set in another native encoding (PS3.5 7 and A.1 to A.3): element by element, values as they are.

Text is never decoded, so that no character set can harm it; only the byte order of numbers changes, and the
headers of elements. Group lengths (PS3.5 7.2, retired) are left out: they would be wrong.
"""

import array
import struct
from functools import lru_cache
from typing import Final, NamedTuple

from dcm.data.elements import (
    IMPLICIT,
    ITEM,
    ITEM_END,
    ITEM_GROUP,
    LONG_VRS,
    SEQUENCE_END,
    STRUCTS,
    UNDEFINED,
    Cut,
    Encoding,
    Reader,
    Unsure,
    explicit_header,
)
from dcm.data.source import MemorySource
from dcm.errors import DcmError

_PIXEL_REPRESENTATION: Final = 0x00280103
_ITEM_END: Final = ITEM_GROUP << 16 | ITEM_END
_UNITS: Final = {
    **dict.fromkeys((b"AT", b"OW", b"SS", b"US"), "H"),
    **dict.fromkeys((b"FL", b"OF", b"OL", b"SL", b"UL"), "I"),
    **dict.fromkeys((b"FD", b"OD", b"OV", b"SV", b"UV"), "Q"),
}
"""What a change of byte order swaps in the values of a VR."""


class CannotRecode(DcmError):  # noqa: N818 - reads as the sentence it is
    """The elements are not what PS3.5 says."""


def recode(data: bytes, source: Encoding, target: Encoding) -> bytearray:
    """Return the data set in the encoding `target`. Raises `CannotRecode`."""
    recoded = bytearray()
    try:
        signed = _is_signed(data, source)
        _Recoder(data, target).elements(0, len(data), source, recoded, signed=signed)
    except (Cut, struct.error):
        raise CannotRecode("its data set ends within an element") from None
    except Unsure as error:
        raise CannotRecode(f"its data set cannot be read: {error}") from None
    except RecursionError:
        raise CannotRecode("its sequences nest too deep") from None
    return recoded


def _is_signed(data: bytes, source: Encoding) -> bool:
    """Look up Pixel Representation: elements that stand before it may depend on it."""
    wanted = frozenset((_PIXEL_REPRESENTATION,))
    found, _ = Reader(MemorySource(data)).collect(0, source, wanted, _PIXEL_REPRESENTATION)
    return b"\1" in found.get(_PIXEL_REPRESENTATION, (b"", b""))[1]


class _Head(NamedTuple):
    """The header of an element."""

    tag: int
    vr: bytes
    length: int

    def __str__(self) -> str:
        return f"({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})"


class _Recoder:
    """Walks over one data set and writes its elements again."""

    def __init__(self, data: bytes, target: Encoding) -> None:
        self._data: Final = data
        self._target: Final = target

    def elements(
        self, at: int, end: int | None, source: Encoding, into: bytearray, *, signed: bool
    ) -> int:
        """Write the elements up to `end`, or up to the end of the item; say where that is."""
        data = self._data
        while at < (len(data) if end is None else end):
            head, at = self._head(at, source, signed=signed)
            if head.tag == _ITEM_END and end is None:
                return at
            if head.tag == 0 and end is not None and not data[at:end].strip(b"\0"):
                return end  # padding with zeros
            if not head.vr:
                raise Unsure(f"{head} where an element is due")
            if head.length == UNDEFINED or head.vr == b"SQ":
                at = self._sequence(at, head, source, into, signed=signed)
                continue
            value = data[at : at + head.length]
            if len(value) < head.length:
                raise Cut
            at += head.length
            if head.tag == _PIXEL_REPRESENTATION:
                signed = b"\1" in value
            if head.tag & 0xFFFF:
                swap = source.little_endian != self._target.little_endian
                into += self._header(head.tag, head.vr, head.length)
                into += _swapped(head.vr, value) if swap else value
        if end is None or at > end:
            raise Cut
        return at

    def _head(self, at: int, source: Encoding, *, signed: bool) -> tuple[_Head, int]:
        """Read the header of an element, and say where its value begins; delimiters have no VR."""
        group, element, length = STRUCTS[source.little_endian][2](self._data, at)
        tag = group << 16 | element
        if group == ITEM_GROUP or tag == 0:
            return _Head(tag, b"", length), at + 8
        if not source.explicit:
            return _Head(tag, _vr(tag, signed), length), at + 8
        size, vr, length = explicit_header(self._data, at, source)
        return _Head(tag, vr, length), at + size

    def _sequence(
        self, at: int, head: _Head, source: Encoding, into: bytearray, *, signed: bool
    ) -> int:
        """Write a sequence, its length defined as before or not; say where it ends."""
        if head.vr not in (b"SQ", b"UN"):
            raise Unsure(f"{head} has no length")
        if head.vr == b"UN":
            source = IMPLICIT  # PS3.5 6.2.2 note 4
        items, at = self._items(at, head.length, source, signed=signed)
        undefined = head.length == UNDEFINED
        into += self._header(head.tag, b"SQ", UNDEFINED if undefined else len(items))
        into += items
        if undefined:
            into += self._delimiter(SEQUENCE_END, 0)
        return at

    def _items(
        self, at: int, length: int, source: Encoding, *, signed: bool
    ) -> tuple[bytearray, int]:
        """Write the items of a sequence, their lengths defined as before or not; say where it ends."""
        items = bytearray()
        end = None if length == UNDEFINED else at + length
        while end is None or at < end:
            group, element, size = STRUCTS[source.little_endian][2](self._data, at)
            at += 8
            if (group, element) == (ITEM_GROUP, SEQUENCE_END) and end is None:
                break
            if (group, element) != (ITEM_GROUP, ITEM):
                raise Unsure(f"({group:04X},{element:04X}) where an item is due")
            item = bytearray()
            item_end = None if size == UNDEFINED else at + size
            at = self.elements(at, item_end, source, item, signed=signed)
            items += self._delimiter(ITEM, UNDEFINED if item_end is None else len(item))
            items += item
            if item_end is None:
                items += self._delimiter(ITEM_END, 0)
        return items, at

    def _header(self, tag: int, vr: bytes, length: int) -> bytes:
        order = "<" if self._target.little_endian else ">"
        if not self._target.explicit:
            return struct.pack(f"{order}HHI", tag >> 16, tag & 0xFFFF, length)
        if length > 0xFFFF and vr not in LONG_VRS:
            vr = b"UN"  # PS3.5 6.2.2
        if vr in LONG_VRS:
            return struct.pack(f"{order}HH2sxxI", tag >> 16, tag & 0xFFFF, vr, length)
        return struct.pack(f"{order}HH2sH", tag >> 16, tag & 0xFFFF, vr, length)

    def _delimiter(self, element: int, length: int) -> bytes:
        order = "<" if self._target.little_endian else ">"
        return struct.pack(f"{order}HHI", ITEM_GROUP, element, length)


def _swapped(vr: bytes, value: bytes) -> bytes:
    unit = _UNITS.get(vr)
    if unit is None:
        return value
    try:
        numbers: array.array[int] = array.array(unit, value)
    except ValueError:
        raise Unsure(f"a value of VR {vr.decode()} has {len(value)} bytes") from None
    numbers.byteswap()
    return numbers.tobytes()


@lru_cache(maxsize=4096)
def _vr(tag: int, signed: bool) -> bytes:
    """Return the VR for an element in implicit VR (PS3.5 A.1), where the dictionary leaves a choice."""
    from pydicom.datadict import dictionary_VR  # noqa: PLC0415 - slow, and rarely needed

    if tag & 0x10000:
        return b"LO" if 0x10 <= tag & 0xFFFF <= 0xFF else b"UN"
    try:
        choice = dictionary_VR(tag)
    except KeyError:
        return b"UN"
    if choice.endswith("OW"):
        return b"OW"
    if choice == "US or SS":
        return b"SS" if signed else b"US"
    return str(choice).encode()
