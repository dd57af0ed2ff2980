"""Applies routes to the contents of an archive, and to instances that are sent immediately.

for routed in await pre_route(router, archive, {"StudyDate": "20261128"}):
    print(routed.destinations, len(routed.what))
async with send_along(router, places) as queue:
    await queue.put("image.dcm")
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from dcm.data.dictionary import level_of
from dcm.data.keys import Query, attributes_of
from dcm.data.levels import Level
from dcm.data.match import Attributes, Value
from dcm.data.node import Node
from dcm.data.query_result import QueryResult
from dcm.errors import DcmError
from dcm.instances import Instance, Sendable, instance_of
from dcm.outcome import InstanceResult, Outcome
from dcm.route.routes import Choice, Origin, Route, RouteError, StaticRoute
from dcm.sinks import Folder
from dcm.store.place import Place
from dcm.writer import Writer

if TYPE_CHECKING:
    from dcm.filt.base import Filter
    from dcm.filt.selectors import Knowledge

OnRouted = Callable[[str, InstanceResult], object]
"""Called with a destination and the outcome of an instance there."""


class Chooser(Protocol):
    """Chooses destinations, like `dcm.route.router.Router`."""

    @property
    def all(self) -> Sequence[Route]:
        """All routes."""

    @property
    def targets(self) -> frozenset[str]:
        """The elements that the routes use."""

    def choose(self, instance: Instance, origin: Origin) -> Choice:
        """Return the destinations of an object."""

    def choose_known(self, known: "Knowledge", origin: Origin) -> Choice:
        """Return the destinations of an object from its known elements."""


class Routed(NamedTuple):
    """The part of a query result with the same destinations. words: why there are none."""

    what: QueryResult
    destinations: tuple[str, ...]
    words: str = ""


async def pre_route(
    router: Chooser, source: Place, what: "QueryResult | Query", origin: Origin | None = None
) -> list[Routed]:
    """Return the destinations for the results of a query, at the level of the most detailed route.

    The source is queried for the elements that the routes use. If it does not return one, an
    example image is
    fetched: the first that it lists for the study, or for another entity at that level. Raises the
    errors of the source's queries, and `RouteError` if there is no example.
    """
    level = _level(router)
    elements = {name: "" for name in sorted(router.targets) if _can_be_asked(name, level)}
    within = what if isinstance(what, QueryResult) else None
    asked: dict[str, Value] = {**elements}
    if not isinstance(what, QueryResult):
        asked.update(attributes_of(what))
    by_destination: dict[tuple[str, ...], tuple[list[Node], str]] = {}
    name = ""
    async with aclosing(source.queries(asked, level=level, within=within)) as pieces:
        async for piece in pieces:
            name = piece.source
            for node in piece.members():
                known = _told_by(node, router.targets) or await _example(source, node, router)
                choice = router.choose_known(known, origin or Origin())
                nodes, _ = by_destination.setdefault(choice.destinations, ([], choice.words))
                nodes.append(node)
    return [
        Routed(QueryResult.of_nodes(level, nodes, name), destinations, words)
        for destinations, (nodes, words) in by_destination.items()
    ]


def _level(router: Chooser) -> Level:
    """Return the level at which routes decide; routes with fixed destinations have none."""
    levels = [
        route.route_level
        for route in router.all
        if route.filt is not None or not isinstance(route, StaticRoute)
    ]
    if any(route.filt is not None for route in router.all):
        return Level.IMAGE
    return max(levels, default=Level.STUDY)


def _can_be_asked(target: str, level: Level) -> bool:
    """Return whether a query at a level may request an element: not if it is of a lower level."""
    below = level_of(target) if target.isalnum() else Level.IMAGE
    return target.isalnum() and (below is None or below <= level)


def _told_by(node: Node, targets: frozenset[str]) -> "Knowledge | None":
    """Return the elements in an answer, or None if one is missing or empty, thus unknown."""
    from dcm.filt.selectors import known_in  # noqa: PLC0415 - as in the router

    attributes = _with_parents(node)
    found = known_in(attributes, targets)
    if found is None or not all(any(each.text for each in found[name]) for name in targets):
        return None
    return found


def _with_parents(node: Node) -> Attributes:
    found: dict[str, object] = {}
    step: Node | None = node
    while step is not None:
        found = {**step.answer, **found}
        step = step.parent
    return found  # type: ignore[return-value]  # of attributes


async def _example(source: Place, node: Node, router: Chooser) -> "Knowledge":
    """Fetch an image of an entity, and read the elements that the routes use."""
    from dcm.filt.selectors import known_of  # noqa: PLC0415 - as in the router

    above = _with_parents(node)
    unique = {
        level.unique_key: value
        for level in Level
        if level <= node.level and (value := above.get(level.unique_key))
    }
    with tempfile.TemporaryDirectory() as folder:
        async with aclosing(source.queries(unique, level=Level.IMAGE)) as pieces:
            async for piece in pieces:
                for member in piece.members():
                    one = QueryResult.of_nodes(Level.IMAGE, [member], piece.source)
                    report = await source.fetch(one, Folder(Path(folder)))
                    for result in report.results:
                        if result.stored and result.path:
                            return known_of(instance_of(result.path), router.targets)
    words = ", ".join(f"{key} {value}" for key, value in unique.items())
    raise RouteError(f"{source} has no image of {words} that could be used for routing")


class RouteQueue:
    """Sends instances along the routes, each to its destinations; see `send_along`."""

    def __init__(
        self,
        router: Chooser,
        places: Mapping[str, Place],
        on_routed: OnRouted,
        through: "Filter | None",
        stack: AsyncExitStack,
    ) -> None:
        self._router: Final = router
        self._places: Final = places
        self._on_routed: Final = on_routed
        self._through: Final = through
        self._stack: Final = stack
        self._writers: Final[dict[str, Writer]] = {}

    async def put(self, what: Sendable, origin: Origin | None = None) -> tuple[str, ...]:
        """Add a file, a data set or another instance; return its destinations.

        Waits while the queue of a destination is full. Raises `OSError` and `DcmError` if the
        object is unreadable.
        """
        instance = await asyncio.to_thread(instance_of, what)
        choice = await asyncio.to_thread(self._router.choose, instance, origin or Origin())
        if not choice.destinations:
            uid = instance.sop_instance_uid
            self._on_routed(
                "", InstanceResult(instance.path, uid, Outcome.PASSED_OVER, choice.words)
            )
            return ()
        ready = await asyncio.to_thread(self._ready, instance)
        for name in choice.destinations:
            if isinstance(ready, InstanceResult):
                self._on_routed(name, ready)
                continue
            writer = await self._writer(name)
            writer.add(ready)
            await writer.room()
        return choice.destinations

    def _ready(self, instance: Instance) -> Instance | InstanceResult:
        from dcm.filt.base import Rejected  # noqa: PLC0415 - as in the router

        if self._through is None:
            return instance
        path, uid = instance.path, instance.sop_instance_uid
        try:
            return self._through.apply(instance)
        except Rejected as error:
            return InstanceResult(path, uid, Outcome.PASSED_OVER, str(error))
        except (DcmError, OSError) as error:
            return InstanceResult(path, uid, Outcome.FAILED, str(error))

    async def _writer(self, name: str) -> Writer:
        if name not in self._writers:
            place = await self._stack.enter_async_context(self._places[name])
            writing = place.writer(partial(self._on_routed, name))
            self._writers[name] = await self._stack.enter_async_context(writing)
        return self._writers[name]


@asynccontextmanager
async def send_along(
    router: Chooser,
    places: Mapping[str, Place],
    on_routed: OnRouted = lambda _name, _result: None,
    *,
    through: "Filter | None" = None,
) -> AsyncIterator[RouteQueue]:
    """Send instances along the routes while the block runs; leaving it waits for all outcomes.

    places: by the names of destinations. on_routed: called with each outcome. through: a filter that is
    applied on the way; routes use the original. Nothing is stored if a destination cannot be
    reached: the outcome says so.
    """
    async with AsyncExitStack() as stack:
        yield RouteQueue(router, places, on_routed, through, stack)
