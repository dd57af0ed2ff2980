"""Whether an encoded data set is complete, and what has to be changed before it can be sent.

The last element of a file that was cut announces more bytes than there are (PS3.5 7.1.1). An image shows in
microseconds that it is complete: its last element is Pixel Data, which ends where the file does. Only if this
does not show are all elements looked at.
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

_LOOKS: Final = 8  # icons hold pixel data as well, and pixels may hold anything
_SEQUENCE_END: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"
_PADDED_BY_ZERO: Final = frozenset(b"OB OW UN UI".split())
_FIXED: Final = frozenset(b"AT FD FL OD OF OL OV SL SS SV UL US UV".split())
"""VRs whose values have 2, 4 or 8 bytes each: no padding byte makes an odd length right."""
_INFLATE_STEP: Final = 1 << 12  # becomes at most 4 MB


class NotWhole(DcmError):  # noqa: N818 - reads as the sentence it is
    """A data set that ends within an element, or whose lengths contradict each other; says where."""


class Edit(NamedTuple):
    """At `position` of the source, `dropped` bytes are replaced by `put`."""

    position: int
    dropped: int
    put: bytes


class Check(NamedTuple):
    """What has to be changed in a data set that is to be sent, in order of positions, and why in words."""

    edits: tuple[Edit, ...] = ()
    remarks: tuple[str, ...] = ()


def ends_with_pixels(
    data: bytes | bytearray, count: int, tail: bytes, encoding: Encoding, length: int
) -> bool:
    """Return whether a data set of `length` bytes ends with its Pixel Data, of an even length.

    The first `count` bytes of `data` are its beginning, `tail` its last 8 bytes. False only means that this
    did not show.
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

    Pixel data that is deflated frame by frame is encapsulated, and checked like any other.
    """
    if transfer_syntax in DEFLATED:
        check_deflated(source, position)
        return Check((Edit(end, 0, b"\0"),)) if (end - position) % 2 else Check()  # PS3.5 A.5
    return check(source, position, end, NATIVE.get(transfer_syntax, EXPLICIT))


def check(source: Source, position: int, end: int, encoding: Encoding) -> Check:
    """Check all elements from `position` to `end`, the end of the source.

    A value of odd length gets the padding byte of its VR (PS3.5 6.2, 7.1.1); zeros behind the last element
    are left out. Raises `NotWhole`.
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
        # Others may be able to follow what we cannot: it is sent as it is, if only its length is even.
        if (end - position) % 2:
            raise NotWhole(f"it has an odd length of {end - position} bytes: {error}") from None
        return Check((), (f"it could not be checked to its end: {error}",))
    if at < end:
        edits.append(Edit(at, end - at, b""))
        remarks.append(f"{end - at} zeros behind the last element were left out")
    if (end - position + sum(len(each.put) - each.dropped for each in edits)) % 2:
        raise NotWhole("a value within one of its sequences has an odd length (PS3.5 7.1.1)")
    return Check(tuple(edits), tuple(remarks))


def check_deflated(source: Source, position: int) -> None:
    """Inflate a deflated data set to its end (PS3.5 A.5), and keep nothing. Raises `NotWhole`."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while not inflater.eof:
            packed = source.read(position, _INFLATE_STEP)
            if not packed:
                raise NotWhole("it ends within its deflated data set")
            inflater.decompress(packed)
            position += len(packed)
    except zlib.error as error:
        raise NotWhole(f"its data set is not deflated, as it should be: {error}") from None


def _padding(element: Element, encoding: Encoding) -> Iterator[Edit]:
    """Yield the edits that make a length even: of the length itself, and of the end of the value."""
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
