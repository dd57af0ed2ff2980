"""The databases of a worker: one instance of each kind, started when the first server needs it."""

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
)
from harness.servers.databases.mariadb import Mariadb
from harness.servers.databases.postgresql import Postgresql
from harness.servers.guard import Guard
from harness.servers.plugins import plugin_version

IDENTIFIER = "DatabaseServerIdentifier"
KINDS = {"postgresql": (Postgresql, postgresql_section), "mariadb": (Mariadb, mysql_section)}
"""By the name that users and cases specify."""


@functools.cache
def installed(kind: str) -> DatabaseInstallation:
    """Find a database server. Raises ServerNotFound with what to install."""
    return find_database(kind)


def available(root: Path | None = None) -> list[str]:
    """Return the kinds of databases that an Orthanc can use, on this computer or in a root."""
    found = []
    for kind in KINDS:
        with contextlib.suppress(ServerNotFound):
            installed(kind)
            find_plugins(kind, root)
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
        """Replace the database with an empty one."""
        self.instance.drop_database(self._connection)
        self._connection = self.instance.new_database(self.name)

    def plugins(self, root: Path | None) -> tuple[Path, Path]:
        """Return Orthanc's plugins for the index and for the objects; another root has its own."""
        return find_plugins(self.kind, root)

    def section(self, root: Path | None) -> Json:
        """Return the settings of Orthanc for it.

        The server has a name, under which it finds its jobs and modalities after a restart: Orthanc would
        otherwise make one from its ports, which change.
        """
        version = plugin_version(self.plugins(root)[0])
        section = KINDS[self.kind][1](self._connection, DatabaseUse(objects=True), version)
        return {**section, IDENTIFIER: f"harness-{self.name}"}


class Occupied:
    """The place of a running server, for one more server: nothing is emptied."""

    def __init__(self, place: DatabasePlace) -> None:
        self.plugins, self._place = place.plugins, place

    def section(self, root: Path | None) -> Json:
        """Return the settings of Orthanc for it, without the name, which is that of the other server."""
        return {k: v for k, v in self._place.section(root).items() if k != IDENTIFIER}

    def renew(self) -> None:
        """Do nothing: the content belongs to both servers."""


class Databases(contextlib.ExitStack):
    """The instances of one worker; a context manager that ends them."""

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard
        self._instances: dict[str, Database] = {}
        self._places = 0

    def place(self, kind: str) -> DatabasePlace:
        """Create a database for one server."""
        if kind not in self._instances:
            instance = KINDS[kind][0](installed(kind), self._guard)
            self._instances[kind] = self.enter_context(instance)
        self._places += 1
        return DatabasePlace(kind, self._instances[kind], f"orthanc{self._places}")
