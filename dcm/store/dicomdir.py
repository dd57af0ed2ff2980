"""The records of a DICOMDIR: the files of a medium and their attributes (PS3.10 8, PS3.3 F).

    directory = Directory.read("DICOMDIR")
    for each in directory.references(): ...

Records are linked by offsets. Some writers get them wrong, so records that no offset refers to are
included: each belongs to the last preceding record of a level above.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import Final, NamedTuple, Self

from dcm.data.dictionary import vr_of
from dcm.data.encoding import (
    EXPLICIT,
    ITEM,
    ITEM_END,
    NATIVE,
    SEQUENCE_END,
    SEQUENCE_VRS,
    UNDEFINED,
    Element,
    Encoding,
    MalformedData,
    Reader,
    TruncatedData,
)
from dcm.data.header import Header, NotDicom, Values, scan_bytes
from dcm.data.text import encoded_value, value_text

MEDIA_STORAGE_DIRECTORY: Final = "1.2.840.10008.1.3.10"
_LARGEST: Final = 1 << 30
_ROOT, _RECORDS = 0x00041200, 0x00041220
_NEXT, _LOWER, _IN_USE = 0x00041400, 0x00041420, 0x00041410
_TYPE, _FILE_ID, _OTHER_RECORD = 0x00041430, 0x00041500, 0x00041504
_SOP_CLASS, _SOP_INSTANCE, _SYNTAX = 0x00041510, 0x00041511, 0x00041512
_NUMBERS: Final = frozenset((_NEXT, _LOWER, _OTHER_RECORD, _IN_USE))
_TEXTS: Final = frozenset((_TYPE, _FILE_ID, _SOP_CLASS, _SOP_INSTANCE, _SYNTAX))
_RANKS: Final = {"PATIENT": 0, "STUDY": 1, "SERIES": 2}
_LOWEST: Final = 3
_CHARACTER_SET: Final = 0x00080005
_UTF_8: Final = b"ISO_IR 192"
_SEQUENCE: Final = b"\x04\0\x20\x12"
_RECORD: Final = re.compile(rb"\xfe\xff\x00\xe0.{4}\x04\0\0\x14(?:UL\x04\0|\x04\0\0\0)", re.DOTALL)
"""The beginning of a record's item, up to the offset of the next record."""
_LONGEST_VALUE: Final = 1 << 16


class Record(NamedTuple):
    """A record. position: of its item in the file; start, end: of the item's contents.

    following, lower, other: positions of the next record, of the first record below, and of the
    record with its file (retired, PS3.3 F.6.2), or 0 if there is none.
    """

    position: int
    start: int
    end: int
    kind: str
    following: int
    lower: int
    other: int
    in_use: bool
    file_id: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str

    @property
    def rank(self) -> int:
        """The depth of the record, 0 for a patient."""
        return _RANKS.get(self.kind, _LOWEST)


class Reference(NamedTuple):
    """A file that a record refers to. path: the record, preceded by its ancestors."""

    file_id: str
    path: tuple[Record, ...]

    @property
    def record(self) -> Record:
        """The record itself."""
        return self.path[-1]


class Directory:
    """A DICOMDIR. damaged: why records may be missing. remarks: errors that were tolerated."""

    def __init__(self, data: bytes, encoding: Encoding, root: int) -> None:
        self.remarks: Final[list[str]] = []
        self._data: Final = data
        self._reader: Final = Reader(data)
        self._encoding: Final = encoding
        self._root: Final = root
        self._records: Final[dict[int, Record]] = {}
        self.damaged = ""

    @classmethod
    def read(cls, path: str) -> Self:
        """Read a file. Raises `OSError`, and `NotDicom` if it is not a DICOMDIR."""
        with open(path, "rb") as file:  # noqa: PTH123 - as all in `dcm.store`
            data = file.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise NotDicom(f"it is longer than {_LARGEST >> 30} GiB", path)
        before = data.find(_SEQUENCE)
        try:  # without the records, which may be damaged
            header = scan_bytes(data[:before] if before > 0 else data, (_ROOT,))
        except NotDicom as error:
            raise NotDicom(error.reason, path) from None
        encoding = NATIVE.get(header.transfer_syntax_uid, EXPLICIT)
        root = _number(header.elements.get(_ROOT, (b"", b""))[1], encoding)
        found = cls(data, encoding, root)
        if (
            not found._read(header.data_set_offset)
            and header.sop_class_uid != MEDIA_STORAGE_DIRECTORY
        ):
            raise NotDicom("it is not a DICOMDIR", path)
        return found

    def references(self) -> Iterator[Reference]:
        """Iterate over the files that records refer to, in the order of the records."""
        above = self._above
        for record in self._records.values():
            if record.kind == "MRDR" or not self._is_used(record, above):
                continue
            other = self._records.get(record.other)
            file_id = record.file_id or (other.file_id if other else "")
            if file_id:
                yield Reference(file_id, (*_ancestors(record, above), record))

    def values(self, reference: Reference) -> Header:
        """Return a file's attributes from its records, as a header; texts are in UTF-8."""
        record = reference.record
        found: dict[int, tuple[bytes, bytes]] = {_CHARACTER_SET: (b"CS", _UTF_8)}
        for each in reference.path:
            found |= self._values(each)
        found[0x00080016] = b"UI", record.sop_class_uid.encode()
        found[0x00080018] = b"UI", record.sop_instance_uid.encode()
        little = self._encoding.little_endian
        return Header(record.transfer_syntax_uid, 0, {}, found, little)

    def _read(self, position: int) -> bool:
        """Read the records; return whether there are any, or a sequence that may contain them."""
        sequence = self._sequence(position)
        at = end = -1
        if sequence is not None:
            at = sequence.start
            end = -1 if sequence.length == UNDEFINED else sequence.end
        last = position
        while True:
            tag = self._tag(at)
            if tag == ITEM:
                last, at = at, self._add(at)
                continue
            if sequence is not None and (tag == SEQUENCE_END or at == end):
                break
            self.damaged = f"it is damaged at byte {max(at, last)}: records may be missing"
            found = _RECORD.search(self._data, last + 1)
            if found is None:
                break
            at = found.start()
        return sequence is not None or bool(self._records)

    def _sequence(self, position: int) -> Element | None:
        elements = self._reader.walk(position, self._encoding, len(self._data))
        try:
            return next((each for each in elements if each.tag == _RECORDS), None)
        except (MalformedData, TruncatedData):
            return None

    def _tag(self, at: int) -> int:
        """Return the tag at a position, or 0 if there is none."""
        order = "<HH" if self._encoding.little_endian else ">HH"
        head = self._data[at : at + 4] if at >= 0 else b""
        if len(head) < 4:
            return 0
        group, number = struct.unpack(order, head)
        return int(group << 16 | number)

    def _add(self, at: int) -> int:
        """Read the record at a position; return the position after it, or -1 if it is unknown."""
        length = _number(self._data[at + 4 : at + 8], self._encoding)
        start = end = at + 8
        limit = None if length == UNDEFINED else min(start + length, len(self._data))
        found: dict[int, bytes] = {}
        following = limit
        try:
            for each in self._reader.walk(start, self._encoding, limit):
                end = each.end
                if each.depth == 0 and (each.tag in _NUMBERS or each.tag in _TEXTS):
                    found[each.tag] = self._data[each.start : each.end]
        except (MalformedData, TruncatedData):
            following = end + 8 if limit is None and self._tag(end) == ITEM_END else -1
        if found:
            self._records[at] = self._record(at, start, end, found)
        return -1 if following is None else following

    def _record(self, at: int, start: int, end: int, found: dict[int, bytes]) -> Record:
        def text(tag: int) -> str:
            return value_text(found.get(tag, b""), vr_of(tag))

        def number(tag: int) -> int:
            return _number(found.get(tag, b""), self._encoding)

        return Record(
            at, start, end, text(_TYPE).strip().upper(),
            number(_NEXT), number(_LOWER), number(_OTHER_RECORD),
            _IN_USE not in found or number(_IN_USE) != 0,
            text(_FILE_ID), text(_SOP_CLASS), text(_SOP_INSTANCE), text(_SYNTAX),
        )  # fmt: skip

    @cached_property
    def _above(self) -> dict[int, Record | None]:
        """The parent of each record, by offsets, or by order if no offset refers to the record."""
        above: dict[int, Record | None] = {}
        waiting: list[tuple[int, Record | None]] = [(self._root, None)]
        while waiting:
            position, parent = waiting.pop()
            while position not in above and position in self._records:
                record = self._records[position]
                above[position] = parent
                if record.lower:
                    waiting.append((record.lower, record))
                position = record.following
        self._complete(above)
        return above

    def _complete(self, above: dict[int, Record | None]) -> None:
        last: list[Record | None] = [None] * (_LOWEST + 1)
        unreached = 0
        for position, record in self._records.items():
            rank = record.rank
            if position not in above:
                unreached += record.kind != "MRDR"
                above[position] = next((each for each in last[:rank][::-1] if each), None)
            last[rank:] = [record] + [None] * (_LOWEST - rank)
        if unreached:
            self.remarks.append(
                f"no offset leads to {unreached} of {len(self._records)} records,"
                " whose place is taken from their order"
            )

    def _is_used(self, record: Record, above: dict[int, Record | None]) -> bool:
        return record.in_use and all(each.in_use for each in _ancestors(record, above))

    def _values(self, record: Record) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
        raw: dict[int, tuple[bytes, bytes]] = {}
        for each in self._reader.walk(record.start, self._encoding, record.end):
            if each.depth == 0 and each.tag >> 16 != 4 and each.length <= _LONGEST_VALUE:
                raw[each.tag] = each.vr, self._data[each.start : each.end]
        return _in_utf_8(raw)


def _ancestors(record: Record, above: dict[int, Record | None]) -> list[Record]:
    """Return the ancestors of a record, the highest first."""
    found: list[Record] = []
    each = above.get(record.position)
    while each is not None and len(found) <= _LOWEST:
        found.append(each)
        each = above.get(each.position)
    return found[::-1]


def _in_utf_8(raw: Values) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    """Yield the values of a record in UTF-8; records may have different character sets."""
    character_set = raw.get(_CHARACTER_SET, (b"", b""))[1]
    for tag, (vr, value) in raw.items():
        name = vr.decode() if vr not in (b"", b"UN") else vr_of(tag)
        if tag == _CHARACTER_SET or name in SEQUENCE_VRS:
            continue
        if not value.isascii() or b"\x1b" in value:
            text = value_text(value, name, character_set=character_set)
            with suppress(ValueError):  # not a text
                value = encoded_value(text, name, character_set=_UTF_8)  # noqa: PLW2901
        yield tag, (name.encode(), value)


def _number(value: bytes, encoding: Encoding) -> int:
    return int.from_bytes(value, "little" if encoding.little_endian else "big")
