"""Encoded elements (PS3.5 7): from header to header, keeping only the values that are wanted.

Nothing is read that lies between: a value that nobody wants is a number added to a position. What
does not read as PS3.5 says raises `Unsure`, what ends too early raises `Cut`.
"""

import struct
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from dcm.data.source import VALUE_LIMIT, Source

FIRST_READ = 4 * 2**10
NEXT_READ = 16 * 2**10
PIXELS = 0x7FE00000  # the group of pixels, and of all that is bulk
UNDEFINED = 0xFFFFFFFF

ITEM_GROUP, ITEM, ITEM_END, SEQUENCE_END = 0xFFFE, 0xE000, 0xE00D, 0xE0DD
_NO_VR = b""  # in implicit VR

Element = tuple[bytes, bytes]  # its VR, empty in implicit VR, and its encoded value

# In explicit VR some VRs have a length of 16 bits, the others one of 32 bits (PS3.5 7.1.2).
_SHORT_VRS = frozenset(
    (_NO_VR, *b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
)
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_VRS = _SHORT_VRS | LONG_VRS


class Unsure(Exception):  # noqa: N818 - internal, never leaves dcm.data
    """The bytes are not what PS3.5 says; somebody more patient may still read them."""


class Cut(Exception):  # noqa: N818
    """The bytes end within an element."""


class Encoding(NamedTuple):
    """How the elements of a data set are written."""

    explicit: bool = True
    little_endian: bool = True


EXPLICIT = Encoding()
IMPLICIT = Encoding(explicit=False)
BIG_ENDIAN = Encoding(little_endian=False)

# The transfer syntaxes that are nothing but an encoding of elements (PS3.5 A.1 to A.3).
NATIVE = {
    "1.2.840.10008.1.2": IMPLICIT,
    "1.2.840.10008.1.2.1": EXPLICIT,
    "1.2.840.10008.1.2.2": BIG_ENDIAN,
}

DEFLATED = frozenset(("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95"))
"""Transfer syntaxes that deflate the whole data set (PS3.5 A.5), which often ends with an odd length."""

# Readers of an element's header, by byte order.
STRUCTS = {
    little: (
        struct.Struct(f"{order}HH2sH").unpack_from,  # group, element, VR, 16-bit length
        struct.Struct(f"{order}I").unpack_from,  # 32-bit length
        struct.Struct(f"{order}HHI").unpack_from,  # group, element, 32-bit length
    )
    for little, order in ((True, "<"), (False, ">"))
}


def recognise(head: bytes) -> Encoding | None:
    """Tell from its first element how a data set is written; None if it is none.

    The first group of a data set is a small number: that shows the byte order. Two capital letters
    of a known VR show explicit VR: as the low half of a length they would be 16,000 and more.
    """
    if len(head) < 8:
        return None
    explicit = head[4:6] in _VRS
    if head[0] and not head[1]:
        return EXPLICIT if explicit else IMPLICIT
    if head[1] and not head[0] and explicit:
        return BIG_ENDIAN
    return None


class Place(NamedTuple):
    """Where an element stands: positions of its header, its value, and what follows."""

    tag: int
    vr: bytes
    header: int
    value: int
    end: int
    undefined: bool = False
    """Its length is not given: items follow, up to a delimiter."""


class Reader:
    """Walks over the elements of a source."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._base = 0
        self._buffer = source.read(0, FIRST_READ)

    def peek(self, position: int, size: int) -> bytes:
        """Return the next bytes without moving on."""
        at = position - self._base
        if at >= 0 and at + size <= len(self._buffer):
            return self._buffer[at : at + size]
        return self._source.read(position, size)

    def collect(  # noqa: C901 - a call per element would cost as much as all the rest
        self,
        position: int,
        encoding: Encoding,
        wanted: AbstractSet[int],
        last: int,
        required: AbstractSet[int] = frozenset(),
    ) -> tuple[Mapping[int, Element], int]:
        """Collect the wanted elements up to the tag `last`, and say where the next one begins.

        Goes on beyond `last`, to the pixels at most, as long as a required one is missing: it may
        stand out of order. The values of sequences are not kept.
        """
        found: dict[int, Element] = {}
        explicit, vr = encoding.explicit, _NO_VR
        short, wide, plain = STRUCTS[encoding.little_endian]
        short_vrs, undefined = _SHORT_VRS, UNDEFINED  # locals are faster
        buffer, at = self._buffer, position - self._base
        safe = len(buffer) - 12
        try:
            while True:
                if at > safe:
                    buffer, at = self._refill(at), 0
                    safe = max(len(buffer) - 12, 0)
                    if not buffer:
                        break
                if explicit:
                    group, element, vr, length = short(buffer, at)
                else:
                    group, element, length = plain(buffer, at)
                tag = group << 16 | element
                if tag > last and (tag >= PIXELS or required <= found.keys()):
                    break
                at += 8
                if vr not in short_vrs:
                    if vr not in LONG_VRS:
                        if tag == 0:  # padding with zeros
                            break
                        raise Unsure(f"unknown VR {vr!r} in ({group:04X},{element:04X})")
                    length = wide(buffer, at)[0]
                    at += 4
                if length == undefined:
                    at = self._skip_sequence(at, encoding, explicit and vr != b"UN")
                    buffer, safe = self._buffer, len(self._buffer) - 12
                    continue
                end = at + length
                if tag in wanted and vr != b"SQ":
                    value = buffer[at:end]
                    found[tag] = vr, value if len(value) == length else self._value(at, length)
                at = end
        except struct.error:
            raise Cut(f"within an element's header at byte {self._base + at}") from None
        return found, self._base + at

    def top_level(self, position: int, encoding: Encoding) -> Iterator[Place]:
        """Yield the place of each element that is in no sequence, up to the end or to padding with zeros.

        A value may end beyond the source. Raises `Cut` if a header or a sequence does, and `Unsure`.
        """
        _, _, plain = STRUCTS[encoding.little_endian]
        while head := self.peek(position, 12):
            if not head.strip(b"\0"):
                return
            size, vr = 8, _NO_VR
            try:
                group, element, length = plain(head)
                if encoding.explicit:
                    size, vr, length = explicit_header(head, 0, encoding)
            except struct.error:
                raise Cut(f"within an element's header at byte {position}") from None
            tag, value = group << 16 | element, position + size
            end = value + length
            if length == UNDEFINED:
                end = self._end_of_sequence(value, encoding, encoding.explicit and vr != b"UN")
            yield Place(tag, vr, position, value, end, length == UNDEFINED)
            position = end

    def _end_of_sequence(self, position: int, encoding: Encoding, explicit: bool) -> int:
        self._base, self._buffer = position, self._source.read(position, NEXT_READ)
        try:
            at = self._skip_sequence(0, encoding, explicit)
        except struct.error:
            raise Cut(f"within the sequence that begins at byte {position}") from None
        return self._base + at

    def _refill(self, at: int) -> bytes:
        """Read on from `at` in the buffer. Empty means that the elements end there, as they may."""
        self._base += at
        self._buffer = self._source.read(self._base, NEXT_READ)
        if not self._buffer and not self._source.reaches(self._base):
            raise Cut("within the value of an element")
        if len(self._buffer) < NEXT_READ and not self._buffer.strip(b"\0"):
            self._buffer = b""  # padding with zeros up to a multiple of something
        return self._buffer

    def _value(self, at: int, length: int) -> bytes:
        """Read a value that does not end within the buffer."""
        if length > VALUE_LIMIT:
            raise ValueError(f"an element that was asked for claims {length} bytes")
        return self._source.read(self._base + at, length)

    def _skip_sequence(self, at: int, encoding: Encoding, explicit: bool) -> int:
        """Skip the items of an element of undefined length, however deep they nest.

        An element of VR UN and undefined length is a sequence in implicit VR (PS3.5 6.2.2 note 4).
        """
        plain = STRUCTS[encoding.little_endian][2]
        buffer = self._buffer
        depth, implicit_from = 1, 0
        while depth:
            if at + 12 > len(buffer):
                buffer, at = self._refill(at), 0
            group, element, length = plain(buffer, at)
            if group == ITEM_GROUP:
                at += 8
                if element == SEQUENCE_END:
                    depth -= 1
                    explicit = explicit or depth < implicit_from
                elif element == ITEM and length != UNDEFINED:
                    at += length
                continue
            size, vr = 8, b""
            if explicit:
                size, vr, length = explicit_header(buffer, at, encoding)
            at += size
            if length != UNDEFINED:
                at += length
                continue
            depth += 1
            if vr == b"UN":
                explicit, implicit_from = False, depth
        return at


def explicit_header(buffer: bytes, at: int, encoding: Encoding) -> tuple[int, bytes, int]:
    """Return the size of an element's header, its VR and the length of its value."""
    short, wide, _ = STRUCTS[encoding.little_endian]
    _, _, vr, length = short(buffer, at)
    if vr in _SHORT_VRS:
        return 8, vr, length
    if vr not in LONG_VRS:
        raise Unsure(f"unknown VR {vr!r} within a sequence")
    return 12, vr, wide(buffer, at + 8)[0]
