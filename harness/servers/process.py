"""A server as a child process: started, awaited, looked at, ended; its log kept in one file."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from harness.errors import ServerError
from harness.model import Endpoint, Port, Version
from harness.servers.guard import Guard
from harness.servers.launcher import DATA, FAREWELL, Launch, Seat, await_ready
from harness.servers.libraries import libraries_of
from harness.servers.product import Build, Role
from harness.waiting import wait_until

HERE = Path("/proc/self/cwd")
"""The folder of a server as its process sees it, which runs there.

A configuration names it so where a relative path would not do: the full path is the user's, and may hold
what the server takes for syntax, such as a percent sign, a quote or `${HOME}`.
"""


def free_port() -> int:
    """Ask the kernel for a TCP port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """One program that runs until it is stopped. Its output goes to `log`, which survives a restart."""

    orderly = signal.SIGTERM
    """The signal that ends it in good order."""

    def __init__(self, name: str, log: Path, guard: Guard, *, with_sessions: bool = False) -> None:
        """`with_sessions`: it starts processes in sessions of their own, which are to end with it."""
        self.name, self.log = name, log
        self._guard, self._with_sessions = guard, with_sessions
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        ready: Callable[[], bool],
        **options: Any,
    ) -> None:
        """Start `argv`, with more `options` of Popen, and wait until it is alive and `ready()` says so.

        Raises ServerNotReady with the last lines of the log when it ends, or is not ready in time.
        """
        self.kill()
        begin = self.log_position()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=self.log.parent,
                start_new_session=True,  # Ctrl-C is ours to handle, not the server's
                **options,
            )
        self._guard.watch_process(self._process.pid, with_sessions=self._with_sessions)
        await_ready(self, ready, begin=begin)

    @property
    def pid(self) -> int | None:
        """The process id while there is a process of ours, else None."""
        return None if self._process is None else self._process.pid

    def listens(self, ports: Mapping[str, Port]) -> bool:
        """Return whether the process listens on all ports: the kernel says so, not the process."""
        try:
            sockets = psutil.Process(self.pid).net_connections("tcp")
        except psutil.Error:
            return False
        listening = {each.laddr.port for each in sockets if each.status == psutil.CONN_LISTEN}
        return {*ports.values()} <= listening

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

    def stop(self) -> None:
        """Ask the process to end in good order, and kill it if that takes too long."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.orderly)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(FAREWELL)
                return
        self.kill()

    def kill(self) -> None:
        """End the process and its children at once."""
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=10)
        self._guard.forget_process(self._process.pid)
        self._process = None

    def close(self) -> None:
        """End the process at once, since nothing of it is to stay, and remove the folder of its log."""
        self.kill()
        shutil.rmtree(self.log.parent, ignore_errors=True)

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


class ProcessLauncher(ServerProcess):
    """Runs a server as a child process in a temporary folder, which goes with it."""

    ours = True

    def __init__(self, build: Build, role: Role, *, with_worklists: bool) -> None:
        """Make the folder: in the root of another system if the server sees only that."""
        self._root = root = build.root
        within = None if root is None else root / "tmp"
        self.folder = Path(tempfile.mkdtemp(prefix=f"harness-{role.name}-", dir=within))
        role.guard.watch_folder(self.folder)
        self.worklists = self.folder / "worklists" if with_worklists else None
        self._here = HERE if root is None else Path("/") / self.folder.relative_to(root)
        log = self.folder / f"{build.product}.log"
        super().__init__(f"{role.name} {build.product}", log, role.guard)

    def change(self, build: Build) -> None:
        """Run another build from the next start on, which sees the same root folder."""
        if build.image is not None or build.root != self._root:
            raise ServerError(f"{self.name}: a server of another system cannot go on with its data")

    def seat(self, doors: Sequence[str], *, keep: bool) -> Seat:
        """Choose ports that the kernel has free, and empty the folders."""
        for folder in (self.folder / DATA, self.worklists):
            if folder is not None and not keep:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
        ports = {door: Port(free_port()) for door in doors}
        worklists = self.worklists and self._here / self.worklists.name
        return Seat(self._here, ports, worklists, kept=keep)

    def start(self, launch: Launch, *, ready: Callable[[], bool]) -> None:
        """Write the files, start the program in its folder, and wait until it is ready."""
        for name, content in launch.files.items():
            file = self.folder / name
            file.parent.mkdir(exist_ok=True)
            file.touch(mode=0o600)
            file.write_bytes(content)
        assert launch.argv is not None
        self.run(launch.argv, environment=launch.environment, ready=ready)

    def endpoints(self, ports: Mapping[str, Port]) -> Mapping[str, Endpoint]:
        """Return its ports of the loopback interface."""
        return {door: Endpoint("127.0.0.1", port) for door, port in ports.items()}

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        if self.pid is not None:
            os.kill(self.pid, number)

    def freeze(self) -> None:
        """Stop the process until `thaw`."""
        if self.pid is None:
            return
        self.send_signal(signal.SIGSTOP)
        # On a busy computer another of its threads would still answer for a moment.
        process = psutil.Process(self.pid)
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, what="the server to stop")

    def thaw(self) -> None:
        """Let the process go on."""
        self.send_signal(signal.SIGCONT)

    def libraries(self) -> Mapping[str, Version]:
        """Return the libraries that the process has loaded."""
        return libraries_of(self.pid)
