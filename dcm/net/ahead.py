"""The items of an asynchronous generator, produced one step ahead of their consumer."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

Item = TypeVar("Item")


class Ahead(Generic[Item]):
    """Iterates over a generator, and runs it towards the next item while one is being processed.

    Used as `async with`; leaving the block closes the generator. What the generator raises is raised in place
    of its next item.
    """

    def __init__(self, found: AsyncGenerator[Item, None]) -> None:
        self._found: Final = found
        self._known: Final[deque[Item]] = deque()

    async def __aenter__(self) -> Self:
        self._go_on()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)  # nothing awaits it now
        finally:  # also if this task is cancelled meanwhile
            await self._found.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        if self._known:
            return self._known.popleft()
        item = await self._following
        if item is None:
            raise StopAsyncIteration
        self._go_on()
        return item

    async def find_all(self) -> bool:
        """Run the generator to its end or error and keep its items; return False if it had ended before."""
        was_at_end = self._is_at_end()
        await asyncio.wait([self._following])
        while not self._is_at_end():
            item = self._following.result()
            assert item is not None  # that would have been the end
            self._known.append(item)
            self._go_on()
            await asyncio.wait([self._following])
        return not was_at_end

    def _is_at_end(self) -> bool:
        following = self._following
        return following.done() and (
            following.exception() is not None or following.result() is None
        )

    def _go_on(self) -> None:
        self._following = asyncio.create_task(self._next())

    async def _next(self) -> Item | None:
        return await anext(self._found, None)
