"""All runs of a matrix: so many at once, looked after until the last has ended, ended in order on Ctrl-C."""

import contextlib
import signal
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Self

from harness.matrix.child import Child
from harness.report.load import Run
from harness.servers.guard import Guard
from harness.waiting import WaitTimeout, wait_until

WHOLE = 24 * 3600.0
"""Seconds for everything; what hangs is ended long before."""
TO_END = 60.0
"""Seconds that a run has for ending its servers and writing its report."""
INTERRUPTED = "it was interrupted before its first case"

Show = Callable[[Sequence[Child]], None]


class Asked:
    """Whether somebody asked us to end: Ctrl-C, SIGTERM, or a terminal that closes.

    A handler only counts. It never raises, so that no child is lost between its start and our note of it.
    """

    def __init__(self) -> None:
        self.times = 0
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Children must not inherit that a signal is ignored, which a shell does to what it starts in the
            # background: they could not be ended in order. A handler of ours is none of theirs.
            before = signal.getsignal(number)
            ignored = before is signal.SIG_IGN
            self._before[number] = before
            signal.signal(number, self._unheard if ignored else self._count)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.times += 1

    def _unheard(self, _number: int, _frame: FrameType | None) -> None:
        pass


@dataclass(frozen=True)
class Ended:
    """What came of a run: its folder, read, or in `trouble` why there is none."""

    asked: str | None
    run: Run | None
    trouble: str | None


def run_all(
    asked: Sequence[tuple[str, Sequence[str]]], jobs: int, show: Show
) -> tuple[list[Ended], bool]:
    """Run each of `asked` (a server, and the arguments of `harness run`), `jobs` at once.

    Gives what came of each, and whether somebody interrupted them. Nothing of them is left when it
    returns; the guard sees to that where we do not come to it.
    """
    with (
        tempfile.TemporaryDirectory(prefix="harness-matrix-") as folder,
        Guard() as guard,
        Asked() as end,
    ):
        guard.watch_folder(Path(folder))
        children = [
            Child(server, argv, Path(folder) / str(number))
            for number, (server, argv) in enumerate(asked)
        ]
        wait_until(
            lambda: end.times or _step(children, jobs, guard, show), what="the runs", within=WHOLE
        )
        if end.times:
            _end(children, guard, show, end)
        ended = [Ended(each.asked, each.run(), each.trouble()) for each in children]
        return ended, bool(end.times)


def _step(children: Sequence[Child], jobs: int, guard: Guard, show: Show) -> bool:
    """Start what may start, look at what runs; True once all is over."""
    running = sum(child.state == "running" for child in children)
    for child in [each for each in children if each.state == "waiting"][: jobs - running]:
        child.start(guard)
    _look(children, guard, show)
    return all(child.state == "over" for child in children)


def _end(children: Sequence[Child], guard: Guard, show: Show, end: Asked) -> None:
    """Let each run end its servers and write its report; by force if asked again, or if it takes long."""
    for child in children:
        child.send(signal.SIGINT, INTERRUPTED)
    asked = end.times

    def over() -> bool:
        _look(children, guard, show)
        return all(child.state == "over" for child in children)

    with contextlib.suppress(WaitTimeout):
        wait_until(
            lambda: over() or end.times > asked, what="the runs to end in order", within=TO_END
        )
    for child in children:
        child.send(signal.SIGKILL, INTERRUPTED)
    wait_until(over, what="the runs to be ended by force")


def _look(children: Sequence[Child], guard: Guard, show: Show) -> None:
    for child in children:
        child.look(guard)
    show(children)
