"""How an index is read for a page of answers: along which of its keys, and from which entity on.

Answers come in the order of their entities. If many rows match, reading them in that order soon has enough,
while a key with few rows is quicker where few match. How many match shows only while reading: so a page is
looked for in the first few thousand rows, and with the best key in what is left.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from dcm.data.levels import Level
from dcm.store.index_schema import COLUMNS, PLACE_OF, TABLES
from dcm.store.index_select import MODALITIES, Conditions, begin_level, in_words, select
from dcm.store.index_values import Cell, Condition, digest

if TYPE_CHECKING:
    from sqlite3 import Connection

Statement: TypeAlias = tuple[str, list[Cell]]

_UNIQUE: Final = (
    "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "AccessionNumber",
)  # fmt: skip
"""Keys with an index that select few rows, those that select the fewest first."""
_SHARED: Final = ("StudyDate", MODALITIES, "PatientName")
"""Keys with an index that may select many."""
_PAGE: Final = 1000
"""More answers than that are no page."""
_READ: Final = 4000
"""Rows in which a page is looked for first: some milliseconds."""
_SHARE: Final = 16
"""If a key selects more than this part of all studies, it is quicker to read all rows in their order."""
_UNCERTAIN: Final = 500
"""Rows of which SQL does not know whether they match that are looked at one by one."""
_ODD_SERIES: Final = "SELECT substr(entity, 1, 16) FROM series WHERE Modality = ''"
"""Studies with a series whose modality is empty, or of several values."""
_NOBODY: Final = digest("")
"""What stands in an entity for a unique key that is empty."""


def statements(
    connection: "Connection",
    deepest: Level,
    conditions: Conditions,
    since: bytes = b"",
    enough: int | None = None,
) -> Iterator[Statement]:
    """Yield the statements that select, one after the other, what a query may find from an entity on.

    enough: how many answers are wanted; None: all. The next statement is not made before it is needed.
    """
    names = {name for name, _ in conditions}
    first = next((name for name in _UNIQUE if name in names), "")
    if not first and conditions and enough is not None and enough <= _PAGE:
        table = TABLES[begin_level(deepest, conditions)]
        sql = f"SELECT entity FROM {table} WHERE entity >= ? ORDER BY entity LIMIT 1 OFFSET {_READ}"
        row = connection.execute(sql, (since,)).fetchone()
        yield select(deepest, conditions, since=since, before=row[0] if row else b"")
        if row is None:
            return
        since = row[0]
    yield select(deepest, conditions, first or _shared_key(connection, conditions), since=since)


def _shared_key(connection: "Connection", conditions: Conditions) -> str:
    """Return the key that selects the fewest rows; empty if none has an index, or all select many."""
    found = {name: each for name, each in conditions if name in _SHARED}
    if len(conditions) == len(found) == 1 and "PatientName" in found:
        return "PatientName"  # to count means to compare all names
    if not found:
        return ""
    (studies,) = connection.execute("SELECT COUNT(*) FROM study").fetchone()
    least, best = studies // _SHARE + 1, ""
    for name in _SHARED:
        if name in found:
            count = _count(connection, name, found[name], least)
            if count < least:
                least, best = count, name
    return best


def _count(connection: "Connection", name: str, condition: Condition, most: int) -> int:
    """Count the rows that a key selects, up to a number."""
    column = "Modality" if name == MODALITIES else name
    table = TABLES[PLACE_OF[column][0]]
    words = condition.words.replace("{}", column)
    sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE {words} LIMIT {most})"
    (count,) = connection.execute(sql, condition.values).fetchone()
    return int(count)


class Offset:
    """How many of the first entities that match are left out, found without reading them one by one.

    usable: whether that is possible: all keys are compared by `conditions`, which are of one level.
    """

    def __init__(self, connection: "Connection", level: Level, conditions: Conditions) -> None:
        self._connection: Final = connection
        self._conditions: Final = conditions
        self._table: Final = TABLES[level]
        self.usable: Final = level is not Level.PATIENT and all(
            each.exact and _is_of(level, name) for name, each in conditions
        )
        # A plus keeps SQLite from an index whose rows it would have to sort.
        words = [in_words(name, each.or_unknown.replace("{}", "+{}")) for name, each in conditions]
        self._named: Final = [
            f"substr({{}}, {8 * each + 1}, 8) <> x'{_NOBODY.hex()}'" for each in range(1, level + 1)
        ]
        words += [each.format(f"{self._table}.entity") for each in self._named]
        if level is Level.IMAGE:
            words.append("file.entity IS NOT NULL")
        self._words: Final = " AND ".join(words)
        self._values: Final = [value for _, each in conditions for value in each.values]

    def uncertain(self) -> list[tuple[bytes, int]] | None:
        """Return entity and variant of what may match or not; None if there is too much of it."""
        unknown = [_unknown(name) for name, _ in self._conditions]
        if not unknown:
            return []
        sql = (
            f"SELECT entity, variant FROM {self._table} WHERE ({' OR '.join(unknown)}) AND {self._words}"
            f" LIMIT {_UNCERTAIN + 1}"
        )
        found = self._connection.execute(sql, self._values).fetchall()
        return found if len(found) <= _UNCERTAIN else None

    def entity(self, offset: int, matching: list[int]) -> bytes | None:
        """Return the first entity that is not left out, or None. matching: variants of what is uncertain."""
        if not matching and [name for name, _ in self._conditions] == [MODALITIES]:
            return self._of_series(offset)
        known = " AND ".join(f"NOT ({_unknown(name)})" for name, _ in self._conditions) or "1"
        also = "".join(f" OR {self._table}.variant = ?" for _ in matching)
        sql = (
            f"SELECT entity FROM {self._table} WHERE {self._words} AND ({known}{also})"
            " GROUP BY entity ORDER BY entity LIMIT 1 OFFSET ?"
        )
        row = self._connection.execute(sql, (*self._values, *matching, offset)).fetchone()
        return row[0] if row else None

    def _of_series(self, offset: int) -> bytes | None:
        """Return the same where nothing counts but the modality: all that is in the index of series."""
        ((_, condition),) = self._conditions
        sql = (
            "SELECT DISTINCT substr(entity, 1, 16) FROM series"
            f" WHERE {condition.words.replace('{}', 'Modality')} AND Modality <> ''"
            f" AND {self._named[0].format('entity')} AND substr(entity, 1, 16) NOT IN ({_ODD_SERIES})"
            " ORDER BY entity LIMIT 1 OFFSET ?"
        )
        row = self._connection.execute(sql, (*condition.values, offset)).fetchone()
        return row[0] if row else None


def _is_of(level: Level, name: str) -> bool:
    """Return whether a condition needs nothing but the rows of a level, or of the series below a study."""
    return PLACE_OF[name][0] is level if name in COLUMNS else level is Level.STUDY


def _unknown(name: str) -> str:
    """Return a condition on what may match or not: an empty column of a value that is not empty."""
    if name not in COLUMNS:
        return f"study.entity IN ({_ODD_SERIES})"
    level, place = PLACE_OF[name]
    value = f"coalesce(json_extract({TABLES[level]}.attributes, '$[{place}]'), '')"
    return f"({COLUMNS[name]} = '' AND {value} <> '')"
