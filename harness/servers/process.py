"""A server as a child process: started, awaited, inspected and ended; its log is one file."""

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
from harness.servers.backtrace import debugger, in_log, of_core, signal_in, want_core
from harness.servers.guard import Guard
from harness.servers.launcher import DATA, FAREWELL, Launch, Seat, await_ready
from harness.servers.libraries import libraries_of
from harness.servers.product import Build, Role
from harness.waiting import wait_until

HERE = Path("/proc/self/cwd")
"""The server's folder as seen by its process, which runs there.

Configurations use it where a relative path would not work: the full path is chosen by the user, and
may contain what the server takes for syntax, such as a percent sign, a quote or `${HOME}`.
"""


def free_port() -> int:
    """Return a TCP port of the loopback interface that is currently unused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _descendants(pid: int) -> list[psutil.Process]:
    """Return all descendants of a process, children before grandchildren."""
    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(pid).children(recursive=True)
    return found


class ServerProcess:
    """One program that runs until it is stopped. Its output goes to `log`, kept across restarts."""

    orderly = signal.SIGTERM
    """The signal for an orderly shutdown."""

    def __init__(self, name: str, log: Path, guard: Guard, *, with_sessions: bool = False) -> None:
        """`with_sessions`: it starts processes in their own sessions, which must end with it."""
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
        """Start `argv`, with `options` of Popen; wait until it is alive and `ready()` is true.

        Raises ServerNotReady with the last lines of the log if it ends, or is not ready in time.
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
                start_new_session=True,  # we handle Ctrl-C, not the server
                **options,
            )
        self._guard.watch_process(self._process.pid, with_sessions=self._with_sessions)
        self._started()
        await_ready(self, ready, begin=begin)

    def _started(self) -> None:
        """Prepare a process that was just created; a hook for subclasses."""

    @property
    def pid(self) -> int | None:
        """The process id while there is a process of ours, else None."""
        return None if self._process is None else self._process.pid

    def listens(self, ports: Mapping[str, Port]) -> bool:
        """Return whether the process listens on all ports, according to the kernel."""
        try:
            sockets = psutil.Process(self.pid).net_connections("tcp")
        except psutil.Error:
            return False
        listening = {each.laddr.port for each in sockets if each.status == psutil.CONN_LISTEN}
        return {*ports.values()} <= listening

    def ended(self) -> str | None:
        """Describe how the process ended; None while it runs."""
        if self._process is None:
            return "is not running"
        code = self._process.poll()
        if code is None:
            return None
        if code < 0:
            return f"died of {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def stop(self) -> None:
        """Ask the process to shut down, and kill it if that takes too long."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.orderly)
            if self._wait_for_end():
                return
        self.kill()

    def _wait_for_end(self) -> bool:
        """Wait for the process to end, and return whether it has."""
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(FAREWELL)
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill the process and its children."""
        if self._process is None:
            return
        if self._process.poll() is None:
            below = _descendants(self._process.pid) if self._with_sessions else []
            os.killpg(self._process.pid, signal.SIGKILL)
            for each in below:
                with contextlib.suppress(psutil.Error):
                    each.kill()
        self._process.wait(timeout=10)
        self._guard.forget_process(self._process.pid)
        self._process = None

    def close(self) -> None:
        """Kill the process, since nothing must be left of it, and remove the folder of its log."""
        self.kill()
        shutil.rmtree(self.log.parent, ignore_errors=True)

    def log_position(self) -> int:
        """Return the size of the log in bytes, where the next line will be written."""
        return self.log.stat().st_size if self.log.exists() else 0

    def log_since(self, position: int) -> str:
        """Return the log from `position` on."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(position)
            return file.read().decode(errors="replace")


class ProcessLauncher(ServerProcess):
    """Runs a server as a child process in a temporary folder, which is removed with it."""

    ours = True

    def __init__(self, build: Build, role: Role, *, with_worklists: bool) -> None:
        """Create the folder, in the root of another system if the server sees only that."""
        self._role, self._with_worklists = role, with_worklists
        self._wrap, self._program = build.wrap, str(build.executable or "")
        self._log_begin = 0
        log = self._new_folder(build.root) / f"{build.product}.log"
        name = f"{role.name} {build.product}"
        super().__init__(name, log, role.guard, with_sessions=bool(build.wrap))

    def _new_folder(self, root: Path | None) -> Path:
        self._root = root
        within = None if root is None else root / "tmp"
        self.folder = Path(tempfile.mkdtemp(prefix=f"harness-{self._role.name}-", dir=within))
        self._role.guard.watch_folder(self.folder)
        self.worklists = self.folder / "worklists" if self._with_worklists else None
        self._here = HERE if root is None else Path("/") / self.folder.relative_to(root)
        return self.folder

    def change(self, build: Build) -> None:
        """Run another build from the next start on; the folder moves to where that one sees it."""
        if build.image is not None:
            raise ServerError(f"{self.name}: a server in a container cannot use its data")
        if build.root != self._root:
            before = self.folder
            after = self._new_folder(build.root)
            after.rmdir()
            shutil.move(before, after)
            self.log = after / self.log.name

    def seat(self, doors: Sequence[str], *, keep: bool) -> Seat:
        """Choose free ports, and empty the folders."""
        for folder in (self.folder / DATA, self.worklists):
            if folder is not None and not keep:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(exist_ok=True)  # a mounted folder stays, but empty
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
        for core in self.folder.glob("core*"):  # left by a crash whose backtrace was not read
            core.unlink()
        assert launch.argv is not None
        self._log_begin = self.log_position()
        self.run([*self._wrap, *launch.argv], environment=launch.environment, ready=ready)

    def _started(self) -> None:
        if self._process is not None and not self._wrap and debugger() is not None:
            want_core(self._process.pid)

    @property
    def pid(self) -> int | None:
        """The process id of the server; behind a debugger, that of the debugged process."""
        pid = super().pid
        below = _descendants(pid) if self._wrap and pid is not None else []
        return below[-1].pid if below else pid

    def ended(self) -> str | None:
        """Describe how it ended; behind a debugger, by the signal that the debugger reports."""
        said = super().ended()
        if said is None or not self._wrap:
            return said
        name = signal_in(self.log_since(self._log_begin))
        return said if name is None else f"died of {name}"

    def backtrace(self) -> str:
        """Return where it crashed, from a debugger's output or from its core; "" if unknown."""
        if self._wrap:
            return in_log(self.log_since(self._log_begin))
        found = of_core(self._program, self.folder) if self._root is None else ""
        return found or in_log(self.log_since(self._log_begin))

    def stop(self) -> None:
        """Ask the server itself to shut down, rather than the debugger it runs under."""
        if self._wrap:
            with contextlib.suppress(ProcessLookupError):
                self.send_signal(self.orderly)
            self._wait_for_end()
        super().stop()

    def endpoints(self, ports: Mapping[str, Port]) -> Mapping[str, Endpoint]:
        """Return its ports on the loopback interface."""
        return {door: Endpoint("127.0.0.1", port) for door, port in ports.items()}

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        if self.pid is not None:
            os.kill(self.pid, number)

    def freeze(self) -> None:
        """Suspend the process until `thaw`."""
        if self.pid is None:
            return
        self.send_signal(signal.SIGSTOP)
        # On a busy computer another of its threads would still answer for a moment.
        process = psutil.Process(self.pid)
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, what="the server to stop")

    def thaw(self) -> None:
        """Resume the process."""
        self.send_signal(signal.SIGCONT)

    def libraries(self) -> Mapping[str, Version]:
        """Return the libraries that the process has loaded."""
        return libraries_of(self.pid)
