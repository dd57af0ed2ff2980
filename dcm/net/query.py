"""Queries with any keys at any level, whatever an archive supports (PS3.4 C.4.1).

A plan has a step for each level (`dcm.net.query_plan`). Each step is queried below each parent, all on one
association (`dcm.net.query_answers`), and the usable answers are assembled into results here. The `Account`
records what happened to each answer.
"""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Final, Protocol, TypeAlias

from dcm.data.account import Account, Unlisted
from dcm.data.keys import Query, attributes_of
from dcm.data.levels import Level
from dcm.data.node import Node, reported
from dcm.data.query_result import QueryResult
from dcm.errors import RemoteProtocolError
from dcm.net.errors import KeyIgnored, NetworkError, NotAllFound, OperationFailed
from dcm.net.find import Finder
from dcm.net.pool import Pool
from dcm.net.query_answers import Answers, Finds, Found, fits, located
from dcm.net.query_plan import OF_PATIENT_IN_STUDY, QueryPlan, Step, silent_about
from dcm.net.uids import PATIENT_ROOT_FIND, STUDY_ROOT_FIND

_PIECE: Final = 200

_Above: TypeAlias = tuple[tuple[Level, Found], ...]
"""The entities above, from the root down, each with its answer."""
_Entity: TypeAlias = tuple[Found, Sequence[Node] | None]
"""An answer, and the nodes below it to which an earlier result limits the query, or None."""


class Archive(Protocol):
    """Something to query other than through associations."""

    @property
    def remote(self) -> object:
        """The name of the source of results."""

    def finder(self, account: Account, /) -> AbstractAsyncContextManager[Finds]:
        """Return a context manager for the object that sends queries; account: for remarks."""


async def query(
    pool: Pool | Archive,
    keys: "Query | None" = None,
    *,
    level: Level | None = None,
    within: QueryResult | None = None,
) -> QueryResult:
    """Return all matches; see `queries`. `NotAllFound.found` is what was found until then."""
    found = QueryResult(_plan(keys, level, within).level, source=str(pool.remote))
    pieces = queries(pool, keys, level=level, within=within, size=None)
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                if len(found):
                    found |= piece
                else:
                    found = piece
    except NotAllFound as error:
        found.incomplete = error.what
        error.found = found
        raise
    if within is not None:
        found.incomplete = within.incomplete
    return found


async def queries(
    pool: Pool | Archive,
    keys: "Query | None" = None,
    *,
    level: Level | None = None,
    within: QueryResult | None = None,
    size: int | None = _PIECE,
    account: Account | None = None,
) -> AsyncGenerator[QueryResult, None]:
    """Yield matches in parts, one for each parent and with at most `size` entities.

    account: records what happens to the answers. Raises `BadKey`, `dcm.data.dictionary.UnknownElement` and
    `NetworkError`: `KeyIgnored` for a key without effect, and at the end, after all parts, `NotAllFound` if
    the archive did not return all answers, or some are unusable.
    """
    account = Account() if account is None else account
    plan: QueryPlan | None = _plan(keys, level, within)
    while plan is not None:
        patients = plan.deepest is Level.PATIENT
        models = (PATIENT_ROOT_FIND, STUDY_ROOT_FIND)
        async with finder_of(pool, models if patients else models[::-1], account) as finder:
            if within is None:
                narrowed = await located(finder, plan)
            else:
                narrowed = within.reduced(min(within.level, plan.level))
            walk = _Walk(Answers(finder, str(pool.remote), account), plan, narrowed, size)
            try:
                async with aclosing(walk.pieces()) as pieces:
                    async for piece in pieces:
                        yield piece
            except KeyIgnored as error:
                plan = plan.without(error.keyword)
                if plan is None:
                    raise
                account.clear()
            else:
                break
    if not account.complete:
        raise NotAllFound(str(pool.remote), list(account.problems()))


def finder_of(
    pool: Pool | Archive, models: Sequence[str], account: Account
) -> AbstractAsyncContextManager[Finds]:
    """Return a context manager for the object that sends queries."""
    return Finder(pool, models) if isinstance(pool, Pool) else pool.finder(account)


def _plan(keys: "Query | None", level: Level | None, within: QueryResult | None) -> QueryPlan:
    return QueryPlan.of(attributes_of(keys), level, None if within is None else within.level)


class _Walk:
    """A walk from the root of the information model down to the lowest level of the keys."""

    def __init__(
        self, answers: Answers, plan: QueryPlan, within: QueryResult | None, size: int | None
    ) -> None:
        self._answers: Final = answers
        self._account: Final = answers.account
        self._source: Final = answers.source
        self._steps: Final = plan.steps(study_root=answers.study_root)
        self._level: Final = plan.level
        self._within: Final = within
        self._size: Final = size
        self._last: object = None

    async def pieces(self) -> AsyncGenerator[QueryResult, None]:
        """Yield what is found, as results of the requested level."""
        for above, nodes in self._roots():
            async with aclosing(self._below(0, above, nodes)) as pieces:
                async for piece in pieces:
                    if self._level >= piece.level:
                        yield piece
                        continue
                    reduced = piece.reduced(self._level)
                    if (
                        reduced.paths() != self._last
                    ):  # otherwise it is the next part of the same study
                        self._last = reduced.paths()
                        yield reduced

    def _roots(self) -> Iterator[tuple[_Above, Sequence[Node] | None]]:
        """Iterate over the starting points: the top, or each patient of an earlier result."""
        top = self._steps[0].level
        if self._within is None:
            yield (), None
        elif self._within.level < top:
            for node in self._within.patients:
                yield ((Level.PATIENT, dict(node.answer)),), None
        else:
            yield (), self._within.at(top)

    async def _below(
        self, place: int, above: _Above, nodes: Sequence[Node] | None
    ) -> AsyncGenerator[QueryResult, None]:
        """Query a step below one parent and, for each answer, the following steps."""
        step = self._steps[place]
        is_last = step is self._steps[-1]
        piece, entities, count = self._piece(above), list[_Entity](), 0
        failure: Exception | None = None
        try:
            async with aclosing(self._entities(step, above, nodes)) as found:
                async for entity in found:
                    count += 1
                    if not is_last:
                        entities.append(entity)
                        continue
                    self._add(piece, entity[0], step.level)
                    if len(piece) == self._size:
                        yield piece
                        piece = self._piece(above)
        except (NetworkError, RemoteProtocolError) as error:
            failure = error
        failure = self._judge(place, above, nodes, count, failure)
        if len(piece):
            yield piece
        if failure is not None:
            raise failure
        for answer, below in entities:
            deeper = self._below(place + 1, (*above, (step.level, answer)), below)
            async with aclosing(deeper) as pieces:
                async for piece in pieces:
                    yield piece

    def _judge(
        self,
        place: int,
        above: _Above,
        nodes: Sequence[Node] | None,
        count: int,
        failure: Exception | None,
    ) -> Exception | None:
        """Record missing answers; return the error that ends the query, if any.

        A query that fails below one parent does not stop the others.
        """
        step = self._steps[place]
        if isinstance(failure, OperationFailed):
            if not above:
                if not count:
                    return failure
                self._account.limits.append(_words(failure))
                return None
        elif failure is not None or not above or nodes is not None or step.wanted:
            return failure
        parent, answer = above[-1]
        expected = reported(answer, parent, step.level)
        if failure is None and count >= (1 if expected is None else expected):
            return None
        parents = _unique_keys(above)
        path = tuple(parents.get(each.unique_key, "") for each in Level if each <= parent)
        of_it = f"{parent.unique_key} {path[-1]}"
        if failure is not None:
            why = f"{step.level.entities} of {of_it}: {_words(failure)}"
        else:
            number = f"{expected} {step.level.entities}" if expected else step.level.entities
            why = f"it reports {number} of {of_it}, but lists {count or 'none'}"
        whole = nodes is None and not any(each.wanted for each in self._steps[place:])
        self._account.unlisted.append(Unlisted(path, step.level, expected, count, whole, why))
        return None

    def _piece(self, above: _Above) -> QueryResult:
        piece = QueryResult(self._steps[-1].level, source=self._source)
        for level, answer in above:
            self._add(piece, answer, level)
        return piece

    def _add(self, piece: QueryResult, answer: Found, level: Level) -> None:
        if level is Level.STUDY and self._level is Level.PATIENT:
            patient = {name: answer.get(name, "") for name in OF_PATIENT_IN_STUDY}
            piece.add(patient, Level.PATIENT)
        piece.add(answer, level)

    async def _entities(
        self, step: Step, above: _Above, nodes: Sequence[Node] | None
    ) -> AsyncGenerator[_Entity, None]:
        """Yield the entities of a level below one parent, each only once."""
        parents = _unique_keys(above)
        if nodes is None:
            async with aclosing(self._answers.below(step, parents)) as answers:
                async for answer in answers:
                    yield answer, None
            return
        for group in self._groups(step, nodes):
            if all(self._is_known(step, node) for node in group):
                for node in group:
                    if fits(step, node.answer):
                        yield {**node.answer, **parents}, self._children(step, [node])
                continue
            uids = frozenset(node.uid for node in group)
            async with aclosing(self._answers.below(step, parents, uids)) as answers:
                chosen = [answer async for answer in answers]
            if not step.wanted:
                listed = {str(answer[step.level.unique_key]) for answer in chosen}
                self._account.gone.extend(sorted(uids - listed))
            if step.level is Level.STUDY:
                chosen = _of_patients(chosen, {node.path[0] for node in group})
            for answer in chosen:
                uid = answer.get(step.level.unique_key)
                yield answer, self._children(step, [node for node in group if node.uid == uid])

    def _groups(self, step: Step, nodes: Sequence[Node]) -> Iterator[list[Node]]:
        """Group the nodes of an earlier result by query: by a unique key, or all below a parent.

        Since not every server understands lists of UIDs, other answers below a parent are dropped here.
        """
        if step is not self._steps[0] and step.level >= self._level:
            if nodes:
                yield list(nodes)
            return
        groups: dict[str, list[Node]] = {}
        for node in nodes:
            groups.setdefault(node.uid, []).append(node)
        yield from groups.values()

    def _is_known(self, step: Step, node: Node) -> bool:
        """Return whether an earlier result has enough data on an entity above the requested level."""
        if step.level >= self._level or len(node.answer) <= step.level + 1:  # only unique keys
            return False
        return not silent_about(step.wanted, node.answer)

    def _children(self, step: Step, nodes: Sequence[Node]) -> Sequence[Node] | None:
        assert self._within is not None
        if step.level >= self._within.level:
            return None
        return [child for node in nodes for child in node.children]


def _words(error: NetworkError) -> str:
    return f"{error.doing}: {error.what}"


def _of_patients(answers: list[Found], patient_ids: set[str]) -> list[Found]:
    """Choose the answers of the requested patients if a study has several; otherwise all."""
    chosen = [each for each in answers if str(each.get("PatientID", "")).strip() in patient_ids]
    return chosen or answers


def _unique_keys(above: _Above) -> dict[str, str]:
    """Return the unique keys of the entities above, including the patient's if it is known."""
    found: dict[str, str] = {}
    for level, answer in above:
        if level is Level.STUDY and "PatientID" in answer:
            found["PatientID"] = str(answer["PatientID"])
        found[level.unique_key] = str(answer.get(level.unique_key, ""))
    return found
