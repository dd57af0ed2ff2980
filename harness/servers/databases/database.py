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
"""Bytes that the path of a Unix socket may have in Linux: 108 with the zero at its end (unix(7))."""
ADMINISTRATOR = "harness"


class Database(ServerProcess, abc.ABC):
    """A running instance with a folder, a port and an administrator of its own; a context manager.

    It keeps its port when it is started again, since a server under test has that in its configuration.
    """

    product: ClassVar[str]
    """The product in small letters, as in the names of folders."""
    secret: ClassVar[str]
    """The variable in which its client is given a password: only its owner sees it, unlike a command line."""

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
        """Make the folder of the data, with the administrator's account."""

    @property
    @abc.abstractmethod
    def _socket_path(self) -> Path:
        """Where the Unix socket is, if the path is not too long."""

    @abc.abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """Return the command that starts the server."""

    @abc.abstractmethod
    def _client(self, user: str, database: str | None) -> Sequence[str | Path]:
        """Return the command of a client that runs statements; without `database` as administrator."""

    @abc.abstractmethod
    def _ready(self, begin: int) -> bool:
        """Return whether it takes connections; its log since the start is that from `begin` on."""

    @abc.abstractmethod
    def _creating(self, name: str, password: str) -> str:
        """Return the statements that create a database, and a user of the same name who alone may use it."""

    @abc.abstractmethod
    def _dropping(self, name: str) -> str:
        """Return the statements that undo it, also while somebody is connected."""

    @property
    def socket(self) -> Path | None:
        """The Unix socket, None where its path is too long."""
        path = self._socket_path
        return path if len(os.fsencode(path)) <= LONGEST_SOCKET else None

    def new_database(self, name: str) -> DatabaseConnection:
        """Make an empty database, and a user of the same name who may use it and no other."""
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
            raise ConfigError(
                f"{name!r} is not a name for a database: a small letter, then up to 31 small letters, digits "
                "and underscores"
            )
        password = new_password()
        self.sql(self._creating(name, password))
        return DatabaseConnection(self.endpoint, Credentials(name, password), name, self.socket)

    def drop_database(self, connection: DatabaseConnection) -> None:
        """Remove a database and its user, even while clients are connected."""
        self.sql(self._dropping(connection.database))

    def sql(self, statements: str, connection: DatabaseConnection | None = None) -> str:
        """Run statements as the user of `connection`, or as administrator; return rows, tabs between fields.

        Raises ServerError with the server's words where one fails.
        """
        who = self._administrator if connection is None else connection.credentials
        database = None if connection is None else connection.database
        command = self._client(who.username, database)
        environment = {**self.installation.environment, self.secret: who.password}
        return run_program(command, environment=environment, given=statements)

    def start(self) -> None:
        """Start it with the data that is there. Raises ServerNotReady with the last lines of its log."""
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
        """End it at once, with all its processes, as a crash would."""
        children = self._stopped_children()
        super().kill()
        for each in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        wait_until(lambda: not any(map(_lives, children)), what="its processes to end")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stopped_children(self) -> list[psutil.Process]:
        """Return its processes, which are in sessions of their own; it can make no more."""
        if self.pid is None or self.ended():
            return []
        os.kill(self.pid, signal.SIGSTOP)
        with contextlib.suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self.pid).children(recursive=True))
        return []


def new_password() -> str:
    """Make a password of letters and digits, which needs no quotes anywhere."""
    return secrets.token_hex(16)


def _lives(process: psutil.Process) -> bool:
    """Return whether a process still does something: in a container nobody may fetch what has ended."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
