"""The contents of a DICOM file, element by element, with values that are read on demand.

    with opened("image.dcm") as content:
        for entry in content.entries():
            print(entry.keyword, content.text(entry))

An `Entry` has the position of an element; a sequence has the entries of its items. Pixels and other bulk data
are read only if their value is requested.
"""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from dcm.data.dictionary import keyword_of, private_vr, vr_of
from dcm.data.encoding import (
    DEFLATED,
    EXPLICIT,
    ITEM,
    ITEM_GROUP,
    NATIVE,
    UNDEFINED,
    Encoding,
    MalformedData,
    Reader,
    TruncatedData,
    recognise,
    tag_text,
)
from dcm.data.header import NotDicom, scan_source
from dcm.data.recode import implicit_vr
from dcm.data.source import FileSource, InflatedSource, MemorySource, Source
from dcm.data.text import decoded, value_text

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # otherwise, opening a pipe would block
_SMALL: Final = 1 << 16
"""Files up to this size are read completely, which is cheaper than reading single values."""
_PREFIX: Final = b"DICM"
_CHARACTER_SET: Final = 0x00080005
_PIXEL_REPRESENTATION: Final = 0x00280103
_CONTEXT: Final = frozenset((_CHARACTER_SET, _PIXEL_REPRESENTATION))
_PART: Final = 1 << 20
_LONGEST: Final = 1 << 10
"""The maximum length of values that affect other elements; the rest of a longer value is ignored."""
_SEQUENCES: Final = frozenset((b"SQ", b"UN", b""))
"""The VRs of elements that contain items with elements, if their length is undefined (PS3.5 6.2.2)."""

BINARY: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
"""VRs whose values have no text."""


class Scope(NamedTuple):
    """How the values of a data set or item are encoded."""

    character_set: bytes = b""
    little_endian: bool = True


class Entry(NamedTuple):
    """An element, and the position of its value.

    vr: as encoded, or from the dictionary in implicit VR. length: of the value in bytes;
    `UNDEFINED` for some sequences and for encapsulated pixels. items: those of a sequence, with their
    entries.
    fragments: those of encapsulated pixels (PS3.5 A.4), with position and length.
    """

    tag: int
    vr: str
    start: int
    length: int
    scope: Scope = Scope()
    items: "list[list[Entry]] | None" = None
    fragments: list[tuple[int, int]] | None = None

    @property
    def keyword(self) -> str:
        """The keyword, or eight hexadecimal digits for an element that has none."""
        return keyword_of(self.tag)

    @property
    def is_private(self) -> bool:
        """Whether the standard does not define the element (PS3.5 7.8)."""
        return bool(self.tag & 0x10000)

    @property
    def value_vr(self) -> str:
        """The VR for interpreting the value: that of the dictionary if it is encoded as UN."""
        return vr_of(self.tag) if self.vr == "UN" else self.vr

    @property
    def is_binary(self) -> bool:
        """Whether the value is neither text nor items."""
        return self.items is None and self.value_vr in (*BINARY, "SQ")

    @property
    def size(self) -> int:
        """The number of bytes of the value, or of all fragments."""
        if self.fragments is not None:
            return sum(length for _, length in self.fragments)
        return self.length


class Content:
    """A data set, with the file meta information if it comes from a file.

    name: its name in error messages. transfer_syntax_uid: the actual encoding of the data set.
    """

    def __init__(
        self, source: Source, position: int, transfer_syntax_uid: str, *, name: str = ""
    ) -> None:
        self.name = name
        self.transfer_syntax_uid: Final = transfer_syntax_uid
        self._file: Source = source
        self._meta_end = 0
        if transfer_syntax_uid in DEFLATED:
            source, position = InflatedSource(source, position), 0
        self._source: Final = source
        self._position: Final = position

    @classmethod
    def of_file(cls, source: Source, name: str = "") -> "Content":
        """Return the contents of an open file. Raises `NotDicom`."""
        header = scan_source(source, ())
        made = cls(source, header.data_set_offset, header.transfer_syntax_uid, name=name)
        made._meta_end = header.data_set_offset
        return made

    @classmethod
    def of_bytes(cls, data: bytes, name: str = "") -> "Content":
        """Return the contents of a file in memory. Raises `NotDicom`."""
        return cls.of_file(MemorySource(data), name)

    def meta(self) -> Iterator[Entry]:
        """Yield the elements of the file meta information (PS3.10 7.1). Raises `NotDicom`."""
        head = self._file.read(0, 132)
        start = 132 if head[128:] == _PREFIX else 4 if head[:4] == _PREFIX else 0
        if start < self._meta_end:
            encoding = recognise(self._file.read(start, 8)) or EXPLICIT
            yield from self._read(Reader(self._file), start, encoding, self._meta_end)

    def entries(self) -> Iterator[Entry]:
        """Yield the elements of the data set in order, each with everything in it.

        Raises `NotDicom` where it cannot be read any further.
        """
        yield from self._read(Reader(self._source), self._position, self.encoding, None)

    @property
    def encoding(self) -> Encoding:
        """The encoding of the elements."""
        return NATIVE.get(self.transfer_syntax_uid, EXPLICIT)

    def data_set(self) -> bytes:
        """Return the whole encoded data set, inflated if it is deflated."""
        parts, at = [], self._position
        while part := self._source.read(at, _PART):
            parts.append(part)
            at += len(part)
        return b"".join(parts)

    def offset(self, entry: Entry) -> int | None:
        """Return the position of a value in the file; None if the data set is deflated."""
        return entry.start if self._source_of(entry) is self._file else None

    def value(self, entry: Entry) -> bytes:
        """Return an encoded value; fragments are joined."""
        if entry.fragments is None and entry.length <= _PART:
            return self._source_of(entry).read(entry.start, entry.length)
        return b"".join(self.parts(entry))

    def encoded(self, entry: Entry) -> bytes:
        """Return an encoded value, including the headers of fragments."""
        if not entry.fragments:
            return self.value(entry)
        start, length = entry.fragments[-1]
        whole = entry._replace(length=start + length - entry.start, fragments=None)
        return b"".join(self.parts(whole))

    def parts(self, entry: Entry, size: int = _PART) -> Iterator[bytes]:
        """Yield a value, or all fragments, in parts of up to `size` bytes; fewer if the file ends."""
        if entry.items is not None:
            return
        read = self._source_of(entry).read
        for start, length in (
            [(entry.start, entry.length)] if entry.fragments is None else entry.fragments
        ):
            for at in range(start, start + length, size):
                part = read(at, min(size, start + length - at))
                if not part:  # a length may be wrong
                    return
                yield part

    def text(self, entry: Entry) -> str:
        """Return a value as text: see `dcm.data.text.value_text`."""
        return value_text(
            self.value(entry),
            entry.value_vr,
            character_set=entry.scope.character_set,
            little_endian=entry.scope.little_endian,
        )

    def _source_of(self, entry: Entry) -> Source:
        return self._file if entry.tag >> 16 == 2 else self._source

    def _read(
        self, reader: Reader, position: int, encoding: Encoding, end: int | None
    ) -> Iterator[Entry]:
        last: Entry | None = None
        signed = not encoding.explicit and _is_signed(Reader(self._source), position, encoding)
        waiting = _Level([], Scope(little_endian=encoding.little_endian), signed=signed)
        try:
            for entry in _trees(reader, position, encoding, end, waiting):
                last = entry
                yield entry
        except (MalformedData, TruncatedData, ValueError, zlib.error) as error:
            if waiting.entries:  # the part that could be read
                yield waiting.entries[-1]
            where = f"the file ends {error}" if isinstance(error, TruncatedData) else str(error)
            raise NotDicom(f"it cannot be read completely: {where}", self.name) from None
        if last is not None and last.length not in (0, UNDEFINED):
            self._require_end(last)

    def _require_end(self, last: Entry) -> None:
        """Raise `NotDicom` if the source ends within the last value, which the walker does not check."""
        end = last.start + last.length
        if not self._source_of(last).read(end - 1, 1):
            what = f"{last.keyword} {tag_text(last.tag)}"
            raise NotDicom(f"the file ends in the middle of the value of {what}", self.name)


def _is_signed(reader: Reader, position: int, encoding: Encoding) -> bool:
    """Return whether pixels are signed; elements before Pixel Representation may depend on it (PS3.5 A.1)."""
    wanted = {_PIXEL_REPRESENTATION}
    try:
        found, _ = reader.collect(position, encoding, wanted, _PIXEL_REPRESENTATION)
    except (MalformedData, TruncatedData, ValueError, zlib.error):
        return False  # the walk finds the error, too
    return b"\1" in found.get(_PIXEL_REPRESENTATION, (b"", b""))[1]


class _Level:
    """A data set or an item that is being read."""

    __slots__ = ("creators", "entries", "scope", "signed")

    def __init__(self, entries: list[Entry], scope: Scope, *, signed: bool) -> None:
        self.creators: dict[int, str] = {}
        """Private creators by group and block (PS3.5 7.8.1)."""
        self.entries = entries
        self.scope = scope
        self.signed = signed


def _trees(
    reader: Reader, position: int, encoding: Encoding, end: int | None, top: _Level
) -> Iterator[Entry]:
    """Yield the elements of a data set; the one being read is the last entry of `top`."""
    levels = [top]
    entries = top.entries
    for tag, vr, _, start, length, depth in reader.walk(
        position, encoding, end, into_sequences=True
    ):
        if tag >> 16 == ITEM_GROUP and tag != ITEM:
            continue
        del levels[depth // 2 + 1 :]
        level = levels[-1]
        if tag == ITEM:
            inside = _begun(level, start, length)
            if inside is not None:
                levels.append(inside)
            continue
        if not depth and entries:
            yield entries.pop()
        made = _entry(tag, vr, start, length, level)
        level.entries.append(made)
        if tag in _CONTEXT or (tag & 0x1FF00 == 0x10000):
            _take_context(level, tag, reader.peek(start, min(length, _LONGEST)))
    if entries:
        yield entries.pop()


def _begun(level: _Level, start: int, length: int) -> _Level | None:
    """Begin an item of the last element of a level, and return it; None for a fragment of pixels."""
    outer = level.entries[-1]
    if outer.fragments is not None:
        outer.fragments.append((start, length))
    if outer.items is None:
        return None
    inside: list[Entry] = []
    outer.items.append(inside)
    little_endian = level.scope.little_endian or outer.vr == "UN"  # PS3.5 6.2.2 note 4
    return _Level(inside, Scope(level.scope.character_set, little_endian), signed=level.signed)


def _take_context(level: _Level, tag: int, value: bytes) -> None:
    """Note a value on which other elements of the level depend."""
    if tag == _CHARACTER_SET:
        level.scope = level.scope._replace(character_set=value)
    elif tag == _PIXEL_REPRESENTATION:
        level.signed = b"\1" in value
    elif 0x10 <= tag & 0xFFFF <= 0xFF:
        creator = decoded(value, level.scope.character_set).strip(" \0")
        level.creators[tag >> 16 << 8 | tag & 0xFF] = creator


def _entry(tag: int, vr: bytes, start: int, length: int, level: _Level) -> Entry:
    if vr:
        known = vr.decode()
    elif tag & 0x10000 and tag & 0xFFFF > 0xFF:
        known = private_vr(tag, level.creators.get(tag >> 8, ""))
    else:
        known = implicit_vr(tag, level.signed).decode()
    if length == UNDEFINED and vr not in _SEQUENCES:
        return Entry(tag, known, start, length, level.scope, None, [])
    if known == "SQ" or length == UNDEFINED:
        return Entry(tag, known, start, length, level.scope, [])
    return Entry(tag, known, start, length, level.scope)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Content]:
    """Open a file while a block runs. Raises `OSError` and `NotDicom`."""
    name = os.fspath(path)
    descriptor = os.open(name, _FLAGS)
    try:
        source: Source = FileSource(descriptor)
        if os.fstat(descriptor).st_size <= _SMALL:
            source = MemorySource(source.read(0, _SMALL))
        try:
            content = Content.of_file(source, name)
        except NotDicom as error:
            raise NotDicom(error.reason, name) from error.__cause__
        yield content
    finally:
        os.close(descriptor)


def data_set(data: bytes, transfer_syntax_uid: str, name: str = "") -> Content:
    """Return the contents of an encoded data set without file meta information, as sent over the network."""
    return Content(MemorySource(data), 0, transfer_syntax_uid, name=name)
