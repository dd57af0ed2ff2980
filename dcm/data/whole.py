"""Check whether an encoded data set is complete, and what must be changed before it can be sent.

The last element of a truncated file announces more bytes than the file has (PS3.5 7.1.1). Most images can be
checked in microseconds: their last element is Pixel Data, which ends where the file ends. Only otherwise are
all elements checked.
"""

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from dcm.data.dictionary import keyword_of, vr_of
from dcm.data.encoding import (
    DEFLATED,
    EXPLICIT,
    LONG_VRS,
    NATIVE,
    STRUCTS,
    UNDEFINED,
    Element,
    Encoding,
    MalformedData,
    Reader,
    TruncatedData,
    tag_text,
)
from dcm.data.source import Source
from dcm.errors import DcmError

_LOOKS: Final = 8  # icons contain pixel data, too, and pixels may contain any bytes
_SEQUENCE_END: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"
_PADDED_BY_ZERO: Final = frozenset(b"OB OW UN UI".split())
_FIXED: Final = frozenset(b"AT FD FL OD OF OL OV SL SS SV UL US UV".split())
"""VRs whose values have 2, 4 or 8 bytes each, so an odd length cannot be corrected by padding."""
_INFLATE_STEP: Final = 1 << 12  # inflates to at most 4 MB


class NotWhole(DcmError):  # noqa: N818 - reads as the sentence it is
    """A data set that ends within an element, or has contradictory lengths; the message says where."""


class Edit(NamedTuple):
    """A replacement of `dropped` bytes at `position` of the source by `put`."""

    position: int
    dropped: int
    put: bytes


class Check(NamedTuple):
    """The changes needed before a data set can be sent, in order of positions, and the reasons."""

    edits: tuple[Edit, ...] = ()
    remarks: tuple[str, ...] = ()


def ends_with_pixels(
    data: bytes | bytearray, count: int, tail: bytes, encoding: Encoding, length: int
) -> bool:
    """Return whether a data set of `length` bytes ends with its Pixel Data, which has an even length.

    The first `count` bytes of `data` are its beginning, `tail` its last 8 bytes. False only means that these
    do not show it.
    """
    wide = STRUCTS[encoding.little_endian][1]
    tag = b"\xe0\x7f\x10\0" if encoding.little_endian else b"\x7f\xe0\0\x10"
    size = 12 if encoding.explicit else 8
    at = -1
    for _ in range(_LOOKS):
        at = data.find(tag, at + 1, count)
        if at < 0 or at + size > count:
            return False
        announced = wide(data, at + size - 4)[0]
        if announced == UNDEFINED:
            if tail == _SEQUENCE_END and length % 2 == 0:
                return True
        elif at + size + announced == length and announced % 2 == 0:
            return True
    return False


def checked(source: Source, position: int, end: int, transfer_syntax: str) -> Check:
    """Check the data set from `position` to `end`, the end of the source. Raises `NotWhole`.

    Pixel data that is deflated frame by frame is encapsulated, and checked like other pixel data.
    """
    if transfer_syntax in DEFLATED:
        check_deflated(source, position)
        return Check((Edit(end, 0, b"\0"),)) if (end - position) % 2 else Check()  # PS3.5 A.5
    return check(source, position, end, NATIVE.get(transfer_syntax, EXPLICIT))


def check(source: Source, position: int, end: int, encoding: Encoding) -> Check:
    """Check all elements from `position` to `end`, the end of the source.

    A value of odd length gets the padding byte of its VR (PS3.5 6.2, 7.1.1); zeros after the last element are
    removed. Raises `NotWhole`.
    """
    edits: list[Edit] = []
    remarks: list[str] = []
    at = position
    try:
        for element in Reader(source).walk(position, encoding):
            at = element.end
            if at > end:
                raise NotWhole(
                    f"it ends within {_named(element.tag)}: "
                    f"{at - end} of {element.length} bytes are missing"
                )
            if element.depth == 0 and element.length % 2 and element.length != UNDEFINED:
                edits += _padding(element, encoding)
                remarks.append(
                    f"{_named(element.tag)} has an odd length of {element.length} bytes "
                    "and was given a padding byte"
                )
    except TruncatedData as error:
        raise NotWhole(f"it ends {error}") from None
    except MalformedData as error:
        # Others may be able to read it: send it as it is, provided that its length is even.
        if (end - position) % 2:
            raise NotWhole(f"it has an odd length of {end - position} bytes: {error}") from None
        return Check((), (f"it could not be checked completely: {error}",))
    if at < end:
        edits.append(Edit(at, end - at, b""))
        remarks.append(f"{end - at} zeros after the last element were left out")
    if (end - position + sum(len(each.put) - each.dropped for each in edits)) % 2:
        raise NotWhole("a value within one of its sequences has an odd length (PS3.5 7.1.1)")
    return Check(tuple(edits), tuple(remarks))


def check_deflated(source: Source, position: int) -> None:
    """Inflate a deflated data set (PS3.5 A.5) to its end, without keeping it. Raises `NotWhole`."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while not inflater.eof:
            packed = source.read(position, _INFLATE_STEP)
            if not packed:
                raise NotWhole("it ends in the middle of its deflated data set")
            inflater.decompress(packed)
            position += len(packed)
    except zlib.error as error:
        raise NotWhole(f"its data set is not deflated, as it should be: {error}") from None


def _padding(element: Element, encoding: Encoding) -> Iterator[Edit]:
    """Yield the edits that make a length even: one of the length itself, one at the end of the value."""
    vr = element.vr or vr_of(element.tag).encode()
    if vr == b"SQ" or vr in _FIXED:
        raise NotWhole(
            f"{_named(element.tag)} has an odd length of {element.length} bytes, "
            f"which its VR {vr.decode()} cannot have"
        )
    size = 4 if not encoding.explicit or vr in LONG_VRS else 2
    length = (element.length + 1).to_bytes(size, "little" if encoding.little_endian else "big")
    yield Edit(element.start - size, size, length)
    yield Edit(element.end, 0, b"\0" if vr in _PADDED_BY_ZERO else b" ")


def _named(tag: int) -> str:
    keyword = keyword_of(tag)
    return tag_text(tag) if keyword == f"{tag:08X}" else f"{keyword} {tag_text(tag)}"
