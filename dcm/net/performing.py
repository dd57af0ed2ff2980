"""Operations that take a while, as their SCP: what is asked of a catalogue, and the peer that may cancel."""

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
"""Seconds after which a batch is taken as it is."""


class Cancelled(Exception):  # noqa: N818 - internal
    """The peer has cancelled the operation."""


class CatalogueFailed(Exception):  # noqa: N818 - internal
    """The catalogue could not answer: `__cause__` says why."""


class Watch:
    """Listens to the peer while an operation is performed: it may cancel it, or be gone.

    Used as `async with`. Anything else that comes is left to be received after the operation.
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
        """Wait for some work; if the peer cancels or is gone, the work is cancelled.

        Raises `Cancelled`, and `NetworkError` if the peer is gone.
        """
        working = asyncio.ensure_future(work)
        try:
            await asyncio.wait((working, self._listening), return_when=asyncio.FIRST_COMPLETED)
            self.look()
            return await working
        finally:
            working.cancel()

    def look(self) -> None:
        """Raise what has come: `Cancelled`, or `NetworkError`."""
        if self._listening.done() and self._listening.result():
            raise Cancelled

    async def _listen(self) -> bool:
        """Return whether the operation was cancelled, once that is known."""
        association = self._association
        while True:
            event = await association.coming()
            if isinstance(event, Abort | ConnectionLost):
                await association.command()  # which raises it
            if not isinstance(event, Command) or not isinstance(event.message, CCancelRQ):
                return False
            await association.command()
            if event.message.message_id_being_responded_to == self._message_id:
                return True


class Slots:
    """How many threads may ask a catalogue at the same time; others wait.

    A thread cannot be interrupted: that of an operation which was cancelled keeps its slot until it returns.
    """

    def __init__(self, count: int = 16) -> None:
        self._free: Final = asyncio.Semaphore(count)

    async def run(self, thread: ThreadPoolExecutor, work: Callable[[], Item]) -> Item:
        """Have a thread do some work, once there is a slot."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()

        def ended(_: object) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._free.release)

        working = thread.submit(work)
        working.add_done_callback(ended)
        return await asyncio.wrap_future(working)


class Batches(Generic[Item]):
    """Items that a blocking iterator gives, taken by a thread of its own in batches, on demand."""

    def __init__(self, items: Iterator[Item], thread: ThreadPoolExecutor, slots: Slots) -> None:
        self._items: Final = items
        self._thread: Final = thread
        self._slots: Final = slots

    async def next(self, most: int, watch: Watch | None = None) -> list[Item]:
        """Return what comes next, nothing at the end; at most so many, and fewer if that takes a while.

        Raises `CatalogueFailed`, and what `Watch.during` does.
        """
        taking = self._slots.run(self._thread, partial(_batch, self._items, most))
        return await (taking if watch is None else watch.during(taking))


@asynccontextmanager
async def in_thread(
    make: Callable[[], Iterator[Item]], slots: Slots
) -> AsyncIterator[Batches[Item]]:
    """Have a blocking iterator, which is made and used in one thread."""
    thread, items = ThreadPoolExecutor(1, "catalogue"), _deferred(make)
    try:
        yield Batches(items, thread, slots)
    finally:
        thread.submit(items.close)
        thread.shutdown(wait=False)  # it may be busy for a while yet


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
    except Exception as error:  # of a database, of a disk: the peer is to be told
        raise CatalogueFailed from error
    return found
