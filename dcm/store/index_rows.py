"""The index rows of an instance, made from its header alone, so any process can make them."""

import json
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from dcm.data.dictionary import vr_of
from dcm.data.header import Header
from dcm.data.levels import Level
from dcm.data.text import value_text
from dcm.store.index_schema import ATTRIBUTES, READ, SEARCHED
from dcm.store.index_values import Cell, column, digest, number_of

Row: TypeAlias = tuple[Cell, ...]

_PLAIN: Final = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UI".split())
"""VRs whose values are texts with trailing padding; see `value_text` for all others."""
_MARKS: Final = frozenset(b"\\\x1b")  # separate values, or begin another character set
_CHARACTER_SET: Final = 0x00080005
_NOTHING: Final = (b"", b"")
_ENCODED: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_SEARCHED: Final = tuple(
    tuple((keywords.index(each), vr_of(each)) for each in searched[1:])
    for keywords, searched in zip(ATTRIBUTES, SEARCHED, strict=True)
)
"""Position and VR of each attribute that has a column, except the unique keys."""
_KNOWN: Final = 4096
"""Rows of patients, studies and series to cache: usually the next instance has the same."""
_SHORT, _LONG = 64, 4096
"""The longest values and rows that are cached."""
_known: dict[tuple[object, ...], Row] = {}

WANTED: Final = tuple(tag for level in READ for tag, _ in level)
"""The tags that are read from files."""


class Entry(NamedTuple):
    """A file in the listing of a folder."""

    name: bytes
    size: int
    mtime_ns: int


class Rows(NamedTuple):
    """Rows for the four tables, without duplicates in the first three."""

    above: tuple[dict[Row, None], dict[Row, None], dict[Row, None]]
    files: list[Row]

    @classmethod
    def none(cls) -> "Rows":
        """Return an object without rows."""
        return cls(({}, {}, {}), [])

    def add(self, *rows: Row) -> None:
        """Add the rows of an instance, from the patient down."""
        for place, row in zip(self.above, rows, strict=False):
            place[row] = None
        self.files.append(rows[-1])

    def add_other(self, folder: int, entry: Entry, words: str, *, damaged: bool) -> None:
        """Add the row of a file that does not contain an instance, with the reason."""
        nothing = (None,) * (6 + len(SEARCHED[Level.IMAGE]))
        self.files.append((folder, *entry, int(damaged), words, *nothing))


def rows_of(
    folder: int, entry: Entry, header: Header, checksum: bytes | None = None
) -> tuple[Row, Row, Row, Row]:
    """Return the rows of an instance, from the patient down."""
    patient = _above(header, Level.PATIENT, None)
    study = _above(header, Level.STUDY, patient)
    series = _above(header, Level.SERIES, study)
    identity = [header.sop_instance_uid, header.sop_class_uid, header.transfer_syntax_uid]
    image = _row(Level.IMAGE, series, identity + _texts(header, Level.IMAGE))
    words = "; ".join(header.remarks)
    file = (folder, *entry, 0, words, header.data_set_offset, checksum, *image)
    return patient, study, series, file


def _above(header: Header, level: Level, parent: Row | None) -> Row:
    """Return the row of a level above the instances."""
    elements = header.elements
    raw = tuple([elements.get(tag) for tag, _ in READ[level]])
    key = (parent and parent[1], raw, elements.get(_CHARACTER_SET), header.little_endian)
    row = _known.get(key)
    if row is None:
        if len(_known) >= _KNOWN:
            _known.clear()
        row = _row(level, parent, _texts(header, level))
        if len(str(row[3])) <= _LONG:
            _known[key] = row
    return row


def _row(level: Level, parent: Row | None, values: list[str]) -> Row:
    unique = digest(values[0].strip(" \0"))
    columns = [column(vr, values[place]) for place, vr in _SEARCHED[level]]
    first = column("LO", values[0])
    if level is not Level.PATIENT and first != "":
        first = number_of(unique)
    while values and not values[-1]:
        values.pop()
    attributes = _ENCODED(values)
    entity, above = (b"", 0) if parent is None else (parent[0], parent[1])
    assert isinstance(entity, bytes)
    variant = number_of(digest(attributes, str(above)))
    return (entity + unique, variant, above, attributes, first, *columns)


def _texts(header: Header, level: Level) -> list[str]:
    """Return the values of a level's attributes, in their order."""
    elements = header.elements
    found = []
    for tag, vr in READ[level]:
        stored = elements.get(tag)
        if stored is None:
            found.append("")
            continue
        written, value = stored
        if written in _PLAIN and value.isascii() and _MARKS.isdisjoint(value):
            found.append(value.decode("ascii").rstrip(" \0"))
            continue
        text = _text if len(value) <= _SHORT else _text.__wrapped__
        found.append(
            text(
                value,
                written.decode() if written not in (b"", b"UN") else vr,
                elements.get(_CHARACTER_SET, _NOTHING)[1],
                header.little_endian,
            )
        )
    return found


@lru_cache(maxsize=4096)
def _text(value: bytes, vr: str, character_set: bytes, little_endian: bool) -> str:
    """Return a value as text: numbers, non-ASCII names, several values. Cached: values recur."""
    return value_text(value, vr, character_set=character_set, little_endian=little_endian)
