"""Run an asynchronous generator ahead of its consumer."""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

Item = TypeVar("Item")


class Ahead(Generic[Item]):
    """Iterates over a generator that runs ahead, until `depth` items are waiting.

    Used as `async with`; leaving the block closes the generator. An exception in the generator is raised
    after its last item.
    """

    def __init__(self, found: AsyncGenerator[Item, None], depth: int = 1) -> None:
        self._found: Final = found
        self._depth = depth
        self._known: Final[deque[Item]] = deque()
        self._changed: Final = asyncio.Event()
        self._room: Final = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self._run())
        self._running.add_done_callback(lambda _: self._changed.set())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)  # nothing awaits it now
        finally:  # also if this task is cancelled meanwhile
            await self._found.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        while not self._known:
            if self._running.done():
                self._running.result()
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self.known()[0]

    def known(self, most: int = 1) -> list[Item]:
        """Take the waiting items."""
        found = [self._known.popleft() for _ in range(min(most, len(self._known)))]
        self._room.set()
        return found

    @property
    def at_end(self) -> bool:
        """Whether the generator has ended."""
        return self._running.done()

    async def find_all(self) -> None:
        """Run the generator to its end or an error, and keep its items."""
        self._depth = sys.maxsize
        self._room.set()
        await asyncio.wait([self._running])

    async def _run(self) -> None:
        async for item in self._found:
            self._known.append(item)
            self._changed.set()
            while len(self._known) >= self._depth:
                self._room.clear()
                await self._room.wait()
