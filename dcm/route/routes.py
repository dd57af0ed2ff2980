"""Routes: where to send objects, by their contents, their sender, and the time.

    by_modality = SelectorDestMap(((read_selector("Modality == CT"), ("ctpacs",)),), ("archive",))
    route = by_modality.get_dynamic_route("by_modality")

Destinations are names: of places, and in a dynamic route also of static routes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, TypeAlias

from dcm.data.levels import Level
from dcm.errors import DcmError
from dcm.frozen import Frozen
from dcm.sync.pace import Hours

if TYPE_CHECKING:
    from dcm.filt.selectors import Knowledge, Selector

METHODS: Final = ("PROXY", "REMOTE_COPY", "LOCAL_COPY", "MOVE", "LINK", "SYMLINK")
"""The ways from a source to a destination. Objects received here are sent from here: PROXY."""

Lookup: TypeAlias = "Callable[[Knowledge], Sequence[str] | None]"
"""Returns the destinations for the known elements of an object, or None for none at all."""


class Origin(NamedTuple):
    """The sender of an object, the AE title that it called, and the local time."""

    calling: str = ""
    called: str = ""
    at: datetime | None = None


class RouteError(DcmError):
    """An invalid route."""


class Choice(NamedTuple):
    """The destinations of an object. words: why there are none, or fewer than expected."""

    destinations: tuple[str, ...]
    words: str = ""


class Condition(Frozen):
    """The conditions of a route other than elements: AE titles, and times of day."""

    calling: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()
    hours: Hours | None = None

    def fulfilled(self, origin: Origin) -> bool:
        """Return whether an object with this origin takes the route."""
        if self.calling and origin.calling.strip() not in self.calling:
            return False
        if self.called and origin.called.strip() not in self.called:
            return False
        return self.hours is None or not self.hours.wait(origin.at or datetime.now())  # noqa: DTZ005 - local


ANY: Final = Condition()


class StaticRoute(Frozen):
    """A route with fixed destinations.

    methods: the ways to them, in order of preference; empty for any. filt: selects the objects;
    None for all.
    """

    name: str
    dests: tuple[str, ...]
    methods: tuple[str, ...] = ()
    filt: "Selector | None" = None
    condition: Condition = ANY

    route_level: ClassVar = Level.IMAGE

    @property
    def targets(self) -> frozenset[str]:
        """The elements that the route uses."""
        return self.filt.targets if self.filt is not None else frozenset()

    @property
    def required_elems(self) -> frozenset[str]:
        """The elements that determine the destinations: none."""
        return frozenset()

    @property
    def names(self) -> frozenset[str]:
        """All destinations that the route may choose."""
        return frozenset(self.dests)

    def lookup(self, known: "Knowledge") -> Sequence[str] | None:  # noqa: ARG002 - as of all routes
        """Return the destinations."""
        return self.dests


class DynamicRoute(Frozen):
    """A route whose destinations depend on the contents of an object.

    lookup: chooses the destinations. route_level: the level of the entities for which this is done
    once, using the first object; the others follow it. required_elems: the elements that `lookup`
    uses, as targets.
    dest_methods: the ways to destinations, by name. names: all destinations that `lookup` may
    choose. filt: as in `StaticRoute`, applied to each object.
    """

    name: str
    lookup: Lookup
    route_level: Level = Level.STUDY
    required_elems: frozenset[str] = frozenset()
    dest_methods: Mapping[str, tuple[str, ...]] = {}
    names: frozenset[str] = frozenset()
    filt: "Selector | None" = None
    condition: Condition = ANY

    @property
    def targets(self) -> frozenset[str]:
        """The elements that the route uses."""
        level = self.route_level
        keys = {level.unique_key} if level is not Level.IMAGE else set()
        more = self.filt.targets if self.filt is not None else frozenset()
        return self.required_elems | keys | more


Route: TypeAlias = StaticRoute | DynamicRoute


class SelectorDestMap(Frozen):
    """Destinations by selectors.

    routing_map: selectors with their destinations. The first selector that matches applies, or all
    that match if `stop_on_first` is false. default_dests: used if none matches. exclude: objects
    that match one of these have no destination.
    """

    routing_map: "tuple[tuple[Selector, tuple[str, ...]], ...]"
    default_dests: tuple[str, ...] = ()
    exclude: "tuple[Selector, ...]" = ()
    stop_on_first: bool = True

    @property
    def required_elems(self) -> frozenset[str]:
        """The elements that its selectors use."""
        selectors = [*(selector for selector, _ in self.routing_map), *self.exclude]
        return frozenset[str]().union(*(each.targets for each in selectors))

    @property
    def names(self) -> frozenset[str]:
        """All destinations that it may choose."""
        return frozenset(self.default_dests).union(*(dests for _, dests in self.routing_map))

    def lookup(self, known: "Knowledge") -> Sequence[str] | None:
        """Return the destinations, or None for excluded objects."""
        if any(each.selects(known) for each in self.exclude):
            return None
        found: list[str] = []
        for selector, dests in self.routing_map:
            if selector.selects(known):
                found += dests
                if self.stop_on_first:
                    break
        return found or self.default_dests

    def get_dynamic_route(
        self,
        name: str,
        route_level: Level = Level.STUDY,
        dest_methods: Mapping[str, tuple[str, ...]] | None = None,
        filt: "Selector | None" = None,
        condition: Condition = ANY,
    ) -> DynamicRoute:
        """Return a route that uses this map."""
        return DynamicRoute(
            name, self.lookup, route_level, self.required_elems, dest_methods or {}, self.names, filt,
            condition,
        )  # fmt: skip


def needed(routes: Iterable[Route]) -> frozenset[str]:
    """Return the elements that routes use."""
    return frozenset[str]().union(*(each.targets for each in routes))
