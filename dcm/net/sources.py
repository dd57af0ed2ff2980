"""The two ways to fetch instances: C-GET on our own association, C-MOVE to a listener of our own."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import AsyncExitStack, aclosing
from typing import Final, Protocol, TypeAlias

from dcm.net.association import Association
from dcm.net.errors import ConnectionFailed
from dcm.net.get import NotKept, get, open_get
from dcm.net.incoming import ReceivedInstance
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
    raise_if_final,
)
from dcm.net.wanted import Request, Wanted, identifier_for

Event: TypeAlias = Request | ReceivedInstance | NotKept | SubOperations
"""A request that is made now, an instance that came, and the final response to the request."""
Ask: TypeAlias = Callable[[Collection[Wanted]], Iterable[Request]]

_WAITING: Final = 8


class Source(Protocol):
    """A way to fetch instances."""

    def fetch(self, missing: Collection[Wanted], ask: Ask) -> AsyncGenerator[Event, None]:
        """Make the requests for all that is missing, and yield what comes. Raises `NetworkError`."""


class ByGet:
    """By C-GET, on as many associations as the SOP classes need.

    If an archive does not tell the classes, all common ones are offered first, and then, for what did not
    come so, a few in each transfer syntax: those that came, since what is missing is mostly like them.
    """

    def __init__(self, pool: Pool, intake: Intake) -> None:
        self._pool: Final = pool
        self._folder: Final = intake.folder
        self._seen: Final[dict[str, None]] = {}
        self._few = False

    async def fetch(self, missing: Collection[Wanted], ask: Ask) -> AsyncGenerator[Event, None]:
        """Make the requests for all that is missing, and yield what comes. Raises `NetworkError`."""
        for classes in groups(each.sop_class_uid for each in missing):
            among = classes or [""]
            group = [each for each in missing if each.sop_class_uid in among]
            offered = classes or self._for_unknown()
            async with open_get(self._pool, offered) as association:
                model = accepted_model(association, STUDY_ROOT_GET, PATIENT_ROOT_GET)
                for request in ask(group):
                    yield request
                    identifier = identifier_for(request, patient=model == PATIENT_ROOT_GET)
                    async with aclosing(get(association, identifier, self._folder, model)) as came:
                        async for each in came:
                            if isinstance(each, ReceivedInstance):
                                self._seen[each.sop_class_uid] = None
                            yield each
                            raise_if_final(association, each)

    def _for_unknown(self) -> list[str]:
        few, self._few = self._few, not self._few
        return few_classes(self._seen) if few else []


class ByMove:
    """By C-MOVE to our own AE title, where a listener of ours takes what comes."""

    def __init__(self, pool: Pool, intake: Intake) -> None:
        self._pool: Final = pool
        self._intake: Final = intake
        self._failed: Final[list[NotKept]] = []

    async def fetch(self, missing: Collection[Wanted], ask: Ask) -> AsyncGenerator[Event, None]:
        """Make the requests for all that is missing, and yield what comes. Raises `NetworkError`."""
        from dcm.net.listener import Listener  # noqa: PLC0415 - not for C-GET

        arrived: asyncio.Queue[ReceivedInstance] = asyncio.Queue(_WAITING)
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(
                    Listener(
                        self._pool.local, self._intake.folder, self._pool.limits, arrived.put,
                        on_failure=self._failed.append,
                    )
                )  # fmt: skip
            except OSError as error:
                raise ConnectionFailed(
                    str(self._pool.local), "listening", os.strerror(error.errno or 0),
                    "another program may listen there",
                ) from error  # fmt: skip
            association = await stack.enter_async_context(open_move(self._pool))
            model = accepted_model(association, STUDY_ROOT_MOVE, PATIENT_ROOT_MOVE)
            for request in ask(missing):
                yield request
                async with aclosing(self._one(association, request, model, arrived)) as came:
                    async for each in came:
                        yield each
                        raise_if_final(association, each)

    async def _one(
        self,
        association: Association,
        request: Request,
        model: str,
        arrived: "asyncio.Queue[ReceivedInstance]",
    ) -> AsyncGenerator[Event, None]:
        """Yield what comes until the archive has ended, and all came of which it says that it was sent."""
        message_id = association.next_message_id()
        self._intake.moves.add(message_id)
        progress = Progress(association)
        responses = move_one(
            association,
            identifier_for(request, patient=model == PATIENT_ROOT_MOVE),
            self._pool.local.ae_title,
            model,
            message_id=message_id,
            progress=progress,
        )
        ended = asyncio.create_task(_last(responses))
        waiting = {each.sop_instance_uid for each in request.instances}
        came = 0
        try:
            while not (ended.done() and arrived.empty()):
                instance = asyncio.ensure_future(arrived.get())
                try:
                    await asyncio.wait((ended, instance), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not instance.done():
                        instance.cancel()
                if instance.done() and not instance.cancelled():
                    progress.made()
                    came += 1
                    waiting.discard(instance.result().sop_instance_uid)
                    yield instance.result()
            last = ended.result()
            promised = len(request.instances) if last.sent is None else last.sent
            while waiting and came < promised and not last.words:
                async with asyncio.timeout(self._pool.limits.response):
                    late = await arrived.get()
                came += 1
                waiting.discard(late.sop_instance_uid)
                yield late
        except TimeoutError:
            pass
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
        while self._failed:
            yield self._failed.pop(0)
        yield last


async def _last(responses: AsyncGenerator[SubOperations, None]) -> SubOperations:
    """Return the last response."""
    async with aclosing(responses):
        return [response async for response in responses][-1]
