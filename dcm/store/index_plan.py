"""Plans how an index is read for a page of answers: by which key, and starting from which entity.

Answers come in the order of their entities. If many rows match, reading them in that order soon
fills the page; if few match, a key with few rows is quicker. How many match is known only while
reading, so the first few thousand rows are searched in order, and the rest by the best key.
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
"""Indexed keys that select few rows, the most selective first."""
_SHARED: Final = ("StudyDate", MODALITIES, "PatientName")
"""Indexed keys that may select many rows."""
_PAGE: Final = 1000
"""The most answers that count as a page."""
_READ: Final = 4000
"""The number of rows in which a page is first searched for; it takes some milliseconds."""
_SHARE: Final = 16
"""If a key selects more than one in this many studies, reading all rows in order is quicker."""
_UNCERTAIN: Final = 500
"""The most rows to check one by one because SQL cannot tell whether they match."""
_ODD_SERIES: Final = "SELECT substr(entity, 1, 16) FROM series WHERE Modality = ''"
"""Studies with a series whose modality is empty or has several values."""
_NOBODY: Final = digest("")
"""The digest of an empty unique key, as part of an entity."""


def statements(
    connection: "Connection",
    deepest: Level,
    conditions: Conditions,
    since: bytes = b"",
    enough: int | None = None,
) -> Iterator[Statement]:
    """Yield statements that together select the candidates for a query, from the entity `since` on.

    enough: the number of answers wanted; None for all. Each statement is made only when it is
    needed.
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
    """Return the key that selects the fewest rows; empty if none is indexed or selective."""
    found = {name: each for name, each in conditions if name in _SHARED}
    if len(conditions) == len(found) == 1 and "PatientName" in found:
        return "PatientName"  # counting would compare all names
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
    """Count the rows that a key selects, up to `most`."""
    column = "Modality" if name == MODALITIES else name
    table = TABLES[PLACE_OF[column][0]]
    words = condition.words.replace("{}", column)
    sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE {words} LIMIT {most})"
    (count,) = connection.execute(sql, condition.values).fetchone()
    return int(count)


class Offset:
    """Finds where results with an offset begin, without reading the skipped entities.

    usable: whether this is possible: all keys are compared by `conditions`, which concern one
    level.
    """

    def __init__(self, connection: "Connection", level: Level, conditions: Conditions) -> None:
        self._connection: Final = connection
        self._conditions: Final = conditions
        self._table: Final = TABLES[level]
        self.usable: Final = level is not Level.PATIENT and all(
            each.exact and _is_of(level, name) for name, each in conditions
        )
        # A plus keeps SQLite from using an index whose rows it would have to sort.
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
        """Return entity and variant of rows that may match or not; None if too many."""
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
        """Return the first entity after `offset`, or None. matching: variants to count."""
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
        """Return the same for a query by modality only, from the index of series alone."""
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
    """Return whether a condition needs only the rows of a level, or of the series below a study."""
    return PLACE_OF[name][0] is level if name in COLUMNS else level is Level.STUDY


def _unknown(name: str) -> str:
    """Return a condition for rows that may match or not: with a value, but an empty column."""
    if name not in COLUMNS:
        return f"study.entity IN ({_ODD_SERIES})"
    level, place = PLACE_OF[name]
    value = f"coalesce(json_extract({TABLES[level]}.attributes, '$[{place}]'), '')"
    return f"({COLUMNS[name]} = '' AND {value} <> '')"
