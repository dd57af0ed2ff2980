"""The statements that select what a query may find, along the indexes that there are."""

from typing import TYPE_CHECKING, Final, TypeAlias

from dcm.data.levels import Level
from dcm.store.index_schema import COLUMNS, PLACE_OF, TABLES
from dcm.store.index_values import Cell, Condition

if TYPE_CHECKING:
    from sqlite3 import Connection

Conditions: TypeAlias = list[tuple[str, Condition]]
"""Conditions on attributes, each with the keyword; a keyword may have several."""

_RANKS: Final = (
    "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID", "AccessionNumber", "StudyDate",
    "PatientName",
)  # fmt: skip
"""Keys with an index, those that select the fewest rows first."""
_MANY: Final = 20_000
"""If so many studies have a date that matches, names are compared first."""
_MODALITIES: Final = (
    "EXISTS (SELECT 1 FROM series m WHERE m.entity >= study.entity"
    " AND m.entity < CAST(study.entity || x'ffffffffffffffffff' AS BLOB) AND {})"
)


def first_key(connection: "Connection", conditions: Conditions) -> str:
    """Return the key with which to begin; empty if none has an index."""
    found = dict(conditions)
    best = next((name for name in _RANKS if name in found), "")
    if best == "StudyDate" and "PatientName" in found:
        words, values = found[best]
        sql = f"SELECT COUNT(*) FROM (SELECT 1 FROM study WHERE {words} LIMIT {_MANY})"
        (count,) = connection.execute(sql.replace("{}", best), values).fetchone()
        return best if count < _MANY else "PatientName"
    return best


def select(
    deepest: Level,
    conditions: Conditions,
    first: str = "",
    *,
    start: Level | None = None,
    at: bytes = b"",
    of: int = 0,
) -> tuple[str, list[Cell]]:
    """Return a statement that selects rows down to a level by entity, and the values for it.

    first: the key with which to begin, if one has an index. start, at, of: begin with this row of that level
    instead. The columns are: entity, attributes of four levels, variant, whether a unique key may be empty,
    folder, name, size and offset.
    """
    begin = _begin(deepest, conditions, first) if start is None else start
    tables, where, values = list[str](), list[str](), list[Cell]()
    above = [TABLES[each] for each in reversed(range(begin))]
    if start is not None:
        where.append(f"{TABLES[start]}.entity = ? AND {TABLES[start]}.variant = ?")
        values += [at, of]
    chosen = dict(conditions).get(first)
    found = ""
    if chosen is not None and begin < Level.IMAGE:
        found = "chosen"
        # What is above is looked at before the row itself: it may not match.
        tables += [_chosen(begin, first, chosen), *above, TABLES[begin]]
        where.append(f"{TABLES[begin]}.entity = chosen.entity")
        where.append(f"{TABLES[begin]}.variant = chosen.variant")
        values += chosen.values
    else:
        tables += [TABLES[begin], *above]
    for name, condition in conditions:
        if condition is chosen and begin < Level.IMAGE:
            continue
        words = condition.or_unknown
        if name in COLUMNS:
            where.append(words.replace("{}", COLUMNS[name]))
        else:
            where.append(_MODALITIES.format(words.replace("{}", "m.Modality")))
        values += condition.values
    tables += [TABLES[each] for each in range(begin + 1, deepest + 1)]
    where += [_above(each, found if each == begin - 1 else "") for each in range(begin)]
    where += [_below(each) for each in range(begin + 1, deepest + 1)]
    last = TABLES[deepest]
    columns = [f"{last}.entity"]
    columns += [f"{TABLES[each]}.attributes" if each <= deepest else "NULL" for each in Level]
    odd = [f"{TABLES[each]}.{each.unique_key} = ''" for each in Level if 0 < each <= deepest]
    columns += [f"{last}.variant", " OR ".join(odd) or "0"]
    if deepest is Level.IMAGE:
        tables.append("folder")
        where += ["folder.id = file.folder", "file.entity IS NOT NULL"]
        columns += ["folder.path", "file.name", "file.size", "file.offset"]
    ordered = f"{last}.entity, {last}.{'id' if deepest is Level.IMAGE else 'variant'}"
    sql = f"SELECT {', '.join(columns)} FROM {' CROSS JOIN '.join(tables)}"
    if where:
        sql += f" WHERE {' AND '.join(where)}"
    return f"{sql} ORDER BY {ordered}", values


def _begin(deepest: Level, conditions: Conditions, first: str) -> Level:
    """Return the level with whose rows the selection begins."""
    if first:
        return PLACE_OF[first][0]
    levels = [PLACE_OF[name][0] for name, _ in conditions if name in COLUMNS]
    return min(levels, default=deepest)


def _chosen(level: Level, name: str, condition: Condition) -> str:
    """Return a subquery for the rows that fulfil a condition, which reads nothing but the index."""
    words = condition.words.replace("{}", name)
    rows = f"SELECT entity, variant, parent FROM {TABLES[level]} WHERE"
    return f"({rows} {words} AND {name} <> '' UNION ALL {rows} {name} = '') AS chosen"


def _above(level: int, below: str = "") -> str:
    """Return how a row is found above one of the next level, or of what stands for it."""
    name = TABLES[level]
    below = below or TABLES[level + 1]
    return (
        f"{name}.entity = substr({below}.entity, 1, {8 * (level + 1)})"
        f" AND {name}.variant = {below}.parent"
    )


def _below(level: int) -> str:
    """Return how rows are found below one of the level above."""
    name, above = TABLES[level], TABLES[level - 1]
    return (
        f"{name}.entity >= {above}.entity AND {name}.parent = {above}.variant"
        f" AND {name}.entity < CAST({above}.entity || x'ffffffffffffffffff' AS BLOB)"
    )
