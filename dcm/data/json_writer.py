"""Convert encoded data sets to DICOM JSON text (PS3.18 Annex F).

    json_of(Reader(data), 0, EXPLICIT) -> '{"00080060":{"vr":"CS","Value":["CT"]},...}'

Only values that are written are decoded, and values that are replaced by a URI are not even read from a file.
Decimal numbers keep their digits: `1.50` does not become 1.5.
"""

import base64
import math
import re
import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import pairwise
from json.encoder import encode_basestring as quoted
from typing import Final, TypeAlias

from dcm.data.dictionary import private_vr
from dcm.data.encoding import (
    ITEM,
    ITEM_GROUP,
    SEQUENCE_END,
    UNDEFINED,
    Element,
    Encoding,
    MalformedData,
    Reader,
    TruncatedData,
)
from dcm.data.recode import implicit_vr, swapped
from dcm.data.text import decoded, value_text
from dcm.errors import DcmError

INLINE: Final = 1024
"""The length of the longest binary value in the JSON text itself, if longer ones have URIs."""

BulkUri: TypeAlias = Callable[[str], str]
"""Returns a URI for the place of an element: tags and item numbers from 1, as in `00400555/2/0040A30A`."""

_CHARACTER_SET: Final = 0x00080005
_PIXEL_REPRESENTATION: Final = 0x00280103
_PIXEL_DATA: Final = 0x7FE00010
_BINARY: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN"))
_NUMBERS: Final = {
    b"US": "H", b"SS": "h", b"UL": "I", b"SL": "i", b"UV": "Q", b"SV": "q", b"FL": "f", b"FD": "d",
}  # fmt: skip
_WRITTEN_NUMBERS: Final = frozenset((b"DS", b"IS"))
_SINGLE: Final = frozenset((b"LT", b"ST", b"UR", b"UT"))
_JSON_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_EXACT: Final = 1 << 53
"""Larger numbers are written as text, since readers that use doubles would round them (PS3.18 F.2.3)."""
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


class NoJson(DcmError):  # noqa: N818 - reads as the sentence it is
    """A data set that cannot be read completely.

    readable: the JSON text of the part before the error.
    """

    def __init__(self, words: str, readable: str) -> None:
        super().__init__(words)
        self.readable: Final = readable


def json_of(
    reader: Reader,
    position: int,
    encoding: Encoding,
    *,
    end: int | None = None,
    bulk: BulkUri | None = None,
    leave_out: frozenset[int] = frozenset(),
) -> str:
    """Return the JSON text of the data set at `position`. Raises `NoJson`.

    bulk: creates URIs for Pixel Data and for binary values longer than `INLINE`; without it, all values are
    in the text. leave_out: tags to omit, except in items. Group lengths are never written.
    """
    model = _Model(reader, encoding, bulk, leave_out)
    try:
        for element in reader.walk(position, encoding, end, into_sequences=True):
            model.take(element)
    except TruncatedData as error:
        raise NoJson(f"the data set ends {error}", model.finished()) from None
    except (MalformedData, ValueError, struct.error) as error:
        raise NoJson(f"the data set cannot be read: {error}", model.finished()) from None
    return model.finished()


def json_of_value(
    tag: int, vr: bytes, value: bytes, character_set: bytes = b"", *, little_endian: bool = True
) -> str:
    """Return the JSON member `"00080060":{...}` for an encoded value, other than a sequence."""
    return _start(tag, vr) + _of_bytes(vr, value, character_set, little_endian)


class _Items:
    """A sequence that is being written."""

    def __init__(self, tag: int, place: str) -> None:
        self.tag: Final = tag
        self.place: Final = place
        self.items: Final[list[str]] = []

    def text(self) -> str:
        return ',"Value":[' + ",".join(self.items) + "]}" if self.items else "}"


class _DataSet:
    """A data set or an item that is being written.

    place: the prefix for the places of its elements. little_endian: the byte order of its numbers. creators:
    private creators by group and block.
    """

    def __init__(self, place: str, above: "_DataSet | None", *, little_endian: bool) -> None:
        self.place: Final = place
        self.members: Final[list[tuple[int, str]]] = []
        self.character_set: bytes = above.character_set if above else b""
        self.signed: bool = above.signed if above else False
        self.little_endian: Final = little_endian
        self.creators: Final[dict[int, str]] = {}

    def text(self) -> str:
        members = self.members
        if any(one[0] > next_[0] for one, next_ in pairwise(members)):
            members.sort(key=lambda member: member[0])
        return "{" + ",".join(text for _, text in members) + "}"


class _Model:
    """The JSON text of a data set, as far as it was read."""

    def __init__(
        self, reader: Reader, encoding: Encoding, bulk: BulkUri | None, leave_out: frozenset[int]
    ) -> None:
        self._reader: Final = reader
        self._bulk: Final = bulk
        self._leave_out: Final = leave_out
        self._stack: list[_DataSet | _Items] = [
            _DataSet("", None, little_endian=encoding.little_endian)
        ]
        self._fragments: Element | None = None
        """The encapsulated pixel data whose fragments are being read (PS3.5 A.4), or None."""

    def take(self, element: Element) -> None:
        tag, vr, _, start, length, depth = element
        if self._fragments is not None:
            if tag == SEQUENCE_END and depth <= self._fragments.depth + 2:
                self._end_of_fragments(element)
            return
        stack = self._stack
        while len(stack) > depth + 1:
            self._close()
        level = stack[-1]
        if tag >> 16 == ITEM_GROUP:
            if tag == ITEM:
                assert isinstance(level, _Items)
                self._begin_item(level)
            return
        assert isinstance(level, _DataSet)
        vr = vr or self._vr(level, tag)
        if vr == b"UN" and length != UNDEFINED and not tag >> 16 & 1:
            known = implicit_vr(tag, level.signed)
            vr = known if known != b"SQ" else vr  # PS3.5 6.2.2 allows this
        if length == UNDEFINED and vr not in (b"SQ", b"UN"):
            self._fragments = element
        elif vr == b"SQ" or length == UNDEFINED:
            stack.append(_Items(tag, f"{level.place}{tag:08X}/"))
        elif tag & 0xFFFF and not (depth == 0 and tag in self._leave_out):
            level.members.append((tag, self._element(level, tag, vr, start, length)))

    def finished(self) -> str:
        while len(self._stack) > 1:
            self._close()
        return self._stack[0].text()

    def _begin_item(self, sequence: _Items) -> None:
        above = self._stack[-2]
        assert isinstance(above, _DataSet)
        place = f"{sequence.place}{len(sequence.items) + 1}/"
        self._stack.append(_DataSet(place, above, little_endian=above.little_endian))

    def _close(self) -> None:
        level = self._stack.pop()
        above = self._stack[-1]
        if isinstance(level, _DataSet):
            assert isinstance(above, _Items)
            above.items.append(level.text())
        else:
            assert isinstance(above, _DataSet)
            if len(self._stack) > 1 or level.tag not in self._leave_out:
                above.members.append((level.tag, _start(level.tag, b"SQ") + level.text()))

    def _vr(self, level: _DataSet, tag: int) -> bytes:
        if tag >> 16 & 1 and tag & 0xFFFF > 0xFF:
            return private_vr(tag, level.creators.get(tag >> 8, "")).encode()
        return implicit_vr(tag, level.signed)

    def _element(self, level: _DataSet, tag: int, vr: bytes, start: int, length: int) -> str:
        if self._bulk is not None and vr in _BINARY and (length > INLINE or tag == _PIXEL_DATA):
            return self._uri(level, tag, vr)
        value = self._reader.peek(start, length)
        if len(value) < length:
            raise TruncatedData(f"within an element, {length - len(value)} bytes too early")
        if tag == _CHARACTER_SET:
            level.character_set = value
        elif tag == _PIXEL_REPRESENTATION:
            level.signed = b"\1" in value
        elif tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
            creator = decoded(value, level.character_set).strip(" \0")
            level.creators[tag >> 16 << 8 | tag & 0xFF] = creator
        return _start(tag, vr) + _of_bytes(vr, value, level.character_set, level.little_endian)

    def _uri(self, level: _DataSet, tag: int, vr: bytes) -> str:
        assert self._bulk is not None
        uri = self._bulk(f"{level.place}{tag:08X}")
        return f'{_start(tag, vr)},"BulkDataURI":{quoted(uri)}}}'

    def _end_of_fragments(self, delimiter: Element) -> None:
        begun, self._fragments = self._fragments, None
        level = self._stack[-1]
        assert begun is not None
        assert isinstance(level, _DataSet)
        tag, vr = begun.tag, begun.vr or b"OB"
        if self._bulk is not None:
            text = self._uri(level, tag, vr)
        else:
            value = self._reader.peek(begun.start, delimiter.header - begun.start)
            text = f"{_start(tag, vr)},{_inline(value)}}}"
        if len(self._stack) > 1 or tag not in self._leave_out:
            level.members.append((tag, text))


@lru_cache(maxsize=4096)
def _start(tag: int, vr: bytes) -> str:
    return f'"{tag:08X}":{{"vr":"{vr.decode("ascii")}"'


def _of_bytes(vr: bytes, value: bytes, character_set: bytes, little_endian: bool) -> str:
    """Return the rest of an element after its VR, for its encoded value."""
    if not value:
        return "}"
    if vr in _NUMBERS:
        code = _NUMBERS[vr]
        count = len(value) // struct.calcsize(code)
        numbers = struct.unpack_from(f"{'<' if little_endian else '>'}{count}{code}", value)
        return _values(map(_number, numbers))
    if vr in _BINARY:
        return f",{_inline(value if little_endian else swapped(vr, value))}}}"
    text = value_text(value, vr.decode(), character_set=character_set, little_endian=little_endian)
    return _of_text(vr, text)


def _of_text(vr: bytes, text: str) -> str:
    if not text.strip(" \\"):
        return "}"
    texts = [text] if vr in _SINGLE else text.split("\\")
    if vr in _WRITTEN_NUMBERS:
        return _values(map(_written_number, texts))
    if vr == b"PN":
        return _values(map(_name, texts))
    return _values(quoted(each) if each else "null" for each in texts)


def _values(texts: Iterable[str]) -> str:
    return ',"Value":[' + ",".join(texts) + "]}"


def _number(number: float) -> str:
    if isinstance(number, int):
        return str(number) if -_EXACT <= number <= _EXACT else f'"{number}"'
    if math.isfinite(number):
        return repr(number)
    return '"NaN"' if math.isnan(number) else '"Infinity"' if number > 0 else '"-Infinity"'


def _written_number(text: str) -> str:
    """Return a number in decimal digits as a JSON number, or as text if it is not a number."""
    text = text.strip(" \0")
    if not text:
        return "null"
    if _JSON_NUMBER.fullmatch(text):
        return text if len(text) <= 15 or not text.lstrip("-").isdigit() else _number(int(text))
    try:
        number = float(text)
    except ValueError:
        return quoted(text)
    return _number(int(number) if number.is_integer() and abs(number) < _EXACT else number)


def _name(text: str) -> str:
    groups = zip(_GROUPS, text.split("="), strict=False)
    members = [
        f'"{group}":{quoted(each.rstrip(" "))}' for group, each in groups if each.strip(" ^")
    ]
    return "{" + ",".join(members) + "}" if members else "null"


def _inline(value: bytes) -> str:
    return f'"InlineBinary":"{base64.b64encode(value).decode()}"'
