"""Long operations as SCP: reading from a catalogue, while the peer may cancel."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import islice
from time import monotonic
from typing import Final, Generic, Self, TypeVar

from dcm.net.association import Association
from dcm.wire import Abort, CCancelRQ, Command, ConnectionLost

Item = TypeVar("Item")

_QUICK: Final = 0.02
"""Seconds after which an incomplete batch is returned."""


class Cancelled(Exception):  # noqa: N818 - internal
    """The peer has cancelled the operation."""


class CatalogueFailed(Exception):  # noqa: N818 - internal
    """The catalogue could not answer: `__cause__` says why."""


class Watch:
    """Listens to the peer during an operation: it may cancel, or disconnect.

    Used as `async with`. Other messages are left to be received after the operation.
    """

    def __init__(self, association: Association, message_id: int) -> None:
        self._association: Final = association
        self._message_id: Final = message_id

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def during(self, work: Awaitable[Item]) -> Item:
        """Await some work; if the peer cancels or disconnects, the work is cancelled.

        Raises `Cancelled`, and `NetworkError` if the peer has disconnected.
        """
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait((working, self._listening), return_when=asyncio.FIRST_COMPLETED)
            self.look()
            return await working
        finally:
            working.cancel()

    def look(self) -> None:
        """Raise `Cancelled` or `NetworkError` if that has happened."""
        if self._listening.done() and self._listening.result():
            raise Cancelled

    async def _listen(self) -> bool:
        """Return whether the operation was cancelled, when that is known."""
        association = self._association
        while True:
            event = await association.coming()
            if isinstance(event, Abort | ConnectionLost):
                await association.command()  # raises the error
            if not isinstance(event, Command) or not isinstance(event.message, CCancelRQ):
                return False
            await association.command()
            if event.message.message_id_being_responded_to == self._message_id:
                return True


class Slots:
    """Limits how many threads may query a catalogue at the same time; others wait.

    A thread cannot be interrupted: after a cancelled operation, it keeps its slot until it returns.
    """

    def __init__(self, count: int = 16) -> None:
        self._free: Final = asyncio.Semaphore(count)

    async def run(self, thread: ThreadPoolExecutor, work: Callable[[], Item]) -> Item:
        """Run some work in a thread, as soon as there is a slot."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()

        def ended(_: object) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._free.release)

        working = thread.submit(work)
        working.add_done_callback(ended)
        return await asyncio.wrap_future(working)


class Batches(Generic[Item]):
    """The items of a blocking iterator, read on demand in batches by a separate thread."""

    def __init__(self, items: Iterator[Item], thread: ThreadPoolExecutor, slots: Slots) -> None:
        self._items: Final = items
        self._thread: Final = thread
        self._slots: Final = slots

    async def next(self, most: int, watch: Watch | None = None) -> list[Item]:
        """Return the next items, at most `most`, or fewer if reading takes a while; empty at the end.

        Raises `CatalogueFailed`, and the errors of `Watch.during`.
        """
        taking = self._slots.run(self._thread, partial(_batch, self._items, most))
        return await (taking if watch is None else watch.during(taking))


@asynccontextmanager
async def in_thread(
    make: Callable[[], Iterator[Item]], slots: Slots
) -> AsyncIterator[Batches[Item]]:
    """Provide a blocking iterator, which is created and used in one thread."""
    thread, items = ThreadPoolExecutor(1, "catalogue"), _deferred(make)
    try:
        yield Batches(items, thread, slots)
    finally:
        thread.submit(items.close)
        thread.shutdown(wait=False)  # it may still be busy for a while


def _deferred(make: Callable[[], Iterator[Item]]) -> Generator[Item, None, None]:
    yield from make()


def _batch(items: Iterator[Item], most: int) -> list[Item]:
    found: list[Item] = []
    end = monotonic() + _QUICK
    try:
        for item in islice(items, most):
            found.append(item)
            if monotonic() > end:
                break
    except Exception as error:  # of a database or a disk: reported to the peer
        raise CatalogueFailed from error
    return found
