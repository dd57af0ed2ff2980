"""Part 10 files as servers give them out, taken apart strictly (PS3.10 7, PS3.5 7 and A.4).

pydicom forgives much, and rightly so. A file that a server gives out is to have what the standard demands,
so this keeps every element as it is written, and names the first byte that has no place in the structure.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dcm.data.elements import (
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
    Unsure,
    explicit_header,
)

PREAMBLE_LENGTH: Final = 128
PREFIX: Final = b"DICM"
PIXEL_DATA: Final = 0x7FE00010
TRANSFER_SYNTAX_UID: Final = 0x00020010
_FILE_META: Final = 0x0002


class MalformedPart10(AssertionError):  # noqa: N818 - inside a case it is the server's failure
    """A file that is not built as PS3.10 7 and PS3.5 7 say."""


@dataclass(frozen=True)
class Element:
    """One element as it is written: of a sequence the items, of encapsulated pixels the fragments."""

    tag: int
    vr: str
    """Empty in implicit VR."""
    length: int | None
    """None where it is undefined."""
    value: bytes = field(default=b"", repr=False)
    items: tuple["Elements", ...] = ()
    fragments: tuple[bytes, ...] = field(default=(), repr=False)
    """The items of encapsulated pixels, the first of which is the Basic Offset Table (PS3.5 A.4)."""

    @property
    def name(self) -> str:
        """The tag as people write it."""
        return f"({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})"


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
        """The transfer syntax that the file meta information names."""
        return text_of(only(self.meta, TRANSFER_SYNTAX_UID))

    def element(self, tag: int) -> Element:
        """Return an element of the data set; fails the case where there is none."""
        return only(self.elements, tag)

    def levels(self) -> Iterator[tuple[str, Elements]]:
        """Return the data set and every item in it, each with its path."""
        yield from _levels("", self.elements)

    def walk(self) -> Iterator[tuple[str, Element]]:
        """Return every element at every level, each with its path."""
        for path, elements in self.levels():
            yield from ((path + each.name, each) for each in elements)


def only(elements: Elements, tag: int) -> Element:
    """Return the only element with `tag`; fails the case where there is none or more than one."""
    found = [each for each in elements if each.tag == tag]
    name = Element(tag, "", 0).name
    assert len(found) == 1, f"{name} is there {len(found)} times where it is due once"
    return found[0]


def text_of(element: Element) -> str:
    """Return the value of a UID or another plain text, without its padding."""
    return element.value.decode("ascii", "replace").rstrip("\0 ")


def take_apart(data: bytes) -> Part10:
    """Take a file apart. Raises MalformedPart10 where its structure is broken."""
    start = PREAMBLE_LENGTH + len(PREFIX)
    if data[PREAMBLE_LENGTH:start] != PREFIX:
        raise MalformedPart10(f"byte {PREAMBLE_LENGTH} begins {data[128:132]!r} and not {PREFIX!r}")
    meta, at = _Walk(data).group(start, _FILE_META)
    if not meta or meta[0].tag != 0x00020000:
        raise MalformedPart10("the file meta information does not begin with its group length")
    syntax = text_of(only(meta, TRANSFER_SYNTAX_UID))
    body = data[at:]
    if syntax == DeflatedExplicitVRLittleEndian:
        body = _inflated(body)
    elements, _ = _Walk(body).elements(0, len(body), NATIVE.get(syntax, EXPLICIT))
    return Part10(data[:PREAMBLE_LENGTH], meta, at - start - 12, elements)


def _levels(path: str, elements: Elements) -> Iterator[tuple[str, Elements]]:
    yield path, elements
    for each in elements:
        for number, item in enumerate(each.items, start=1):
            yield from _levels(f"{path}{each.name}[{number}].", item)


def _inflated(body: bytes) -> bytes:
    """Undo RFC 1951; one byte of zero may follow, for an even length (PS3.5 A.5)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(body) + inflater.flush()
    except zlib.error as error:
        raise MalformedPart10(f"the data set is not deflated: {error}") from error
    if not inflater.eof or inflater.unused_data not in (b"", b"\0"):
        raise MalformedPart10(f"the deflated data set is followed by {inflater.unused_data[:8]!r}")
    return inflated


class _Walk:
    """Goes over encoded elements, one header after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def group(self, at: int, group: int) -> tuple[Elements, int]:
        """Read the elements of one group, explicit VR little endian; say where it ends."""
        found = []
        while self._data[at : at + 2] == group.to_bytes(2, "little"):
            element, at = self._element(at, EXPLICIT)
            found.append(element)
        return tuple(found), at

    def elements(self, at: int, end: int | None, encoding: Encoding) -> tuple[Elements, int]:
        """Read elements up to `end`, or up to the delimiter of the item; say where that is."""
        found: list[Element] = []
        while end is None or at < end:
            if end is None:
                tag, length, behind = self._plain(at, encoding)
                if tag == _tag(ITEM_END):
                    self._no_length(at, length)
                    return tuple(found), behind
            element, at = self._element(at, encoding)
            found.append(element)
        if at != end:
            raise MalformedPart10(f"an item or a data set ends {at - end} bytes behind its end")
        return tuple(found), at

    def _element(self, at: int, encoding: Encoding) -> tuple[Element, int]:
        tag, vr, length, value_at = self._header(at, encoding)
        if tag >> 16 == ITEM_GROUP:
            raise MalformedPart10(f"{Element(tag, '', 0).name} where an element is due, byte {at}")
        if length == UNDEFINED and tag == PIXEL_DATA:
            fragments, behind = self._fragments(value_at, encoding)
            return Element(tag, vr, None, fragments=fragments), behind
        if _is_sequence(tag, vr, length):
            inside = IMPLICIT if vr == "UN" else encoding  # PS3.5 6.2.2 note 4
            items, behind = self._items(value_at, length, inside)
            return Element(tag, vr, None if length == UNDEFINED else length, items=items), behind
        if length == UNDEFINED:
            raise MalformedPart10(f"{Element(tag, vr, 0).name} of VR {vr} has no defined length")
        value = self._data[value_at : value_at + length]
        if len(value) < length:
            raise MalformedPart10(f"{Element(tag, vr, 0).name} goes on beyond the end of the file")
        return Element(tag, vr, length, value), value_at + length

    def _items(self, at: int, length: int, encoding: Encoding) -> tuple[tuple[Elements, ...], int]:
        items: list[Elements] = []
        end = None if length == UNDEFINED else at + length
        while end is None or at < end:
            tag, size, inside = self._plain(at, encoding)
            if tag == _tag(SEQUENCE_END) and end is None:
                self._no_length(at, size)
                return tuple(items), inside
            if tag != _tag(ITEM):
                raise MalformedPart10(f"{tag:08X} where an item is due, byte {at}")
            item_end = None if size == UNDEFINED else inside + size
            item, at = self.elements(inside, item_end, encoding)
            items.append(item)
        if at != end:
            raise MalformedPart10(f"a sequence ends {at - end} bytes behind its end")
        return tuple(items), at

    def _fragments(self, at: int, encoding: Encoding) -> tuple[tuple[bytes, ...], int]:
        """Read the items of encapsulated pixels up to their delimiter (PS3.5 A.4)."""
        fragments: list[bytes] = []
        while True:
            tag, size, inside = self._plain(at, encoding)
            if tag == _tag(SEQUENCE_END):
                self._no_length(at, size)
                return tuple(fragments), inside
            if tag != _tag(ITEM) or size == UNDEFINED:
                raise MalformedPart10(f"{tag:08X} where a fragment is due, byte {at}")
            at = inside + size
            if at > len(self._data):
                raise MalformedPart10("a fragment goes on beyond the end of the file")
            fragments.append(self._data[inside:at])

    def _header(self, at: int, encoding: Encoding) -> tuple[int, str, int, int]:
        """Return tag, VR, length and the place of the value."""
        tag, length, behind = self._plain(at, encoding)
        if not encoding.explicit or tag >> 16 == ITEM_GROUP:
            return tag, "", length, behind
        try:
            size, vr, length = explicit_header(self._data, at, encoding)
        except (Unsure, struct.error) as error:
            raise MalformedPart10(f"{Element(tag, '', 0).name}, byte {at}: {error}") from error
        return tag, vr.decode(), length, at + size

    def _plain(self, at: int, encoding: Encoding) -> tuple[int, int, int]:
        """Return tag, length of 32 bits, and what lies behind, of a header without VR."""
        try:
            group, element, length = STRUCTS[encoding.little_endian][2](self._data, at)
        except struct.error:
            raise MalformedPart10(f"the file ends within a header, byte {at}") from None
        return group << 16 | element, length, at + 8

    def _no_length(self, at: int, length: int) -> None:
        if length:
            raise MalformedPart10(f"a delimiter has the length {length}, byte {at}")


def _tag(element: int) -> int:
    return ITEM_GROUP << 16 | element


def _is_sequence(tag: int, vr: str, length: int) -> bool:
    if vr:
        return vr == "SQ" or (vr == "UN" and length == UNDEFINED)
    return length == UNDEFINED or (dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ")
