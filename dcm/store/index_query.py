"""Queries of an index: SQL selects slightly more than the matches, and `dcm.data.match` decides.

An entity matches if one of its instances does; the answer has the values of that instance.
Everything that a query needs is read in one order, by entity, so earlier answers need not be
remembered.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dcm.data.attributes import attributes_of_file
from dcm.data.dictionary import keyword_of, level_of, tag_of, vr_of
from dcm.data.header import NotDicom
from dcm.data.levels import Level
from dcm.data.match import NEVER_MATCHED, Attributes, Value, limits, matches
from dcm.instances import FileInstance
from dcm.store.catalogue import Found
from dcm.store.index_database import UnusableIndex
from dcm.store.index_plan import Offset, statements
from dcm.store.index_schema import ATTRIBUTES, COLUMNS, PLACE_OF, TABLES
from dcm.store.index_select import Conditions, select
from dcm.store.index_values import Cell, column, condition

if TYPE_CHECKING:
    from sqlite3 import Connection

_LOG: Final = logging.getLogger(__name__)
_BEYOND: Final = b"\xff" * 9
_COUNTED: Final = {
    "NumberOfPatientRelatedStudies": (Level.PATIENT, Level.STUDY),
    "NumberOfPatientRelatedSeries": (Level.PATIENT, Level.SERIES),
    "NumberOfPatientRelatedInstances": (Level.PATIENT, Level.IMAGE),
    "NumberOfStudyRelatedSeries": (Level.STUDY, Level.SERIES),
    "NumberOfStudyRelatedInstances": (Level.STUDY, Level.IMAGE),
    "NumberOfSeriesRelatedInstances": (Level.SERIES, Level.IMAGE),
}
"""Numbers of related entities: the level of the parent, and the level that is counted."""
_LISTED: Final = {"ModalitiesInStudy": "Modality", "SOPClassesInStudy": "SOPClassUID"}
"""Lists of the values in the series and instances of a study."""
_OF_SERVICES: Final = frozenset(
    ("RetrieveAETitle", "InstanceAvailability", "RetrieveURL", "RetrieveURI", "RetrieveLocationUID")
)
"""Attributes of answers that no file has."""

_ZONE: Final = "TimezoneOffsetFromUTC"
_SINGLE_VALUED: Final = frozenset(("LT", "ST", "UR", "UT"))
_NOT_ANSWERED: Final = frozenset(("QueryRetrieveLevel", "SpecificCharacterSet"))
"""Attributes that describe the encoding of a query or an answer; the encoder sets them."""

FILES_OF_UID: Final = (
    "SELECT folder.path, file.name FROM file CROSS JOIN folder ON folder.id = file.folder"
    " WHERE file.SOPInstanceUID = ? AND file.entity IS NOT NULL"
    " AND json_extract(file.attributes, '$[0]') = ?"
)
"""Selects the files with a SOP Instance UID; see `uid_values`."""


class Asked(NamedTuple):
    """A query as an index understands it.

    keys: those to compare. compared, wanted: the keywords of the attributes to compare with the
    keys, and of those to return, by their names in the query.
    """

    level: Level
    keys: Mapping[str, Value]
    compared: Mapping[str, str]
    wanted: Mapping[str, str]

    @classmethod
    def of(cls, query: Attributes, level: Level) -> "Asked":
        """Create it from a query."""
        names = {name: keyword_of(tag_of(name)) for name in query}
        keys = {
            name: value
            for name, value in query.items()
            if names[name] not in NEVER_MATCHED and _is_compared(vr_of(name), value)
        }
        compared = {name: names[name] for name in keys}
        if any(vr_of(name) == "DT" for name in keys):
            compared[_ZONE] = _ZONE
            if _ZONE in query:
                keys[_ZONE] = query[_ZONE]
        wanted = {name: each for name, each in names.items() if each not in _NOT_ANSWERED}
        return cls(level, keys, compared, wanted)

    def fits(self, each: "Candidate") -> bool:
        """Return whether a candidate matches."""
        if not self.keys:
            return True
        return matches(self.keys, {name: each.text(word) for name, word in self.compared.items()})

    @property
    def deepest(self) -> Level:
        """The lowest level whose rows are needed to compare all keys."""
        return max((self.level, *map(_level, self.compared.values())))

    def conditions(self) -> Conditions:
        """Return conditions on columns, with their keywords."""
        found = []
        for name, key in self.keys.items():
            keyword = self.compared[name]
            if (keyword in COLUMNS or keyword == "ModalitiesInStudy") and isinstance(key, str):
                made = condition(vr_of(keyword), key)
                if made is not None:
                    found.append((keyword, made))
        return found


class Candidate:
    """A selected row, and the values that have to be looked up for it."""

    def __init__(
        self, connection: "Connection", root: str, deepest: Level, row: tuple[Any, ...]
    ) -> None:
        self._connection: Final = connection
        self._root: Final = root
        self._row: Final = row
        self.deepest: Final = deepest
        self.entity: Final[bytes] = row[0]
        self._parts: Final[dict[Level, list[str]]] = {}

    def text(self, keyword: str) -> Value:
        """Return the value of an attribute, or empty if it is unknown."""
        known = PLACE_OF.get(keyword)
        if known is None:
            return self._other(keyword)
        level, place = known
        if level > self.deepest:
            return self._first.text(keyword)
        part = self._parts.get(level)
        if part is None:
            part = self._parts[level] = _read(self._row[1 + level])
        return part[place] if place < len(part) else ""

    def key(self, level: Level) -> str:
        """Return a unique key."""
        return str(self.text(level.unique_key)).strip(" \0")

    def is_identified(self, level: Level) -> bool:
        """Return whether all unique keys have a value, from the study down to a level."""
        return not self._row[6] or all(map(self.key, list(Level)[1 : level + 1]))

    def _other(self, keyword: str) -> Value:
        if keyword in _COUNTED:
            of, counted = _COUNTED[keyword]
            return "" if len(self._within(of)) < 8 * (of + 1) else self._count(of, counted)
        if keyword in _LISTED:
            return self._listed(_LISTED[keyword])
        if keyword in _OF_SERVICES:
            return ""
        return self._first.header_value(keyword)

    def header_value(self, keyword: str) -> Value:
        """Return the value of an attribute that is not in the index."""
        return self._header.get(keyword, "")

    @cached_property
    def _header(self) -> Mapping[str, Value]:
        try:
            return attributes_of_file(self.path)
        except (OSError, NotDicom) as error:
            _LOG.warning(
                "%s: attributes that are not in the index cannot be read: %s", self.path, error
            )
            return {}

    @cached_property
    def _first(self) -> "Candidate":
        """One of the instances that this row describes."""
        if self.deepest is Level.IMAGE:
            return self
        sql, values = select(Level.IMAGE, [], start=self.deepest, at=self._row[0], of=self._row[5])
        row = self._connection.execute(f"{sql} LIMIT 1", values).fetchone()
        return Candidate(self._connection, self._root, Level.IMAGE, row)

    def _within(self, level: Level) -> bytes:
        size = 8 * (level + 1)
        return (self.entity if len(self.entity) >= size else self._first.entity)[:size]

    def _count(self, of: Level, counted: Level) -> str:
        entity = self._within(of)
        sql = (
            f"SELECT COUNT(DISTINCT entity) FROM {TABLES[counted]} WHERE entity >= ? AND entity < ?"
        )
        (number,) = self._connection.execute(sql, (entity, entity + _BEYOND)).fetchone()
        return str(number)

    def _listed(self, keyword: str) -> str:
        entity = self._within(Level.STUDY)
        level, place = PLACE_OF[keyword]
        sql = (
            f"SELECT DISTINCT json_extract(attributes, '$[{place}]') FROM {TABLES[level]}"
            " WHERE entity >= ? AND entity < ?"
        )
        found = self._connection.execute(sql, (entity, entity + _BEYOND))
        values = {part for (text,) in found if text for part in text.split("\\")}
        return "\\".join(sorted(part.strip(" \0") for part in values if part.strip(" \0")))

    @property
    def path(self) -> str:
        """The path of the file; only for instances."""
        folder, name = self._row[7], self._row[8]
        return os.path.join(self._root, os.fsdecode(folder), os.fsdecode(name))

    def found(self) -> Found:
        """Return the instance as an entry of the catalogue."""
        uid, sop_class, syntax = map(str, map(self.text, ATTRIBUTES[Level.IMAGE][:3]))
        return Found(
            FileInstance((sop_class, syntax), uid, self.path, self._row[10]),
            self.key(Level.PATIENT), self.key(Level.STUDY), self.key(Level.SERIES), self._row[9],
        )  # fmt: skip


def page(
    connection: "Connection", root: str, asked: Asked, limit: int | None, offset: int
) -> Iterator[Candidate]:
    """Yield a candidate for each matching entity: at most `limit`, after the first `offset`."""
    since: bytes | None = None
    if offset:
        since = _behind(connection, root, asked, offset)
    if since == b"":
        return
    left = offset if since is None else 0
    last = None if limit is None else left + limit
    found = matching(
        connection, root, asked, asked.deepest, asked.level, since=since or b"", enough=last
    )
    yield from islice(found, left, last)


def _behind(connection: "Connection", root: str, asked: Asked, offset: int) -> bytes | None:
    """Return the entity to start from, given an offset; empty: there is none; None: unknown."""
    conditions = asked.conditions()
    if asked.deepest is not asked.level or len(conditions) != len(asked.keys):
        return None
    place = Offset(connection, asked.level, conditions)
    uncertain = place.uncertain() if place.usable else None
    if uncertain is None:
        return None
    fitting = []
    for entity, variant in uncertain:
        sql, values = select(asked.level, [], start=asked.level, at=entity, of=variant)
        row = connection.execute(sql, values).fetchone()
        if asked.fits(Candidate(connection, root, asked.level, row)):
            fitting.append(variant)
    return place.entity(offset, fitting) or b""


def matching(
    connection: "Connection",
    root: str,
    asked: Asked,
    deepest: Level,
    level: Level | None,
    *,
    since: bytes = b"",
    enough: int | None = None,
) -> Iterator[Candidate]:
    """Yield the first matching candidate of each entity of a level, or all if `level` is None.

    since: the entity to start from. enough: how many are wanted; None for all.
    """
    last = b""
    size = 0 if level is None else 8 * (level + 1)
    some = statements(connection, deepest, asked.conditions(), since, enough)
    rows = (row for sql, values in some for row in connection.execute(sql, values))
    for each in (Candidate(connection, root, deepest, row) for row in rows):
        entity = each.entity[:size]
        if size and entity == last:
            continue
        if not asked.fits(each):
            continue
        if level is not None and not each.is_identified(level):
            continue
        last = entity
        yield each


def answer(asked: Asked, each: Candidate) -> dict[str, Value]:
    """Return the answer for an entity."""
    found = {level.unique_key: each.key(level) for level in list(Level)[: asked.level + 1]}
    return found | {
        name: each.text(keyword) for name, keyword in asked.wanted.items() if keyword not in found
    }


def _level(keyword: str) -> Level:
    """Return the level whose rows are needed to compare a key."""
    if keyword in PLACE_OF:
        return PLACE_OF[keyword][0]
    if keyword in _COUNTED or keyword in _LISTED:
        return level_of(keyword) or Level.STUDY
    return Level.PATIENT if keyword in _OF_SERVICES else Level.IMAGE


def _is_compared(vr: str, value: Value) -> bool:
    """Return whether a key excludes any values."""
    if not isinstance(value, str):
        return limits(value)
    return bool(value.strip(" \0" if vr in _SINGLE_VALUED else " \0\\"))


def _read(attributes: str) -> list[str]:
    try:
        found: list[str] = json.loads(attributes)
    except ValueError as error:
        raise UnusableIndex(f"the index contains invalid JSON: {error}", damaged=True) from error
    return found


def uid_values(sop_instance_uid: str) -> tuple[Cell, ...]:
    """Return the values for `FILES_OF_UID`."""
    return column("UI", sop_instance_uid), sop_instance_uid
