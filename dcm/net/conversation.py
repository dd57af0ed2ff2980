"""The acceptor's side of one association: verification, storage and storage commitment as SCP."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from dcm.net.association import Association
from dcm.net.commitment import Expected
from dcm.net.commitment_scp import Held, Reports
from dcm.net.incoming import failed, receive
from dcm.sinks import NotKept, ReceivedInstance, Refused, Sink
from dcm.wire import (
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    Command,
    CStoreRQ,
    CStoreRSP,
    Message,
    NActionRQ,
    NEventReportRQ,
    NEventReportRSP,
)

Handler: TypeAlias = Callable[[ReceivedInstance], Awaitable[None]]
OnFailure: TypeAlias = Callable[[NotKept], object]
Service: TypeAlias = Callable[[Association, Command], Awaitable[None]]
"""Answers a request; it must receive the data set, if there is one."""

_LOG: Final = logging.getLogger(__name__)
_PROCESSING_FAILURE: Final = 0x0110


class Destination(NamedTuple):
    """Where instances are stored; `handler` is awaited for each before the response is sent.

    on_failure: called with each instance that was answered with a failure. claims: whether an instance is
    for this destination; None: all are.
    """

    sink: Sink
    handler: Handler | None = None
    on_failure: OnFailure | None = None
    claims: Callable[[CStoreRQ], bool] | None = None


class Conversation:
    """The messages of one association, answered one after the other.

    reports: the reports on storage commitment that the peer has not confirmed.
    held, reachable: for storage commitment; see `Reports`.
    messages: the number of answered messages. waiting: whether the next one is awaited.
    """

    def __init__(
        self,
        association: Association,
        destinations: Sequence[Destination],
        expected: Expected,
        handlers: Mapping[type[Message], Service],
        held: Held | None = None,
        *,
        reachable: bool = False,
    ) -> None:
        self.association: Final = association
        self.reports: Final = Reports(held, reachable=reachable)
        self.messages = 0
        self.waiting = False
        self._destinations: Final = destinations
        self._services: Final[dict[type[Message], Service]] = {
            CEchoRQ: _echo,
            CCancelRQ: _too_late,
            NActionRQ: self.reports.answer,
            NEventReportRSP: self.reports.confirmed,
            NEventReportRQ: expected.take,
            **handlers,
        }
        self._task: asyncio.Task[None] | None = None
        self._ending = False
        self._asked_to_end = False

    async def run(self) -> None:
        """Answer messages until the peer releases the association, or `end` is called."""
        self._task = asyncio.current_task()
        while (command := await self._next()) is not None:
            await self._answer(command)
            self.messages += 1

    def end(self) -> None:
        """Let `run` return before the next message; the current one is still answered."""
        if not self._ending:
            self._ending = True
            if self.waiting and self._task is not None:
                self._asked_to_end = self._task.cancel()

    async def _next(self) -> Command | None:
        if self._ending:
            return None
        self.waiting = True
        try:
            return await self.association.command(self.association.limits.idle)
        except asyncio.CancelledError:
            if not self._asked_to_end or (self._task is not None and self._task.uncancel()):
                raise
            return None
        finally:
            self.waiting = False

    async def _answer(self, command: Command) -> None:
        service = self._services.get(type(command.message))
        if service is not None:
            await service(self.association, command)
        else:
            await self._store(command)

    async def _store(self, command: Command) -> None:
        association, request, place = self.association, command.message, self._destinations[-1]
        if isinstance(request, CStoreRQ):
            for place in self._destinations:
                if place.claims is None or place.claims(request):
                    break
        response, received = await receive(association, command, place.sink)
        if received is not None:
            if received.remark:
                uid = received.sop_instance_uid
                _LOG.warning("%s: %s: %s", association.remote, uid, received.remark)
            if place.handler is not None:
                response = await self._handled(place.handler, received, response)
        await association.send(Command(command.context_id, response))
        if response.status:
            self._failed(response, place.on_failure)

    async def _handled(
        self, handler: Handler, received: ReceivedInstance, response: CStoreRSP
    ) -> CStoreRSP:
        """Await the handler, and return the resulting response."""
        try:
            await handler(received)
        except Refused as refused:
            status, words = refused.status, str(refused)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            _LOG.exception("the handler failed with %s", received.path)
            status, words = _PROCESSING_FAILURE, "the receiver could not process it"
        else:
            return response
        return failed(response, status, words)

    def _failed(self, response: CStoreRSP, on_failure: OnFailure | None) -> None:
        uid = response.affected_sop_instance_uid or ""
        words = response.error_comment or ""
        _LOG.warning("%s: %s is not stored: %s", self.association.remote, uid, words)
        if on_failure is None:
            return
        try:
            on_failure(NotKept(uid, words))
        except Exception:  # noqa: BLE001 - the association continues
            _LOG.exception("on_failure failed with %s", uid)


async def _too_late(association: Association, command: Command) -> None:
    """Ignore a C-CANCEL for an operation that has already ended (PS3.7 9.3.2.3)."""


async def _echo(association: Association, command: Command) -> None:
    request = command.message
    assert isinstance(request, CEchoRQ)
    response = CEchoRSP(
        message_id_being_responded_to=request.message_id,
        status=0,
        affected_sop_class_uid=request.affected_sop_class_uid,
    )
    await association.send(Command(command.context_id, response))
