"""The plan of `dcm forward`: the destinations of objects, from the configuration and the command line."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Final

from dcm.cli.edits import read_edits
from dcm.cli.session import opener
from dcm.cli.usage import UsageError
from dcm.conf import Configuration
from dcm.instances import FileInstance
from dcm.route.forwarder import Plan
from dcm.route.router import Router
from dcm.route.routes import DynamicRoute, Origin, Route, StaticRoute
from dcm.route.spool import Spool
from dcm.sinks import Head
from dcm.store.layout import Layout
from dcm.store.place import Place

_PROXY: Final = "PROXY"


class Planner:
    """Reads the configuration, again for each plan.

    passed_over: called with the UID of each object that has no destination, and the reason.
    """

    def __init__(
        self,
        arguments: Namespace,
        spool: Spool,
        stack: ExitStack,
        passed_over: Callable[[str, str], object],
    ) -> None:
        new_uids = arguments.remap_uids or arguments.deidentify is not None
        if new_uids and not (arguments.key_file or arguments.uid_map):
            raise UsageError(
                "new UIDs need a --key-file: a study that comes before and after a restart would else become"
                " two"
            )
        self._arguments: Final = arguments
        self._spool: Final = spool
        self._passed_over: Final = passed_over
        # Key files and UID maps that are opened for the edits stay open.
        self._through: Final = read_edits(arguments, stack)

    def plan(self) -> Plan:
        """Return the plan. Raises `DcmError` if a route or a destination cannot be used."""
        template = self._arguments.dir_format
        found = opener(self._arguments, layout=None if template is None else Layout(template))
        routes = [_route(found.known, name) for name in self._arguments.destinations]
        router = Router(routes, found.known.static_routes, self._spool.queue)

        def place(name: str) -> Place:
            return found.place(name, to_write=True)

        for name in router.destinations:
            place(name)

        async def choose(instance: FileInstance, head: Head) -> Sequence[str]:
            now = datetime.now()  # noqa: DTZ005 - hours of routes are in local time
            origin = Origin(head.calling_ae_title, head.called_ae_title, now)
            choice = router.choose(instance, origin)
            if not choice.destinations:
                self._passed_over(instance.sop_instance_uid, choice.words)
            return choice.destinations

        return Plan(choose, place, router.destinations, self._through)


def _route(known: Configuration, name: str) -> Route:
    """Return the route with this name, or a route to the place with this name."""
    route: Route | None = known.static_routes.get(name) or known.dynamic_routes.get(name)
    if route is None:
        return StaticRoute(name, (name,))
    ways = {name: route.methods} if isinstance(route, StaticRoute) else route.dest_methods
    for each, methods in ways.items():
        if methods and _PROXY not in methods:
            raise UsageError(
                f"the route {name} reaches {each} only by {', '.join(methods)}: what is received can only be"
                f" sent from here, which is {_PROXY}"
            )
    if isinstance(route, DynamicRoute):
        for each in sorted(route.names & known.static_routes.keys()):
            _route(known, each)
    return route
