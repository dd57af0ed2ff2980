"""A private instance of a database server: what PostgreSQL and MariaDB have in common."""

import abc
import contextlib
import os
import re
import secrets
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import psutil

from harness.config.databases import DatabaseConnection
from harness.errors import ConfigError
from harness.model import Credentials, Endpoint
from harness.servers.databases.installation import DatabaseInstallation
from harness.servers.databases.programs import as_user, new_folder, require_reachable, run_program
from harness.servers.guard import Guard
from harness.servers.launcher import start_on_free_ports
from harness.servers.process import ServerProcess, free_port
from harness.waiting import wait_until

LONGEST_SOCKET = 107
"""Most bytes in the path of a Unix socket on Linux: 108 with the final zero (unix(7))."""
ADMINISTRATOR = "harness"


class Database(ServerProcess, abc.ABC):
    """A running instance with its own folder, port and administrator; a context manager.

    It keeps its port across restarts, since the port is in the configuration of the server under
    test.
    """

    product: ClassVar[str]
    """The product in small letters, as in folder names."""
    secret: ClassVar[str]
    """The environment variable for the client's password, visible only to its owner.

    A command line would be visible to all users.
    """

    def __init__(self, installation: DatabaseInstallation, guard: Guard) -> None:
        self.installation = installation
        self.folder = new_folder(self.product, guard)
        self.data = self.folder / "data"
        log = self.folder / f"{self.product}.log"
        super().__init__(installation.product, log, guard, with_sessions=True)
        try:
            require_reachable(installation.server, "move it, or run the harness as another user")
            self._administrator = Credentials(ADMINISTRATOR, new_password())
            self.make_data()
            start_on_free_ports(self._start_on_free_port, self.kill)
        except BaseException:
            self.close()
            raise

    @abc.abstractmethod
    def make_data(self) -> None:
        """Create the data folder, with the administrator's account."""

    @property
    @abc.abstractmethod
    def _socket_path(self) -> Path:
        """The path of the Unix socket, if it is not too long."""

    @abc.abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """Return the command that starts the server."""

    @abc.abstractmethod
    def _client(self, user: str, database: str | None) -> Sequence[str | Path]:
        """Return the command of a client that runs statements; administrator if no `database`."""

    @abc.abstractmethod
    def _ready(self, begin: int) -> bool:
        """Return whether it accepts connections; its log since the start begins at `begin`."""

    @abc.abstractmethod
    def _creating(self, name: str, password: str) -> str:
        """Return the statements that create a database, and its only user, of the same name."""

    @abc.abstractmethod
    def _dropping(self, name: str) -> str:
        """Return the statements that undo it, even while clients are connected."""

    @property
    def socket(self) -> Path | None:
        """The Unix socket, or None if its path is too long."""
        path = self._socket_path
        return path if len(os.fsencode(path)) <= LONGEST_SOCKET else None

    def new_database(self, name: str) -> DatabaseConnection:
        """Create an empty database, and a user of the same name who may use it and no other."""
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
            raise ConfigError(
                f"{name!r} is not a valid database name: use a lowercase letter, and up to 31 more of them, "
                "digits and underscores"
            )
        password = new_password()
        self.sql(self._creating(name, password))
        return DatabaseConnection(self.endpoint, Credentials(name, password), name, self.socket)

    def drop_database(self, connection: DatabaseConnection) -> None:
        """Remove a database and its user, even while clients are connected."""
        self.sql(self._dropping(connection.database))

    def sql(self, statements: str, connection: DatabaseConnection | None = None) -> str:
        """Run statements as `connection`'s user, or as administrator; return tab-separated rows.

        Raises ServerError with the server's message if one fails.
        """
        who = self._administrator if connection is None else connection.credentials
        database = None if connection is None else connection.database
        command = self._client(who.username, database)
        environment = {**self.installation.environment, self.secret: who.password}
        return run_program(command, environment=environment, given=statements)

    def start(self) -> None:
        """Start it with its existing data. Raises ServerNotReady with the last lines of its log."""
        begin = self.log_position()
        self.run(
            self._command(),
            environment=self.installation.environment,
            ready=lambda: self._ready(begin),
            **as_user(),
        )

    def _start_on_free_port(self) -> None:
        self.endpoint = Endpoint("127.0.0.1", free_port())
        self.start()

    def kill(self) -> None:
        """Kill it with all its processes, like a crash."""
        children = self._stopped_children()
        super().kill()
        for each in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        wait_until(lambda: not any(map(_lives, children)), what="the end of its processes")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stopped_children(self) -> list[psutil.Process]:
        """Return its processes, which are in their own sessions; stop it from starting more."""
        if self.pid is None or self.ended():
            return []
        os.kill(self.pid, signal.SIGSTOP)
        with contextlib.suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self.pid).children(recursive=True))
        return []


def new_password() -> str:
    """Return a password of letters and digits, which needs no quotes anywhere."""
    return secrets.token_hex(16)


def _lives(process: psutil.Process) -> bool:
    """Return whether a process is still active: in a container zombies may never be reaped."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
