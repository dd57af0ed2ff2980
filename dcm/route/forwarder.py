"""A forwarder: received objects go into a spool, and from there to each destination independently.

with Spool(folder) as spool:
    async with Forwarder(spool, plan, on_delivered) as forwarder:
        async with Listener(local, forwarder.sink, limits):
            ...
        await forwarder.finish(10)
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from dcm.errors import DcmError
from dcm.route.delivery import Delivery, OnDelivered, Patience
from dcm.route.spool import Choose, Spool, SpoolSink
from dcm.store.place import Place

if TYPE_CHECKING:
    from dcm.filt.base import Filter

_LOG: Final = logging.getLogger(__name__)


class Plan(NamedTuple):
    """The destinations of objects. It may be replaced while objects are received.

    choose: returns the names of an object's destinations. place: opens a destination; raises
    `DcmError` if it is unknown. destinations: those known in advance. through: a filter applied
    before sending.
    """

    choose: Choose
    place: Callable[[str], Place]
    destinations: Sequence[str] = ()
    through: "Filter | None" = None


class Forwarder:
    """Delivers the objects in a spool while its block runs. on_delivered: called with each outcome.

    Leaving the block stops the deliveries immediately; objects without an outcome stay in the
    spool.
    """

    def __init__(
        self, spool: Spool, plan: Plan, on_delivered: OnDelivered, patience: Patience | None = None
    ) -> None:
        self.spool: Final = spool
        self.sink: Final = SpoolSink(spool, plan.choose)
        self.deliveries: Final[dict[str, Delivery]] = {}
        self._plan = plan
        self._on_delivered: Final = on_delivered
        self._patience: Final = patience or Patience()
        self._tasks: Final[dict[str, asyncio.Task[None]]] = {}
        self._unknown: Final[set[str]] = set()
        """Destinations with queued objects that cannot be opened."""
        self._ending = False

    async def __aenter__(self) -> Self:
        self.spool.added = self._added
        self._begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.spool.added = lambda _: None
        await _cancel(self._tasks.values())

    def _begin(self) -> None:
        """Start delivering to all destinations that are known or have queued objects."""
        for name in dict.fromkeys((*self._plan.destinations, *self.spool.queue.destinations())):
            self._deliver(name)

    def _deliver(self, name: str) -> None:
        if name in self.deliveries or self._ending:
            return
        try:
            place = self._plan.place(name)
        except DcmError as error:
            if name not in self._unknown:
                self._unknown.add(name)
                _LOG.error("objects for %s are waiting: %s", name, error)
                self.spool.queue.trouble(name, str(error))
            return
        self._unknown.discard(name)
        delivery = self.deliveries[name] = Delivery(
            name, place, self.spool, self._on_delivered,
            through=self._plan.through, patience=self._patience,
        )  # fmt: skip
        self._tasks[name] = asyncio.create_task(delivery.run())

    def _added(self, destinations: Sequence[str]) -> None:
        for name in destinations:
            delivery = self.deliveries.get(name)
            if delivery is not None:
                delivery.added()
            else:
                self._deliver(name)

    async def replace(self, plan: Plan) -> None:
        """Switch to another plan, while objects continue to arrive.

        Current deliveries are finished first. Waiting objects keep their destinations.
        """
        self._plan = plan
        self.sink.choose = plan.choose
        self._unknown.clear()
        before = [*self.deliveries]
        await asyncio.gather(*(self._end(name) for name in before))
        self._begin()

    async def _end(self, name: str) -> None:
        self.deliveries[name].stop()
        _, late = await asyncio.wait([self._tasks[name]], timeout=_FINISHING)
        await _cancel(late)
        del self.deliveries[name], self._tasks[name]

    def retry(self) -> None:
        """Retry all destinations now, and look for objects added by other processes."""
        self._begin()
        for delivery in self.deliveries.values():
            delivery.retry()

    async def finish(self, within: float) -> bool:
        """Finish current deliveries within `within` seconds; return whether all were finished.

        Waiting objects stay in the spool.
        """
        self._ending = True
        for delivery in self.deliveries.values():
            delivery.stop()
        if not self._tasks:
            return True
        _, late = await asyncio.wait(self._tasks.values(), timeout=within)
        return not late

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting."""
        return not self.spool.queue.destinations()


_FINISHING: Final = 10.0
"""Seconds to finish the current object when the plan is replaced."""


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
