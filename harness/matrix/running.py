"""All runs of a matrix: several at once, each monitored by a thread, ended properly on Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple

import psutil

from harness.errors import ConfigError
from harness.matrix.model import Ended
from harness.matrix.progress import Line, progress
from harness.plugin.watched import VARIABLE
from harness.report.load import load
from harness.report.text import printable
from harness.servers.guard import Guard
from harness.waiting import WaitTimeout, wait_until

SILENCE = 900.0
"""Seconds without a message: cases and servers have their own, far shorter limits."""
WHOLE = 24 * 3600.0
"""Seconds for everything; a run that hangs is ended long before."""
TO_END = 60.0
"""Seconds for a run to end its servers and write its report."""
LINES_SHOWN = 12
INTERRUPTED = "it was interrupted before its first case"
PAIR = 400 * 2**20
"""Bytes that one worker with its two servers may need: most need half of that."""
MOST_WORKERS = 4
CGROUP = Path("/sys/fs/cgroup")


class Asked(NamedTuple):
    """A server, and the arguments of `harness run` for it."""

    server: str
    arguments: Sequence[str]


def run_all(asked: Sequence[Asked], jobs: int) -> tuple[list[Ended], bool]:
    """Run each of `asked`, `jobs` at once; return the results, and whether they were interrupted.

    No process is left when it returns; the guard ensures this if we are killed.
    """
    with (
        Guard() as guard,
        signals() as received,
        progress() as bars,
        ThreadPoolExecutor(jobs) as threads,
    ):
        runs = [_Run(each, Line(bars, each.server)) for each in asked]
        followed = [threads.submit(each.follow, guard) for each in runs]

        def over() -> bool:
            return all(each.done() for each in followed)

        try:
            wait_until(lambda: over() or received, what="the runs", within=WHOLE)
            if received:
                for each in runs:
                    each.send(signal.SIGINT, INTERRUPTED)
                with suppress(WaitTimeout):
                    wait_until(lambda: over() or received[1:], what="the runs", within=TO_END)
        finally:
            for each in runs:
                each.send(signal.SIGKILL, INTERRUPTED)
        return [each.result() for each in followed], bool(received)


def share(servers: int, jobs: int | None, cores: int, memory: int) -> tuple[int, int]:
    """Divide the computer among `servers` runs; return the runs at once, and the workers for each.

    `jobs`, if given, limits the runs at once. One run per core comes first, since a run does not
    keep many workers busy until its end; then workers for the cores that are left.
    """
    pairs = max(1, memory // PAIR)
    jobs = min(servers, jobs or min(cores, pairs))
    return jobs, max(1, min(MOST_WORKERS, cores // jobs, pairs // jobs))


def free_memory() -> int:
    """Return the available memory in bytes, of the computer or of our container."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = int((CGROUP / "memory.max").read_text())
        return max(0, min(free, limit - int((CGROUP / "memory.current").read_text())))
    except (OSError, ValueError):  # no container, or "max": no limit
        return free


@contextmanager
def signals() -> Iterator[list[int]]:
    """Collect the signals that ask us to end: Ctrl-C, SIGTERM, or a closed terminal.

    The handler only records the signal. It never raises, so no run is lost between its start and
    its registration.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if before[signal.Signals(number)] is not signal.SIG_IGN:
            received.append(number)

    for number in numbers:
        # Children must not inherit an ignored signal, which a shell sets for what it starts in the
        # background: they could not be ended in order. They do not inherit a handler of ours.
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Run:
    """A run of the suites on one server: a child process, and its messages."""

    def __init__(self, asked: Asked, line: Line) -> None:
        self._asked = asked
        self._line = line
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ended_because: str | None = None
        self._starting = threading.Lock()

    def follow(self, guard: Guard) -> Ended:
        """Start the run and follow it to its end; keep its output as long as it may be needed."""
        ours, theirs = socket.socketpair()
        with ours, tempfile.TemporaryFile() as output:
            with theirs, self._starting:
                if self._ended_because is not None:
                    return Ended(self._asked.server, None, self._ended_because)
                # In a process group of its own, so that only we pass signals on to it, and in time.
                self._process = process = subprocess.Popen(
                    [sys.executable, "-m", "harness", "run", *self._asked.arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, VARIABLE: str(theirs.fileno())},
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            guard.watch_process(process.pid)
            self._line.begin()
            self._listen(ours)
            status = process.wait()
            guard.forget_process(process.pid)
            self._line.end(status)
            run = None
            with suppress(ConfigError):  # raised if it ended before its first case
                run = load(self._folder) if self._folder else None
            return Ended(self._asked.server, run, None if run else self._trouble(output, status))

    def send(self, number: signal.Signals, why: str) -> None:
        """Send a signal to all processes of the run; if it has not started yet, it never will."""
        with self._starting:
            self._ended_because = self._ended_because or why
            if self._process is not None and self._process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process.pid, number)

    def _listen(self, connection: socket.socket) -> None:
        """Process each message until the run ends, which closes the other side."""
        connection.settimeout(SILENCE)
        with connection.makefile("rb") as signs:
            try:
                for line in signs:
                    sign = json.loads(line)
                    if "folder" in sign:
                        self._folder = Path(sign["folder"])
                    else:
                        self._line.heed(**sign)
            except TimeoutError:
                why = f"it was silent for {SILENCE:g} s, and was stopped"
                self.send(signal.SIGKILL, why)

    def _trouble(self, output: IO[bytes], status: int) -> str:
        """Return why there is no run."""
        if self._ended_because:
            return self._ended_because
        output.seek(0)
        text = printable(output.read().decode(errors="replace"))
        lines = [line for line in text.splitlines() if line.strip()]
        errors = [number for number, line in enumerate(lines) if line.startswith("ERROR: ")]
        said = lines[errors[-1] :] if errors else lines[-LINES_SHOWN:]
        if not said:
            return f"it ended with exit code {status} and no output"
        return "\n".join(said[:LINES_SHOWN]).removeprefix("ERROR: ")
