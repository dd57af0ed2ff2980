"""Encoded data sets as text, element by element, as far as their bytes go (PS3.5 7).

The bytes come from servers under test and from relays that cut and lie. So `Walk` goes over them itself, one
header after the other, where a reader that stops at the first lie would show nothing.
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
"""Bytes of a data set that are decoded."""
MAX_LINES: Final = 200
MAX_VALUE: Final = 240

_LONGEST_HEADER: Final = 12
_CHARACTER_SET: Final = 0x00080005
_PIXEL_DATA: Final = 0x7FE00010
_SIZES: Final = dict(AT=4, FD=8, FL=4, SL=4, SS=2, SV=8, UL=4, US=2, UV=8)  # noqa: C408


class Element(NamedTuple):
    """An element or an item, as it stands in a data set."""

    above: tuple[int, ...]
    """The tags of the sequences and items that it is in."""
    tag: int
    vr: str
    length: int
    there: int
    """How many bytes of its length were received."""
    value: bytes | None
    """As much of it as was kept; None where elements, items or fragments follow instead."""

    @property
    def sized(self) -> str:
        """The length, for a value that is not shown."""
        lost = f", of which {self.there} are there" if self.there < self.length else ""
        return f"({self.length} bytes{lost})"


class _Level(NamedTuple):
    """A data set, a sequence or an item that the walk is in."""

    tag: int
    end: float
    explicit: bool


class Walk:
    """Iterates over the elements of a data set in the order of its bytes, into sequences and out of them.

    `data` is all of the `size` bytes, or the beginning. Without a transfer syntax the encoding is guessed.
    Raises `zlib.error` if the data set cannot be inflated.
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
        """Whether it stopped at bytes that are no element."""

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
                # PS3.5 6.2.2: what is in a UN of undefined length is in implicit VR.
                levels.append(_Level(tag, end, above.explicit and vr != "UN"))
            else:
                self.at += there
            yield Element(tags, tag, vr, length, there, value)

    def _header(self, explicit: bool) -> tuple[int, str, int]:
        """Read tag, VR and length, and stand behind them."""
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
    """Show a data set of `size` bytes, of which `data` is all or the beginning.

    `words` stand in the place of the values of the elements with these tags. Without a transfer syntax it
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
    """Return a value as text, or its length for bulk and for what is cut or does not fit its VR."""
    value, vr = element.value or b"", element.vr
    bulk = vr in ("", "UN") or vr.startswith("O")
    if bulk or len(value) < element.length or len(value) % _SIZES.get(vr, 1):
        return element.sized
    little_endian = walk.encoding.little_endian
    text = value_text(value, vr, character_set=character_set, little_endian=little_endian)
    return named(text) if vr == "UI" else text


def name_of(uid: str) -> str:
    """Return the name of a UID, or the UID where it has none; it may be no valid one."""
    return UID(uid, IGNORE).name if uid else ""


def short_name(uid: str) -> str:
    """Return the name of a SOP class or transfer syntax as people say it, or the UID."""
    name = name_of(uid).replace("Query/Retrieve Information Model - ", "")
    return name.removesuffix(" SOP Class")


def named(uid: str) -> str:
    """Return a UID with its name, where it has one."""
    name = name_of(uid)
    return uid if name == uid else f"{uid} ({name})"


def shown(text: str, redactor: Redactor) -> str:
    """Put a value on one line of a bearable length, without secrets."""
    text = redactor.text(text)
    line = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
    return line if len(line) <= MAX_VALUE else f"{line[:MAX_VALUE]}... ({len(text)} characters)"
