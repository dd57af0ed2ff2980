"""One run as a child process: started, listened to, ended; its output kept as long as it may be needed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.plugin.watched import VARIABLE
from harness.report.load import BAD, Run, load
from harness.report.text import printable
from harness.servers.guard import Guard

SILENCE = 900.0
"""Seconds without a sign of life: cases and servers have limits of their own, far shorter ones."""
LINES_SHOWN = 12


class Child:
    """A run of the suites on one server."""

    def __init__(self, asked: str, argv: Sequence[str], folder: Path) -> None:
        self.asked = asked
        self.argv = argv
        self.cases: int | None = None
        self.outcomes: Counter[str] = Counter()
        self._folder: Path | None = None
        self._signs = folder / "signs"
        self._output = folder / "output"
        self._read = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._ended_because: str | None = None
        self._begun = self._heard = self._over = 0.0
        folder.mkdir()

    @property
    def state(self) -> str:
        """Whether it is `waiting`, `running` or `over`."""
        if self._process is None:
            return "over" if self._ended_because else "waiting"
        return "running" if self._over == 0.0 else "over"

    @property
    def done(self) -> int:
        """How many cases have ended."""
        return self.outcomes.total()

    @property
    def bad(self) -> int:
        """How many of them failed, or had an error."""
        return sum(self.outcomes[each] for each in BAD)

    @property
    def seconds(self) -> float:
        """How long it runs, or ran."""
        return (self._over or time.monotonic()) - self._begun if self._begun else 0.0

    @property
    def exit_status(self) -> int | None:
        """The exit code of the run, None where it did not come to one."""
        return None if self._process is None else self._process.returncode

    def start(self, guard: Guard) -> None:
        """Start it, in a process group of its own: a signal reaches it by us, and in time."""
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "harness", "run", *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, VARIABLE: str(self._signs)},
                start_new_session=True,
            )
        guard.watch_process(self._process.pid)
        self._begun = self._heard = time.monotonic()

    def look(self, guard: Guard) -> None:
        """Take note of what has happened since the last look."""
        if self._process is None or self._over:
            return
        self._listen()
        if self._process.poll() is not None:
            self._listen()
            self._over = time.monotonic()
            guard.forget_process(self._process.pid)
        elif time.monotonic() - self._heard > SILENCE:
            self.send(signal.SIGKILL, f"it gave no sign of life for {SILENCE:g} s, and was ended")

    def send(self, number: signal.Signals, why: str) -> None:
        """End it by a signal to all of its processes; a run that did not begin never will."""
        self._ended_because = self._ended_because or why
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def run(self) -> Run | None:
        """Return the run folder, read; None where there is none."""
        if self._folder is None:
            return None
        try:
            return load(self._folder)
        except ConfigError:
            return None  # it ended before its first case

    def trouble(self) -> str | None:
        """Say why there is no run; None where there is one."""
        if self.run() is not None:
            return None
        if self._ended_because:
            return self._ended_because
        text = self._output.read_text(encoding="utf-8", errors="replace")
        lines = [line for line in printable(text).splitlines() if line.strip()]
        errors = [number for number, line in enumerate(lines) if line.startswith("ERROR: ")]
        said = lines[errors[-1] :] if errors else lines[-LINES_SHOWN:]
        if not said:
            return f"it ended with exit code {self.exit_status}, and said nothing"
        return "\n".join(said[:LINES_SHOWN]).removeprefix("ERROR: ")

    def _listen(self) -> None:
        if not self._signs.exists():
            return
        with self._signs.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # it is being written just now
                self._read += len(line)
                self._heed(json.loads(line))
                self._heard = time.monotonic()

    def _heed(self, sign: dict[str, Any]) -> None:
        if "outcome" in sign:
            self.outcomes[sign["outcome"]] += 1
        elif "cases" in sign:
            self.cases = sign["cases"]
        else:
            self._folder = Path(sign["folder"])
