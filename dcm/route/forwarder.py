"""A forwarder: what comes goes into a spool, and from there to its destinations, each at its own pace.

with Spool(folder) as spool:
    async with Forwarder(spool, plan, told) as forwarder:
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
    """Where objects go. It may be replaced while objects come.

    choose: chooses the destinations of an object, by name. place: opens a destination; raises `DcmError` for
    one that is not known. destinations: those that are known beforehand. through: the filter on the way.
    """

    choose: Choose
    place: Callable[[str], Place]
    destinations: Sequence[str] = ()
    through: "Filter | None" = None


class Forwarder:
    """Delivers what is in a spool while its block runs. told: called with the outcome of each delivery.

    Leaving the block ends the deliveries at once; what has no outcome by then stays in the spool.
    """

    def __init__(
        self, spool: Spool, plan: Plan, told: OnDelivered, patience: Patience | None = None
    ) -> None:
        self.spool: Final = spool
        self.sink: Final = SpoolSink(spool, plan.choose)
        self.deliveries: Final[dict[str, Delivery]] = {}
        self._plan = plan
        self._told: Final = told
        self._patience: Final = patience or Patience()
        self._tasks: Final[dict[str, asyncio.Task[None]]] = {}
        self._unknown: Final[set[str]] = set()
        """Destinations for which something waits, and that cannot be opened."""
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
        """Begin to deliver to all destinations that are known, or for which something waits."""
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
                _LOG.error("what is for %s waits: %s", name, error)
                self.spool.queue.trouble(name, str(error))
            return
        self._unknown.discard(name)
        delivery = self.deliveries[name] = Delivery(
            name, place, self.spool, self._told,
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
        """Go on with another plan; objects go on to come meanwhile.

        What is being delivered is finished first. What waits already keeps its destinations.
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
        """Try all destinations again now, and look for what another process has put into the spool."""
        self._begin()
        for delivery in self.deliveries.values():
            delivery.retry()

    async def finish(self, within: float) -> bool:
        """Finish what is being delivered, for up to `within` seconds; return whether all was.

        What waits stays in the spool.
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
        """Whether nothing waits."""
        return not self.spool.queue.destinations()


_FINISHING: Final = 10.0
"""Seconds for an object that is being delivered when the plan is replaced."""


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
