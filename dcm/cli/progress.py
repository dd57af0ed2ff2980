"""Progress on stderr: after a moment, and only where somebody looks.

    async with Progress("sending", total, shown=True) as progress:
        progress.advance()

What is quick shows nothing, and imports nothing: rich costs more time than many a transfer.
"""

import asyncio
import contextlib
import sys
from argparse import Namespace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_MOMENT: Final = 1.0  # seconds


def wanted(arguments: Namespace) -> bool:
    """Return whether there is somebody to show progress to."""
    return sys.stderr.isatty() and not (arguments.no_progress or arguments.quiet)


class Progress:
    """How many of how many are done; `total` is None as long as nobody knows."""

    def __init__(self, what: str, total: int | None = None, *, shown: bool) -> None:
        self._what: Final = what
        self._shown: Final = shown
        self._done = 0
        self._total = total
        self._bar: Bar | None = None
        self._waiting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._shown:
            self._waiting = asyncio.create_task(self._show())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._waiting
        if self._bar is not None:
            self._bar.stop()

    def advance(self, by: int = 1) -> None:
        """Count what is done."""
        self._done += by
        self._update()

    def expect(self, total: int | None) -> None:
        """Say how many there are to be."""
        self._total = total
        self._update()

    def _update(self) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, total=self._total)

    async def _show(self) -> None:
        await asyncio.sleep(_MOMENT)
        bar: Any = await asyncio.to_thread(_bar)
        bar.add_task(self._what, total=self._total)
        bar.start()
        self._bar = bar
        self._update()


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
