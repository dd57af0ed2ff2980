"""The two ways in which instances come: C-GET on our own association, C-MOVE to a listener of our own."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import AsyncExitStack, aclosing
from typing import Final, Protocol, TypeAlias

from dcm.net.association import Association
from dcm.net.errors import ConnectionFailed
from dcm.net.get import NotKept, get, open_get
from dcm.net.incoming import Folder, ReceivedInstance
from dcm.net.kinds import few_classes, groups
from dcm.net.limits import TimeLimits
from dcm.net.move import move_one, open_move
from dcm.net.node import DcmNode
from dcm.net.suboperations import (
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    SubOperations,
    accepted_model,
    require_hope,
)
from dcm.net.wanted import Request, Wanted, identifier_for

Event: TypeAlias = Request | ReceivedInstance | NotKept | SubOperations
"""What is asked for now, an instance that came, and what the archive says at the end of a request."""
Ask: TypeAlias = Callable[[Collection[Wanted]], Iterable[Request]]

_WAITING: Final = 8


class Source(Protocol):
    """A way in which instances come."""

    def fetch(self, missing: Collection[Wanted], ask: Ask) -> AsyncGenerator[Event, None]:
        """Ask for all that is missing, and give what comes. Raises `NetworkError`."""


class ByGet:
    """By C-GET, on as many associations as the SOP classes need.

    Where an archive does not tell the classes, all that are common are offered first, and then, for what did
    not come so, a few in each transfer syntax: those that came, for what is missing is mostly like it.
    """

    def __init__(self, local: DcmNode, remote: DcmNode, limits: TimeLimits, folder: Folder) -> None:
        self._local: Final = local
        self._remote: Final = remote
        self._limits: Final = limits
        self._folder: Final = folder
        self._seen: Final[dict[str, None]] = {}
        self._few = False

    async def fetch(self, missing: Collection[Wanted], ask: Ask) -> AsyncGenerator[Event, None]:
        """Ask for all that is missing, and give what comes."""
        for classes in groups(each.sop_class_uid for each in missing):
            among = classes or [""]
            group = [each for each in missing if each.sop_class_uid in among]
            offered = classes or self._for_unknown()
            opened = await open_get(self._local, self._remote, offered, self._limits)
            async with opened as association:
                model = accepted_model(association, STUDY_ROOT_GET, PATIENT_ROOT_GET)
                for request in ask(group):
                    yield request
                    identifier = identifier_for(request, patient=model == PATIENT_ROOT_GET)
                    async with aclosing(get(association, identifier, self._folder, model)) as came:
                        async for each in came:
                            if isinstance(each, ReceivedInstance):
                                self._seen[each.sop_class_uid] = None
                            yield each
                            require_hope(association, each)

    def _for_unknown(self) -> list[str]:
        few, self._few = self._few, not self._few
        return few_classes(self._seen) if few else []


class ByMove:
    """By C-MOVE to our own AE title, where a listener of ours takes what comes."""

    def __init__(self, local: DcmNode, remote: DcmNode, limits: TimeLimits, folder: Folder) -> None:
        self._local: Final = local
        self._remote: Final = remote
        self._limits: Final = limits
        self._folder: Final = folder

    async def fetch(self, missing: Collection[Wanted], ask: Ask) -> AsyncGenerator[Event, None]:
        """Ask for all that is missing, and give what comes."""
        from dcm.net.listener import Listener  # noqa: PLC0415 - not for C-GET

        arrived: asyncio.Queue[ReceivedInstance] = asyncio.Queue(_WAITING)
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(
                    Listener(self._local, self._folder, self._limits, arrived.put)
                )
            except OSError as error:
                raise ConnectionFailed(
                    str(self._local), "listening", os.strerror(error.errno or 0),
                    "another program may listen there",
                ) from error  # fmt: skip
            opened = await open_move(self._local, self._remote, self._limits)
            association = await stack.enter_async_context(opened)
            model = accepted_model(association, STUDY_ROOT_MOVE, PATIENT_ROOT_MOVE)
            for request in ask(missing):
                yield request
                async with aclosing(self._one(association, request, model, arrived)) as came:
                    async for each in came:
                        yield each
                        require_hope(association, each)

    async def _one(
        self,
        association: Association,
        request: Request,
        model: str,
        arrived: "asyncio.Queue[ReceivedInstance]",
    ) -> AsyncGenerator[Event, None]:
        """Give what comes until the archive has ended, and all came of which it says that it was sent."""
        identifier = identifier_for(request, patient=model == PATIENT_ROOT_MOVE)
        destination = self._local.ae_title
        ended = asyncio.create_task(_last(association, identifier, destination, model))
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
                    came += 1
                    waiting.discard(instance.result().sop_instance_uid)
                    yield instance.result()
            last = ended.result()
            promised = len(request.instances) if last.sent is None else last.sent
            while waiting and came < promised and not last.words:
                async with asyncio.timeout(self._limits.response):
                    late = await arrived.get()
                came += 1
                waiting.discard(late.sop_instance_uid)
                yield late
        except TimeoutError:
            pass
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)
        yield last


async def _last(
    association: Association, identifier: dict[str, str], destination: str, model: str
) -> SubOperations:
    """Move, and give the last response."""
    async with aclosing(move_one(association, identifier, destination, model)) as responses:
        return [response async for response in responses][-1]
