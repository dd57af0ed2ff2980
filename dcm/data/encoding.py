"""Read and write encoded elements (PS3.5 7).

    for element in Reader(data).walk(0, EXPLICIT, len(data), into_sequences=True): ...

All code that reads or writes the structure of data sets uses `Reader` and `Writer`. Values are not decoded
here, and values that are not requested are not even read from a file.
"""

import struct
from collections.abc import Container, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from dcm.data.dictionary import vr_of
from dcm.data.source import VALUE_LIMIT, MemorySource, Source

FIRST_READ: Final = 4 * 2**10
NEXT_READ: Final = 16 * 2**10
PIXELS: Final = 0x7FE00000  # the group of pixels and other bulk data
UNDEFINED: Final = 0xFFFFFFFF
EVERYTHING: Final = range(1 << 32)
"""All tags, for `Reader.collect`."""
MAX_DEPTH: Final = 64
"""The maximum depth of nested sequences that `walk` enters; deeper ones are an error."""

ITEM_GROUP: Final = 0xFFFE
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_DELIMITERS: Final = frozenset((ITEM_END, SEQUENCE_END))

# In explicit VR, these VRs have a length of 16 bits, all others have one of 32 bits (PS3.5 7.1.2).
SHORT_VRS = frozenset(
    (b"", *b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
)
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_VRS = SHORT_VRS | LONG_VRS
SEQUENCE_VRS = frozenset((b"SQ", "SQ"))  # as encoded, and as in the dictionary


class MalformedData(Exception):  # noqa: N818 - internal, never leaves dcm.data
    """The bytes do not conform to PS3.5; a more tolerant reader may still understand them."""


class TruncatedData(Exception):  # noqa: N818
    """The bytes end within an element."""


class Encoding(NamedTuple):
    """The encoding of the elements of a data set."""

    explicit: bool = True
    little_endian: bool = True


EXPLICIT = Encoding()
IMPLICIT = Encoding(explicit=False)
BIG_ENDIAN = Encoding(little_endian=False)

NATIVE: Final = {
    "1.2.840.10008.1.2": IMPLICIT,
    "1.2.840.10008.1.2.1": EXPLICIT,
    "1.2.840.10008.1.2.2": BIG_ENDIAN,
}
"""The transfer syntaxes that only define the encoding of elements (PS3.5 A.1 to A.3)."""

LITTLE_ENDIAN: Final = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
"""The native transfer syntaxes that are not retired, the preferred one first."""

DEFLATED: Final = frozenset(("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95"))
"""Transfer syntaxes that deflate the whole data set (PS3.5 A.5), which often ends with an odd length."""

# Functions that unpack an element's header, by byte order.
STRUCTS: Final = {
    little: (
        struct.Struct(f"{order}HH2sH").unpack_from,  # group, element, VR, 16-bit length
        struct.Struct(f"{order}I").unpack_from,  # 32-bit length
        struct.Struct(f"{order}HHI").unpack_from,  # group, element, 32-bit length
    )
    for little, order in ((True, "<"), (False, ">"))
}


class Element(NamedTuple):
    """The position of an element, item or delimiter, and the contents of its header.

    vr: empty in implicit VR and for items. header, start: positions of its header and of its value.
    depth: 0 in the data set, 1 for the items of its sequences, 2 for the elements of those, and so on; a
    delimiter has the depth of the element or item before it.
    """

    tag: int
    vr: bytes
    header: int
    start: int
    length: int
    depth: int

    @property
    def end(self) -> int:
        """The end of its value; for an undefined length, its beginning, as its contents are yielded next."""
        return self.start if self.length == UNDEFINED else self.start + self.length


class _Level(NamedTuple):
    """A data set, a sequence or an item that is being walked over.

    end: its end; None if a delimiter marks it. with_elements: whether to enter items of defined length in it,
    which contain elements rather than fragments of encapsulated pixels (PS3.5 A.4).
    """

    end: int | None
    encoding: Encoding
    with_elements: bool

    def inside(self, element: Element, *, into_sequences: bool) -> "_Level":
        """Return the level that begins with an element of this one."""
        return _Level(
            None if element.length == UNDEFINED else element.end,
            IMPLICIT if element.vr == b"UN" else self.encoding,  # PS3.5 6.2.2 note 4
            self.with_elements
            if element.tag == ITEM
            else into_sequences and element.vr in (b"SQ", b"UN", b""),
        )


def _closed(delimiter: Element, level: _Level, outer: list[_Level]) -> _Level:
    """Return the level after a delimiter, which may be superfluous, or also end the last item."""
    in_item = len(outer) % 2 == 0
    if in_item and outer and level.end is None:
        level = outer.pop()
    elif not outer or (in_item and delimiter.tag == SEQUENCE_END):
        raise MalformedData(f"{tag_text(delimiter.tag)} where an element is due")
    if delimiter.tag == ITEM_END:
        return level
    if level.end is not None:
        raise MalformedData(f"{tag_text(delimiter.tag)} in a sequence of defined length")
    return outer.pop()


def recognise(head: bytes) -> Encoding | None:
    """Return the encoding of a data set, given its first 8 bytes; None if they are not a data set.

    The first group of a data set is a small number, which shows the byte order. The two letters of a known VR
    show explicit VR: as the low half of a length, they would mean 16,000 bytes or more.
    """
    if len(head) < 8:
        return None
    explicit = head[4:6] in _VRS
    if head[0] and not head[1]:
        return EXPLICIT if explicit else IMPLICIT
    if head[1] and not head[0] and explicit:
        return BIG_ENDIAN
    return None


def read_header(buffer: bytes, at: int, encoding: Encoding) -> tuple[int, bytes, int, int]:
    """Return the tag, VR and length in the header at `at`, and the size of the header.

    The VR is empty in implicit VR, for items and for delimiters. Raises `struct.error` if the buffer ends
    within the header, and `MalformedData` for an unknown VR.
    """
    short, wide, _ = STRUCTS[encoding.little_endian]
    group, number, vr, length = short(buffer, at)
    tag = group << 16 | number
    if group == ITEM_GROUP or not encoding.explicit:
        return tag, b"", wide(buffer, at + 4)[0], 8
    if vr in SHORT_VRS:
        return tag, vr, length, 8
    if vr not in LONG_VRS:
        raise MalformedData(f"unknown VR {vr!r} in {tag_text(tag)}")
    return tag, vr, wide(buffer, at + 8)[0], 12


def tag_text(tag: int) -> str:
    """Return a tag as the standard writes it."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


class Reader:
    """Reads the elements of a source, or of bytes in memory."""

    def __init__(self, source: Source | bytes) -> None:
        self._base = 0
        if isinstance(source, (bytes, bytearray)):
            self._buffer = bytes(source)
            self._source: Source = MemorySource(self._buffer)
        else:
            self._source = source
            self._buffer = source.read(0, FIRST_READ)

    def peek(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from `position` on."""
        at = position - self._base
        if at >= 0 and at + size <= len(self._buffer):
            return self._buffer[at : at + size]
        return self._source.read(position, size)

    def walk(  # noqa: C901, PLR0912 - see `collect`
        self,
        position: int,
        encoding: Encoding,
        end: int | None = None,
        *,
        into_sequences: bool = False,
        enter: Container[int] = (),
    ) -> Iterator[Element]:
        """Yield the elements from `position` on, in the order of their bytes, up to padding or to `end`.

        Without an `end`, the source may end within the last value: check `Element.end`. Elements of undefined
        length are always entered, since only a delimiter marks their end. `into_sequences` also enters
        sequences and items of defined length, and elements whose header is at a position in `enter`, such as
        sequences that are not recognised by their VR. `enter` may grow during the iteration. Raises
        `TruncatedData` and `MalformedData`.
        """
        outer: list[_Level] = []
        level, at = _Level(end, encoding, with_elements=False), position
        buffer, base = self._buffer, self._base
        while True:
            end, encoding, with_elements = level
            depth = len(outer)
            in_sequence = depth % 2 == 1
            while end is None or at < end:
                here = at - base
                if here < 0 or here + 12 > len(buffer):
                    buffer, base, here = self._source.read(at, NEXT_READ), at, 0
                try:
                    tag, vr, length, size = read_header(buffer, here, encoding)
                except (struct.error, MalformedData) as error:
                    if not depth and self._is_padding(at):
                        return
                    if isinstance(error, MalformedData):
                        raise
                    where = "a sequence" if depth else "an element's header"
                    raise TruncatedData(f"within {where}, at byte {at}") from None
                if not tag and not depth and self._is_padding(at):
                    return
                element = Element(tag, vr, at, at + size, length, depth)
                at += size
                if tag in _DELIMITERS:
                    level = _closed(element, level, outer)
                    yield element
                    break
                if in_sequence != (tag == ITEM):
                    due = "an item" if in_sequence else "an element"
                    raise MalformedData(f"{tag_text(tag)} where {due} is due")
                yield element
                if length == UNDEFINED or (
                    with_elements
                    if in_sequence
                    else into_sequences
                    and ((vr or vr_of(tag)) in SEQUENCE_VRS or element.header in enter)
                ):
                    if into_sequences and depth > 2 * MAX_DEPTH:
                        raise MalformedData(f"sequences are nested more than {MAX_DEPTH} deep")
                    outer.append(level)
                    level = level.inside(element, into_sequences=into_sequences)
                    break
                at += length
            else:
                if end is not None and at > end:
                    raise MalformedData("an element extends beyond the end of its container")
                if not outer:
                    return
                level = outer.pop()

    def collect(  # noqa: C901, PLR0912 - a call per element would cost as much as all the rest
        self,
        position: int,
        encoding: Encoding,
        wanted: Container[int],
        last: int,
        required: AbstractSet[int] = frozenset(),
    ) -> tuple[Mapping[int, tuple[bytes, bytes]], int]:
        """Return VR and value of the wanted elements up to the tag `last`, and the start of the next one.

        This is the fast way to read elements outside sequences. If a required element is missing, which may
        be out of order, it continues beyond `last`, up to the pixels. Sequences are not returned; if
        EVERYTHING is wanted, the first sequence ends the collection.
        """
        found: dict[int, tuple[bytes, bytes]] = {}
        explicit, vr = encoding.explicit, b""
        short, wide, plain = STRUCTS[encoding.little_endian]
        short_vrs, undefined = SHORT_VRS, UNDEFINED  # locals are faster
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
                start = at + 8
                if vr not in short_vrs:
                    if vr not in LONG_VRS:
                        if tag == 0:  # padding with zeros
                            break
                        raise MalformedData(f"unknown VR {vr!r} in {tag_text(tag)}")
                    length = wide(buffer, start)[0]
                    start += 4
                if length == undefined:
                    if wanted is EVERYTHING:
                        break
                    at = self._end_of_sequence(self._base + at, encoding) - self._base
                    continue
                if tag in wanted:
                    if vr != b"SQ" and (explicit or wanted is not EVERYTHING or vr_of(tag) != "SQ"):
                        value = buffer[start : start + length]
                        found[tag] = (
                            vr,
                            value if len(value) == length else self._value(start, length),
                        )
                    elif wanted is EVERYTHING:
                        break
                at = start + length
        except struct.error:
            raise TruncatedData(f"within an element's header, at byte {self._base + at}") from None
        return found, self._base + at

    def _end_of_sequence(self, position: int, encoding: Encoding) -> int:
        """Return where an element of undefined length ends."""
        for element in self.walk(position, encoding):
            if element.tag == SEQUENCE_END and element.depth <= 2:
                return element.end
        raise TruncatedData("within a sequence")

    def _refill(self, at: int) -> bytes:
        """Refill the buffer from `at` on; return it, empty if the elements end there."""
        self._base += at
        self._buffer = self._source.read(self._base, NEXT_READ)
        if not self._buffer and self._base and not self._source.read(self._base - 1, 1):
            raise TruncatedData("within the value of an element")
        if len(self._buffer) < NEXT_READ and not self._buffer.strip(b"\0"):
            self._buffer = b""  # padding with zeros up to some block size
        return self._buffer

    def _value(self, at: int, length: int) -> bytes:
        """Read a value that extends beyond the buffer."""
        if length > VALUE_LIMIT:
            raise ValueError(f"a requested element claims {length} bytes")
        return self._source.read(self._base + at, length)

    def _is_padding(self, position: int) -> bool:
        """Return whether all bytes from `position` on are zeros."""
        while part := self._source.read(position, NEXT_READ):
            if part.strip(b"\0"):
                return False
            position += len(part)
        return True


class Writer:
    """Writes elements one after the other; sequences and items are begun and ended explicitly."""

    def __init__(self, encoding: Encoding) -> None:
        order = "<" if encoding.little_endian else ">"
        self._explicit: Final = encoding.explicit
        self._short: Final = struct.Struct(f"{order}HH2sH").pack
        self._long: Final = struct.Struct(f"{order}HH2sxxI").pack
        self._plain: Final = struct.Struct(f"{order}HHI").pack
        self._open: Final[list[tuple[int, bytearray, bool]]] = []
        self.written = bytearray()
        """The bytes written to the innermost open sequence or item, or to the data set if none is open."""

    def element(self, tag: int, vr: bytes, value: bytes) -> None:
        """Write an element; one whose value is too long for its VR becomes UN (PS3.5 6.2.2)."""
        self._header(tag, vr, len(value))
        self.written += value

    def begin(self, tag: int, *, undefined_length: bool = False) -> None:
        """Begin a sequence, or an item if the tag is `ITEM`."""
        self._open.append((tag, self.written, undefined_length))
        self.written = bytearray()

    def end(self) -> None:
        """End the sequence or item that was begun last."""
        content = self.written
        tag, self.written, undefined_length = self._open.pop()
        self._header(tag, b"SQ", UNDEFINED if undefined_length else len(content))
        self.written += content
        if undefined_length:
            self._header(ITEM_END if tag == ITEM else SEQUENCE_END, b"", 0)

    def finished(self) -> bytearray:
        """End all open sequences and items, and return the written bytes."""
        while self._open:
            self.end()
        return self.written

    @property
    def depth(self) -> int:
        """The number of open sequences and items."""
        return len(self._open)

    def _header(self, tag: int, vr: bytes, length: int) -> None:
        group, number = tag >> 16, tag & 0xFFFF
        if not self._explicit or group == ITEM_GROUP:
            self.written += self._plain(group, number, length)
        elif vr in LONG_VRS or length > 0xFFFF:
            self.written += self._long(group, number, vr if vr in LONG_VRS else b"UN", length)
        else:
            self.written += self._short(group, number, vr, length)
