"""The databases of a worker: one instance of each kind, started when the first server wants it."""

import contextlib
import functools
from dataclasses import dataclass
from pathlib import Path

from harness.config.databases import DatabaseUse, Json, mysql_section, postgresql_section
from harness.errors import ServerNotFound
from harness.servers.databases.database import Database
from harness.servers.databases.installation import (
    DatabaseInstallation,
    find_database,
    find_plugins,
    plugin_version,
)
from harness.servers.databases.mariadb import Mariadb
from harness.servers.databases.postgresql import Postgresql
from harness.servers.guard import Guard

KINDS = {"postgresql": (Postgresql, postgresql_section), "mariadb": (Mariadb, mysql_section)}
"""By the name that users and cases give them."""


@functools.cache
def installed(kind: str) -> DatabaseInstallation:
    """Find a database server with Orthanc's plugins for it. Raises ServerNotFound with what to install."""
    found = find_database(kind)
    find_plugins(kind)
    return found


def available() -> list[str]:
    """Return the kinds of databases that can be used on this computer."""
    found = []
    for kind in KINDS:
        with contextlib.suppress(ServerNotFound):
            installed(kind)
            found.append(kind)
    return found


@dataclass
class DatabasePlace:
    """Where one server keeps its index and its objects."""

    kind: str
    instance: Database
    name: str

    def __post_init__(self) -> None:
        self._connection = self.instance.new_database(self.name)

    def renew(self) -> None:
        """Begin with an empty database."""
        self.instance.drop_database(self._connection)
        self._connection = self.instance.new_database(self.name)

    @property
    def plugins(self) -> tuple[Path, Path]:
        """Orthanc's plugins for the index and for the objects."""
        return find_plugins(self.kind)

    def section(self) -> Json:
        """Return what Orthanc's configuration says of it."""
        version = plugin_version(self.plugins[0])
        return KINDS[self.kind][1](self._connection, DatabaseUse(objects=True), version)


class Databases(contextlib.ExitStack):
    """The instances of one worker; a context manager that ends them."""

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard
        self._instances: dict[str, Database] = {}
        self._places = 0

    def place(self, kind: str) -> DatabasePlace:
        """Make a database for one server."""
        if kind not in self._instances:
            instance = KINDS[kind][0](installed(kind), self._guard)
            self._instances[kind] = self.enter_context(instance)
        self._places += 1
        return DatabasePlace(kind, self._instances[kind], f"orthanc{self._places}")
