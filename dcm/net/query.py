"""Queries as people ask them: any keys at any level, whatever the archive makes of them (PS3.4 C.4.1).

Each level is asked for its own keys and the unique keys above it, as hierarchical queries must be
(C.4.1.3.1.1); a query at a lower level first asks the levels above, then once for each parent, all on one
association. What an archive did not filter is filtered here, and a key of which it says nothing is an error,
not a match.
"""

import logging
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from typing import Final

from dcm.data.levels import Level
from dcm.data.match import Attributes, Value
from dcm.data.node import Node
from dcm.data.query_result import QueryResult
from dcm.errors import AnswerError
from dcm.net.errors import KeyIgnored, OperationFailed
from dcm.net.find import PATIENT_ROOT_FIND, STUDY_ROOT_FIND, Answer, Finder
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.query_plan import (
    OF_PATIENT_IN_STUDY,
    RETURNED,
    QueryPlan,
    asking,
    fits,
    silent_about,
)

_LOG: Final = logging.getLogger(__name__)
_PIECE: Final = 200
_HIDDEN: Final = ("QueryRetrieveLevel", "SpecificCharacterSet")

_Found = dict[str, Value]
_Above = tuple[tuple[Level, _Found], ...]
"""The entities above, from the root down, each with its answer."""


async def query(
    local: DcmNode,
    remote: DcmNode,
    limits: TimeLimits,
    keys: Attributes | None = None,
    *,
    level: Level | None = None,
    within: QueryResult | None = None,
) -> QueryResult:
    """Give all that matches; see `queries`."""
    found: QueryResult | None = None
    pieces = queries(local, remote, limits, keys, level=level, within=within, size=None)
    async with aclosing(pieces):
        async for piece in pieces:
            if found is None:
                found = piece
            else:
                found |= piece
    if found is None:
        return QueryResult(_plan(keys, level, within).level, source=str(remote))
    return found


async def queries(
    local: DcmNode,
    remote: DcmNode,
    limits: TimeLimits,
    keys: Attributes | None = None,
    *,
    level: Level | None = None,
    within: QueryResult | None = None,
    size: int | None = _PIECE,
) -> AsyncGenerator[QueryResult, None]:
    """Give what matches in pieces, one for each parent and of `size` entities at most.

    Raises `NetworkError`, of which `KeyIgnored` is for a key without effect, and
    `dcm.data.dictionary.UnknownElement`.
    """
    plan: QueryPlan | None = _plan(keys, level, within)
    while plan is not None:
        patients = plan.deepest is Level.PATIENT
        models = (PATIENT_ROOT_FIND, STUDY_ROOT_FIND)
        async with Finder(local, remote, models if patients else models[::-1], limits) as finder:
            if within is None:
                narrowed = await _located(finder, plan)
            else:
                narrowed = within.reduced(min(within.level, plan.level))
            search = _Search(finder, plan, narrowed, str(remote), size)
            try:
                async with aclosing(search.pieces()) as pieces:
                    async for piece in pieces:
                        yield piece
            except KeyIgnored as error:
                plan = plan.without(error.keyword)
                if plan is None:
                    raise
            else:
                return


def _plan(keys: Attributes | None, level: Level | None, within: QueryResult | None) -> QueryPlan:
    return QueryPlan.of(keys or {}, level, None if within is None else within.level)


async def _located(finder: Finder, plan: QueryPlan) -> QueryResult | None:
    """Find what is above series or instances that are asked for by UID, without a walk through the archive.

    Only relational queries need to be answered so (C.4.1.2.2.1), but many servers do it without a word; where
    one does not find all of them, None is given.
    """
    for level in (Level.IMAGE, Level.SERIES):
        uids = plan.keys[level].get(level.unique_key, "")
        if uids and isinstance(uids, str) and plan.deepest is level:
            break
    else:
        return None
    wanted = set(uids.split("\\"))
    above = [each.unique_key for each in (Level.STUDY, Level.SERIES) if each < level]
    if finder.model != STUDY_ROOT_FIND or any(
        asking(plan.keys[each]) for each in Level if each < level
    ):
        return None
    identifier = {
        "QueryRetrieveLevel": level.name,
        **dict.fromkeys(above, ""),
        level.unique_key: uids,
    }
    found = QueryResult(level)
    try:
        async with aclosing(_answers(finder, identifier, level.unique_key)) as answers:
            async for answer in answers:
                if answer.attributes.get(level.unique_key) in wanted:
                    found.add(answer.attributes)
    except (OperationFailed, AnswerError):
        return None
    return found if len(found) == len(wanted) else None


async def _answers(
    finder: Finder, identifier: Attributes, key: str
) -> AsyncGenerator[Answer, None]:
    """Give the answers; a list of UIDs that a server does not understand is asked one at a time."""
    uids = str(identifier[key]).split("\\")
    understood = len(uids) == 1
    try:
        async with aclosing(finder.find(identifier)) as answers:
            async for answer in answers:
                understood = True
                yield answer
    except OperationFailed:
        if understood:
            raise
    for uid in () if understood else uids:
        async with aclosing(finder.find({**identifier, key: uid})) as answers:
            async for answer in answers:
                yield answer


class _Search:
    """One walk from the root of the information model down to where the keys reach."""

    def __init__(
        self,
        finder: Finder,
        plan: QueryPlan,
        within: QueryResult | None,
        source: str,
        size: int | None,
    ) -> None:
        self._finder: Final = finder
        self._within: Final = within
        self._source: Final = source
        self._size: Final = size
        self._top: Final = Level.STUDY if finder.model == STUDY_ROOT_FIND else Level.PATIENT
        self._level: Final = plan.level
        self._deepest: Final = max(plan.deepest, self._top)
        self._keys: Final = {level: dict(keys) for level, keys in plan.keys.items()}
        self._answered: Final[set[str]] = set()
        self._last: object = None
        if self._top is Level.STUDY:
            self._keys[Level.STUDY] = {**self._keys[Level.PATIENT], **self._keys[Level.STUDY]}

    async def pieces(self) -> AsyncGenerator[QueryResult, None]:
        """Give what is found, as results of the level that was asked for."""
        async with aclosing(self._from_the_top()) as pieces:
            async for piece in pieces:
                if self._level == self._deepest:
                    yield piece
                    continue
                reduced = piece.reduced(self._level)
                if reduced.paths() != self._last:  # the next piece of the same study
                    self._last = reduced.paths()
                    yield reduced

    async def _from_the_top(self) -> AsyncGenerator[QueryResult, None]:
        roots: list[_Above] = [()]
        if self._within is not None and self._within.level < self._top:
            roots = [((Level.PATIENT, dict(node.answer)),) for node in self._within.patients]
        for root in roots:
            async with aclosing(self._below(self._top, root)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _below(self, level: Level, above: _Above) -> AsyncGenerator[QueryResult, None]:
        async with aclosing(self._ask(level, above)) as answers:
            if level == self._deepest:
                piece = self._piece(above)
                async for answer in answers:
                    self._add(piece, answer, level)
                    if len(piece) == self._size:
                        yield piece
                        piece = self._piece(above)
                if len(piece):
                    yield piece
                return
            parents = [answer async for answer in answers]
        for parent in parents:
            async with aclosing(self._below(Level(level + 1), (*above, (level, parent)))) as pieces:
                async for piece in pieces:
                    yield piece

    def _piece(self, above: _Above) -> QueryResult:
        piece = QueryResult(self._deepest, source=self._source)
        for level, answer in above:
            self._add(piece, answer, level)
        return piece

    def _add(self, piece: QueryResult, answer: _Found, level: Level) -> None:
        try:
            if level is Level.STUDY and self._level is Level.PATIENT:
                patient = {name: answer.get(name, "") for name in OF_PATIENT_IN_STUDY}
                piece.add(patient, Level.PATIENT)
            piece.add(answer, level)
        except AnswerError as error:
            _LOG.warning("%s: left out of the result: %s", self._source, error)

    # One level.

    async def _ask(self, level: Level, above: _Above) -> AsyncGenerator[_Found, None]:
        """Give the entities of a level below one parent, each once."""
        seen: set[object] = set()
        for uids in self._narrowings(level, above):
            known = self._known(level, uids)
            if known is not None:
                if fits(asking(self._keys[level]), known):
                    yield {**dict(known), **_unique_keys(above)}
                continue
            async with aclosing(self._asked(level, above, uids)) as answers:
                async for answer in answers:
                    uid = answer.get(level.unique_key)
                    if uid not in seen and (uids is None or uid in uids):
                        seen.add(uid)
                        yield answer

    def _narrowings(self, level: Level, above: _Above) -> Iterator[frozenset[str] | None]:
        """Give the unique keys to which each query is narrowed; None: it is not.

        Below a parent the others are left out here: lists of UIDs are not understood by every server.
        """
        if self._within is None or level > self._within.level:
            yield None
            return
        nodes: Iterable[Node] = self._within.walk()
        if above:
            parent_level, parent = above[-1]
            node = self._within.find(parent_level, str(parent.get(parent_level.unique_key, "")))
            nodes = node.children if node else ()
        uids = [node.uid for node in nodes if node.level is level]
        if level is self._top or level < self._level:
            yield from (frozenset((uid,)) for uid in uids)
        elif uids:
            yield frozenset(uids)

    def _known(self, level: Level, uids: frozenset[str] | None) -> Attributes | None:
        """Give what an earlier result says of an entity above those that are asked for, if it is enough."""
        if self._within is None or uids is None or len(uids) != 1 or level >= self._level:
            return None
        node = self._within.find(level, next(iter(uids)))
        if node is None or len(node.answer) <= level + 1:  # nothing but unique keys
            return None
        return None if silent_about(asking(self._keys[level]), node.answer) else node.answer

    async def _asked(
        self, level: Level, above: _Above, uids: frozenset[str] | None
    ) -> AsyncGenerator[_Found, None]:
        parents = _unique_keys(above)
        sent = {name: value for name, value in parents.items() if self._is_sent(name, level)}
        asked = self._keys[level]
        wanted = asking(asked)
        identifier = {
            "QueryRetrieveLevel": level.name,
            **dict.fromkeys(self._returned(level), ""),
            **asked,
            **sent,
        }
        if uids is not None and len(uids) == 1:
            identifier[level.unique_key] = next(iter(uids))
        silent: set[str] = set()
        async with aclosing(_answers(self._finder, identifier, level.unique_key)) as answers:
            async for answer in answers:
                found = {**answer.attributes}
                for name in _HIDDEN:
                    found.pop(name, None)
                if any(found.get(name, "") not in ("", value) for name, value in sent.items()):
                    continue
                if wanted:
                    nothing_of = silent_about(wanted, found)
                    self._answered.update(wanted.keys() - set(nothing_of))
                    silent.update(nothing_of)
                    if nothing_of or not fits(wanted, found):
                        continue
                found.update(parents)
                yield found
        for name in sorted(silent - self._answered):
            raise KeyIgnored(self._source, name)

    def _returned(self, level: Level) -> tuple[str, ...]:
        if level is Level.STUDY and self._top is Level.STUDY:
            return (*OF_PATIENT_IN_STUDY, *RETURNED[level])
        return RETURNED[level]

    def _is_sent(self, unique_key: str, level: Level) -> bool:
        """In the STUDY root model the patient belongs to the study, and is no level above the others."""
        return unique_key != "PatientID" or self._top is Level.PATIENT or level is Level.STUDY


def _unique_keys(above: _Above) -> dict[str, str]:
    """Give the unique keys of the entities above, the patient's as far as it is known."""
    found: dict[str, str] = {}
    for level, answer in above:
        if level is Level.STUDY and "PatientID" in answer:
            found["PatientID"] = str(answer["PatientID"])
        found[level.unique_key] = str(answer.get(level.unique_key, ""))
    return found
