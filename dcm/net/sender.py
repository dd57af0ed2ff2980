"""Sends instances as they are given, on several associations at once, without one lost (PS3.4 Annex B).

    async with Sender(pool, on_result=print) as sender:
        await sender.put("image.dcm")

Each instance is sent as it is. An association that fails is asked for again and goes on with what has no
outcome yet; an instance in whose middle two associations failed is given up: it may be the cause. What the
peer does not accept as it is, it is offered once more in a native transfer syntax, and the outcome says so.

Some peers answer badly to several associations at once. What fails while there are several is sent again on
one before it counts as failed, and if that succeeds, it stays at one.
"""

import asyncio
import logging
import os
from collections import deque
from types import TracebackType
from typing import Final, Self

from dcm.data.header import NotDicom
from dcm.errors import RemoteProtocolError
from dcm.instances import (
    Instance,
    Sendable,
    UnusableInstance,
    instance_of,
    same_object,
    without_data,
)
from dcm.net.errors import AssociationRejected, NetworkError
from dcm.net.line import (
    MOST_OFFERS,
    WINDOW_ASKED,
    Accepted,
    Item,
    Line,
    Offer,
    Originator,
    Unreadable,
    contexts_for,
    loses_what_comes_together,
)
from dcm.net.pool import Pool
from dcm.net.uids import NATIVE
from dcm.outcome import InstanceResult, OnResult, Outcome, Report

_LOG: Final = logging.getLogger(__name__)
_OUT_OF_RESOURCES: Final = 0xA700  # to 0xA7FF (PS3.4 B.2.3)
_FEW: Final = 4
"""So many waiting instances are worth another association."""
_GRACE: Final = 0.2
"""Seconds for associations that are being requested when the work is done: then they are given up."""
_QUEUED: Final = 100
"""Instances that may wait before `put` does."""


class Sender:
    """Sends to the remote of a pool while its block runs; leaving the block waits for all outcomes.

    on_result: called with each outcome as soon as it is known; what it raises ends the sending.
    convert: whether what the peer does not accept as it is may be sent in a native transfer syntax.
    again: whether what the peer answered with a failure may be sent once more.
    originator: whose C-MOVE request is performed, if one is.

    Of instances with one SOP Instance UID only one is sent. A UID names one object (PS3.5 9): a peer that
    gets two keeps one of them, and does not say which.
    """

    def __init__(
        self,
        pool: Pool,
        on_result: OnResult | None = None,
        *,
        convert: bool = True,
        again: bool = True,
        originator: Originator | None = None,
    ) -> None:
        self.given_up: Exception | None = None
        """The error after which no more associations were requested."""
        self._pool: Final = pool
        self._retry: Final = pool.remote.retry
        self._convert: Final = convert
        self._again: Final = again
        self._originator: Final = originator
        self._on_result: Final = on_result
        self._results: Final[dict[int, InstanceResult]] = {}
        self._count = 0
        self._first: Final[dict[str, Item]] = {}
        self._twins: list[Item] = []
        self._waiting: Final[deque[Item]] = deque()
        self._offers: Final[dict[Offer, None]] = {}
        self._unsettled = 0
        self._later: Final[list[Item]] = []
        """Instances for which the peer had no room; it has one more chance once nothing else waits."""
        self._workers: Final[dict[asyncio.Task[None], bool]] = {}
        """Whether each has an association."""
        self._changed: Final = asyncio.Event()
        self._failure: BaseException | None = None
        self._answers = self._tries = self._dead_ends = 0
        self._trusted: Final[set[int]] = set()
        """Failures that the peer has repeated where there was one association."""
        self._suspects: Final[dict[Item, InstanceResult]] = {}
        """How instances failed while there were several associations; one is used until they are cleared."""
        self._limit_before = 1
        self._stopped = False

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
        """Add a file, a data set or another instance, and wait while many others wait (back-pressure).

        An outcome is also recorded for what cannot be sent.
        """
        found = await asyncio.to_thread(looked_at, what)
        if isinstance(found, InstanceResult):
            self.settle(found)
        else:
            self.add(found)
        await self.room()

    async def room(self) -> None:
        """Wait until few instances wait."""
        while len(self._waiting) >= _QUEUED:
            await self._change()

    def add(self, instance: Instance) -> None:
        """Add an instance without waiting."""
        item = Item(self._count, instance)
        self._count += 1
        first = self._first.setdefault(instance.sop_instance_uid, item)
        if first is not item:
            self._twins.append(item)
        elif self.given_up is not None:  # it would only wait for the same peer again
            self._record(item.number, item.result(Outcome.NOT_TRIED, str(self.given_up)))
        else:
            self._queue(item)
            self._employ()

    def _record(self, number: int, result: InstanceResult) -> None:
        self._results[number] = result
        if self._on_result is not None:
            self._on_result(result)

    def settle(self, result: InstanceResult) -> None:
        """Add something that is not to be sent, with its outcome."""
        self._record(self._count, result)
        self._count += 1

    def withdraw(self) -> None:
        """Take back what is not under way: it is not sent, and has no outcome."""
        self._unsettled -= len(self._waiting) + len(self._later)
        self._twins.clear()
        self._waiting.clear()
        self._later.clear()
        self._changed.set()

    async def drain(self) -> None:
        """Wait until everything that was added has an outcome, but for what has the UID of another."""
        while self._unsettled or self._workers or self._failure is not None:
            await self._change()

    async def finish(self) -> Report:
        """Wait until everything has an outcome, and return them in the order in which it was added."""
        await self.drain()
        while self._twins:
            twins, self._twins = self._twins, []
            instead: dict[str, Item] = {}
            for item in twins:
                uid = item.instance.sop_instance_uid
                first = self._first[uid]
                if self._results[first.number].stored:
                    self._record(item.number, await asyncio.to_thread(_twin, item, first))
                elif instead.setdefault(uid, item) is not item:
                    self._twins.append(item)
            self._first.update(instead)
            for item in instead.values():
                if self.given_up is not None:
                    result = item.result(Outcome.NOT_TRIED, str(self.given_up))
                    self._record(item.number, result)
                else:
                    self._queue(item)
            self._employ()
            await self.drain()
        return Report(each for _, each in sorted(self._results.items()))

    # The work.

    def _queue(self, item: Item) -> None:
        self._unsettled += 1
        self._waiting.append(item)
        self._offers[item.offer] = None

    def _employ(self) -> None:
        """Start as many workers as the work is worth."""
        waiting = len(self._waiting)
        wanted = min(self._pool.limit, waiting, 1 + waiting // _FEW)
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
            self._employ()  # one worker ended for another's sake, which has ended since

    async def _change(self) -> None:
        """Wait until something has an outcome or a worker has ended; raise what ended it."""
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

    def _dismiss(self) -> None:
        """End the workers that wait for an association: a peer that serves one at a time lets them wait."""
        for task, has_association in self._workers.items():
            if not has_association:
                task.cancel()

    async def _work(self) -> None:
        """Send what waits, on one association after the other."""
        task = asyncio.current_task()
        assert task is not None
        try:
            while len(self._workers) <= self._pool.limit and await self._something_waits():
                one_by_one = self._dead_ends > 0  # so it shows which is the cause
                line = Line(self, one_by_one=one_by_one, originator=self._originator)
                offers, before = self._offered(), self._answers
                try:
                    async with self._pool.lease(contexts_for(offers), WINDOW_ASKED) as association:
                        self._workers[task] = True
                        if loses_what_comes_together(association):
                            self._pool.lower(1, "an archive of dcmtk")
                            self._dismiss()
                        await line.run(association, offers)
                except Unreadable:
                    self._take_back(line)
                except (NetworkError, RemoteProtocolError) as error:
                    if not await self._goes_on(line, error, answered=self._answers > before):
                        return
                finally:
                    self._workers[task] = False
        finally:
            self._workers.pop(task, None)

    async def _something_waits(self) -> bool:
        if not self._waiting and self._later:
            await asyncio.sleep(self._retry.later)
            self._waiting.extend(self._later)
            self._later.clear()
        return bool(self._waiting)

    def _take_back(self, line: Line) -> None:
        self._waiting.extendleft(reversed(line.under_way.values()))
        line.under_way.clear()

    async def _goes_on(self, line: Line, error: Exception, *, answered: bool) -> bool:
        """Account for an association that failed; return whether this worker requests another."""
        others, retry = len(self._workers) - 1, self._retry
        under_way = [*line.under_way.values()]
        if not others and len(under_way) == 1:
            [item] = under_way
            item.failures += 1
            if item.failures > 1:  # it may be the cause
                line.under_way.clear()
                self.tell(item, self._lost(item, error))
        self._take_back(line)
        if others:
            if under_way:
                self._pool.lower(others, str(error))
            return False
        self._dead_ends = 0 if answered else self._dead_ends + 1
        self._tries = 0 if answered or under_way else self._tries + 1
        rejected = isinstance(error, AssociationRejected)
        if rejected or self._tries >= retry.attempts or self._dead_ends >= retry.dead_ends:
            self._give_up(error)
            return False
        await retry.wait(self._tries, error)
        return True

    def _give_up(self, error: Exception) -> None:
        self.given_up = error
        left = [*self._waiting, *self._later]
        self._waiting.clear()
        self._later.clear()
        for item in left:
            tried = item.failures or item.postponed or item in self._suspects
            result = self._lost(item, error)
            self.tell(item, result if tried else result._replace(outcome=Outcome.NOT_TRIED))

    def _lost(self, item: Item, error: Exception) -> InstanceResult:
        words = str(error)
        if item.refused is not None:
            words = f"{item.refused}; converted, it was lost as well: {error}"
        return item.result(Outcome.FAILED, words)

    def _offered(self) -> list[Offer]:
        """Return what is proposed: all that was ever needed if that fits, else what waits first."""
        if len(self._offers) <= MOST_OFFERS:
            return [*self._offers]
        found: dict[Offer, None] = {}
        for item in self._waiting:
            found[item.offer] = None
            if len(found) == MOST_OFFERS:
                break
        return [*found]

    # What the lines of work need.

    @property
    def alone(self) -> bool:
        """Whether there is one worker, and so one association."""
        return len(self._workers) == 1

    def next(self, accepted: Accepted) -> Item | None:
        """Take the next instance that can be sent on this association; None: end it."""
        waiting = self._waiting
        if not waiting or len(self._workers) > self._pool.limit:
            return None
        item = waiting[0]
        if item in self._suspects and not self.alone:
            return None
        item.alone = self.alone
        if item.offer in accepted:
            return waiting.popleft()
        for place, other in enumerate(waiting):
            if other.offer in accepted and other not in self._suspects:
                del waiting[place]
                other.alone = self.alone
                return other
        return None

    def refuse(self, item: Item) -> None:
        """Take back an instance whose context was not accepted: converted, it may be."""
        sop_class, syntaxes = item.offer
        words = (
            f"no presentation context was accepted for {sop_class} in {syntaxes[0]}"
            if item.refused is None
            else f"{item.refused}, nor in a native transfer syntax"
        )
        if item.refused is not None or not self._convert:
            self.tell(item, item.result(Outcome.FAILED, words))
            return
        item.refused = words
        item.offer = (sop_class, NATIVE)
        self._offers[item.offer] = None
        self._waiting.append(item)

    def answered(self, item: Item, result: InstanceResult) -> None:
        """Take the outcome that the peer's response says, or send the instance again."""
        self._answers += 1
        self._changed.set()
        if not self._again:
            self.tell(item, result)
            return
        status = result.status or 0
        alone = item.alone and self.alone
        if item in self._suspects and alone:
            self._clear(item, repeated=status == self._suspects[item].status)
        elif result.outcome is Outcome.FAILED and not alone and status not in self._trusted:
            self._suspect(item, result)
            return
        self._conclude(item, result)

    def _conclude(self, item: Item, result: InstanceResult) -> None:
        """Take the peer's answer as the outcome, unless the instance has one more chance later."""
        if (result.status or 0) & 0xFF00 == _OUT_OF_RESOURCES and not item.postponed:
            item.postponed = True
            self._later.append(item)
        else:
            self.tell(item, result)

    def _suspect(self, item: Item, result: InstanceResult) -> None:
        """Have an instance sent again with one association: that there were several may be the cause."""
        if not self._suspects:
            self._limit_before = self._pool.limit
            self._pool.lower(1, f"{item.instance.sop_instance_uid} failed: {result.words}")
            self._dismiss()
        self._suspects[item] = result
        self._waiting.appendleft(item)

    def _clear(self, item: Item, *, repeated: bool) -> None:
        """Find out whether several associations were the cause; if not, allow them again."""
        status = self._suspects.pop(item).status
        if not repeated:
            _LOG.info("%s: it answers badly to several associations at once", self._pool.remote)
            self._limit_before = 1
            return
        self._trusted.add(status or 0)
        for other, result in [*self._suspects.items()]:
            if result.status == status and other in self._waiting:  # it would only say so again
                del self._suspects[other]
                self._waiting.remove(other)
                self._conclude(other, result)
        if not self._suspects:
            self._pool.limit = max(self._pool.limit, self._limit_before)
            self._employ()

    def tell(self, item: Item, result: InstanceResult) -> None:
        """Take the outcome of an instance."""
        self._suspects.pop(item, None)
        item.instance = without_data(item.instance)
        self._unsettled -= 1
        self._record(item.number, result)
        self._changed.set()
        if not self._unsettled:
            asyncio.get_running_loop().call_later(_GRACE, self._dismiss)


def _twin(item: Item, first: Item) -> InstanceResult:
    """Return the outcome of an instance whose SOP Instance UID is that of another one, which was stored."""
    if same_object(item.instance, first.instance):
        return item.result(Outcome.ALREADY_THERE, f"it is a copy of {first.instance.path}")
    return item.result(
        Outcome.NOT_TRIED,
        f"{first.instance.path} is another object with the same SOP Instance UID, and was sent; "
        "the peer would keep one of them",
    )


def looked_at(what: Sendable) -> Instance | InstanceResult:
    """Return what can be sent of something, or why it cannot be."""
    try:
        return instance_of(what)
    except (NotDicom, UnusableInstance, OSError) as error:
        words = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error)
        path = os.fspath(what) if isinstance(what, str | os.PathLike) else ""
        return InstanceResult(path, "", Outcome.NOT_TRIED, words)
