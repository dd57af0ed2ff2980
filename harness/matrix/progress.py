"""Progress of several runs on stderr: a line for each server, or plain lines where nobody looks."""

import sys
import time
from collections.abc import Sequence
from typing import Self

from rich import progress
from rich.console import Console

from harness.matrix.child import Child
from harness.report.text import counted, seconds

EVERY = 15.0
"""Seconds between two plain lines about one server."""


class Bars:
    """On a terminal: a bar for each server, with the cases done of all, and the failures."""

    def __init__(self) -> None:
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(24),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[time]:>11}"),
            progress.TextColumn("{task.fields[said]}", markup=False),
            console=Console(stderr=True),
            refresh_per_second=5,
            redirect_stdout=False,
        )
        self._tasks: dict[int, progress.TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, children: Sequence[Child]) -> None:
        """Show how far each child is."""
        for number, child in enumerate(children):
            if number not in self._tasks:
                self._tasks[number] = self._bars.add_task(child.asked, time="", said="")
            self._bars.update(
                self._tasks[number],
                total=child.cases,
                completed=child.done,
                time=seconds(child.seconds) if child.seconds else "",
                said=_said(child),
            )


class Lines:
    """Where stderr is no terminal: a line when a run begins and when it ends, and some in between."""

    def __init__(self) -> None:
        self._said: dict[int, tuple[str, float, int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, children: Sequence[Child]) -> None:
        """Say what is new."""
        now = time.monotonic()
        for number, child in enumerate(children):
            state, when, done = self._said.get(number, ("waiting", now, 0))
            stale = now - when > EVERY and child.done > done
            if child.state != state or stale:
                self._said[number] = (child.state, now, child.done)
                sys.stderr.write(f"{child.asked}: {_told(child, state)}\n")
                sys.stderr.flush()


def shown() -> Bars | Lines:
    """Choose by who looks."""
    return Bars() if sys.stderr.isatty() else Lines()


def _told(child: Child, before: str) -> str:
    if before == "waiting" and child.state == "running":
        return "started"
    ending = f", after {seconds(child.seconds)}" if child.state == "over" else ""
    if child.cases is None:
        return f"{'did not run' if child.state == 'over' else 'no case yet'}{ending}"
    return f"{child.done} of {child.cases} cases, {counted(child.bad, 'failure')}{ending}"


def _said(child: Child) -> str:
    if child.state == "waiting":
        return "waits"
    if child.state == "over" and child.exit_status not in (0, 1):
        return "did not run" if child.cases is None else f"exit code {child.exit_status}"
    return counted(child.bad, "failure") if child.bad else ""
