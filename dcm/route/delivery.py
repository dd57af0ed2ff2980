"""Deliver the objects queued for one destination, however long it takes.

Each destination has its own task and list, so a slow or unreachable one does not delay others. If
it cannot be reached, or has no room, it is retried after growing pauses. An object that it rejects
permanently becomes a dead letter.

Each hand-over is recorded before the object is sent, so it is known what may have been delivered
when the process or the connection ended. The destination is then queried for these objects. If it
cannot be queried, or does not list an object, the object is sent again, and its outcome says so.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from dcm.data.header import NotDicom
from dcm.errors import DcmError
from dcm.frozen import Frozen
from dcm.instances import Instance
from dcm.outcome import InstanceResult, Outcome
from dcm.route.courier import Courier, Job, opened
from dcm.route.dead import bury
from dcm.route.queue import Doubt, Entry
from dcm.route.spool import Spool
from dcm.store.place import Ability, Place

if TYPE_CHECKING:
    from dcm.filt.base import Filter

_LOG: Final = logging.getLogger(__name__)
_OUT_OF_RESOURCES: Final = 0xA700  # to 0xA7FF (PS3.4 B.2.3)
_PROCESSING_FAILURE: Final = 0x0110
_TRIES: Final = 5
"""The number of temporary rejections after which an object becomes a dead letter."""
_CUTS: Final = 8
"""The number of associations that may fail during an object, as the object may be the cause."""


class Patience(Frozen):
    """When to retry a destination, and when to give up an object.

    pause: seconds before the next attempt, doubled with each up to `longest`. give_up_after:
    seconds since it was received; None for never. associations: how many to use simultaneously;
    with more than one, no order is preserved.
    """

    pause: float = 1.0
    longest: float = 60.0
    give_up_after: float | None = None
    associations: int = 1


class Delivered(NamedTuple):
    """The outcome of an object at a destination. dead: the file of the dead letter, if any."""

    destination: str
    entry: Entry
    result: InstanceResult
    dead: str = ""


OnDelivered: TypeAlias = Callable[[Delivered], object]


class Delivery:
    """The deliveries to one destination, while `run` runs.

    through: the filter applied to objects before they are sent. on_delivered: called with each outcome.
    """

    def __init__(
        self,
        name: str,
        place: Place,
        spool: Spool,
        on_delivered: OnDelivered,
        *,
        through: "Filter | None" = None,
        patience: Patience | None = None,
    ) -> None:
        self.name: Final = name
        self.counts: Final[Counter[Outcome]] = Counter()
        self.trouble = ""
        """Why the destination cannot be reached, or empty."""
        self.through = through
        self._place: Final = place
        self._spool: Final = spool
        self._on_delivered: Final = on_delivered
        self._patience: Final = patience or Patience()
        self._new: Final = asyncio.Event()
        self._again: Final = asyncio.Event()
        self._stopping = False
        self._failed = 0
        self._later = ""
        """Why the destination accepts nothing for now; set while a batch is delivered."""
        self._refusals: Final[Counter[int]] = Counter()
        self._cuts: Final[Counter[int]] = Counter()

    def added(self) -> None:
        """Signal that an object was added."""
        self._new.set()

    def retry(self) -> None:
        """Try again now."""
        self._new.set()
        self._again.set()

    def stop(self) -> None:
        """Let `run` return once the current object has an outcome."""
        self._stopping = True
        self.retry()

    async def run(self) -> None:
        """Deliver until `stop` is called."""
        self._spool.queue.trouble(self.name, "")  # left by an earlier process
        while not self._stopping:
            try:
                async with opened(self._place, self._patience.associations) as courier:
                    await self._work(courier)
            except (
                DcmError,
                OSError,
                sqlite3.Error,
            ) as error:  # of the place itself, or of the spool
                await self._pause(str(error))
            except Exception as error:  # noqa: BLE001 - the others go on, and nothing is lost
                _LOG.exception("%s: deliveries have stopped for now because of a bug", self.name)
                await self._pause(f"bug in dcm: {error!r}")

    async def _work(self, courier: Courier) -> None:
        while not self._stopping:
            self._new.clear()
            waiting = self._waiting(courier.at_a_time)
            if not waiting:
                await self._new.wait()
                continue
            self._later = ""
            try:
                jobs = await self._jobs(waiting)
                if jobs:
                    await courier.deliver(jobs, self)
            except (DcmError, OSError) as error:
                self._later = str(error)
                self._lost(courier.in_doubt, str(error))
            if self._later:
                self._give_up()
                await self._pause(self._later)
            else:
                self._well()

    def _waiting(self, limit: int) -> list[tuple[Entry, Doubt]]:
        found = self._spool.queue.next(self.name, limit)
        return [each for each in found if not self._spool.settled_already(self.name, each[0])]

    def _well(self) -> None:
        self._failed = 0
        if self.trouble:
            _LOG.warning("%s: accepting objects again", self.name)
            self.trouble = ""
            self._spool.queue.trouble(self.name, "")

    async def _pause(self, why: str) -> None:
        """Wait before the next attempt, or until `retry` is called."""
        if why != self.trouble:
            level = logging.INFO if self.trouble else logging.WARNING
            words = why.removeprefix(f"{self.name}: ")
            _LOG.log(level, "%s: %s; its objects wait for another attempt", self.name, words)
            self.trouble = why
            self._spool.queue.trouble(self.name, why)
        seconds = min(self._patience.pause * 2**self._failed, self._patience.longest)
        self._failed = min(self._failed + 1, 30)
        self._again.clear()
        if self._stopping:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._again.wait()
        except TimeoutError:
            pass

    # Before an object is sent.

    async def _jobs(self, waiting: Sequence[tuple[Entry, Doubt]]) -> list[Job]:
        """Return the filtered objects to send; settle the rest."""
        jobs = []
        for entry, doubt in waiting:
            remarks: list[str] = []
            if doubt is Doubt.AGAIN:
                remarks.append("it was already delivered there, and was received again")
                _LOG.warning("%s: %s: %s", self.name, entry.uid, remarks[0])
            instance: Instance = self._spool.instance(entry)
            if self.through is not None:
                filtered = await asyncio.to_thread(self._filtered, entry, instance, remarks)
                if isinstance(filtered, InstanceResult):
                    self._settle(entry, filtered)
                    continue
                instance = filtered
            jobs.append(Job(entry, doubt, instance, remarks))
        return await self._without_those_there(jobs)

    def _filtered(
        self, entry: Entry, instance: Instance, remarks: list[str]
    ) -> Instance | InstanceResult:
        from dcm.filt.base import Rejected  # noqa: PLC0415 - most do without

        assert self.through is not None
        try:
            return self.through.apply(instance, remarks)
        except Rejected as error:
            return InstanceResult("", entry.uid, Outcome.PASSED_OVER, str(error))
        except (DcmError, NotDicom, OSError) as error:
            words = f"it could not be edited, and was not sent unedited: {error}"
            return InstanceResult("", entry.uid, Outcome.FAILED, words)

    async def _without_those_there(self, jobs: list[Job]) -> list[Job]:
        """Query what may have been delivered before; settle what the destination lists."""
        doubtful = [job for job in jobs if job.doubt is Doubt.ASK]
        if not doubtful:
            return jobs
        there = set[str]()
        if Ability.QUERY in self._place.abilities:
            there = await self._place.holds([job.instance for job in doubtful])
        for job in doubtful:
            uid = job.instance.sop_instance_uid
            if uid in there:
                words = "the response was lost, but the destination lists it"
                self._settle(job.entry, InstanceResult("", uid, Outcome.ALREADY_THERE, words))
            else:
                words = "it may be there twice: it was sent before, with an unknown outcome"
                job.remarks.append(words)
                _LOG.warning(
                    "%s: %s: %s", self.name, job.entry.uid, words
                )  # its outcome may be lost
        return [
            job for job in jobs if job not in doubtful or job.instance.sop_instance_uid not in there
        ]

    # The interface of `Watch`.

    def begin(self, jobs: Sequence[Job]) -> None:
        """Record that objects are about to be handed over."""
        try:
            self._spool.hand_over(self.name, [job.entry.id for job in jobs])
        except sqlite3.Error as error:  # without a record, a kill would hide these deliveries
            raise OSError(f"the queue cannot be written: {error}") from error
        for job in jobs:
            job.begun = True

    def not_begun(self, jobs: Sequence[Job]) -> None:
        """Record that objects were certainly not delivered."""
        with contextlib.suppress(sqlite3.Error):  # they stay in doubt
            for job in jobs:
                self._spool.queue.not_delivered(self.name, job.entry.id)
                job.begun = False

    def outcome(self, job: Job, result: InstanceResult) -> bool:
        """Process an outcome; return whether to continue."""
        if not result.stored:
            if self._passes(job, result):
                self._later = f"{job.entry.uid}: {_reason(result)}"
                self.not_begun([job])
                return False
            self._settle(job.entry, result)
            return not self._stopping
        if job.remarks:
            words = "; ".join(filter(None, (result.words, *job.remarks)))
            outcome = Outcome.WARNING if job.doubt is not Doubt.NONE else result.outcome
            result = result._replace(outcome=outcome, words=words)
        self._settle(job.entry, result)
        self._failed = 0
        return not self._stopping

    def _passes(self, job: Job, result: InstanceResult) -> bool:
        """Return whether the response may be different next time."""
        status = result.status
        if status is not None and status & 0xFF00 == _OUT_OF_RESOURCES:
            return True
        if status is None or status == _PROCESSING_FAILURE:
            self._refusals[job.entry.id] += 1
            return self._refusals[job.entry.id] < _TRIES
        return False

    def _lost(self, in_doubt: Sequence[Job], why: str) -> None:
        """Count associations that failed during an object, which may be the cause."""
        for job in in_doubt:
            self._cuts[job.entry.id] += 1
            if self._cuts[job.entry.id] >= _CUTS and len(in_doubt) == 1:
                words = f"{_CUTS} associations failed while it was sent: {why}"
                self._settle(job.entry, InstanceResult("", job.entry.uid, Outcome.FAILED, words))

    def _give_up(self) -> None:
        """Give up objects that have waited too long."""
        limit = self._patience.give_up_after
        if limit is None:
            return
        while waiting := self._waiting(1):
            [(entry, _)] = waiting
            if time.time() - entry.received <= limit:
                return
            words = f"not delivered within {limit:g} s: {self._later}"
            self._settle(entry, InstanceResult("", entry.uid, Outcome.FAILED, words))

    def _settle(self, entry: Entry, result: InstanceResult) -> None:
        """Record an outcome; a failed object becomes a dead letter first."""
        dead = ""
        if not result.stored:
            spool, reason = self._spool, _reason(result)
            try:
                file = spool.file(entry)
                dead = bury(spool.path, file, entry, self.name, reason, sync=spool.sync)
            except FileNotFoundError:
                words = f"its file has disappeared from the spool: {result.words}"
                result = result._replace(words=words)
        self._refusals.pop(entry.id, None)
        self._cuts.pop(entry.id, None)
        delivered = result.stored and result.outcome is not Outcome.PASSED_OVER
        self._spool.settle(self.name, entry, delivered=delivered)
        self.counts[result.outcome] += 1
        self._on_delivered(Delivered(self.name, entry, result._replace(path=dead), dead))


def _reason(result: InstanceResult) -> str:
    """Return why an object was rejected, with the status."""
    words = result.words or result.outcome.value
    return words if result.status is None else f"{words} ({result.status:04X}H)"
