"""Progress on stderr: bars on a terminal, after a moment; elsewhere one line per minute if wanted.

    async with Progress("sending", total, shown=wanted(arguments)) as progress:
        progress.done += 1

A quick command shows nothing, and does not import rich, which takes longer than many transfers.
"""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_Result = TypeVar("_Result")
_MOMENT: Final = 1.0
"""The delay in seconds before anything is shown."""
_REFRESH: Final = 0.25
"""The interval in seconds between updates of a bar."""
_LINES: Final = 60.0
"""The interval in seconds between lines if there is no terminal."""


def wanted(arguments: Namespace) -> bool:
    """Return whether progress should be shown."""
    return sys.stderr.isatty() and not (arguments.no_progress or arguments.quiet)


class _Stopped(Exception):  # noqa: N818 - internal
    """Raised in a thread whose result is no longer needed."""


async def in_thread(work: Callable[[Callable[[], None]], _Result]) -> _Result:
    """Run `work` in a thread, which ends soon after this coroutine is cancelled.

    `work` receives a function that it must call regularly, and that raises an exception to stop it.
    """
    cancelled = False

    def alive() -> None:
        if cancelled:
            raise _Stopped

    task = asyncio.ensure_future(asyncio.to_thread(work, alive))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        cancelled = True
        await asyncio.gather(task, return_exceptions=True)
        raise


class Stage:
    """A part of the work: shows how many are `done`, out of `total` if known; both may grow.

    note: a number of bytes to show as well.
    """

    def __init__(self, what: str, total: int | None = None) -> None:
        self.done = 0
        self.total = total
        self.note = ""
        self.what: Final = what

    def expect(self, count: int) -> None:
        """Add to the total."""
        self.total = (self.total or 0) + count

    def __str__(self) -> str:
        of = "" if self.total is None else f" of {self.total}"
        return f"{self.what}: {self.done}{of}" + (f", {self.note}" if self.note else "")


class Progress(Stage):
    """Shows a stage and those added to it. lines: whether to write one line per minute instead."""

    def __init__(
        self, what: str, total: int | None = None, *, shown: bool, lines: bool = False
    ) -> None:
        super().__init__(what, total)
        self._stages: Final[list[Stage]] = [self]
        self._showing: asyncio.Task[None] | None = None
        if shown or lines:
            self._showing = asyncio.create_task(self._show() if shown else self._write())

    def stage(self, what: str) -> Stage:
        """Add a stage that runs at the same time."""
        added = Stage(what)
        self._stages.append(added)
        return added

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._showing is not None:
            self._showing.cancel()
            await asyncio.gather(self._showing, return_exceptions=True)

    async def _show(self) -> None:
        await asyncio.sleep(_MOMENT)
        with await asyncio.to_thread(_bar) as bar:
            tasks = {each: bar.add_task(each.what, note="") for each in self._stages}
            while True:
                for each, task in tasks.items():
                    bar.update(task, completed=each.done, total=each.total, note=each.note)
                await asyncio.sleep(_REFRESH)

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(_LINES)
            print("; ".join(map(str, self._stages)), file=sys.stderr, flush=True)


def _bar() -> "Bar":
    from rich import progress  # noqa: PLC0415 - see above
    from rich.console import Console  # noqa: PLC0415

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[note]}"),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=4,
        redirect_stdout=False,
    )
