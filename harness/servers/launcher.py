"""How a server runs: as a process, in a container, or started by somebody else.

A launcher knows nothing of DICOM. It offers ports, writes files, starts a program, and says how it ended.
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
"""The folder below a server's own in which it keeps what it stores. A fresh start empties it."""


@dataclass(frozen=True)
class Seat:
    """Where a server is to run, as the server itself sees it. Its working folder is `here`."""

    here: Path
    ports: Mapping[str, Port]
    """The port of each door, by its name: `dicom`, `http`."""
    worklists: Path | None = None
    """A folder that the harness can write to as well; None if there is none."""
    kept: bool = False
    """It goes on with what it has stored."""

    @property
    def data(self) -> Path:
        """The folder for what the server stores; it exists."""
        return self.here / DATA


@dataclass(frozen=True)
class Launch:
    """What is to be started."""

    argv: tuple[str, ...] | None
    """The program with its arguments; None in a container whose image says what to run."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """The files that it reads, by their paths: in its folder, or absolute ones in a container."""
    environment: Mapping[str, str] = field(default_factory=dict)


ATTEMPTS = 3
"""How often ports are chosen anew because another program was faster to take them."""
TO_START = 60.0  # seconds
FAREWELL = 20.0
"""Seconds that a server has to end in good order."""
LOG_LINES_SHOWN = 15


class Started(Protocol):
    """What has been started, such as a process or a container."""

    name: str
    """Role and product, for messages."""

    def ended(self) -> str | None:
        """Say how it ended, in words; None while it runs, and if we cannot know."""
        return None

    def kill(self) -> None:
        """End it at once, if it runs."""

    def log_since(self, position: int) -> str:  # noqa: ARG002
        """Return what was logged from `position` on; empty if the log is out of reach."""
        return ""


def await_ready(server: Started, ready: Callable[[], bool], *, begin: int) -> None:
    """Wait until `server`, whose log began at `begin`, is alive and `ready()` says so.

    Raises ServerNotReady with the last lines of the log if it ends, or is not ready in time.
    """
    try:
        wait_until(
            lambda: server.ended() or ready(),
            what=f"{server.name} to answer",
            within=TO_START,
            at_most=0.02,  # a run starts servers again and again
        )
    except WaitTimeout as error:
        trouble = f": {error}"
    else:
        ended = server.ended()
        if ended is None:
            return
        trouble = f" {ended} while it started"
    lines = server.log_since(begin).splitlines()[-LOG_LINES_SHOWN:]
    said = "".join(f"\n    {line}" for line in lines) or "; it logged nothing"
    server.kill()
    raise ServerNotReady(f"{server.name}{trouble}{said}")


def start_on_free_ports(start: Callable[[], None], kill: Callable[[], None]) -> None:
    """Start a server, again if another program was faster to take one of the ports."""
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
    """Starts one server, again and again. Its log outlives each start.

    What has an answer here has that of a server whose process is out of reach.
    """

    ours: bool
    """It starts and ends the server; else somebody else does."""
    worklists: Path | None
    """The folder `Seat.worklists` as we see it."""

    def change(self, build: "Build") -> None:
        """Run another build from the next start on, with the same data.

        Raises ServerError if that runs in another way: a process instead of a container.
        """

    def seat(self, doors: Sequence[str], *, keep: bool) -> Seat:
        """Prepare a start with free ports, and empty the data folder unless it is to be kept."""

    def start(self, launch: Launch, *, ready: Callable[[], bool]) -> None:
        """Start the program and wait until it is alive and `ready()` returns true.

        Raises ServerNotReady with the last lines of the log if it ends, or is not ready in time.
        """

    def endpoints(self, ports: Mapping[str, Port]) -> Mapping[str, Endpoint] | None:
        """Return where we reach its doors; None as long as that is unknown."""

    def listens(self, ports: Mapping[str, Port]) -> bool:  # noqa: ARG002
        """Return whether it, and no other program, listens on all ports, as far as that can be told."""
        return True

    @property
    def folder(self) -> Path | None:
        """The server's folder as we see it; None if it is out of reach."""
        return None

    @property
    def pid(self) -> int | None:
        """The process id on this computer, if it has one here and runs."""
        return None

    def stop(self) -> None:
        """Ask it to end, and wait for that; it is killed if it takes too long."""

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server itself."""

    def freeze(self) -> None:
        """Stop it until `thaw`: its connections stay open, and nothing is answered."""

    def thaw(self) -> None:
        """Let it go on."""

    def libraries(self) -> Mapping[str, Version]:
        """Return the shared libraries that it has loaded; none if that cannot be told."""
        return {}

    def log_position(self) -> int:
        """Return the place in the log at which the next line will stand."""
        return 0

    def close(self) -> None:
        """End it, and leave nothing of it behind."""
