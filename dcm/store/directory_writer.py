"""Stores instances in a directory, each with an outcome."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Final, Self

from dcm.data.header import NotDicom
from dcm.instances import SLICE, Instance, MemoryInstance, Sendable, UnusableInstance
from dcm.outcome import InstanceResult, OnResult, Outcome, Report
from dcm.sinks import Head, Part, Refused, Sink
from dcm.wire import CStoreRQ

_QUEUED: Final = 100
"""Instances that may wait before `put` does."""


class DirectoryWriter:
    """Stores one instance after the other while its block runs; leaving the block waits for all outcomes.

    on_result: called with each outcome as soon as it is known; what it raises ends the storing.
    """

    def __init__(self, sink: Sink, on_result: OnResult | None = None) -> None:
        self.given_up: Exception | None = None
        self._sink: Final = sink
        self._on_result: Final = on_result
        self._results: Final[dict[int, InstanceResult]] = {}
        self._count = 0
        self._waiting: Final[deque[tuple[int, Instance]]] = deque()
        self._memory: Final = bytearray(SLICE)
        self._task: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._changed: Final = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            await self.finish()
        elif self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def put(self, what: Sendable) -> None:
        """Add a file, a data set or another instance, and wait while many others wait."""
        from dcm.net.sender import looked_at  # noqa: PLC0415 - most callers add what they have looked at

        found = await asyncio.to_thread(looked_at, what)
        if isinstance(found, InstanceResult):
            self.settle(found)
        else:
            self.add(found)
        await self.room()

    def add(self, instance: Instance) -> None:
        """Add an instance without waiting."""
        self._waiting.append((self._count, instance))
        self._count += 1
        if self._task is None and self._failure is None:
            self._task = asyncio.create_task(self._work())

    def settle(self, result: InstanceResult) -> None:
        """Record the outcome of an instance that is not to be stored."""
        self._count += 1
        self._record(self._count - 1, result)

    async def room(self) -> None:
        """Wait while many instances wait."""
        while len(self._waiting) >= _QUEUED and self._task is not None:
            self._changed.clear()
            await self._changed.wait()
        self._raise()

    async def finish(self) -> Report:
        """Wait for all outcomes, and return them in the order in which the instances were added."""
        while self._task is not None:
            self._changed.clear()
            await self._changed.wait()
        self._raise()
        return Report(each for _, each in sorted(self._results.items()))

    def _record(self, number: int, result: InstanceResult) -> None:
        self._results[number] = result
        if self._on_result is not None:
            self._on_result(result)

    async def _work(self) -> None:
        try:
            while self._waiting:
                number, instance = self._waiting.popleft()
                self._record(number, await self._store(instance))
                self._changed.set()
        except Exception as error:  # noqa: BLE001 - whoever waits raises it
            self._failure = error
        finally:
            self._task = None
            self._changed.set()

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _store(self, instance: Instance) -> InstanceResult:
        uid = instance.sop_instance_uid
        part: Part | None = None
        try:
            part = self._sink.begin(_head(instance))
            if isinstance(instance, MemoryInstance):
                remarks = self._write(instance, part)
            else:
                remarks = await self._written(instance, part)
            received = await part.commit()
        except (OSError, Refused, NotDicom, UnusableInstance) as error:
            return InstanceResult(instance.path, uid, Outcome.FAILED, str(error))
        finally:
            if part is not None:
                part.discard()
        words = "; ".join(filter(None, (*remarks, received.remark)))
        outcome = Outcome.ALREADY_THERE if received.already_there else Outcome.STORED
        return InstanceResult(instance.path or received.file, uid, outcome, words)

    async def _written(self, instance: Instance, part: Part) -> list[str]:
        """Write in a thread, which has ended when this does, even if it is cancelled."""
        task = asyncio.ensure_future(asyncio.to_thread(self._write, instance, part))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise

    def _write(self, instance: Instance, part: Part) -> list[str]:
        remarks: list[str] = []
        for data, _ in instance.slices(self._memory, remarks):
            part.write([data])
        return remarks


def _head(instance: Instance) -> Head:
    sop_class, syntax = instance.kind
    request = CStoreRQ(
        message_id=1,
        affected_sop_class_uid=sop_class,
        affected_sop_instance_uid=instance.sop_instance_uid,
    )
    return Head(request, syntax, "", "", "")
