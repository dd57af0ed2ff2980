"""A router: applies routes to objects as they arrive.

    router = Router([route], {"archive": StaticRoute("archive", ("mypacs", "backup"))})
    router.choose(instance, Origin("CT1"))       # Choice(("mypacs", "backup"))

An object is routed by its contents on arrival; filters that change it are applied afterwards.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Final, Protocol
from zlib import crc32

from dcm.data.levels import Level
from dcm.frozen import Frozen, fields
from dcm.instances import Instance
from dcm.route.along import OnRouted, Routed, RouteQueue, pre_route, send_along
from dcm.route.routes import Choice, Origin, Route, RouteError, StaticRoute, needed

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from dcm.data.keys import Query
    from dcm.data.query_result import QueryResult
    from dcm.filt.base import Filter
    from dcm.filt.selectors import Knowledge
    from dcm.store.place import Place

_REMEMBERED: Final = 10_000


class Memory(Protocol):
    """Remembers the decisions of routes for entities."""

    def decision(self, route: str, entity: str) -> list[str] | None:
        """Return the destinations that were chosen, or None if there was no decision."""

    def decide(self, route: str, entity: str, destinations: Iterable[str]) -> None:
        """Remember the destinations."""


class Decisions:
    """Remembers recent decisions in memory."""

    def __init__(self) -> None:
        self._made: Final[OrderedDict[tuple[str, str], list[str]]] = OrderedDict()

    def decision(self, route: str, entity: str) -> list[str] | None:
        """Return the destinations that were chosen, or None if there was no decision."""
        return self._made.get((route, entity))

    def decide(self, route: str, entity: str, destinations: Iterable[str]) -> None:
        """Remember the destinations."""
        self._made[route, entity] = [*destinations]
        if len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)


class Router:
    """Chooses destinations by several routes, all of which apply to each object.

    all: its routes, including those that are destinations of others. targets: the elements that
    they use.
    named: static routes that dynamic ones may name as destinations. memory: decisions for whole
    studies, or other entities at a route's level. Raises `RouteError` for a static route that leads
    to another route.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        named: Mapping[str, StaticRoute] | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.routes: Final = tuple(routes)
        self._named: Final = named or {}
        self._memory: Final = memory or Decisions()
        self.all: Final = tuple(self._all())
        self.targets: Final = needed(self.all)
        self._keys: Final = {  # a changed route decides anew
            route.name: f"{route.name}:{crc32(_stable_repr(route).encode()):08x}"
            for route in self.all
        }

    def _all(self) -> list[Route]:
        """Return all routes, including those that are destinations of others."""
        found: dict[str, Route] = {}
        waiting: list[Route] = [*self.routes]
        while waiting:
            route = waiting.pop()
            found[route.name] = route
            for name in route.names & self._named.keys():
                if isinstance(route, StaticRoute):
                    raise RouteError(
                        f"the route {route.name} has {name} as a destination, which is a route, too: only"
                        " a dynamic route may lead to another one"
                    )
                waiting.append(self._named[name])
        return [*found.values()]

    @property
    def destinations(self) -> list[str]:
        """All possible destinations of the routes."""
        found = dict.fromkeys(name for route in self.all for name in sorted(route.names))
        return [name for name in found if name not in self._named]

    def choose(self, instance: Instance, origin: Origin) -> Choice:
        """Return the destinations of an object.

        Reads the elements that the routes use. Raises `OSError`, `CannotEdit` and
        `UnusableInstance`.
        """
        known: Knowledge = {}
        if self.targets:
            from dcm.filt.selectors import known_of  # noqa: PLC0415 - not for plain destinations

            known = known_of(instance, self.targets)
        return self.choose_known(known, origin)

    async def pre_route(
        self, source: "Place", what: "QueryResult | Query", origin: Origin | None = None
    ) -> list[Routed]:
        """Return the destinations for the results of a query; see `dcm.route.along.pre_route`."""
        return await pre_route(self, source, what, origin)

    def route(
        self,
        places: "Mapping[str, Place]",
        on_routed: OnRouted = lambda _name, _result: None,
        *,
        through: "Filter | None" = None,
    ) -> "AbstractAsyncContextManager[RouteQueue]":
        """Send instances along the routes while the block runs; see `dcm.route.along.send_along`."""
        return send_along(self, places, on_routed, through=through)

    def choose_known(self, known: "Knowledge", origin: Origin) -> Choice:
        """Return the destinations of an object from its known elements."""
        chosen: dict[str, None] = {}
        words: list[str] = []
        for route in self.routes:
            for name in self._along(route, known, origin, words):
                if (further := self._named.get(name)) is not None and route is not further:
                    chosen.update(dict.fromkeys(self._along(further, known, origin, words)))
                else:
                    chosen[name] = None
        return Choice(tuple(chosen), "" if chosen else "; ".join(words))

    def _along(
        self, route: Route, known: "Knowledge", origin: Origin, words: list[str]
    ) -> Sequence[str]:
        """Return the destinations of an object by one route."""
        if not route.condition.fulfilled(origin):
            words.append(f"the route {route.name} is not for this AE title or hour")
            return ()
        if route.filt is not None and not route.filt.selects(known):
            words.append(f"it does not match the filter of the route {route.name}")
            return ()
        found = self._looked_up(route, known)
        if not found:
            words.append(f"the route {route.name} has no destination for it")
        return found

    def _looked_up(self, route: Route, known: "Knowledge") -> Sequence[str]:
        level = route.route_level
        entity = ""
        if level is not Level.IMAGE:
            entity = next((each.text.strip() for each in known.get(level.unique_key, ())), "")
        if not entity:
            return route.lookup(known) or ()
        key = self._keys[route.name]
        made = self._memory.decision(key, entity)
        if made is None:
            made = [*(route.lookup(known) or ())]
            self._memory.decide(key, entity, made)
        return made


def _stable_repr(value: object) -> str:
    """Return a repr that is the same in every process: sets are sorted, functions have names only."""
    match value:
        case Frozen():
            content = [_stable_repr(getattr(value, name)) for name in fields(type(value))]
        case frozenset():
            content = sorted(map(_stable_repr, value))
        case Mapping():
            content = sorted(map(_stable_repr, value.items()))
        case tuple():
            content = [*map(_stable_repr, value)]
        case MethodType():
            return f"{_stable_repr(value.__self__)}.{value.__name__}"
        case _ if callable(value):
            name = getattr(value, "__qualname__", type(value).__qualname__)
            return f"{value.__module__}.{name}"
        case _:
            return repr(value)
    return f"{type(value).__qualname__}({', '.join(content)})"
