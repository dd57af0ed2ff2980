"""A strict parser for the Part 10 files that servers send (PS3.10 7, PS3.5 7 and A.4).

pydicom is deliberately lenient. Files from a server must conform to the standard, so this parser
keeps every element as encoded, and reports the first byte that violates the structure.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dcm.data.encoding import (
    EXPLICIT,
    IMPLICIT,
    ITEM,
    ITEM_END,
    ITEM_GROUP,
    NATIVE,
    SEQUENCE_END,
    STRUCTS,
    UNDEFINED,
    Encoding,
    MalformedData,
    read_header,
)
from harness.clients.answers import Malformed

PREAMBLE_LENGTH: Final = 128
PREFIX: Final = b"DICM"
PIXEL_DATA: Final = 0x7FE00010
TRANSFER_SYNTAX_UID: Final = 0x00020010


@dataclass(frozen=True)
class Element:
    """One element as encoded, with its items (sequence) or fragments (encapsulated pixel data)."""

    tag: int
    vr: str
    """Empty in implicit VR."""
    length: int | None
    """None if it is undefined."""
    value: bytes = field(default=b"", repr=False)
    items: tuple["Elements", ...] = ()
    fragments: tuple[bytes, ...] = field(default=(), repr=False)
    """The items of encapsulated pixel data; the first is the Basic Offset Table (PS3.5 A.4)."""

    @property
    def name(self) -> str:
        """The tag in its usual notation."""
        return _name(self.tag)


Elements = tuple[Element, ...]


@dataclass(frozen=True)
class Part10:
    """One file: preamble, file meta information and data set."""

    preamble: bytes
    meta: Elements
    meta_length: int
    """Bytes from the end of the group length to the end of the last element of group 2."""
    elements: Elements

    @cached_property
    def transfer_syntax(self) -> str:
        """The transfer syntax in the file meta information."""
        return text_of(only(self.meta, TRANSFER_SYNTAX_UID))

    def element(self, tag: int) -> Element:
        """Return an element of the data set; fails the case if it is missing."""
        return only(self.elements, tag)

    def levels(self) -> Iterator[tuple[str, Elements]]:
        """Yield the data set and every item in it, each with its path."""
        yield from _levels("", self.elements)

    def walk(self) -> Iterator[tuple[str, Element]]:
        """Yield every element at every level, each with its path."""
        for path, elements in self.levels():
            yield from ((path + each.name, each) for each in elements)


def only(elements: Elements, tag: int) -> Element:
    """Return the only element with `tag`; fails the case if there is none or more than one."""
    found = [each for each in elements if each.tag == tag]
    assert len(found) == 1, f"{_name(tag)} occurs {len(found)} times instead of once"
    return found[0]


def text_of(element: Element) -> str:
    """Return the value of a UID or other plain text, without its padding."""
    return element.value.decode("ascii", "replace").rstrip("\0 ")


def take_apart(data: bytes) -> Part10:
    """Parse a file. Raises Malformed if its structure is invalid."""
    start = PREAMBLE_LENGTH + len(PREFIX)
    if data[PREAMBLE_LENGTH:start] != PREFIX:
        raise Malformed(f"byte {PREAMBLE_LENGTH} begins {data[128:132]!r} and not {PREFIX!r}")
    walk = _Walk(data, start)
    meta = walk.file_meta()
    if not meta or meta[0].tag != 0x00020000:
        raise Malformed("the file meta information does not begin with its group length")
    syntax = text_of(only(meta, TRANSFER_SYNTAX_UID))
    body = data[walk.at :]
    if syntax == DeflatedExplicitVRLittleEndian:
        body = _inflated(body)
    elements = _Walk(body).elements(len(body), NATIVE.get(syntax, EXPLICIT))
    return Part10(data[:PREAMBLE_LENGTH], meta, walk.at - start - 12, elements)


def _levels(path: str, elements: Elements) -> Iterator[tuple[str, Elements]]:
    yield path, elements
    for each in elements:
        for number, item in enumerate(each.items, start=1):
            yield from _levels(f"{path}{each.name}[{number}].", item)


def _inflated(body: bytes) -> bytes:
    """Decompress with RFC 1951; one zero byte may follow, for an even length (PS3.5 A.5)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(body) + inflater.flush()
    except zlib.error as error:
        raise Malformed(f"the data set is not deflated: {error}") from error
    if not inflater.eof or inflater.unused_data not in (b"", b"\0"):
        raise Malformed(f"the deflated data set is followed by {inflater.unused_data[:8]!r}")
    return inflated


class _Walk:
    """Walks over encoded elements; `at` is the position of the next header or value."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at

    def file_meta(self) -> Elements:
        """Read the elements of group 2, explicit VR little endian."""
        found = []
        while self._data[self.at : self.at + 2] == b"\2\0":
            found.append(self._element(EXPLICIT))
        return tuple(found)

    def elements(self, length: int | None, encoding: Encoding) -> Elements:
        """Read the elements of a data set or item of this length (None: up to the delimiter)."""
        parts = self._parts(length, ITEM_END, encoding, "an item or a data set")
        return tuple(self._element(encoding) for _ in parts)

    def _parts(
        self, length: int | None, delimiter: int, encoding: Encoding, what: str
    ) -> Iterator[None]:
        """Yield at the start of each part, up to the end given by the length or the delimiter."""
        if length is not None:
            end = self.at + length
            while self.at < end:
                yield
            if self.at != end:
                raise Malformed(f"{what} extends {self.at - end} bytes beyond its end")
            return
        while (found := self._plain(encoding))[0] != delimiter:
            yield
        if found[1]:
            raise Malformed(f"a delimiter has the length {found[1]}, byte {self.at}")
        self.at += 8

    def _element(self, encoding: Encoding) -> Element:
        begin = self.at
        tag, vr, length = self._header(encoding)
        if tag >> 16 == ITEM_GROUP:
            raise Malformed(f"{_name(tag)} where an element was expected, byte {begin}")
        if length is None and tag == PIXEL_DATA:
            return Element(tag, vr, None, fragments=self._fragments(encoding))
        if _is_sequence(tag, vr, length):
            inside = IMPLICIT if vr == "UN" else encoding  # PS3.5 6.2.2 note 4
            return Element(tag, vr, length, items=self._items(length, inside))
        if length is None:
            raise Malformed(f"{_name(tag)} of VR {vr} has no defined length")
        return Element(tag, vr, length, self._value(length, _name(tag)))

    def _items(self, length: int | None, encoding: Encoding) -> tuple[Elements, ...]:
        parts = self._parts(length, SEQUENCE_END, encoding, "a sequence")
        return tuple(self.elements(self._item("an item", encoding), encoding) for _ in parts)

    def _fragments(self, encoding: Encoding) -> tuple[bytes, ...]:
        """Read the items of encapsulated pixel data up to their delimiter (PS3.5 A.4)."""
        parts = self._parts(None, SEQUENCE_END, encoding, "")
        return tuple(self._value(self._item("a fragment", encoding), "a fragment") for _ in parts)

    def _item(self, what: str, encoding: Encoding) -> int | None:
        """Read the header of an item, and return its length."""
        tag, length = self._plain(encoding)
        if tag != ITEM:
            raise Malformed(f"{tag:08X} where {what} was expected, byte {self.at}")
        self.at += 8
        return None if length == UNDEFINED else length

    def _value(self, length: int | None, what: str) -> bytes:
        begin, self.at = self.at, self.at + (UNDEFINED if length is None else length)
        if self.at > len(self._data):
            raise Malformed(f"{what} extends beyond the end of the file")
        return self._data[begin : self.at]

    def _header(self, encoding: Encoding) -> tuple[int, str, int | None]:
        """Read the header of an element: its tag, VR and length."""
        tag, _ = self._plain(encoding)
        try:
            _, vr, length, size = read_header(self._data, self.at, encoding)
        except (MalformedData, struct.error) as error:
            raise Malformed(f"{_name(tag)}, byte {self.at}: {error}") from error
        self.at += size
        return tag, vr.decode(), None if length == UNDEFINED else length

    def _plain(self, encoding: Encoding) -> tuple[int, int]:
        """Return the tag and the 32-bit length of a header without VR, without advancing."""
        try:
            group, element, length = STRUCTS[encoding.little_endian][2](self._data, self.at)
        except struct.error:
            raise Malformed(f"the file ends within a header, byte {self.at}") from None
        return group << 16 | element, length


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _is_sequence(tag: int, vr: str, length: int | None) -> bool:
    if vr:
        return vr == "SQ" or (vr == "UN" and length is None)
    return length is None or (dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ")
