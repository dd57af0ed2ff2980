"""What another generator gives, one step ahead of whoever takes it."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

Item = TypeVar("Item")


class Ahead(Generic[Item]):
    """The items of a generator, of which the next is found out while one is worked on.

    Entered with `async with`; leaving closes the generator. What the generator raises is raised in its turn.
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
        self._following.cancel()
        await asyncio.gather(self._following, return_exceptions=True)  # nobody is left to be told
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
        """Bring the generator to its end, or to its error, and keep what it gives; False: it was there."""
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
