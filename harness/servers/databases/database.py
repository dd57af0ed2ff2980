"""A private instance of a database server: what PostgreSQL and MariaDB have in common."""

import abc
import contextlib
import os
import re
import secrets
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

import psutil

from harness.config.databases import DatabaseConnection
from harness.errors import ConfigError, ServerError, ServerNotReady
from harness.model import Credentials, Endpoint
from harness.servers.databases.installation import DatabaseInstallation
from harness.servers.databases.programs import (
    new_folder,
    require_reachable,
    run_program,
    user,
    write_secret,
)
from harness.servers.guard import Guard
from harness.servers.launcher import ATTEMPTS
from harness.servers.process import ServerProcess, free_port
from harness.waiting import WaitTimeout, wait_until

LONGEST_SOCKET = 107
"""Bytes that the path of a Unix socket may have in Linux: 108 with the zero at its end (unix(7))."""
ADMINISTRATOR = "harness"
ORDERLY = 30.0
"""Seconds for an orderly end: MariaDB writes out its pages first."""


class Template:
    """A folder of data, made once and copied for each instance: copying is some ten times as fast."""

    def __init__(
        self, kind: "type[Database]", installation: DatabaseInstallation, guard: Guard
    ) -> None:
        self.password = new_password()
        self.folder = new_folder(f"{kind.name}-template", guard)
        self.data = self.folder / "data"
        try:
            require_reachable(installation.server, "move it, or run the harness as another user")
            secret = self.folder / "password"
            write_secret(secret, self.password)
            kind.make_data(installation, self.data, secret)
            secret.unlink()
        except BaseException:
            self.close()
            raise

    def copy_to(self, data: Path) -> None:
        """Copy it, with its owner; `data` must not be there."""
        run_program(["cp", "--archive", self.data, data])

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Database(abc.ABC):
    """A running instance with a folder, a port and an administrator of its own; a context manager.

    `port` and `address` say where it listens; without `port` it is one that the kernel chose. It stays the
    same when the instance is started again, since a server under test has it in its configuration. Without
    `template` the folder of its data is made anew, which takes seconds.
    """

    name: ClassVar[str]
    """The product in small letters, as in the names of folders."""
    orderly: ClassVar[signal.Signals]
    """The signal that ends it in good order, even while clients are connected."""

    def __init__(
        self,
        installation: DatabaseInstallation,
        guard: Guard,
        *,
        template: Template | None = None,
        address: str = "127.0.0.1",
        port: int | None = None,
    ) -> None:
        self.installation = installation
        made = template or Template(type(self), installation, guard)
        self._administrator = Credentials(ADMINISTRATOR, made.password)
        self.folder = new_folder(self.name, guard)
        self.data = self.folder / "data"
        self._process = ServerProcess(
            installation.product, self.folder / f"{self.name}.log", guard, with_sessions=True
        )
        try:
            made.copy_to(self.data)
            self._first_start(address, port)
        except BaseException:
            self.close()
            raise
        finally:
            if template is None:
                made.close()

    # What differs

    @staticmethod
    @abc.abstractmethod
    def make_data(installation: DatabaseInstallation, data: Path, password: Path) -> None:
        """Make the folder of the data. `password` holds the one of the administrator."""

    @property
    @abc.abstractmethod
    def _socket_path(self) -> Path:
        """Where the Unix socket is, if the path is not too long."""

    @abc.abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """Return the command that starts the server."""

    @abc.abstractmethod
    def _ready(self, begin: int) -> bool:
        """Return whether it takes connections; its log since the start is that from `begin` on."""

    @abc.abstractmethod
    def sql(self, statements: str, connection: DatabaseConnection | None = None) -> str:
        """Run statements as the user of `connection`, or as administrator; return rows, tabs between fields.

        Raises ServerError with the server's words where one fails.
        """

    @abc.abstractmethod
    def _creating(self, name: str, password: str) -> str:
        """Return the statements that create a database, and a user of the same name who alone may use it."""

    @abc.abstractmethod
    def _dropping(self, name: str) -> str:
        """Return the statements that undo it, also while somebody is connected."""

    # Databases

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return self._endpoint

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

    # Life

    def start(self) -> None:
        """Start it with the data that is there. Raises ServerNotReady with the last lines of its log."""
        self.kill()
        begin, owner = self.log_position(), user()
        self._process.start(
            [str(word) for word in self._command()],
            environment=self.installation.environment,
            ready=lambda: self._ready(begin),
            user=None if owner is None else (owner.uid, owner.gid),
        )

    def stop(self) -> None:
        """End it in good order: what it holds in memory is written, its clients are cut off."""
        if self.ended():
            return
        assert self.pid is not None
        os.kill(self.pid, self.orderly)
        try:
            wait_until(self.ended, what=f"{self.installation.product} to end", within=ORDERLY)
        except WaitTimeout as error:
            self.kill()
            raise ServerError(f"{error}; it was killed") from None

    def kill(self) -> None:
        """End it at once, with all its processes, as a crash would."""
        children = self._stopped_children()
        self._process.kill()
        for each in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        wait_until(lambda: not any(map(_lives, children)), what="its processes to end")

    def restart(self) -> None:
        """End it in good order and start it again, with its data and on its port."""
        self.stop()
        self.start()

    @property
    def pid(self) -> int | None:
        """The process id, for cases that end it on purpose."""
        return self._process.pid

    def ended(self) -> str | None:
        """Return in words how it ended; None while it runs."""
        return self._process.ended()

    def log_position(self) -> int:
        """Return the size of its log."""
        return self._process.log_position()

    def log_since(self, position: int) -> str:
        """Return its log from `position` on."""
        return self._process.log_since(position)

    def close(self) -> None:
        """End it at once, since nothing of it is to stay, and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _first_start(self, address: str, port: int | None) -> None:
        """Start it on `port`, or on a free one: again where somebody else was faster to take that."""
        for attempt in range(1, ATTEMPTS + 1):
            self._endpoint = Endpoint(address, free_port() if port is None else port)
            try:
                self.start()
            except ServerNotReady as error:
                if port is not None or "in use" not in str(error) or attempt == ATTEMPTS:
                    raise
            else:
                return

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
