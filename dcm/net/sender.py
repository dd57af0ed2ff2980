"""Send instances as they are added, on several associations at once, without losing any (PS3.4 Annex B).

    async with Sender(pool, on_result=print) as sender:
        await sender.put("image.dcm")

Each instance is sent as it is. After an association has failed, a new one continues with the instances that
have no outcome yet; an instance during which two associations failed is given up, since it may be the cause.
Instances that the peer does not accept as they are are offered again in a native transfer syntax, and the
outcome says so.

Some peers do not cope with several associations at once. Instances that fail while there are several are sent
again on a single one before they count as failed; if that succeeds, only one is used from then on.
"""

import asyncio
import logging
from typing import Final

from dcm.errors import RemoteProtocolError
from dcm.instances import Instance, without_data
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
from dcm.outcome import InstanceResult, OnResult, Outcome
from dcm.queued import QueuedWriter

_LOG: Final = logging.getLogger(__name__)
_OUT_OF_RESOURCES: Final = 0xA700  # to 0xA7FF (PS3.4 B.2.3)
_FEW: Final = 4
"""The number of waiting instances that justifies another association."""
_GRACE: Final = 0.2
"""Seconds to wait for pending association requests when the work is done, before giving them up."""


class Sender(QueuedWriter[Item]):
    """Sends to the remote of a pool; see `dcm.queued.QueuedWriter`.

    convert: whether instances that the peer does not accept as they are may be sent in a native transfer
    syntax. again: whether instances that the peer answered with a failure may be sent once more.
    originator: the C-MOVE request that is being performed, if any.
    """

    few = _FEW

    def __init__(
        self,
        pool: Pool,
        on_result: OnResult | None = None,
        *,
        convert: bool = True,
        again: bool = True,
        originator: Originator | None = None,
    ) -> None:
        super().__init__(on_result)
        self._pool: Final = pool
        self._retry: Final = pool.remote.retry
        self._convert: Final = convert
        self._again: Final = again
        self._originator: Final = originator
        self._offers: Final[dict[Offer, None]] = {}
        self._later: Final[list[Item]] = []
        """Instances for which the peer had no room; they are tried once more when nothing else is waiting."""
        self._answers = self._tries = self._dead_ends = 0
        self._trusted: Final[set[int]] = set()
        """Failures that the peer has repeated with a single association."""
        self._suspects: Final[dict[Item, InstanceResult]] = {}
        """How instances failed with several associations; only one is used until the cause is known."""
        self._limit_before = 1

    def withdraw(self) -> None:
        """Remove the instances that are not being sent yet; they get no outcome."""
        self._unsettled -= len(self._waiting) + len(self._later)
        self._twins.clear()
        self._waiting.clear()
        self._later.clear()
        self._changed.set()

    # The work.

    def _item(self, number: int, instance: Instance) -> Item:
        return Item(number, instance)

    @property
    def _most(self) -> int:
        return self._pool.limit

    def _queue(self, item: Item) -> None:
        self._offers[item.offer] = None
        super()._queue(item)

    def _dismiss(self) -> None:
        """End the workers that wait for an association: a peer that serves one at a time makes them wait."""
        for task, has_association in self._workers.items():
            if not has_association:
                task.cancel()

    async def _work(self) -> None:
        """Send waiting instances, on one association after the other."""
        task = asyncio.current_task()
        assert task is not None
        try:
            while len(self._workers) <= self._pool.limit and await self._something_waits():
                one_by_one = self._dead_ends > 0  # to find out which instance is the cause
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
        """Record that an association failed; return whether this worker requests another."""
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
            words = f"{item.refused}; converted, it failed as well: {error}"
        return item.result(Outcome.FAILED, words)

    def _offered(self) -> list[Offer]:
        """Return what to propose: all that is needed so far if it fits, else for the first in the queue."""
        if len(self._offers) <= MOST_OFFERS:
            return [*self._offers]
        found: dict[Offer, None] = {}
        for item in self._waiting:
            found[item.offer] = None
            if len(found) == MOST_OFFERS:
                break
        return [*found]

    # The interface for `Line`.

    @property
    def alone(self) -> bool:
        """Whether there is only one worker, and so one association."""
        return len(self._workers) == 1

    def next(self, accepted: Accepted) -> Item | None:
        """Return the next instance that can be sent on this association; None: end it."""
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
        """Take back an instance whose context was not accepted; it may be accepted after conversion."""
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
        """Record the outcome from the response of the peer, or send the instance again."""
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
        """Record the response of the peer as the outcome, unless the instance will be tried again later."""
        if (result.status or 0) & 0xFF00 == _OUT_OF_RESOURCES and not item.postponed:
            item.postponed = True
            self._later.append(item)
        else:
            self.tell(item, result)

    def _suspect(self, item: Item, result: InstanceResult) -> None:
        """Send an instance again on a single association, since having several may be the cause."""
        if not self._suspects:
            self._limit_before = self._pool.limit
            self._pool.lower(1, f"{item.instance.sop_instance_uid} failed: {result.words}")
            self._dismiss()
        self._suspects[item] = result
        self._waiting.appendleft(item)

    def _clear(self, item: Item, *, repeated: bool) -> None:
        """Find out whether having several associations was the cause; if not, allow them again."""
        status = self._suspects.pop(item).status
        if not repeated:
            _LOG.info("%s: it does not cope with several associations at once", self._pool.remote)
            self._limit_before = 1
            return
        self._trusted.add(status or 0)
        for other, result in [*self._suspects.items()]:
            if result.status == status and other in self._waiting:  # it would only repeat that
                del self._suspects[other]
                self._waiting.remove(other)
                self._conclude(other, result)
        if not self._suspects:
            self._pool.limit = max(self._pool.limit, self._limit_before)
            self._employ()

    def tell(self, item: Item, result: InstanceResult) -> None:
        """Record the outcome of an instance."""
        self._suspects.pop(item, None)
        item.instance = without_data(item.instance)
        self._unsettled -= 1
        self._record(item.number, result)
        self._changed.set()
        if not self._unsettled:
            asyncio.get_running_loop().call_later(_GRACE, self._dismiss)
