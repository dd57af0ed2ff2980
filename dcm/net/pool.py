"""A pool of associations with one remote, limited in number and reused.

    async with Pool(local, remote) as pool:
        async with pool.lease(contexts) as association:
            ...

An association whose block ends without an error is kept for a while, and reused by the next lease of the same
presentation contexts.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Self

from dcm.net.association import Association
from dcm.net.errors import NetworkError
from dcm.net.limits import TimeLimits
from dcm.net.remote import Listen, Remote
from dcm.wire import PresentationContextRQ, UserItem

_LOG: Final = logging.getLogger(__name__)
_KEPT: Final = 10.0
"""Seconds for which an unused association is kept."""
_FAR: Final = 0.015  # seconds

_Offer = tuple[tuple[PresentationContextRQ, ...], tuple[UserItem, ...]]


class Pool:
    """The associations with `remote`, at most `limit` at the same time.

    limit: initially the remote's `max_associations`; lowered if the remote rejects another one.
    """

    def __init__(self, local: Listen, remote: Remote) -> None:
        self.local: Final = local
        self.remote: Final = remote
        self.limit = remote.max_associations
        self._quickest = 0.0
        """The shortest time in which the remote has accepted an association, in seconds."""
        self._open = 0
        """The number of associations that are leased, kept or being requested."""
        self._kept: Final[dict[Association, tuple[_Offer, asyncio.TimerHandle]]] = {}
        self._waiting: Final[deque[asyncio.Future[None]]] = deque()
        self._releasing: Final[set[asyncio.Task[None]]] = set()

    @property
    def limits(self) -> TimeLimits:
        """The time limits for this remote."""
        return self.remote.limits

    @property
    def is_far(self) -> bool:
        """Whether the remote takes so long to accept an association that round trips matter."""
        return self._quickest > _FAR

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the kept associations."""
        for association in [*self._kept]:
            self._release(association)
        if self._releasing:
            await asyncio.gather(*self._releasing)

    @asynccontextmanager
    async def lease(
        self,
        contexts: Sequence[PresentationContextRQ],
        user_information: Sequence[UserItem] = (),
    ) -> AsyncIterator[Association]:
        """Lease an association while the block runs; an exception in the block aborts it.

        Waits while `limit` associations are leased. Raises `NetworkError`; if the remote rejects another one
        while some are open, the limit is lowered to their number, and the error is raised at once.
        """
        offer = tuple(contexts), tuple(user_information)
        association = await self._take(offer)
        try:
            yield association
        except BaseException:
            try:
                await association.abort()
            finally:
                self._closed()
            raise
        association.used = True
        self._keep(offer, association)

    async def _take(self, offer: _Offer) -> Association:
        while True:
            for association, (kept_for, _) in self._kept.items():
                if kept_for == offer:
                    self._forget(association)
                    if association.is_quiet:
                        return association
                    association.close()  # the peer has ended it in the meantime
                    self._closed()
                    break
            else:
                if self._open < self.limit:
                    return await self._request(offer)
                if self._kept:
                    self._release(next(iter(self._kept)))
                await self._one_less()

    async def _request(self, offer: _Offer) -> Association:
        while True:
            alone = self._open == 0
            self._open += 1
            begun = asyncio.get_running_loop().time()
            try:
                found = await Association.request(self.local, self.remote, *offer, patient=alone)
            except BaseException as error:
                self._closed()
                if not isinstance(error, NetworkError):
                    raise
                if self._open:
                    self.lower(self._open, str(error))
                if not self._kept:
                    raise
                await self.close()  # it may have counted those that we only keep
            else:
                took = asyncio.get_running_loop().time() - begun
                self._quickest = min(took, self._quickest or took)
                return found

    def lower(self, limit: int, why: str) -> None:
        """Allow fewer associations from now on."""
        if limit < self.limit:
            _LOG.info("%s: using at most %d associations from now on: %s", self.remote, limit, why)
            self.limit = limit

    def _keep(self, offer: _Offer, association: Association) -> None:
        loop = asyncio.get_running_loop()
        self._kept[association] = offer, loop.call_later(_KEPT, self._release, association)
        if not association.is_quiet or self._open > self.limit:
            self._release(association)
        else:
            self._wake()

    def _forget(self, association: Association) -> None:
        self._kept.pop(association)[1].cancel()

    def _release(self, association: Association) -> None:
        """Release a kept association in a separate task."""
        self._forget(association)
        task = asyncio.create_task(association.release())
        self._releasing.add(task)
        task.add_done_callback(self._released)

    def _released(self, task: asyncio.Task[None]) -> None:
        self._releasing.discard(task)
        self._closed()

    def _closed(self) -> None:
        self._open -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _one_less(self) -> None:
        """Wait until an association is returned or has ended."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake()  # it was notified but cannot use it
            raise
