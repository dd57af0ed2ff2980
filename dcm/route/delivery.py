"""Delivers what waits for one destination, as long as it takes.

Each destination has a task and a list of its own: one that is slow or away holds up nobody else. When it
cannot be reached, or has no room, it is tried again after pauses that grow. What it refuses for good becomes
a dead letter.

Before an object is sent, that is noted; so what may have been delivered when the process or the connection
ended is known. The destination is asked whether it has it; where it cannot be asked, or does not list it, the
object is sent again, and its outcome says so.
"""

import asyncio
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
"""How often an object is refused for a reason that may pass, before it is a dead letter."""
_CUTS: Final = 8
"""Associations that may fail in the middle of an object before that is a dead letter: it may be the cause."""


class Patience(Frozen):
    """When a destination is tried again, and when an object is given up.

    pause: seconds before the next attempt, doubled with each up to `longest`. give_up_after: seconds after it
    came; None: never. associations: how many to use at the same time; with more than one no order is kept.
    """

    pause: float = 1.0
    longest: float = 60.0
    give_up_after: float | None = None
    associations: int = 1


class Delivered(NamedTuple):
    """The outcome of an object at a destination. dead: the file of the dead letter, if it is one."""

    destination: str
    entry: Entry
    result: InstanceResult
    dead: str = ""


OnDelivered: TypeAlias = Callable[[Delivered], object]


class Delivery:
    """The deliveries to one destination, while `run` runs.

    through: the filter through which objects go on their way. told: called with each outcome.
    """

    def __init__(
        self,
        name: str,
        place: Place,
        spool: Spool,
        told: OnDelivered,
        *,
        through: "Filter | None" = None,
        patience: Patience | None = None,
    ) -> None:
        self.name: Final = name
        self.counts: Final[Counter[Outcome]] = Counter()
        self.trouble = ""
        """Why it cannot be reached at present."""
        self.through = through
        self._place: Final = place
        self._spool: Final = spool
        self._on_delivered: Final = told
        self._patience: Final = patience or Patience()
        self._new: Final = asyncio.Event()
        self._again: Final = asyncio.Event()
        self._stopping = False
        self._failed = 0
        self._later = ""
        """Why the destination takes nothing for now; set while a batch is delivered."""
        self._refusals: Final[Counter[int]] = Counter()
        self._cuts: Final[Counter[int]] = Counter()

    def added(self) -> None:
        """Say that something was added."""
        self._new.set()

    def retry(self) -> None:
        """Try again now."""
        self._new.set()
        self._again.set()

    def stop(self) -> None:
        """Let `run` return once the object that is being delivered has its outcome."""
        self._stopping = True
        self.retry()

    async def run(self) -> None:
        """Deliver until `stop` is called."""
        self._spool.queue.trouble(self.name, "")  # of an earlier process
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
                _LOG.exception("%s: a defect has ended its deliveries for now", self.name)
                await self._pause(f"a defect of dcm: {error!r}")

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
            _LOG.warning("%s: it takes objects again", self.name)
            self.trouble = ""
            self._spool.queue.trouble(self.name, "")

    async def _pause(self, why: str) -> None:
        """Wait before the next attempt, or until one is asked for."""
        if why != self.trouble:
            level = logging.INFO if self.trouble else logging.WARNING
            words = why.removeprefix(f"{self.name}: ")
            _LOG.log(level, "%s: %s; what is for it waits, and is tried again", self.name, words)
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
        """Return what is to be sent, filtered; the rest is settled."""
        jobs = []
        for entry, doubt in waiting:
            remarks: list[str] = []
            if doubt is Doubt.AGAIN:
                remarks.append("it was delivered there before, and has come again")
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
            words = f"it could not be edited, and is not sent as it was: {error}"
            return InstanceResult("", entry.uid, Outcome.FAILED, words)

    async def _without_those_there(self, jobs: list[Job]) -> list[Job]:
        """Ask for what may have been delivered before; settle what the destination lists."""
        doubtful = [job for job in jobs if job.doubt is Doubt.ASK]
        if not doubtful:
            return jobs
        there = set[str]()
        if Ability.QUERY in self._place.abilities:
            there = await self._place.holds([job.instance for job in doubtful])
        for job in doubtful:
            uid = job.instance.sop_instance_uid
            if uid in there:
                words = "the answer was lost, and the destination lists it"
                self._settle(job.entry, InstanceResult("", uid, Outcome.ALREADY_THERE, words))
            else:
                words = "it may be there twice: it was sent before, and the answer was lost"
                job.remarks.append(words)
                _LOG.warning(
                    "%s: %s: %s", self.name, job.entry.uid, words
                )  # its outcome may be lost
        return [
            job for job in jobs if job not in doubtful or job.instance.sop_instance_uid not in there
        ]

    # What the courier tells.

    def begin(self, jobs: Sequence[Job]) -> None:
        """Note that objects are handed over now."""
        try:
            self._spool.queue.handed_over(self.name, [job.entry.id for job in jobs])
        except sqlite3.Error as error:  # what is sent then would not be known after a kill
            raise OSError(f"the queue cannot be written: {error}") from error
        for job in jobs:
            job.begun = True

    def not_begun(self, jobs: Sequence[Job]) -> None:
        """Note that objects certainly were not delivered."""
        for job in jobs:
            self._spool.queue.not_delivered(self.name, job.entry.id)

    def told(self, job: Job, result: InstanceResult, following: Job | None) -> bool:
        """Take an outcome; return whether to go on."""
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
        begun = [following] if following is not None and not self._stopping else []
        self._settle(job.entry, result, begun)
        self._failed = 0
        return not self._stopping

    def _passes(self, job: Job, result: InstanceResult) -> bool:
        """Return whether what a destination says may be otherwise the next time."""
        status = result.status
        if status is not None and status & 0xFF00 == _OUT_OF_RESOURCES:
            return True
        if status is None or status == _PROCESSING_FAILURE:
            self._refusals[job.entry.id] += 1
            return self._refusals[job.entry.id] < _TRIES
        return False

    def _lost(self, in_doubt: Sequence[Job], why: str) -> None:
        """Count the associations that fail in the middle of an object; it may be the cause."""
        for job in in_doubt:
            self._cuts[job.entry.id] += 1
            if self._cuts[job.entry.id] >= _CUTS and len(in_doubt) == 1:
                words = f"{_CUTS} associations failed in its middle: {why}"
                self._settle(job.entry, InstanceResult("", job.entry.uid, Outcome.FAILED, words))

    def _give_up(self) -> None:
        """Give up what has waited for too long."""
        limit = self._patience.give_up_after
        if limit is None:
            return
        while waiting := self._waiting(1):
            [(entry, _)] = waiting
            if time.time() - entry.received <= limit:
                return
            words = f"not delivered within {limit:g} s: {self._later}"
            self._settle(entry, InstanceResult("", entry.uid, Outcome.FAILED, words))

    def _settle(self, entry: Entry, result: InstanceResult, begun: Sequence[Job] = ()) -> None:
        """Record an outcome; what failed becomes a dead letter first."""
        dead = ""
        if not result.stored:
            spool, reason = self._spool, _reason(result)
            try:
                file = spool.file(entry)
                dead = bury(spool.path, file, entry, self.name, reason, sync=spool.sync)
            except FileNotFoundError:
                words = f"its file has gone from the spool: {result.words}"
                result = result._replace(words=words)
        self._refusals.pop(entry.id, None)
        self._cuts.pop(entry.id, None)
        delivered = result.stored and result.outcome is not Outcome.PASSED_OVER
        self._spool.settle(
            self.name, entry, delivered=delivered, begun=[job.entry.id for job in begun]
        )
        for job in begun:
            job.begun = True
        self.counts[result.outcome] += 1
        self._on_delivered(Delivered(self.name, entry, result._replace(path=dead), dead))


def _reason(result: InstanceResult) -> str:
    """Return why an object was not taken, with the status."""
    words = result.words or result.outcome.value
    return words if result.status is None else f"{words} ({result.status:04X}H)"
