"""The plan of `dcm forward`: what the configuration and the command line say of where objects go."""

from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from dcm.cli.edits import read_edits
from dcm.cli.session import opener
from dcm.instances import FileInstance
from dcm.route.forwarder import Plan
from dcm.route.spool import Spool
from dcm.sinks import Head
from dcm.store.layout import Layout
from dcm.store.place import Place


class Planner:
    """Reads the configuration, each time anew."""

    def __init__(self, arguments: Namespace, spool: Spool, stack: ExitStack) -> None:
        self._arguments: Final = arguments
        self._spool: Final = spool
        self._stack: Final = stack

    def plan(self) -> Plan:
        """Return the plan. Raises `DcmError` if a destination cannot be used."""
        template = self._arguments.dir_format
        found = opener(self._arguments, layout=None if template is None else Layout(template))
        names = tuple(self._arguments.destinations)

        def place(name: str) -> Place:
            return found.place(name, to_write=True)

        for name in names:
            place(name)

        async def choose(instance: FileInstance, head: Head) -> Sequence[str]:
            return names

        return Plan(choose, place, names, read_edits(self._arguments, self._stack))
