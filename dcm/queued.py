"""The common part of writers with a queue: ordered outcomes, workers, one object for each UID."""

import asyncio
import os
from abc import ABC, abstractmethod
from collections import deque
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from dcm.data.header import NotDicom
from dcm.instances import Instance, Sendable, UnusableInstance, instance_of, same_object
from dcm.outcome import InstanceResult, OnResult, Outcome, Report


class Item:
    """An instance in the queue; number: its position among those added."""

    __slots__ = ("instance", "number")

    def __init__(self, number: int, instance: Instance) -> None:
        self.number = number
        self.instance = instance

    def result(
        self, outcome: Outcome, words: str = "", status: int | None = None
    ) -> InstanceResult:
        """Return an outcome for this instance."""
        instance = self.instance
        return InstanceResult(instance.path, instance.sop_instance_uid, outcome, words, status)


AnyItem = TypeVar("AnyItem", bound=Item)


class QueuedWriter(ABC, Generic[AnyItem]):
    """Accepts instances while its block runs; leaving the block waits for all outcomes (`dcm.writer.Writer`).

    on_result: called with each outcome as soon as it is known; an exception from it ends the work.

    Only one of several instances with the same SOP Instance UID is sent. A UID identifies one object
    (PS3.5 9): a receiver that gets two keeps one of them, and does not say which.
    """

    queued = 100
    """The number of instances in the queue at which `put` waits."""
    few = 4
    """The number of waiting instances that justifies another worker."""

    def __init__(self, on_result: OnResult | None) -> None:
        self.given_up: Exception | None = None
        """The error after which nothing else is tried."""
        self._on_result: Final = on_result
        self._results: Final[dict[int, InstanceResult]] = {}
        self._count = self._unsettled = 0
        self._first: Final[dict[str, AnyItem]] = {}
        self._twins: list[AnyItem] = []
        self._waiting: Final[deque[AnyItem]] = deque()
        self._workers: Final[dict[asyncio.Task[None], bool]] = {}
        """Whether each worker is active, rather than about to start."""
        self._changed: Final = asyncio.Event()
        self._failure: BaseException | None = None
        self._stopped = False

    # To be implemented by each kind of writer.

    @abstractmethod
    def _item(self, number: int, instance: Instance) -> AnyItem:
        """Return an item for an instance."""

    @property
    @abstractmethod
    def _most(self) -> int:
        """The maximum number of workers."""

    @abstractmethod
    async def _work(self) -> None:
        """Run a worker, which stores waiting instances until none are left."""

    def _not_tried(self, item: AnyItem) -> None:
        """Record the outcome of an instance that is added after giving up."""
        self._unsettled -= 1
        self._record(item.number, item.result(Outcome.NOT_TRIED, str(self.given_up)))
        self._changed.set()

    # Common to all writers.

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                await self.finish()
        finally:
            await self._stop()

    async def put(self, what: Sendable) -> None:
        """Add a file, a data set or another instance; wait while the queue is full (back-pressure).

        Something that cannot be sent gets an outcome, too.
        """
        found = await asyncio.to_thread(looked_at, what)
        if isinstance(found, InstanceResult):
            self.settle(found)
        else:
            self.add(found)
        await self.room()

    async def room(self) -> None:
        """Wait until there is room in the queue."""
        while len(self._waiting) >= self.queued:
            await self._change()

    def add(self, instance: Instance) -> None:
        """Add an instance without waiting."""
        item = self._item(self._count, instance)
        self._count += 1
        if self._first.setdefault(instance.sop_instance_uid, item) is not item:
            self._twins.append(item)
        else:
            self._queue(item)

    def settle(self, result: InstanceResult) -> None:
        """Add the outcome of something that is not to be stored."""
        self._record(self._count, result)
        self._count += 1

    async def drain(self) -> None:
        """Wait until everything has an outcome, except for instances that share the UID of another."""
        while self._unsettled or self._workers or self._failure is not None:
            await self._change()

    async def finish(self) -> Report:
        """Wait until everything has an outcome, and return the outcomes in the order of adding."""
        await self.drain()
        while self._twins:
            twins, self._twins = self._twins, []
            instead: dict[str, AnyItem] = {}
            for item in twins:
                uid = item.instance.sop_instance_uid
                first = self._first[uid]
                if self._results[first.number].stored:
                    self._record(item.number, await asyncio.to_thread(_twin, item, first))
                elif instead.setdefault(uid, item) is not item:
                    self._twins.append(item)
            self._first.update(instead)
            for item in instead.values():
                self._queue(item)
            await self.drain()
        return Report(each for _, each in sorted(self._results.items()))

    def _record(self, number: int, result: InstanceResult) -> None:
        self._results[number] = result
        if self._on_result is not None:
            self._on_result(result)

    def _queue(self, item: AnyItem) -> None:
        self._unsettled += 1
        if self.given_up is not None:  # it would wait for the same receiver again
            self._not_tried(item)
        else:
            self._waiting.append(item)
            self._employ()

    def _employ(self) -> None:
        """Start as many workers as are worthwhile."""
        waiting = len(self._waiting)
        wanted = min(self._most, waiting, 1 + waiting // self.few)
        while len(self._workers) < wanted and self._failure is None and not self._stopped:
            task = asyncio.create_task(self._work())
            self._workers[task] = False
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._workers.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
        self._changed.set()
        if self._waiting and not self._workers:
            self._employ()  # a worker ended in favour of another, which has ended since

    async def _change(self) -> None:
        """Wait until something has an outcome or a worker has ended; raise its error."""
        if self._failure is None:
            self._changed.clear()
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure

    async def _stop(self) -> None:
        self._stopped = True
        tasks = [*self._workers]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)


def _twin(item: Item, first: Item) -> InstanceResult:
    """Return the outcome of an instance with the same SOP Instance UID as another one, which was stored."""
    if same_object(item.instance, first.instance):
        return item.result(Outcome.ALREADY_THERE, f"it is a copy of {first.instance.path}")
    return item.result(
        Outcome.NOT_TRIED,
        f"{first.instance.path} is another object with the same SOP Instance UID, and was sent; "
        "the peer would keep one of them",
    )


def looked_at(what: Sendable) -> Instance | InstanceResult:
    """Return the instance to send, or why it cannot be sent."""
    try:
        return instance_of(what)
    except (NotDicom, UnusableInstance, OSError) as error:
        words = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error)
        path = os.fspath(what) if isinstance(what, str | os.PathLike) else ""
        return InstanceResult(path, "", Outcome.NOT_TRIED, words)
