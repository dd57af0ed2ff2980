"""A server as a child process: started, awaited, looked at, ended; its log kept in one file."""

import abc
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from harness.errors import ServerError, ServerNotReady
from harness.servers.guard import Guard
from harness.waiting import WaitTimeout, wait_until

LOG_LINES_SHOWN = 15
HERE = Path("/proc/self/cwd")
"""The folder of a server as its process sees it, which runs there.

A configuration names it so where a relative path would not do: the full path is the user's, and may hold
what the server takes for syntax, such as a percent sign, a quote or `${HOME}`.
"""
ATTEMPTS = 3  # to find ports that nobody else takes in between


def free_port() -> int:
    """Ask the kernel for a TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """One program that runs until it is stopped. Its output goes to `log`, which survives a restart."""

    def __init__(self, name: str, log: Path, guard: Guard) -> None:
        self.name = name
        self.log = log
        self._guard = guard
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        ready: Callable[[], bool],
        within: float = 60.0,
        user: tuple[int, int] | None = None,
    ) -> None:
        """Start `argv` and wait until it is alive and `ready()` says so.

        `user` names user and group as whom it runs, instead of ours.
        Raises ServerNotReady with the last lines of the log when it ends, or is not ready `within` seconds.
        """
        begin = self.log_position()
        uid, gid = user or (None, None)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=self.log.parent,
                start_new_session=True,  # Ctrl-C is ours to handle, not the server's
                user=uid,
                group=gid,
                extra_groups=None if user is None else [],
            )
        self._guard.watch_process(self._process.pid)
        try:
            wait_until(
                lambda: self.ended() or ready(),
                what=f"{self.name} to answer",
                within=within,
                at_most=0.02,  # a run starts servers again and again
            )
        except WaitTimeout as error:
            self.kill()
            raise ServerNotReady(f"{self.name}: {error}{self._last_lines(begin)}") from None
        ended = self.ended()
        if ended:
            self.kill()
            raise ServerNotReady(f"{self.name} {ended} while it started{self._last_lines(begin)}")

    @property
    def pid(self) -> int | None:
        """The process id while there is a process of ours, else None."""
        return None if self._process is None else self._process.pid

    def listens(self, port: int | None = None) -> bool:
        """Return whether the process listens on `port`, or on any: the kernel says so, not the process."""
        try:
            sockets = psutil.Process(self.pid).net_connections("tcp")
        except psutil.Error:
            return False
        return any(
            each.status == psutil.CONN_LISTEN and port in (None, each.laddr.port)
            for each in sockets
        )

    def ended(self) -> str | None:
        """Say how the process ended, in words; None while it runs."""
        if self._process is None:
            return "is not running"
        code = self._process.poll()
        if code is None:
            return None
        if code < 0:
            return f"died of {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def kill(self) -> None:
        """End the process and its children at once."""
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)
        self._guard.forget_process(self._process.pid)
        self._process = None

    def log_position(self) -> int:
        """Return the size of the log in bytes: where the next line will stand."""
        return self.log.stat().st_size if self.log.exists() else 0

    def log_since(self, position: int) -> str:
        """Return what was logged from `position` on."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(position)
            return file.read().decode(errors="replace")

    def _last_lines(self, position: int) -> str:
        lines = self.log_since(position).splitlines()[-LOG_LINES_SHOWN:]
        return "".join(f"\n    {line}" for line in lines) or "; it logged nothing"


class StartedServer(abc.ABC):
    """What every server has in common that the harness starts: a process, and a folder that goes with it."""

    def __init__(
        self, role: str, product: str, guard: Guard, *, within: Path | None = None
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"harness-{role}-", dir=within))
        guard.watch_folder(self.folder)
        self._process = ServerProcess(f"{role} {product}", self.folder / f"{product}.log", guard)

    def start(self, *, keep: bool = False) -> None:
        """Start on ports that the kernel chose, empty or, with `keep`, with what it has stored.

        Tried again where somebody else was faster to take a port.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self.start_once(keep=keep)
            except ServerNotReady as error:
                self._process.kill()
                if "in use" not in str(error) or attempt == ATTEMPTS:
                    raise
            else:
                return

    @abc.abstractmethod
    def start_once(self, *, keep: bool) -> None:
        """Start on new ports, once. Raises ServerNotReady with the last words of the log."""

    @property
    def pid(self) -> int | None:
        """The process id, for cases that end the server on purpose."""
        return self._process.pid

    def died(self) -> str | None:
        """Say how the process ended."""
        return self._process.ended()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the server, as a crash or an administrator would."""
        if self.pid is not None:
            os.kill(self.pid, number)

    def freeze(self) -> None:
        """Let it hang until `thaw`: connections stay open, nothing is answered."""
        if self.pid is None:
            return
        self.send_signal(signal.SIGSTOP)
        # On a busy computer another of its threads would still answer for a moment.
        process = psutil.Process(self.pid)
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, what="the server to stop")

    def thaw(self) -> None:
        """Let it go on."""
        self.send_signal(signal.SIGCONT)

    def outlasts_reset(self, method: str, target: str) -> bool:  # noqa: ARG002 - as the Protocol has it
        """Say no: most servers have nothing that HTTP could change but objects."""
        return False

    def restore(self) -> None:
        """Start it anew: its configuration is that of the first start."""
        self.restart()

    def restart(self) -> None:
        """End it by force and start it again, empty; its ports may change."""
        self._process.kill()
        self.start()

    def crash(self) -> None:
        """Refuse, unless a kind of server can start with what it has stored."""
        raise ServerError(f"{self._process.name} cannot be started again with what it has stored")

    def log_position(self) -> int:
        """Return the size of the log."""
        return self._process.log_position()

    def log_since(self, position: int) -> str:
        """Return the log from `position` on."""
        return self._process.log_since(position)

    def close(self) -> None:
        """End it at once, since nothing of it is to stay, and remove its folder."""
        self._process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
