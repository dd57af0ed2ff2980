"""Convert a data set to another native encoding (PS3.5 7 and A.1 to A.3), element by element.

Only the headers of elements and the byte order of numbers change. Text is never decoded, so no character set
can harm it. Group lengths (PS3.5 7.2, retired) are omitted, since they would be wrong.
"""

import array
from functools import lru_cache
from typing import Final

from dcm.data.dictionary import vr_choice
from dcm.data.encoding import (
    ITEM,
    ITEM_GROUP,
    UNDEFINED,
    Encoding,
    MalformedData,
    Reader,
    TruncatedData,
    Writer,
    tag_text,
)
from dcm.errors import DcmError

_PIXEL_REPRESENTATION: Final = 0x00280103
_UNITS: Final = {
    **dict.fromkeys((b"AT", b"OW", b"SS", b"US"), "H"),
    **dict.fromkeys((b"FL", b"OF", b"OL", b"SL", b"UL"), "I"),
    **dict.fromkeys((b"FD", b"OD", b"OV", b"SV", b"UV"), "Q"),
}
"""The type code (`array`) of the numbers that are swapped if the byte order changes, by VR."""


class CannotRecode(DcmError):  # noqa: N818 - reads as the sentence it is
    """A data set that does not conform to PS3.5."""


def recode(data: bytes, source: Encoding, target: Encoding) -> bytearray:
    """Return the data set in the encoding `target`. Raises `CannotRecode`."""
    try:
        return _recoded(Reader(data), data, source, target)
    except TruncatedData:
        raise CannotRecode("its data set ends in the middle of an element") from None
    except (MalformedData, ValueError) as error:
        raise CannotRecode(f"its data set cannot be read: {error}") from None


def _recoded(reader: Reader, data: bytes, source: Encoding, target: Encoding) -> bytearray:
    writer = Writer(target)
    swap = source.little_endian != target.little_endian
    # Elements may depend on a Pixel Representation that follows them, and items inherit it.
    found, _ = reader.collect(0, source, {_PIXEL_REPRESENTATION}, _PIXEL_REPRESENTATION)
    signed = [b"\1" in found.get(_PIXEL_REPRESENTATION, (b"", b""))[1]]
    for tag, vr, _, start, length, depth in reader.walk(0, source, len(data), into_sequences=True):
        signed = signed[: depth + 1] + signed[-1:] * (depth + 1 - len(signed))
        while writer.depth > depth:
            writer.end()
        if tag >> 16 == ITEM_GROUP and tag != ITEM:
            continue
        vr = vr or implicit_vr(tag, signed[depth])  # noqa: PLW2901
        undefined = length == UNDEFINED
        if tag == ITEM or vr == b"SQ" or (undefined and vr == b"UN"):
            writer.begin(tag, undefined_length=undefined)
            continue
        if undefined:
            raise MalformedData(f"{tag_text(tag)} has no length")
        value = data[start : start + length]
        if len(value) < length:
            raise TruncatedData
        if tag == _PIXEL_REPRESENTATION:
            signed[depth] = b"\1" in value
        if tag & 0xFFFF:
            writer.element(tag, vr, swapped(vr, value) if swap else value)
    return writer.finished()


def swapped(vr: bytes, value: bytes) -> bytes:
    """Return a value with its byte order reversed. Raises `MalformedData`."""
    unit = _UNITS.get(vr)
    if unit is None:
        return value
    try:
        numbers: array.array[int] = array.array(unit, value)
    except ValueError:
        raise MalformedData(f"a value of VR {vr.decode()} has {len(value)} bytes") from None
    numbers.byteswap()
    return numbers.tobytes()


@lru_cache(maxsize=4096)
def implicit_vr(tag: int, signed: bool) -> bytes:
    """Return the VR of an element in implicit VR (PS3.5 A.1); `signed` decides between US and SS."""
    choice = vr_choice(tag)
    if choice.endswith("OW"):
        return b"OW"
    if choice == "US or SS":
        return b"SS" if signed else b"US"
    return choice.encode()
