"""Couriers: bring objects to one destination, and say what becomes of each.

To a DICOM node, objects go one after the other on one association, so that their order is kept: the next one
is sent once there is an answer to the one before. Other places, and nodes for which several associations are
wanted, get a batch at a time by their own writers, in whatever order these choose.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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
from dcm.store.place import Place

_NOTHING_CAME: Final = (
    ConnectionFailed, TlsFailed, AssociationRejected, NotAccepted, OperationFailed,
)  # fmt: skip
"""Errors after which it is certain that a destination has taken nothing."""


class Job:
    """An object that is to be delivered: as it is in the spool, and as it is to be sent.

    begun: whether it is noted that it is handed over. remarks: what is to be said with its outcome.
    """

    __slots__ = ("begun", "doubt", "entry", "instance", "remarks")

    def __init__(self, entry: Entry, doubt: Doubt, instance: Instance, remarks: list[str]) -> None:
        self.entry = entry
        self.doubt = doubt
        self.instance = instance
        self.remarks = remarks
        self.begun = doubt is Doubt.ASK


class Watch(Protocol):
    """What a courier tells."""

    def begin(self, jobs: Sequence[Job]) -> None:
        """Note that objects are handed over now."""

    def not_begun(self, jobs: Sequence[Job]) -> None:
        """Note that objects that were to be handed over certainly were not."""

    def told(self, job: Job, result: InstanceResult, following: Job | None) -> bool:
        """Take an outcome; return whether to go on, with the job that follows if there is one."""


class Courier(Protocol):
    """Brings objects to a destination.

    at_a_time: how many it is given. in_doubt: the jobs that may have been delivered when the last error came.
    """

    at_a_time: int
    in_doubt: Sequence[Job]

    async def deliver(self, jobs: Sequence[Job], watch: Watch) -> None:
        """Deliver objects, or raise why the destination cannot be reached: `DcmError` or `OSError`."""


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
        """Deliver objects in their order; see `Courier.deliver`."""
        self._watch, self._stopped, self.in_doubt = watch, False, ()
        self._sent.clear()
        self._waiting.clear()
        self._waiting.extend((Item(job.entry.id, job.instance), job) for job in jobs)
        for item, _ in self._waiting:
            self._offers[item.offer] = None
        async with self._pool() as pool:
            while self._waiting and not self._stopped:
                await self._on_association(pool)

    async def _on_association(self, pool: Pool) -> None:
        offers = self._offered()
        under_way = self._line.under_way
        under_way.clear()
        try:
            async with pool.lease(contexts_for(offers)) as association:
                await self._line.run(association, offers)
        except Unreadable:  # its outcome is known
            return
        except BaseException:
            self.in_doubt = [self._sent[each] for each in under_way.values() if each in self._sent]
            raise

    def _offered(self) -> list[Offer]:
        """Return what is proposed: all that was needed so far if that fits, else what waits first."""
        if len(self._offers) > MOST_OFFERS:
            self._offers.clear()
            for item, _ in self._waiting:
                if len(self._offers) < MOST_OFFERS:
                    self._offers[item.offer] = None
        return [*self._offers]

    # What the line of work needs: see `dcm.net.line.Source`.

    def next(self, accepted: Accepted) -> Item | None:
        """Take the next object; None: there is none, or it needs another association."""
        if self._stopped or not self._waiting or self._waiting[0][0].offer not in accepted:
            return None
        item, job = self._waiting.popleft()
        self._sent[item] = job
        assert self._watch is not None
        if not job.begun:
            self._watch.begin([job])
        return item

    def refuse(self, item: Item) -> None:
        """Take back an object whose context was not accepted: converted, it may be."""
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
        """Take the outcome that the peer's response says."""
        self.tell(item, result)

    def tell(self, item: Item, result: InstanceResult) -> None:
        """Take an outcome."""
        job = self._sent.pop(item)
        assert self._watch is not None
        following = self._waiting[0][1] if self._waiting else None
        if not self._watch.told(job, result, following):
            self._stopped = True


_NO_CONTEXT: Final = 0x0122
"""SOP class not supported (PS3.7 C.5.6): what a peer says that accepts no context for it."""


class Batches:
    """Gives a batch at a time to the writer of a place."""

    at_a_time: int = 100

    def __init__(self, place: Place) -> None:
        self.in_doubt: Sequence[Job] = ()
        self._place: Final = place

    async def deliver(self, jobs: Sequence[Job], watch: Watch) -> None:
        """Deliver a batch; see `Courier.deliver`."""
        waiting: dict[str, Job] = {}
        for job in jobs:  # of those with one UID the first: the others come with the next batch
            waiting.setdefault(job.instance.sop_instance_uid, job)
        batch = [*waiting.values()]
        failed: list[tuple[Job, InstanceResult]] = []

        def told(result: InstanceResult) -> None:
            job = waiting.pop(result.sop_instance_uid, None)
            if job is not None and result.status is None and not result.stored:
                failed.append((job, result))
            elif job is not None:
                watch.told(job, result, None)

        watch.begin(batch)
        self.in_doubt = ()
        given_up: Exception | None = None
        try:
            async with self._place.writer(told) as writer:
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
                watch.told(job, result, None)
        else:
            if isinstance(given_up, _NOTHING_CAME):
                not_tried = [job for job, _ in failed]
            watch.not_begun(not_tried)
            self.in_doubt = [job for job, _ in failed if job not in not_tried]
            raise given_up if isinstance(given_up, DcmError | OSError) else OutOfReach(given_up)


class OutOfReach(DcmError):  # noqa: N818 - reads as the sentence it is
    """A destination that gave up for a reason that is no error of ours."""

    def __init__(self, why: object) -> None:
        super().__init__(str(why))


@asynccontextmanager
async def opened(place: Place, associations: int) -> AsyncIterator[Courier]:
    """Open a place while the block runs, and yield the courier to it.

    associations: how many to use of a node at the same time; with more than one, no order is kept.
    """
    from dcm.store.node import NodePlace  # noqa: PLC0415 - a folder needs none

    async with place:
        if isinstance(place, NodePlace) and associations == 1:
            remote, entity = replace(place.remote, max_associations=1), place.entity
            yield Ordered(lambda: entity.pool(remote))
        else:
            yield Batches(place)
