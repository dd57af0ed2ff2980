"""Progress on stderr: after a moment, and only on a terminal.

    async with Progress("sending", total, shown=wanted(arguments)) as progress:
        progress.done += 1

A quick command shows nothing and does not import rich, which takes longer than many a transfer.
"""

import asyncio
import sys
from argparse import Namespace
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_MOMENT: Final = 1.0
"""Seconds before anything is shown."""
_REFRESH: Final = 0.25
"""Seconds between two looks at how many are done."""


def wanted(arguments: Namespace) -> bool:
    """Return whether there is somebody to show progress to."""
    return sys.stderr.isatty() and not (arguments.no_progress or arguments.quiet)


class Progress:
    """Shows how many are `done`, of a `total` if that is known; both may grow."""

    def __init__(self, what: str, total: int | None = None, *, shown: bool) -> None:
        self.done = 0
        self._what: Final = what
        self.total = total
        self._showing: Final = asyncio.create_task(self._show()) if shown else None

    def expect(self, count: int) -> None:
        """Add to the total."""
        self.total = (self.total or 0) + count

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
            task = bar.add_task(self._what, total=self.total)
            while True:
                bar.update(task, completed=self.done, total=self.total)
                await asyncio.sleep(_REFRESH)


def _bar() -> "Bar":
    from rich import progress  # noqa: PLC0415 - see above
    from rich.console import Console  # noqa: PLC0415

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=4,
        redirect_stdout=False,
    )
