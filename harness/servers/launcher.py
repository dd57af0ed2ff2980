"""The ways to run a server: as a process, in a container, or started by the user.

A launcher knows nothing about DICOM. It finds ports, writes files, starts a program, and reports
how it ended.
"""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.errors import ServerNotReady
from harness.model import Endpoint, Port, Version
from harness.waiting import WaitTimeout, wait_until

if TYPE_CHECKING:
    from harness.servers.product import Build

DATA = "data"
"""The subfolder in which a server keeps what it stores. A fresh start empties it."""


@dataclass(frozen=True)
class Seat:
    """Where a server will run, from its own point of view. Its working folder is `here`."""

    here: Path
    ports: Mapping[str, Port]
    """The port of each interface, by name: `dicom`, `http`."""
    worklists: Path | None = None
    """A folder that the harness can write to as well; None if there is none."""
    kept: bool = False
    """Whether it keeps what it has stored."""

    @property
    def data(self) -> Path:
        """The folder for what the server stores; it exists."""
        return self.here / DATA


@dataclass(frozen=True)
class Launch:
    """What to start."""

    argv: tuple[str, ...] | None
    """The program with its arguments; None in a container whose image has a command."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """The files that it reads, by path: relative to its folder, or absolute in a container."""
    environment: Mapping[str, str] = field(default_factory=dict)


ATTEMPTS = 3
"""How often to choose new ports if another program took one of them first."""
TO_START = 60.0  # seconds
FAREWELL = 20.0
"""Seconds for a server to shut down."""
LOG_LINES_SHOWN = 15


class Started(Protocol):
    """Something that was started, such as a process or a container."""

    name: str
    """Role and product, for messages."""

    def ended(self) -> str | None:
        """Describe how it ended; None while it runs, or if that cannot be determined."""
        return None

    def kill(self) -> None:
        """Kill it, if it is running."""

    def log_since(self, position: int) -> str:  # noqa: ARG002
        """Return the log from `position` on; "" if there is no access to it."""
        return ""


def await_ready(server: Started, ready: Callable[[], bool], *, begin: int) -> None:
    """Wait until `server`, whose log began at `begin`, is alive and `ready()` returns true.

    Raises ServerNotReady with the last lines of the log if it ends, or is not ready in time.
    """
    try:
        wait_until(
            lambda: server.ended() or ready(),
            what=f"{server.name} to answer",
            within=TO_START,
            at_most=0.02,  # a run starts servers many times
        )
    except WaitTimeout:
        trouble = f" did not answer within {TO_START:g} s after its start"
    else:
        ended = server.ended()
        if ended is None:
            return
        trouble = f" {ended} while it started"
    lines = server.log_since(begin).splitlines()[-LOG_LINES_SHOWN:]
    said = "".join(f"\n    {line}" for line in lines) or "; its log is empty"
    server.kill()
    raise ServerNotReady(f"{server.name}{trouble}{said}")


def start_on_free_ports(start: Callable[[], None], kill: Callable[[], None]) -> None:
    """Start a server; try again if another program took one of the ports in the meantime."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            start()
        except ServerNotReady as error:
            kill()
            if "in use" not in str(error) or attempt == ATTEMPTS:
                raise
        else:
            return


class Launcher(Started, Protocol):
    """Starts one server, any number of times. Its log is kept across starts.

    The defaults in this class suit a server whose process is not accessible.
    """

    ours: bool
    """Whether it starts and ends the server."""
    worklists: Path | None
    """The folder `Seat.worklists` as we see it."""

    def change(self, build: "Build") -> None:
        """Run another build with the same data, from the next start on.

        Raises ServerError if the build runs in a different way: as a process instead of in a
        container.
        """

    def seat(self, doors: Sequence[str], *, keep: bool) -> Seat:
        """Prepare a start with free ports, and empty the data folder unless `keep` is set."""

    def start(self, launch: Launch, *, ready: Callable[[], bool]) -> None:
        """Start the program and wait until it is alive and `ready()` returns true.

        Raises ServerNotReady with the last lines of the log if it ends, or is not ready in time.
        """

    def endpoints(self, ports: Mapping[str, Port]) -> Mapping[str, Endpoint] | None:
        """Return the addresses at which we reach it; None as long as they are unknown."""

    def listens(self, ports: Mapping[str, Port]) -> bool:  # noqa: ARG002
        """Return whether it, and no other program, listens on all ports, as far as is known."""
        return True

    @property
    def folder(self) -> Path | None:
        """The server's folder as we see it; None if we have no access to it."""
        return None

    @property
    def pid(self) -> int | None:
        """The process id on this computer, if it has one and is running."""
        return None

    def stop(self) -> None:
        """Ask it to end, and wait for it; kill it if that takes too long."""

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server itself."""

    def freeze(self) -> None:
        """Suspend it until `thaw`: its connections stay open, but nothing is answered."""

    def thaw(self) -> None:
        """Resume it."""

    def backtrace(self) -> str:
        """Return a debugger's backtrace of its crash; "" if there is none."""
        return ""

    def libraries(self) -> Mapping[str, Version]:
        """Return the shared libraries that it has loaded; none if that is unknown."""
        return {}

    def log_position(self) -> int:
        """Return the position in the log at which the next line will be written."""
        return 0

    def close(self) -> None:
        """End it, and remove everything it left behind."""
