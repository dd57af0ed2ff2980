"""The two ways to fetch instances: C-GET on our own association, or C-MOVE to our own listener."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from dcm.net.association import Association
from dcm.net.errors import ConnectionFailed
from dcm.net.get import Taken, get, open_get
from dcm.net.intake import Intake
from dcm.net.kinds import few_classes, groups
from dcm.net.move import move_one, open_move
from dcm.net.pool import Pool
from dcm.net.suboperations import (
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    Progress,
    SubOperations,
    accepted_model,
    raise_if_hopeless,
)
from dcm.net.wanted import Request, Wanted, identifier_for
from dcm.sinks import NotKept, ReceivedInstance

if TYPE_CHECKING:
    from dcm.net.listener import Listener

Offer: TypeAlias = tuple[str, ...]
"""The SOP classes offered on an association; empty: the common ones."""
Fetch: TypeAlias = Callable[[Request], Awaitable[SubOperations]]
"""Sends a request, and returns the final response after everything was received. Raises `NetworkError`."""


class Source(Protocol):
    """A way to fetch instances; `Taken` is called with each.

    at_once: the number of associations.
    """

    @property
    def at_once(self) -> int:
        """The number of associations that can be used at the same time."""

    def grouped(self, missing: Iterable[Wanted]) -> list[tuple[Offer, list[Wanted]]]:
        """Group instances by the contexts that they need."""

    def open(self, offer: Offer, /) -> AbstractAsyncContextManager[Fetch]:
        """Provide an association for requests while a block runs. Raises `NetworkError`."""


class ByGet:
    """By C-GET, on as many associations as the SOP classes need.

    If an archive does not return the classes, all common ones are offered first. Then, for the missing
    instances, a few classes are offered in each transfer syntax: those that were received, since missing
    instances are usually of the same classes.
    """

    def __init__(self, pool: Pool, intake: Intake, taken: Taken) -> None:
        self._pool: Final = pool
        self._intake: Final = intake
        self._taken: Final = taken
        self._seen: Final[dict[str, None]] = {}
        self._few = False

    @property
    def at_once(self) -> int:
        """As many as the pool allows."""
        return self._pool.limit

    def grouped(self, missing: Iterable[Wanted]) -> list[tuple[Offer, list[Wanted]]]:
        """Group instances by SOP class."""
        by_class: dict[str, list[Wanted]] = {}
        for each in missing:
            by_class.setdefault(each.sop_class_uid, []).append(each)
        found = []
        for classes in groups(by_class):
            members = [each for name in classes or [""] for each in by_class[name]]
            found.append((tuple(classes or self._for_unknown()), members))
        return found

    @asynccontextmanager
    async def open(self, offer: Offer) -> AsyncIterator[Fetch]:
        """Provide an association that accepts these classes."""
        async with open_get(self._pool, offer) as association:
            model = accepted_model(association, STUDY_ROOT_GET, PATIENT_ROOT_GET)

            async def fetch(request: Request) -> SubOperations:
                identifier = identifier_for(request, patient=model == PATIENT_ROOT_GET)
                last = await get(association, identifier, self._intake, self._came, model)
                raise_if_hopeless(association, last)
                return last

            yield fetch

    def _came(self, event: ReceivedInstance | NotKept) -> Awaitable[None] | None:
        if isinstance(event, ReceivedInstance):
            self._seen[event.sop_class_uid] = None
        return self._taken(event)

    def _for_unknown(self) -> list[str]:
        few, self._few = self._few, not self._few
        return few_classes(self._seen) if few else []


class ByMove:
    """By C-MOVE to our own AE title, where a listener receives the instances: a running or temporary one."""

    at_once: Final = 1

    def __init__(
        self, pool: Pool, intake: Intake, taken: Taken, listener: "Listener | None" = None
    ) -> None:
        self._pool: Final = pool
        self._intake: Final = intake
        self._taken: Final = taken
        self._listener: Final = listener
        self._arrived: Final = asyncio.Event()
        self._progress: Progress | None = None
        self._waiting: set[str] = set()
        self._came = 0

    def grouped(self, missing: Iterable[Wanted]) -> list[tuple[Offer, list[Wanted]]]:
        """Return a single group: the archive decides which contexts to offer."""
        return [((), [*missing])]

    @asynccontextmanager
    async def open(self, _: Offer) -> AsyncIterator[Fetch]:
        """Provide an association and a listener."""
        from dcm.net.conversation import Destination  # noqa: PLC0415 - not for C-GET
        from dcm.net.listener import Listener  # noqa: PLC0415

        pool, intake = self._pool, self._intake
        async with AsyncExitStack() as stack:
            if self._listener is not None:
                here = self._listener
                mine = Destination(intake, self._handle, self._taken, intake.claims)
                stack.enter_context(here.expecting(mine))
            else:
                here = Listener(
                    pool.local, intake, pool.limits, self._handle, on_failure=self._taken
                )
                try:
                    await stack.enter_async_context(here)
                except OSError as error:
                    raise ConnectionFailed(
                        str(pool.local), "listening", os.strerror(error.errno or 0),
                        "another program may be listening there",
                    ) from error  # fmt: skip
            association = await stack.enter_async_context(open_move(pool))
            model = accepted_model(association, STUDY_ROOT_MOVE, PATIENT_ROOT_MOVE)

            async def fetch(request: Request) -> SubOperations:
                last = await self._fetch(association, request, model, here.node.ae_title)
                raise_if_hopeless(association, last)
                return last

            yield fetch

    async def _handle(self, received: ReceivedInstance) -> None:
        """Process an instance received by the listener."""
        if self._progress is not None:
            self._progress.made()
        self._came += 1
        self._waiting.discard(received.sop_instance_uid)
        waited = self._taken(received)
        if waited is not None:
            await waited
        self._arrived.set()

    async def _fetch(
        self, association: Association, request: Request, model: str, destination: str
    ) -> SubOperations:
        """Wait for the final response, and for all instances that it reports as sent."""
        message_id = association.next_message_id()
        self._intake.moves.add(message_id)
        self._progress = Progress(association)
        self._waiting = {each.sop_instance_uid for each in request.instances}
        self._came = 0
        identifier = identifier_for(request, patient=model == PATIENT_ROOT_MOVE)
        last = await move_one(
            association, identifier, destination, model,
            message_id=message_id, progress=self._progress,
        )  # fmt: skip
        promised = len(request.instances) if last.sent is None else last.sent
        try:
            while self._waiting and self._came < promised and not last.words:
                self._arrived.clear()
                async with asyncio.timeout(self._pool.limits.response):
                    await self._arrived.wait()
        except TimeoutError:
            pass
        return last
