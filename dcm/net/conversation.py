"""What an acceptor does on one association: verification, storage and storage commitment as SCP."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from dcm.errors import DcmError, LocalProtocolError
from dcm.frozen import replace
from dcm.net.association import Association
from dcm.net.commitment import Expected
from dcm.net.commitment_scp import Reports
from dcm.net.get import NotKept
from dcm.net.incoming import Folder, ReceivedInstance, comment, receive
from dcm.wire import (
    CEchoRQ,
    CEchoRSP,
    Command,
    CStoreRSP,
    NActionRQ,
    NEventReportRQ,
    NEventReportRSP,
    StatusClass,
    status_class,
)

Handler = Callable[[ReceivedInstance], Awaitable[None]]
OnFailure = Callable[[NotKept], None]

_LOG: Final = logging.getLogger(__name__)
_PROCESSING_FAILURE: Final = 0x0110


class Refused(DcmError):  # noqa: N818 - reads as the sentence it is
    """Raised by a handler to answer C-STORE with a status of failure and an error comment."""

    def __init__(self, status: int, words: str) -> None:
        if status_class(status) is not StatusClass.FAILURE:
            raise LocalProtocolError(f"{status:04X}H is not the status of a failure")
        super().__init__(words)
        self.status = status


class Conversation:
    """The messages of one association, answered one after the other.

    reports: what the peer has not confirmed of the reports on storage commitment.
    messages: how many messages were answered. waiting: whether the next one is awaited.
    """

    def __init__(
        self,
        association: Association,
        folder: Folder,
        expected: Expected,
        handler: Handler | None,
        on_failure: OnFailure | None,
    ) -> None:
        self.association: Final = association
        self.reports: Final = Reports(association, folder)
        self.messages = 0
        self.waiting = False
        self._folder: Final = folder
        self._expected: Final = expected
        self._handler: Final = handler
        self._on_failure: Final = on_failure
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
        """Let `run` return before the next message; the one that is being received is answered."""
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
        association = self.association
        match command.message:
            case CEchoRQ() as request:
                await association.send(Command(command.context_id, _echoed(request)))
            case NActionRQ():
                await self.reports.answer(command)
            case NEventReportRSP() as response:
                await self.reports.confirmed(response)
            case NEventReportRQ():
                await self._expected.take(association, command)
            case _:
                await self._store(command)

    async def _store(self, command: Command) -> None:
        association = self.association
        response, received = await receive(association, command, self._folder)
        if received is not None:
            if received.remark:
                uid = received.sop_instance_uid
                _LOG.warning("%s: %s: %s", association.remote, uid, received.remark)
            if self._handler is not None:
                response = await self._handled(self._handler, received, response)
        await association.send(Command(command.context_id, response))
        if response.status:
            self._failed(response)

    async def _handled(
        self, handler: Handler, received: ReceivedInstance, response: CStoreRSP
    ) -> CStoreRSP:
        """Await the handler, and return the response that follows from it."""
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
        return replace(response, status=status, error_comment=comment(words))

    def _failed(self, response: CStoreRSP) -> None:
        uid = response.affected_sop_instance_uid or ""
        words = response.error_comment or ""
        _LOG.warning("%s: %s is not stored: %s", self.association.remote, uid, words)
        if self._on_failure is None:
            return
        try:
            self._on_failure(NotKept(uid, words))
        except Exception:  # noqa: BLE001 - the association goes on
            _LOG.exception("on_failure failed with %s", uid)


def _echoed(request: CEchoRQ) -> CEchoRSP:
    return CEchoRSP(
        message_id_being_responded_to=request.message_id,
        status=0,
        affected_sop_class_uid=request.affected_sop_class_uid,
    )
