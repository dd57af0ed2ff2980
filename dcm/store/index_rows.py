"""The rows that an index has for an instance, made of its header alone: any process can make them."""

import json
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from dcm.data.dictionary import vr_of
from dcm.data.header import Header
from dcm.data.levels import Level
from dcm.data.text import value_text
from dcm.store.index_schema import ATTRIBUTES, READ, SEARCHED
from dcm.store.index_values import Cell, column, digest, number_of

Row: TypeAlias = tuple[Cell, ...]

_PLAIN: Final = frozenset(b"AE AS CS DA DS DT IS LO LT PN SH ST TM UI".split())
"""VRs whose values are texts that end with padding; see `value_text` for all others."""
_MARKS: Final = frozenset(b"\\\x1b")  # stand between values, or begin another character set
_CHARACTER_SET: Final = 0x00080005
_NOTHING: Final = (b"", b"")
_SEARCHED: Final = tuple(
    tuple((keywords.index(each), vr_of(each)) for each in searched)
    for keywords, searched in zip(ATTRIBUTES, SEARCHED, strict=True)
)
"""Position and VR of each attribute that has a column."""
WANTED: Final = tuple(tag for level in READ for tag, _ in level)
"""The tags that are read from files."""


class Entry(NamedTuple):
    """A file as a folder lists it."""

    name: bytes
    size: int
    mtime_ns: int


class Rows(NamedTuple):
    """Rows for the four tables; those of the first three are without repetition."""

    above: tuple[dict[Row, None], dict[Row, None], dict[Row, None]]
    files: list[Row]

    @classmethod
    def none(cls) -> "Rows":
        """Return a value that has no rows yet."""
        return cls(({}, {}, {}), [])

    def add(self, folder: int, entry: Entry, header: Header, checksum: bytes | None = None) -> None:
        """Add the rows of an instance."""
        entity, parent = b"", 0
        for level, above in zip(Level, self.above, strict=False):
            values = _values(header, level)
            entity += digest(values[0].strip(" \0"))
            row = _row(level, entity, parent, values)
            above[row] = None
            parent = int(row[1] or 0)
        values = _values(header, Level.IMAGE)
        entity += digest(values[0].strip(" \0"))
        row = _row(Level.IMAGE, entity, parent, values)
        words = "; ".join(header.remarks)
        self.files.append((folder, *entry, 0, words, header.data_set_offset, checksum, *row))

    def add_other(self, folder: int, entry: Entry, words: str, *, damaged: bool) -> None:
        """Add the row of a file that holds no instance, and why."""
        nothing = (None,) * (6 + len(SEARCHED[Level.IMAGE]))
        self.files.append((folder, *entry, int(damaged), words, *nothing))


def _row(level: Level, entity: bytes, parent: int, values: list[str]) -> Row:
    columns = [column(vr, values[place]) for place, vr in _SEARCHED[level]]
    while values and not values[-1]:
        values.pop()
    attributes = json.dumps(values, separators=(",", ":"))
    variant = number_of(digest(attributes, str(parent)))
    return (entity, variant, parent, attributes, *columns)


def _values(header: Header, level: Level) -> list[str]:
    """Return the values of a level's attributes, in their order."""
    elements = header.elements
    found = []
    if level is Level.IMAGE:
        found += [header.sop_instance_uid, header.sop_class_uid, header.transfer_syntax_uid]
    for tag, vr in READ[level]:
        stored = elements.get(tag)
        if stored is None:
            found.append("")
            continue
        written, value = stored
        if written in _PLAIN and value.isascii() and _MARKS.isdisjoint(value):
            found.append(value.decode("ascii").rstrip(" \0"))
            continue
        found.append(
            value_text(
                value,
                written.decode() if written not in (b"", b"UN") else vr,
                character_set=elements.get(_CHARACTER_SET, _NOTHING)[1],
                little_endian=header.little_endian,
            )
        )
    return found


def rows_of(entries: Iterable[tuple[Entry, Header]], folder: int) -> Rows:
    """Return the rows of instances in one folder."""
    rows = Rows.none()
    for entry, header in entries:
        rows.add(folder, entry, header)
    return rows
