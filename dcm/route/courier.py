"""Couriers: deliver objects to one destination, and report the outcome of each.

A DICOM node receives objects one after the other on one association, which preserves their order:
the next is sent after the response to the previous one. Other places, and nodes with several
associations, receive a batch at a time from their own writers, in an order chosen by these.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import islice
from typing import Final, Protocol

from dcm.errors import DcmError
from dcm.frozen import replace
from dcm.instances import Instance
from dcm.net.errors import (
    AssociationRejected,
    ConnectionFailed,
    NotAccepted,
    OperationFailed,
    TlsFailed,
)
from dcm.net.line import MOST_OFFERS, Accepted, Item, Line, Offer, Unreadable, contexts_for
from dcm.net.pool import Pool
from dcm.net.uids import NATIVE
from dcm.outcome import InstanceResult, Outcome
from dcm.route.queue import Doubt, Entry
from dcm.route.spool import SOME
from dcm.store.place import Place

_NOTHING_CAME: Final = (
    ConnectionFailed, TlsFailed, AssociationRejected, NotAccepted, OperationFailed,
)  # fmt: skip
"""Errors after which the destination certainly has received nothing."""


class Job:
    """An object to deliver: as it is in the spool, and as it is to be sent.

    begun: whether the hand-over has been recorded. remarks: to be added to its outcome.
    """

    __slots__ = ("begun", "doubt", "entry", "instance", "remarks")

    def __init__(self, entry: Entry, doubt: Doubt, instance: Instance, remarks: list[str]) -> None:
        self.entry = entry
        self.doubt = doubt
        self.instance = instance
        self.remarks = remarks
        self.begun = doubt is Doubt.ASK


class Watch(Protocol):
    """Receives the reports of a courier."""

    def begin(self, jobs: Sequence[Job]) -> None:
        """Record that objects are about to be handed over."""

    def not_begun(self, jobs: Sequence[Job]) -> None:
        """Record that objects were certainly not handed over, though this was announced."""

    def outcome(self, job: Job, result: InstanceResult) -> bool:
        """Process an outcome; return whether to continue."""


class Courier(Protocol):
    """Delivers objects to a destination.

    at_a_time: the most jobs per call. in_doubt: the jobs that may have been delivered when the last
    error occurred.
    """

    at_a_time: int
    in_doubt: Sequence[Job]

    async def deliver(self, jobs: Sequence[Job], watch: Watch) -> None:
        """Deliver objects. Raises `DcmError` or `OSError` if the destination cannot be reached."""


class Ordered:
    """Sends one object after the other on one association of a pool."""

    at_a_time: int = 100

    def __init__(self, pool: Callable[[], AbstractAsyncContextManager[Pool]]) -> None:
        self.in_doubt: Sequence[Job] = ()
        self._pool: Final = pool
        self._offers: Final[dict[Offer, None]] = {}
        self._waiting: Final[deque[tuple[Item, Job]]] = deque()
        self._sent: dict[Item, Job] = {}
        self._watch: Watch | None = None
        self._stopped = False
        self._line: Final = Line(self, one_by_one=True)

    async def deliver(self, jobs: Sequence[Job], watch: Watch) -> None:
        """Deliver objects in order; see `Courier.deliver`."""
        self._watch, self._stopped, self.in_doubt = watch, False, ()
        self._sent.clear()
        self._waiting.clear()
        self._waiting.extend((Item(job.entry.id, job.instance), job) for job in jobs)
        for item, _ in self._waiting:
            self._offers[item.offer] = None
        try:
            async with self._pool() as pool:
                while self._waiting and not self._stopped:
                    await self._on_association(pool)
        finally:
            not_sent = [job for _, job in self._waiting if job.begun and job.doubt is not Doubt.ASK]
            watch.not_begun(not_sent)

    async def _on_association(self, pool: Pool) -> None:
        offers = self._offered()
        under_way = self._line.under_way
        under_way.clear()
        try:
            async with pool.lease(contexts_for(offers)) as association:
                await self._line.run(association, offers)
        except Unreadable:  # its outcome is recorded
            return
        except BaseException:
            self.in_doubt = [self._sent[each] for each in under_way.values() if each in self._sent]
            raise

    def _offered(self) -> list[Offer]:
        """Return the contexts to propose: all needed so far if they fit, else the first ones."""
        if len(self._offers) > MOST_OFFERS:
            self._offers.clear()
            for item, _ in self._waiting:
                if len(self._offers) < MOST_OFFERS:
                    self._offers[item.offer] = None
        return [*self._offers]

    # The interface of `dcm.net.line.Source`.

    def next(self, accepted: Accepted) -> Item | None:
        """Take the next object; return None without one, or if it needs another association."""
        if self._stopped or not self._waiting or self._waiting[0][0].offer not in accepted:
            return None
        assert self._watch is not None
        item, job = self._waiting[0]
        if not job.begun:
            some = [job for _, job in islice(self._waiting, SOME) if not job.begun]
            self._watch.begin(some)
        self._waiting.popleft()
        self._sent[item] = job
        return item

    def refuse(self, item: Item) -> None:
        """Take back an object whose context was rejected; it may be sent converted."""
        sop_class, syntaxes = item.offer
        if item.refused is not None:
            words = f"{item.refused}, nor in a native transfer syntax"
            self.tell(item, item.result(Outcome.FAILED, words, _NO_CONTEXT))
            return
        item.refused = f"no presentation context was accepted for {sop_class} in {syntaxes[0]}"
        item.offer = (sop_class, NATIVE)
        self._offers[item.offer] = None
        self._waiting.appendleft((item, self._sent.pop(item)))

    def answered(self, item: Item, result: InstanceResult) -> None:
        """Process the outcome from the peer's response."""
        self.tell(item, result)

    def tell(self, item: Item, result: InstanceResult) -> None:
        """Process an outcome."""
        job = self._sent.pop(item)
        assert self._watch is not None
        if not self._watch.outcome(job, result):
            self._stopped = True


_NO_CONTEXT: Final = 0x0122
"""SOP class not supported (PS3.7 C.5.6): the status if a peer accepts no context."""


class Batches:
    """Passes one batch at a time to the writer of a place."""

    at_a_time: int = 100

    def __init__(self, place: Place) -> None:
        self.in_doubt: Sequence[Job] = ()
        self._place: Final = place

    async def deliver(self, jobs: Sequence[Job], watch: Watch) -> None:
        """Deliver a batch; see `Courier.deliver`."""
        waiting: dict[str, Job] = {}
        for job in jobs:  # of several with one UID only the first: the next batch has the others
            waiting.setdefault(job.instance.sop_instance_uid, job)
        batch = [*waiting.values()]
        failed: list[tuple[Job, InstanceResult]] = []

        def on_result(result: InstanceResult) -> None:
            job = waiting.pop(result.sop_instance_uid, None)
            if job is not None and result.status is None and not result.stored:
                failed.append((job, result))
            elif job is not None:
                watch.outcome(job, result)

        watch.begin(batch)
        self.in_doubt = ()
        given_up: Exception | None = None
        try:
            async with self._place.writer(on_result) as writer:
                for job in batch:
                    writer.add(job.instance)
                await writer.finish()
                given_up = writer.given_up
        except BaseException:
            self.in_doubt = [*waiting.values()]
            raise
        not_tried = [job for job, result in failed if result.outcome is Outcome.NOT_TRIED]
        if given_up is None:
            for job, result in failed:
                watch.outcome(job, result)
        else:
            if isinstance(given_up, _NOTHING_CAME):
                not_tried = [job for job, _ in failed]
            watch.not_begun(not_tried)
            self.in_doubt = [job for job, _ in failed if job not in not_tried]
            raise given_up if isinstance(given_up, DcmError | OSError) else OutOfReach(given_up)


class OutOfReach(DcmError):  # noqa: N818 - reads as the sentence it is
    """A destination gave up because of an exception from outside this package."""

    def __init__(self, why: object) -> None:
        super().__init__(str(why))


@asynccontextmanager
async def opened(place: Place, associations: int) -> AsyncIterator[Courier]:
    """Open a place while the block runs, and yield the courier to it.

    associations: how many to use simultaneously for a node; with more than one, no order is
    preserved.
    """
    from dcm.store.node import NodePlace  # noqa: PLC0415 - a folder needs none

    async with place:
        if isinstance(place, NodePlace) and associations == 1:
            remote, entity = replace(place.remote, max_associations=1), place.entity
            yield Ordered(lambda: entity.pool(remote))
        else:
            yield Batches(place)
