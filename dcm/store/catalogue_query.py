"""Queries of a catalogue, answered as by an archive: in pieces, or as matching instances."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from dcm.data.account import Account
from dcm.data.dictionary import level_of
from dcm.data.keys import Query, attributes_of
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.data.query_result import QueryResult
from dcm.net.query_plan import RETURNED, QueryPlan
from dcm.store.catalogue import Catalogue, Found

_PIECE: Final = 200
_TOGETHER: Final = 100
"""The number of unique keys in one query."""

_Path = tuple[str, ...]


class Absent(NamedTuple):
    """A member of an earlier result that is not in the catalogue, identified by its unique keys."""

    path: _Path

    def __str__(self) -> str:
        level = Level(len(self.path) - 1)
        return f"it has no {level.name.lower()} with {level.unique_key} {self.path[-1] or '(none)'}"


async def pieces(
    catalogue: Catalogue,
    source: str,
    query: "Query | None",
    *,
    level: Level | None = None,
    within: QueryResult | None = None,
    account: Account | None = None,
) -> AsyncGenerator[QueryResult, None]:
    """Yield matches in pieces, in a fixed order; see `dcm.net.entity.LocalEntity.queries`."""
    keys = attributes_of(query)
    plan = QueryPlan.of(keys, level, None if within is None else within.level)
    account = Account() if account is None else account
    answers = _answers(catalogue, keys, plan.level, within)
    try:
        while some := await asyncio.to_thread(lambda: [*islice(answers, _PIECE)]):
            piece = QueryResult(plan.level, source=source)
            for answer in some:
                _add(piece, answer)
            account.used += len(some)
            yield piece
    finally:
        await asyncio.to_thread(answers.close)


def selected(
    catalogue: Catalogue, what: "QueryResult | Query"
) -> Generator[Found | Absent, None, None]:
    """Yield the instances of an earlier result, or those that match a query. Blocks."""
    if not isinstance(what, QueryResult):
        yield from catalogue.instances(attributes_of(what))
        return
    for some, query in _lists(what):
        left = dict.fromkeys(_below_patient(path) for path in some)
        for found in catalogue.instances(query):
            path = (
                *(found.patient_id, found.study_instance_uid, found.series_instance_uid),
                found.instance.sop_instance_uid,
            )[: what.level + 1]
            if _below_patient(path) in left:
                left[_below_patient(path)] = True
                yield found
        yield from (Absent(path) for path in some if not left[_below_patient(path)])


def held(catalogue: Catalogue, uids: Iterable[str]) -> set[str]:
    """Return those SOP Instance UIDs that are in the catalogue. Blocks."""
    found: set[str] = set()
    waiting = iter(uids)
    while some := [*islice(waiting, _TOGETHER)]:
        known = catalogue.instances({"SOPInstanceUID": "\\".join(some)})
        found.update(each.instance.sop_instance_uid for each in known)
    return found


def _answers(
    catalogue: Catalogue, keys: Attributes, level: Level, within: QueryResult | None
) -> Generator[Attributes, None, None]:
    returned = dict.fromkeys(
        (
            name
            for each in Level
            if each <= level
            for name in RETURNED[each]
            if each is level or not name.startswith("NumberOf")
        ),
        "",
    )
    query = {
        **returned,
        **{name: value for name, value in keys.items() if name != "QueryRetrieveLevel"},
    }
    if within is None:
        yield from catalogue.find(query, level)
        return
    narrowed = within.reduced(min(within.level, level))
    for some, limits in _lists(narrowed):
        wanted = {_below_patient(path) for path in some}
        for answer in catalogue.find({**query, **_both(query, limits)}, level):
            if _below_patient(_path(answer, narrowed.level)) in wanted:
                yield answer


def _both(query: Attributes, limits: Attributes) -> Attributes:
    """Return the limits that replace no key of the query; answers are compared in any case."""
    return {name: value for name, value in limits.items() if not query.get(name)}


def _lists(result: QueryResult) -> Iterator[tuple[Sequence[_Path], dict[str, str]]]:
    """Yield the members of a result in batches, as unique keys, each batch with a query for it."""
    members = (node.path for node in result.members())
    name = result.level.unique_key
    while some := [*islice(members, _TOGETHER)]:
        uids = dict.fromkeys(path[-1] for path in some)
        # An empty Patient ID cannot be queried: it would match everything.
        yield some, {} if "" in uids else {name: "\\".join(uids)}


def _below_patient(path: _Path) -> _Path:
    """Return the keys below the Patient ID, whose form varies by source, if there are any."""
    return path[1:] if len(path) > 1 else path


def _path(answer: Attributes, level: Level) -> _Path:
    return tuple(str(answer.get(each.unique_key, "")) for each in Level if each <= level)


def _add(piece: QueryResult, answer: Attributes) -> None:
    """Add an answer, with its attributes of the levels above."""
    own: dict[Level, dict[str, object]] = {}
    for name, value in answer.items():
        at = level_of(name)
        own.setdefault(piece.level if at is None or at > piece.level else at, {})[name] = value
    keys: dict[str, object] = {}
    for each in Level:
        if each <= piece.level:
            keys[each.unique_key] = answer.get(each.unique_key, "")
            piece.add({**own.get(each, {}), **keys}, each)  # type: ignore[dict-item]
