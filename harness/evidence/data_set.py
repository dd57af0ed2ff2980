"""Format encoded data sets as text, element by element, as far as they can be decoded (PS3.5 7).

The bytes come from servers under test and from relays that truncate or falsify them. So `Walk` reads
them itself, one header after another: a reader that stops at the first error would show nothing.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from pydicom.config import IGNORE
from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from dcm.data.dictionary import vr_of
from dcm.data.encoding import (
    EXPLICIT,
    IMPLICIT,
    ITEM,
    ITEM_END,
    ITEM_GROUP,
    NATIVE,
    SEQUENCE_END,
    UNDEFINED,
    MalformedData,
    read_header,
    recognise,
)
from dcm.data.text import value_text
from harness.evidence.bodies import dump
from harness.evidence.redact import Redactor

MAX_KEPT: Final = 16384
"""Most bytes of a data set that are decoded."""
MAX_LINES: Final = 200
MAX_VALUE: Final = 240

_LONGEST_HEADER: Final = 12
_CHARACTER_SET: Final = 0x00080005
_PIXEL_DATA: Final = 0x7FE00010
_SIZES: Final = dict(AT=4, FD=8, FL=4, SL=4, SS=2, SV=8, UL=4, US=2, UV=8)  # noqa: C408


class Element(NamedTuple):
    """An element or item of a data set."""

    above: tuple[int, ...]
    """The tags of the enclosing sequences and items."""
    tag: int
    vr: str
    length: int
    there: int
    """How many bytes of its value were received."""
    value: bytes | None
    """The value, as far as it was kept; None if elements, items or fragments follow instead."""

    @property
    def sized(self) -> str:
        """The length, shown in place of the value."""
        lost = f", of which {self.there} are there" if self.there < self.length else ""
        return f"({self.length} bytes{lost})"


class _Level(NamedTuple):
    """A data set, sequence or item that encloses the current position."""

    tag: int
    end: float
    explicit: bool


class Walk:
    """Iterates over the elements of a data set in the order of its bytes, including nested ones.

    `data` is all of the `size` bytes or their beginning. Without a transfer syntax, the encoding is
    guessed. Raises `zlib.error` if the data set cannot be inflated.
    """

    def __init__(self, data: bytes, size: int, transfer_syntax: str | None) -> None:
        if transfer_syntax == DeflatedExplicitVRLittleEndian:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, MAX_KEPT)
            size = len(data)
        self.data, self.size = data[:MAX_KEPT], size
        self.encoding = (
            recognise(data[:8]) or IMPLICIT
            if transfer_syntax is None
            else NATIVE.get(transfer_syntax, EXPLICIT)
        )
        self.at = 0
        self.stuck = False
        """Whether it stopped at bytes that are not an element."""

    def __iter__(self) -> Iterator[Element]:
        levels = [_Level(0, float("inf"), self.encoding.explicit)]
        while self.at < len(self.data):
            while len(levels) > 1 and self.at >= levels[-1].end:
                levels.pop()
            above = levels[-1]
            try:
                tag, vr, length = self._header(above.explicit)
            except (struct.error, MalformedData):
                left = len(self.data) - self.at
                self.stuck = left >= _LONGEST_HEADER or len(self.data) == self.size
                return
            begin, there = self.at, max(0, min(length, self.size - self.at))
            if tag in (ITEM_END, SEQUENCE_END):
                self.at += there
                del levels[max(1, len(levels) - 1) :]
                continue
            fragment = tag == ITEM and above.tag == _PIXEL_DATA
            nested = not fragment and (tag == ITEM or vr == "SQ" or length == UNDEFINED)
            value = None if nested else self.data[begin : begin + length]
            tags = tuple(level.tag for level in levels[1:])
            if nested:
                end = float("inf") if length == UNDEFINED else begin + length
                # PS3.5 6.2.2: the content of a UN of undefined length is encoded in implicit VR.
                levels.append(_Level(tag, end, above.explicit and vr != "UN"))
            else:
                self.at += there
            yield Element(tags, tag, vr, length, there, value)

    def _header(self, explicit: bool) -> tuple[int, str, int]:
        """Read the tag, VR and length, and advance past them."""
        encoding = self.encoding._replace(explicit=explicit)
        tag, vr, length, size = read_header(self.data, self.at, encoding)
        self.at += size
        if vr or tag >> 16 == ITEM_GROUP:
            return tag, vr.decode(), length
        return tag, "OW" if tag == _PIXEL_DATA else vr_of(tag), length  # PS3.5 A.1


def data_set_text(
    data: bytes,
    size: int,
    transfer_syntax: str | None,
    redactor: Redactor,
    words: Mapping[int, str] | None = None,
) -> str:
    """Format a data set of `size` bytes; `data` is all of it or its beginning.

    `words` replace the values of the elements with these tags. Without a transfer syntax, the encoding
    is guessed. Raises nothing, whatever the bytes are.
    """
    try:
        walk = Walk(data, size, transfer_syntax)
    except zlib.error as error:
        return f"(it cannot be inflated: {error})\n{dump(data, redactor)}"
    said = []
    if transfer_syntax is None:
        guessed = "explicit" if walk.encoding.explicit else "implicit"
        said.append(f"(transfer syntax unknown, taken for {guessed} VR)")
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        said.append(f"(deflated from here {size} bytes)")
    character_set = b""
    for element in walk:
        if element.tag == _CHARACTER_SET:
            character_set = element.value or b""
        text = (words or {}).get(element.tag) or _text(element, walk, character_set)
        said.append(_line(element, shown(text, redactor)))
        if len(said) == MAX_LINES:
            return "\n".join([*said, "... cut"])
    left = walk.size - walk.at
    if walk.stuck:
        said.append(f"(at byte {walk.at}: no element; {left} bytes are left)")
        said.append(dump(walk.data[walk.at :], redactor))
    elif left > 0:
        said.append(f"... {left} bytes more")
    return "\n".join(said)


def _line(element: Element, text: str) -> str:
    tag, indent = element.tag, "  " * len(element.above)
    if tag == ITEM:
        return f"{indent}(item)" if element.value is None else f"{indent}fragment: {text}"
    keyword = keyword_for_tag(tag) or ("private" if tag >> 16 & 1 else "unknown")
    name = f"{indent}({tag >> 16:04X},{tag & 0xFFFF:04X}) {element.vr} {keyword}"
    return f"{name}:" if element.value is None else f"{name} = {text}".rstrip()


def _text(element: Element, walk: Walk, character_set: bytes) -> str:
    """Return a value as text, or its length if it is bulk data, truncated or does not fit its VR."""
    value, vr = element.value or b"", element.vr
    bulk = vr in ("", "UN") or vr.startswith("O")
    if bulk or len(value) < element.length or len(value) % _SIZES.get(vr, 1):
        return element.sized
    little_endian = walk.encoding.little_endian
    text = value_text(value, vr, character_set=character_set, little_endian=little_endian)
    return named(text) if vr == "UI" else text


def name_of(uid: str) -> str:
    """Return the name of a UID, or the UID if it has none; an invalid UID is accepted."""
    return UID(uid, IGNORE).name if uid else ""


def short_name(uid: str) -> str:
    """Return the common name of a SOP class or transfer syntax, or the UID if it has none."""
    name = name_of(uid).replace("Query/Retrieve Information Model - ", "")
    return name.removesuffix(" SOP Class")


def named(uid: str) -> str:
    """Return a UID followed by its name, if it has one."""
    name = name_of(uid)
    return uid if name == uid else f"{uid} ({name})"


def shown(text: str, redactor: Redactor) -> str:
    """Format a value on one line of limited length, without secrets."""
    text = redactor.text(text)
    line = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
    return line if len(line) <= MAX_VALUE else f"{line[:MAX_VALUE]}... ({len(text)} characters)"
