"""Stores instances in a directory, each with an outcome."""

import asyncio
from typing import Final

from dcm.data.header import NotDicom
from dcm.instances import SLICE, Instance, MemoryInstance, UnusableInstance
from dcm.outcome import InstanceResult, OnResult, Outcome
from dcm.queued import Item, QueuedWriter
from dcm.sinks import OUT_OF_RESOURCES, Head, Part, Refused, Sink
from dcm.wire import CStoreRQ


class DirectoryWriter(QueuedWriter[Item]):
    """Stores one instance after the other; see `dcm.queued.QueuedWriter`.

    Different objects with the same SOP Instance UID are all kept.
    """

    def __init__(self, sink: Sink, on_result: OnResult | None = None) -> None:
        super().__init__(on_result)
        self._sink: Final = sink
        self._memory: Final = bytearray(SLICE)

    def add(self, instance: Instance) -> None:
        """Add an instance without waiting."""
        self._count += 1
        self._queue(self._item(self._count - 1, instance))

    def _item(self, number: int, instance: Instance) -> Item:
        return Item(number, instance)

    @property
    def _most(self) -> int:
        return 1

    async def _work(self) -> None:
        while self._waiting:
            item = self._waiting.popleft()
            result = await self._store(item.instance)
            self._unsettled -= 1
            self._record(item.number, result)
            self._changed.set()

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
        except OSError as error:
            return InstanceResult(instance.path, uid, Outcome.FAILED, str(error), OUT_OF_RESOURCES)
        except Refused as error:
            return InstanceResult(instance.path, uid, Outcome.FAILED, str(error), error.status)
        except (NotDicom, UnusableInstance) as error:
            return InstanceResult(instance.path, uid, Outcome.FAILED, str(error))
        finally:
            if part is not None:
                part.discard()
        words = "; ".join(filter(None, (*remarks, received.remark)))
        outcome = Outcome.ALREADY_THERE if received.already_there else Outcome.STORED
        return InstanceResult(instance.path or received.file, uid, outcome, words)

    async def _written(self, instance: Instance, part: Part) -> list[str]:
        """Write in a thread; return only after the thread has ended, even if cancelled."""
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
