"""The statements that select the candidates for a query, using the existing indexes."""

from collections.abc import Iterator
from typing import Final, TypeAlias

from dcm.data.levels import Level
from dcm.store.index_schema import COLUMNS, PLACE_OF, TABLES
from dcm.store.index_values import Cell, Condition

Conditions: TypeAlias = list[tuple[str, Condition]]
"""Conditions on attributes, with their keywords; a keyword may have several."""

MODALITIES: Final = "ModalitiesInStudy"
_MODALITIES: Final = (
    "EXISTS (SELECT 1 FROM series m WHERE m.entity >= study.entity"
    " AND m.entity < CAST(study.entity || x'ffffffffffffffffff' AS BLOB) AND {})"
)


def select(
    deepest: Level,
    conditions: Conditions,
    first: str = "",
    *,
    start: Level | None = None,
    at: bytes = b"",
    of: int = 0,
    since: bytes = b"",
    before: bytes = b"",
) -> tuple[str, list[Cell]]:
    """Return a statement that selects rows down to a level by entity, and its values.

    first: the key to begin with, if it has an index. start, at, of: begin with this row of that
    level instead.
    since, before: the range of entities, unless empty: from `since` on, up to but excluding
    `before`. The columns are: entity, attributes of four levels, variant, whether a unique key may
    be empty, folder, name, size and offset.
    """
    begin = begin_level(deepest, conditions, first) if start is None else start
    tables, where, values = list[str](), list[str](), list[Cell]()
    above = [TABLES[each] for each in reversed(range(begin))]
    if start is not None:
        where.append(f"{TABLES[start]}.entity = ? AND {TABLES[start]}.variant = ?")
        values += [at, of]
    chosen = dict(conditions).get(first)
    found = ""
    if chosen is not None and begin < Level.IMAGE:
        found = "chosen"
        # Rows above are checked before the row itself, as they may not match.
        tables += [_chosen(begin, first, chosen), *above, TABLES[begin]]
        where.append(f"{TABLES[begin]}.entity = chosen.entity")
        where.append(f"{TABLES[begin]}.variant = chosen.variant")
        values += chosen.values
    else:
        tables += [TABLES[begin], *above]
    for name, condition in conditions:
        if condition is chosen and begin < Level.IMAGE:
            continue
        where.append(in_words(name, condition.or_unknown))
        values += condition.values
    for words, bound in _bounds(begin, deepest, since, before):
        where.append(words)
        values.append(bound)
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
    if (
        begin < deepest and not found
    ):  # rows are read in this order, so only those of one entity are sorted
        ordered = f"{TABLES[begin]}.entity, {ordered}"
    sql = f"SELECT {', '.join(columns)} FROM {' CROSS JOIN '.join(tables)}"
    if where:
        sql += f" WHERE {' AND '.join(where)}"
    return f"{sql} ORDER BY {ordered}", values


def _bounds(
    begin: Level, deepest: Level, since: bytes, before: bytes
) -> Iterator[tuple[str, bytes]]:
    """Yield conditions, with values, for entities from `since` on and before `before`."""
    if since:
        yield f"{TABLES[begin]}.entity >= ?", since[: 8 * (begin + 1)]
        if (
            begin < deepest
        ):  # the plus prevents SQLite from reading from there instead of below the row above
            yield f"+{TABLES[deepest]}.entity >= ?", since
    if before:
        yield f"{TABLES[begin]}.entity < ?", before


def in_words(name: str, words: str) -> str:
    """Return a condition on the column of an attribute, or on the series of a study."""
    if name in COLUMNS:
        return words.replace("{}", COLUMNS[name])
    return _MODALITIES.format(words.replace("{}", "m.Modality"))


def begin_level(deepest: Level, conditions: Conditions, first: str = "") -> Level:
    """Return the level where the selection begins."""
    if first:
        return _level(first)
    levels = [_level(name) for name, _ in conditions if name in COLUMNS]
    return min(levels, default=deepest)


def _level(name: str) -> Level:
    return PLACE_OF[name][0] if name in PLACE_OF else Level.STUDY


def _chosen(level: Level, name: str, condition: Condition) -> str:
    """Return a subquery for the rows that meet a condition, which reads only the index."""
    if name == MODALITIES:
        words = condition.words.replace("{}", "Modality")
        series = "SELECT substr(entity, 1, 16) FROM series WHERE"
        return (
            f"(SELECT entity, variant, parent FROM study WHERE entity IN ({series} {words} AND Modality <> ''"
            f" UNION ALL {series} Modality = '')) AS chosen"
        )
    words = condition.words.replace("{}", name)
    rows = f"SELECT entity, variant, parent FROM {TABLES[level]} WHERE"
    return f"({rows} {words} AND {name} <> '' UNION ALL {rows} {name} = '') AS chosen"


def _above(level: int, below: str = "") -> str:
    """Return the condition that joins a row to one of the level below, or its substitute."""
    name = TABLES[level]
    below = below or TABLES[level + 1]
    return (
        f"{name}.entity = substr({below}.entity, 1, {8 * (level + 1)})"
        f" AND {name}.variant = {below}.parent"
    )


def _below(level: int) -> str:
    """Return the condition that joins rows to the row above them."""
    name, above = TABLES[level], TABLES[level - 1]
    return (
        f"{name}.entity >= {above}.entity AND {name}.parent = {above}.variant"
        f" AND {name}.entity < CAST({above}.entity || x'ffffffffffffffffff' AS BLOB)"
    )
