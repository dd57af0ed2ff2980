"""Progress of several runs on stderr: a bar per server, or plain lines without a terminal."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from harness.report.load import BAD
from harness.report.text import counted, seconds

EVERY = 15.0
"""Seconds between two plain lines about one server."""


def progress() -> Progress:
    """Return the bars, which are drawn only on a terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}", markup=False),
        console=Console(stderr=True),
        refresh_per_second=5,
        redirect_stdout=False,
        disable=not sys.stderr.isatty(),
    )


class Line:
    """The progress of one run: the cases done, their total, and the failures."""

    def __init__(self, bars: Progress, server: str) -> None:
        self._bars = bars
        self._id = bars.add_task(server, start=False, total=None, said="waits")
        self._bad = 0
        self._told = 0.0

    def begin(self) -> None:
        """Show that the run begins."""
        self._bars.start_task(self._id)
        self._bars.update(self._id, said="")
        self._tell("started")

    def heed(self, cases: int | None = None, outcome: str | None = None) -> None:
        """Process a message: the number of cases, or the outcome of one."""
        self._bad += outcome in BAD
        said = counted(self._bad, "failure") if self._bad else ""
        self._bars.update(self._id, total=cases, advance=outcome is not None, said=said)
        if time.monotonic() - self._told > EVERY:
            self._tell(self._so_far())

    def end(self, status: int) -> None:
        """Show the result of the run."""
        self._bars.stop_task(self._id)
        task = self._bars.tasks[self._id]
        if status not in (0, 1):
            said = "did not run" if task.total is None else f"exit code {status}"
            self._bars.update(self._id, said=said)
        self._tell(f"{self._so_far()}, after {seconds(task.elapsed or 0.0)}")

    def _so_far(self) -> str:
        task = self._bars.tasks[self._id]
        if task.total is None:
            return "did not run"
        return f"{task.completed:g} of {task.total:g} cases, {counted(self._bad, 'failure')}"

    def _tell(self, what: str) -> None:
        self._told = time.monotonic()
        if self._bars.disable:
            sys.stderr.write(f"{self._bars.tasks[self._id].description}: {what}\n")
            sys.stderr.flush()
