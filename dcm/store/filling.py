"""Puts locally readable instances into a sink, each with an outcome."""

import asyncio
from collections.abc import Callable
from typing import Final

from dcm.data.header import NotDicom
from dcm.instances import SLICE, Instance, UnusableInstance, same_object
from dcm.outcome import InstanceResult, OnResult, Outcome, Report
from dcm.sinks import Head, Holder, Part, Refused
from dcm.wire import CStoreRQ


class Filling:
    """Puts one instance after the other into a sink. source: where they come from, in words.

    Instances that the sink already had are skipped. Two different instances with the same SOP
    Instance UID are both put.
    """

    def __init__(self, sink: Holder, source: str, on_result: OnResult | None = None) -> None:
        self.report: Final = Report()
        self._sink: Final = sink
        self._source: Final = source
        self._on_result: Final = on_result
        self._memory: Final = bytearray(SLICE)
        self._put: Final[dict[str, Instance]] = {}

    async def put(self, instance: Instance) -> None:
        """Put an instance and record its outcome."""
        uid = instance.sop_instance_uid
        first = self._put.get(uid)
        if first is None:
            if await asyncio.to_thread(self._sink.holds, uid):
                self.settle(InstanceResult(self._sink.place(uid), uid, Outcome.ALREADY_THERE))
                return
        elif await asyncio.to_thread(same_object, first, instance):
            words = f"it is a copy of {first.path}"
            self.settle(InstanceResult(self._sink.place(uid), uid, Outcome.ALREADY_THERE, words))
            return
        self.settle(await self._store(instance))

    def settle(self, result: InstanceResult) -> None:
        """Record an outcome."""
        self.report.results.append(result)
        if self._on_result is not None:
            self._on_result(result)

    async def _store(self, instance: Instance) -> InstanceResult:
        uid = instance.sop_instance_uid
        part: Part | None = None
        try:
            part = self._sink.begin(self._head(instance))
            remarks = await _finished(self._write, instance, part)
            received = await part.commit()
        except (OSError, Refused, NotDicom, UnusableInstance) as error:
            return InstanceResult(instance.path, uid, Outcome.FAILED, f"{instance.path}: {error}")
        finally:
            if part is not None:
                part.discard()
        self._put.setdefault(uid, instance)
        words = "; ".join(filter(None, (*remarks, received.remark)))
        outcome = Outcome.ALREADY_THERE if received.already_there else Outcome.STORED
        return InstanceResult(received.file, uid, outcome, words)

    def _write(self, instance: Instance, part: Part) -> list[str]:
        remarks: list[str] = []
        for data, _ in instance.slices(self._memory, remarks):
            part.write([data])
        return remarks

    def _head(self, instance: Instance) -> Head:
        sop_class, syntax = instance.kind
        request = CStoreRQ(
            message_id=1,
            affected_sop_class_uid=sop_class,
            affected_sop_instance_uid=instance.sop_instance_uid,
        )
        return Head(request, syntax, self._source, "", "")


async def _finished(
    function: Callable[[Instance, Part], list[str]], instance: Instance, part: Part
) -> list[str]:
    """Run a function in a thread; return only after the thread has ended, even if cancelled."""
    task = asyncio.ensure_future(asyncio.to_thread(function, instance, part))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
