"""A small storage SCP whose behaviour a test defines."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Self

from net.peers import QUICK

from dcm.errors import RemoteProtocolError
from dcm.net import DcmNode
from dcm.net.admission import is_storage
from dcm.net.association import Association
from dcm.net.errors import NetworkError
from dcm.net.establish import OUR_INFORMATION
from dcm.net.transport import Transport
from dcm.wire import (
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    AsynchronousOperationsWindow,
    Command,
    CStoreRQ,
    CStoreRSP,
    MaximumLength,
    answer_contexts,
)

NATIVE = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")


Answer = Callable[[Association, CStoreRQ, bytes], Awaitable[int | None]]
"""Returns the status for an instance that was received and kept, or None to send no response."""


async def success(association: Association, request: CStoreRQ, data: bytes) -> int | None:
    """Return success."""
    return 0


class Scp:
    """A storage SCP in the test's event loop; `syntaxes` limits the accepted transfer syntaxes.

    held: the data sets by SOP Instance UID, one for each time that it was received.
    asked: the association requests; syntaxes_seen: the transfer syntax of each instance.
    afterwards: called with the association after each response.
    window: the number of concurrent operations on an association; 0: not negotiated.
    midway: called with each request when a part of its data set is there; True: it has ended the
    association.
    one_at_a_time: an association is rejected while another one exists; rejected: how many were.
    in_a_row: a connection is served only after the one before it has ended.
    open: the number of open or requested associations.
    later: the associations requested while another was open.
    tasks: its own tasks.
    """

    def __init__(
        self, answer: Answer = success, syntaxes: Sequence[str] = (), window: int = 0
    ) -> None:
        self.held: dict[str, list[bytes]] = {}
        self.asked: list[AssociateRQ] = []
        self.syntaxes_seen: list[str] = []
        self.afterwards: Callable[[Association], Awaitable[None]] | None = None
        self.midway: Callable[[Association, CStoreRQ], Awaitable[bool]] | None = None
        self.one_at_a_time = False
        self.rejected = 0
        self.in_a_row = False
        self.open = 0
        self.later: set[Association] = set()
        self._answer = answer
        self._syntaxes = syntaxes
        self._window = [AsynchronousOperationsWindow(window, 1)] if window else []
        self.tasks: set[asyncio.Task[None]] = set()
        self._faults: list[BaseException] = []

    def data_sets(self) -> dict[str, bytes]:
        """Return the data sets; each instance must have come in one version only."""
        assert all(len(set(copies)) == 1 for copies in self.held.values())
        return {uid: copies[0] for uid, copies in self.held.items()}

    def count(self) -> int:
        """Count the received instances, including repeated ones."""
        return sum(map(len, self.held.values()))

    async def hang_up(self) -> None:
        """Close all connections without an abort."""
        conversations = [task for task in self.tasks if task is not self._serving]
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    async def __aenter__(self) -> Self:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.setblocking(False)
        self.node = DcmNode("127.0.0.1", "SCRIPTED", self._listening.getsockname()[1])
        self._serving = self._start(self._serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        ending = list(self.tasks)
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        self._listening.close()
        if self._faults:
            raise self._faults[0]

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()):
            self._faults.append(fault)  # an error of the test itself: the peer's are expected
            self._listening.close()

    async def _serve(self) -> None:
        while True:
            taken, _ = await asyncio.get_running_loop().sock_accept(self._listening)
            if self.in_a_row:
                await self._converse(taken)
            else:
                task = self._start(self._converse(taken))
                task.add_done_callback(lambda _, taken=taken: taken.close())  # also if it never ran

    async def _accept(self, request: AssociateRQ) -> AssociateAC | AssociateRJ:
        if self.one_at_a_time and self.open > 1:
            self.rejected += 1
            return AssociateRJ(result=2, source=3, reason=2)
        self.asked.append(request)
        supported: dict[str, list[str]] = {}
        for context in request.presentation_contexts:
            if is_storage(context.abstract_syntax):
                taken = supported.setdefault(context.abstract_syntax, [])
                taken += self._syntaxes or context.transfer_syntaxes
        return AssociateAC(
            called_ae_title=request.called_ae_title,
            calling_ae_title=request.calling_ae_title,
            presentation_contexts=answer_contexts(request.presentation_contexts, supported),
            user_information=(MaximumLength(1 << 14), *OUR_INFORMATION[1:], *self._window),
        )

    async def _converse(self, taken: socket.socket) -> None:
        is_later = self.open > 0
        self.open += 1
        with taken, contextlib.suppress(NetworkError, RemoteProtocolError, OSError):
            async with contextlib.AsyncExitStack() as stack:
                try:
                    transport = Transport(taken)
                    accepted = Association.accept(transport, "the sender", self._accept, QUICK)
                    if (association := await accepted) is None:
                        return
                    await stack.enter_async_context(association)
                    if is_later:
                        self.later.add(association)
                    while (command := await association.command()) is not None:
                        await self._receive(association, command)
                finally:
                    self.open -= 1

    async def _receive(self, association: Association, command: Command) -> None:
        request = command.message
        assert isinstance(request, CStoreRQ)
        context = association.context_by_id(command.context_id)
        gathered, last = bytearray(), False
        while not last:
            found, last = await association.fragments()
            gathered += b"".join(found)
            if self.midway is not None and await self.midway(association, request):
                return
        data = bytes(gathered)
        self.syntaxes_seen.append(context.transfer_syntax)
        self.held.setdefault(request.affected_sop_instance_uid, []).append(data)
        status = await self._answer(association, request, data)
        if status is None:
            return
        response = CStoreRSP(message_id_being_responded_to=request.message_id, status=status)
        await association.send(Command(command.context_id, response))
        if self.afterwards is not None:
            await self.afterwards(association)
