"""Compares a source with destinations level by level, going deeper only where both have the entity.

    async for part in compare(source, destinations, {"PatientID": "4711"}):
        part.what, part.to  # the destinations at these positions lack all of this

Entities are identified by their UIDs alone, as archives treat Patient IDs differently.
"""

import asyncio
from collections import defaultdict
from collections.abc import (
    AsyncGenerator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing, contextmanager
from typing import Final, NamedTuple, TypeAlias

from dcm.data.account import Account
from dcm.data.keys import Query, attributes_of
from dcm.data.levels import Level
from dcm.data.node import Node
from dcm.data.query_result import QueryResult
from dcm.errors import DcmError
from dcm.filt.base import Filter
from dcm.frozen import Frozen
from dcm.net.errors import NetworkError, NotAccepted
from dcm.net.query_plan import QueryPlan
from dcm.store.place import Ability, Place
from dcm.sync.split import all_answers

Status: TypeAlias = "bool | dict[str, Status] | None"
"""Whether a destination lacks an entity as a whole, or None if unknown.

If the destination has a part of the entity, the status of each child by UID.
"""

_BETWEEN: Final = (Level.STUDY, Level.SERIES)
_ASKED: Final = 50
"""UIDs in one query: a list of this length fits in any identifier, and saves round trips."""


class Part(NamedTuple):
    """A part of the source that the same destinations lack. to: their positions in the list."""

    what: QueryResult
    to: tuple[int, ...]


Seen: TypeAlias = Callable[[int, Collection[str]], set[str]]
"""Returns those SOP Instance UIDs that a destination, given by position, is known to have."""


Same: TypeAlias = Callable[[int, int], object]
"""Called with the position of a destination and the number of instances that it already has."""


class Comparison(Frozen):
    """How sources and destinations are compared.

    trust_level: the level at which entities with equal numbers of instances count as equal.
    force_all: whether to copy everything without querying the destinations, unless it is known to
    be there.
    through: a filter for the instances on the way, or None. Instances that it rejects do not count
    as missing, and those whose UIDs it changes are searched for by the new ones.
    """

    trust_level: Level = Level.IMAGE
    force_all: bool = False
    through: Filter | None = None

    def at(self, level: Level, uid: str) -> str:
        """Return the UID that an entity of the source has at the destinations."""
        if self.through is None:
            return uid
        found = self.through.forward({level.unique_key: uid}) or {}
        return str(found.get(level.unique_key, uid))

    def rejects(self, node: Node) -> bool:
        """Return whether the filter rejects an entity, judging by the source's answer."""
        if self.through is None:
            return False
        keys = {level.unique_key: uid for level, uid in zip(Level, node.path, strict=False)}
        return self.through.forward({**keys, **node.answer}) is None


class DestinationFailed(DcmError):  # noqa: N818 - reads as the sentence it is
    """A destination cannot be queried. number: its position in the list; reason: the error."""

    def __init__(self, number: int, reason: DcmError) -> None:
        super().__init__(str(reason))
        self.number = number
        self.reason = reason


async def compare(
    source: Place,
    destinations: Sequence[Place],
    query: "Query | None" = None,
    *,
    level: Level | None = None,
    within: QueryResult | None = None,
    comparison: Comparison | None = None,
    account: Account | None = None,
    failed: Callable[[DestinationFailed], object] | None = None,
    seen: Seen | None = None,
    same: Same | None = None,
    mine: Callable[[Node], bool] | None = None,
) -> AsyncGenerator[Part, None]:
    """Yield what has to be copied, in parts as soon as they are known; parts do not overlap.

    account: counts the answers of the source. same: called with what a destination already has.
    failed: called if a destination cannot be queried; nothing more is yielded for it. Without it,
    the error is raised. seen: returns what a destination without queries has; by default, such a
    destination lacks everything. mine: whether to compare an entity now; others are skipped.

    Raises `DcmError` if the source stops answering; what was yielded before is correct.
    """
    how = comparison or Comparison()
    below = _Children(source, how)
    asked = [_Destination(*each, how, below, seen) for each in enumerate(destinations)]
    pieces = all_answers(
        source, query, level=_level_of(query, level, within), within=within,
        account=Account() if account is None else account,
    )  # fmt: skip
    async with aclosing(pieces):
        async for piece in pieces:
            nodes = [
                node
                for node in piece.at(piece.level)
                if not how.rejects(node) and (mine is None or mine(node))
            ]
            status: list[Mapping[str, Status]] = []
            for destination in asked:
                try:
                    status.append(await destination.lacks(nodes))
                except DestinationFailed as error:
                    if failed is None:
                        raise
                    failed(error)
                    destination.broken = True
                    status.append(await destination.lacks(nodes))
            for (part_level, to), missing in _grouped(nodes, status, below, same).items():
                yield Part(QueryResult.of_nodes(part_level, missing, source.name), to)
            below.forget()


def _level_of(query: "Query | None", level: Level | None, within: QueryResult | None) -> Level:
    """Return the level of comparison: study or below, as a Patient ID is not globally unique."""
    least = None if within is None else within.level
    return max(Level.STUDY, QueryPlan.of(attributes_of(query), level, least).level)


class _Children:
    """The children of entities of the source; each level is queried once for all destinations."""

    def __init__(self, source: Place, how: Comparison) -> None:
        self._source: Final = source
        self._how: Final = how
        self._known: Final[dict[str, list[Node]]] = {}

    async def of(self, nodes: Sequence[Node]) -> list[Node]:
        """Return the children of nodes of one level."""
        unknown = [node for node in nodes if node.uid not in self._known]
        if unknown:
            for child in await _below(self._source, unknown):
                assert child.parent is not None
                if not self._how.rejects(child):
                    self._known.setdefault(child.parent.uid, []).append(child)
        return [child for node in nodes for child in self.known(node)]

    def known(self, node: Node) -> Sequence[Node]:
        """Return the children of a node that were queried before."""
        return self._known.get(node.uid, ())

    def count(self, node: Node) -> int:
        """Return the known number of instances below a node."""
        if node.level is Level.IMAGE:
            return 1
        below = self.known(node)
        return sum(map(self.count, below)) if below else node.reported(Level.IMAGE) or 0

    def forget(self) -> None:
        """Forget the children, once they have been compared."""
        self._known.clear()


async def _below(place: Place, nodes: Sequence[Node]) -> list[Node]:
    level = nodes[0].level
    within = QueryResult.of_nodes(level, nodes, place.name)
    found: list[Node] = []
    pieces = all_answers(place, None, level=Level(level + 1), within=within, account=Account())
    async with aclosing(pieces):
        async for piece in pieces:
            found += piece.at(piece.level)
    return found


class _Destination:
    """One destination, and what it lacks. broken: whether it must not be queried again."""

    def __init__(
        self,
        number: int,
        place: Place,
        how: Comparison,
        below: _Children,
        seen: Seen | None,
    ) -> None:
        self.broken = False
        self._number: Final = number
        self._place: Final = place
        self._how: Final = how
        self._below: Final = below
        self._seen: Final = seen
        self._lists_work = False
        self._takes_queries = Ability.QUERY in place.abilities

    async def lacks(self, nodes: Sequence[Node]) -> Mapping[str, Status]:
        """Return the status of entities of the source, by UID. Raises `DestinationFailed`."""
        if self.broken:
            return dict.fromkeys((node.uid for node in nodes), None)
        if self._takes_queries and not self._how.force_all:
            try:
                return await self._compared(nodes, await self._there(nodes))
            except DestinationFailed as error:
                if not isinstance(error.reason, NotAccepted):
                    raise
                self._takes_queries = False
        if self._seen is not None and nodes:
            return await self._unseen(self._seen, nodes)
        return {node.uid: True for node in nodes}

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except DcmError as error:
            raise DestinationFailed(self._number, error) from error

    async def _unseen(self, seen: Seen, nodes: Sequence[Node]) -> dict[str, Status]:
        if nodes[0].level is Level.IMAGE:
            at = {node.uid: self._how.at(node.level, node.uid) for node in nodes}
            has = seen(self._number, at.values())
            return {uid: other not in has for uid, other in at.items()}
        below = await self._below.of(nodes)
        return _gathered(nodes, below, await self._unseen(seen, below) if below else {})

    async def _there(self, nodes: Sequence[Node]) -> dict[str, Node]:
        """Return those entities that the destination has, by their UID there.

        Lists of UIDs save round trips, but some archives find nothing for a list, or only the
        first: UIDs that a list did not find are queried singly, unless another list found several.
        """
        found: dict[str, Node] = {}
        by_parent: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for node in nodes:
            parents = tuple(map(self._how.at, _BETWEEN, node.path[1:-1]))
            by_parent[parents].append(self._how.at(node.level, node.uid))
        for parents, uids in by_parent.items():
            for begin in range(0, len(uids), _ASKED):
                some = uids[begin : begin + _ASKED]
                found |= await self._listed(nodes[0].level, parents, some)
        return found

    async def _listed(
        self, level: Level, parents: Sequence[str], uids: Sequence[str]
    ) -> dict[str, Node]:
        found: dict[str, Node] = {}
        with self._asking():
            try:
                found = await _listed(self._place, level, parents, uids)
            except NetworkError:
                if (
                    len(uids) == 1 or self._lists_work
                ):  # some archives end the association on a list
                    raise
        self._lists_work = self._lists_work or len(found) > 1
        if len(uids) > 1 and not self._lists_work:
            for uid in uids:
                if uid not in found:
                    found |= await self._listed(level, parents, [uid])
        return found

    async def _compared(
        self, nodes: Sequence[Node], there: Mapping[str, Node]
    ) -> dict[str, Status]:
        status: dict[str, Status] = {}
        common: list[Node] = []
        for node in nodes:
            other = there.get(self._how.at(node.level, node.uid))
            status[node.uid] = other is None
            if other is not None and not self._equal(node, other):
                common.append(node)
        if common:
            both = [there[self._how.at(node.level, node.uid)] for node in common]
            here = asyncio.create_task(self._below.of(common))
            try:
                others = await self._others(both)
                below = await here
            finally:
                here.cancel()
                await asyncio.wait([here])
            children = await self._compared(below, {each.uid: each for each in others})
            status |= _gathered(common, below, children)
        return status

    async def _others(self, nodes: Sequence[Node]) -> list[Node]:
        with self._asking():
            return await _below(self._place, nodes)

    def _equal(self, node: Node, other: Node) -> bool:
        if node.level is Level.IMAGE:
            return True
        if node.level < self._how.trust_level:
            return False
        count = node.reported(Level.IMAGE)
        return count is not None and count == other.reported(Level.IMAGE)


async def _listed(
    place: Place, level: Level, parents: Sequence[str], uids: Sequence[str]
) -> dict[str, Node]:
    keys = dict(zip((Level.STUDY.unique_key, Level.SERIES.unique_key), parents, strict=False))
    keys[level.unique_key] = "\\".join(uids)
    found: dict[str, Node] = {}
    pieces = all_answers(place, keys, level=level, within=None, account=Account())
    async with aclosing(pieces):
        async for piece in pieces:
            found |= {node.uid: node for node in piece.at(level)}
    return found


def _gathered(
    nodes: Iterable[Node], below: Iterable[Node], status: dict[str, Status]
) -> dict[str, Status]:
    """Return the status of each node from those of its children."""
    of: dict[str, dict[str, Status]] = {node.uid: {} for node in nodes}
    for child in below:
        assert child.parent is not None
        of[child.parent.uid][child.uid] = status[child.uid]
    return {uid: _summed(children) for uid, children in of.items()}


def _summed(children: dict[str, Status]) -> Status:
    values = [*children.values()]
    if not any(values):
        return False
    return children if not all(each is True for each in values) else True


def _grouped(
    nodes: Iterable[Node],
    status: Sequence[Mapping[str, Status]],
    children: _Children,
    same: Same | None,
) -> dict[tuple[Level, tuple[int, ...]], list[Node]]:
    """Group what is missing by its level and by the destinations that lack it."""
    found: dict[tuple[Level, tuple[int, ...]], list[Node]] = defaultdict(list)

    def add(node: Node, each: Sequence[Status]) -> None:
        if any(isinstance(one, dict) for one in each):
            for child in children.known(node):
                add(child, [one[child.uid] if isinstance(one, dict) else one for one in each])
            return
        if to := tuple(place for place, lacks in enumerate(each) if lacks):
            found[node.level, to].append(node)
        for place, lacks in enumerate(each):
            if same is not None and lacks is False:
                same(place, children.count(node))

    for node in nodes:
        add(node, [of_one[node.uid] for of_one in status])
    return found
