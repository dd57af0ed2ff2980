"""Encoded data sets as text, element by element, as far as their bytes go (PS3.5 7).

The bytes come from servers under test and from relays that cut and lie. So this walks over them itself, one
header after the other, and takes from pydicom the dictionary, the character sets and the names of UIDs.
"""

import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydicom.charset import convert_encodings, decode_bytes, default_encoding
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_keyword, dictionary_VR
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from harness.evidence.bodies import dump
from harness.evidence.redact import Redactor

MAX_KEPT: Final = 16384
"""Bytes of a data set that are decoded."""
MAX_LINES: Final = 200
MAX_VALUE: Final = 240

UNDEFINED: Final = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONGEST_HEADER: Final = 12
_CHARACTER_SET: Final = 0x00080005
_PIXEL_DATA: Final = 0x7FE00010
_VRS: Final = frozenset(map(str, EXPLICIT_VR_LENGTH_16 | EXPLICIT_VR_LENGTH_32))
_LONG_VRS: Final = frozenset(map(str, EXPLICIT_VR_LENGTH_32))
_NUMBERS: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"} | {
    "UV": "Q",
    "SV": "q",
}
_TEXTS: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_WORDS: Final = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
_DELIMITERS: Final = {0x5C, 0x3D, 0x5E, 0x0A, 0x0C, 0x0D, 0x09}


@dataclass(frozen=True)
class Level:
    """A data set, a sequence or an item that the walk is in."""

    end: int | None
    implicit: bool
    bulk: bool
    """Its items are fragments of pixel data."""
    tag: int = 0
    """Of the sequence, where it is one."""


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
    said = []
    if transfer_syntax is None:
        said.append(f"(transfer syntax unknown, taken for {_guessed(data)} VR)")
    implicit = is_implicit(data, transfer_syntax)
    if transfer_syntax == DeflatedExplicitVRLittleEndian:
        try:
            data = inflated(data)
        except zlib.error as error:
            return f"(it cannot be inflated: {error})\n{dump(data, redactor)}"
        said.append(f"(deflated from here {size} bytes)")
        size = len(data)
    walk = Walk(data[:MAX_KEPT], size, byte_order(transfer_syntax), redactor, words or {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, on values that the server should not send
        for line in walk.lines(implicit=implicit):
            said.append(line)
            if len(said) == MAX_LINES:
                said.append("... cut")
                break
    return "\n".join(said)


def is_implicit(data: bytes, transfer_syntax: str | None) -> bool:
    """Return whether elements have no VR; without a transfer syntax the first element tells."""
    if transfer_syntax is None:
        return _guessed(data) == "implicit"
    return transfer_syntax == str(ImplicitVRLittleEndian)


def byte_order(transfer_syntax: str | None) -> str:
    """Return the sign that `struct` has for the order of bytes."""
    return ">" if transfer_syntax == ExplicitVRBigEndian else "<"


def inflated(data: bytes) -> bytes:
    """Inflate the beginning of a data set; raises `zlib.error`."""
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, MAX_KEPT)


def _guessed(data: bytes) -> str:
    return "explicit" if data[4:6].decode("latin-1") in _VRS else "implicit"


class Walk:
    """Goes over the elements of a data set in the order of its bytes, into sequences and out of them."""

    def __init__(
        self, data: bytes, size: int, order: str, redactor: Redactor, words: Mapping[int, str]
    ) -> None:
        self._data, self._size, self._order = data, size, order
        self._redactor, self._words = redactor, words
        self._at = 0
        self._levels: list[Level] = []
        self._encodings = [default_encoding]

    def lines(self, *, implicit: bool) -> Iterator[str]:
        """Return a line for each element, item and trouble."""
        self._levels = [Level(None, implicit, bulk=False)]
        while self._at < len(self._data):
            while len(self._levels) > 1 and self._ended(self._levels[-1]):
                self._levels.pop()
            header = self._header()
            if header is None:
                yield from self._undecodable()
                return
            line = self._line(*header)
            if line:
                yield line
        if self._at < self._size:
            yield f"... {self._size - self._at} bytes more"

    def _ended(self, level: Level) -> bool:
        return level.end is not None and self._at >= level.end

    def _header(self) -> tuple[int, str, int] | None:
        """Read tag, VR and length, and stand behind them; None: here is no element."""
        left = self._data[self._at : self._at + _LONGEST_HEADER]
        if len(left) < 8:
            return None
        group, number = struct.unpack_from(f"{self._order}HH", left)
        tag = group << 16 | number
        if group == 0xFFFE or self._levels[-1].implicit:
            self._at += 8
            vr = "" if group == 0xFFFE else _known_vr(tag)
            return tag, vr, int(struct.unpack_from(f"{self._order}I", left, 4)[0])
        vr = left[4:6].decode("latin-1")
        if vr not in _VRS or (vr in _LONG_VRS and len(left) < 12):
            return None
        long = vr in _LONG_VRS
        self._at += 12 if long else 8
        form, place = ("I", 8) if long else ("H", 6)
        return tag, vr, int(struct.unpack_from(f"{self._order}{form}", left, place)[0])

    def _line(self, tag: int, vr: str, length: int) -> str:
        """Take the element or item behind the header that was read, and describe it; ends need no line."""
        if tag in (ITEM_END, SEQUENCE_END):
            self._at += min(length, self._size - self._at)
            del self._levels[max(1, len(self._levels) - 1) :]
            return ""
        indent = "  " * (len(self._levels) - 1)
        level = self._levels[-1]
        if tag == ITEM and not level.bulk:
            self._enter(length, level.implicit)
            return f"{indent}(item)"
        if tag == ITEM:
            return f"{indent}fragment: {self._skip(length)}"
        name = f"{indent}({tag >> 16:04X},{tag & 0xFFFF:04X}) {vr} {_keyword(tag)}"
        if vr == "SQ" or length == UNDEFINED:
            # PS3.5 6.2.2: what is in a UN of undefined length is in implicit VR.
            self._enter(length, level.implicit or vr == "UN", bulk=tag == _PIXEL_DATA, tag=tag)
            return f"{name}:"
        return f"{name} = {self._value(tag, vr, length)}".rstrip()

    def _enter(self, length: int, implicit: bool, *, bulk: bool = False, tag: int = 0) -> None:
        end = None if length == UNDEFINED else self._at + length
        self._levels.append(Level(end, implicit, bulk, tag))

    def _skip(self, length: int) -> str:
        """Pass over a value that is shown by its length only."""
        there = max(0, min(length, self._size - self._at))
        self._at += there
        lost = f", of which {there} are there" if there < length else ""
        return f"({length} bytes{lost})"

    def _value(self, tag: int, vr: str, length: int) -> str:
        value = self._data[self._at : self._at + length]
        if len(value) < length:
            return self._skip(length)
        text = self._words.get(tag) if length else None
        text = self._converted(vr, value) if text is None else text
        if text is None:
            return self._skip(length)
        if tag == _CHARACTER_SET:
            self._encodings = _encodings(text)
        self._at += length
        return shown(text, self._redactor)

    def _converted(self, vr: str, value: bytes) -> str | None:
        """Return a value as text; None for bulk and for what does not fit its VR."""
        if vr == "UI":
            return named(_plain(value))
        if vr in _WORDS:
            return _plain(value)
        if vr in _TEXTS:
            return self._decoded(value)
        if vr == "AT" and len(value) % 4 == 0:
            tags = struct.iter_unpack(f"{self._order}HH", value)
            return "\\".join(f"({group:04X},{number:04X})" for group, number in tags)
        form = _NUMBERS.get(vr)
        if form is None or len(value) % struct.calcsize(form):
            return None
        return "\\".join(f"{number}" for (number,) in struct.iter_unpack(self._order + form, value))

    def _decoded(self, value: bytes) -> str:
        """Decode text in the data set's character set; bytes that it does not have stay visible."""
        try:
            return str(decode_bytes(value, self._encodings, _DELIMITERS)).rstrip(" \0")
        except (LookupError, ValueError):
            return _plain(value)

    def _undecodable(self) -> Iterator[str]:
        rest = self._data[self._at :]
        if len(rest) < _LONGEST_HEADER and len(self._data) < self._size:
            yield f"... {self._size - self._at} bytes more"
            return
        yield f"(at byte {self._at}: no element; {self._size - self._at} bytes are left)"
        yield dump(rest, self._redactor)


def name_of(uid: str) -> str:
    """Return the name of a UID, or the UID where it has none; it may be no valid one."""
    return UID(uid, IGNORE).name if uid else ""


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


def _plain(value: bytes) -> str:
    return value.decode("latin-1").rstrip(" \0")


def _encodings(names: str) -> list[str]:
    try:
        return list(convert_encodings(names.split("\\")))
    except (LookupError, ValueError):
        return [default_encoding]


def _known_vr(tag: int) -> str:
    """Return the VR of an element in implicit VR: OW where it can be, as for pixels (PS3.5 A.1)."""
    try:
        choice = str(dictionary_VR(tag))
        return "OW" if choice.endswith("OW") else choice[:2]
    except KeyError:
        return "UL" if tag & 0xFFFF == 0 else "UN"


def _keyword(tag: int) -> str:
    try:
        return str(dictionary_keyword(tag))
    except KeyError:
        return "private" if tag >> 16 & 1 else "unknown"
