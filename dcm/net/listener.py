"""Storage, verification and storage commitment as SCP (PS3.4 Annexes A, B and J): a listener.

It puts what comes into a folder, and answers for what lies there.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from dcm import frozen
from dcm.errors import DcmError, LocalProtocolError, RemoteProtocolError
from dcm.net.admission import Admission
from dcm.net.association import Association
from dcm.net.commitment import Expected, Transaction
from dcm.net.commitment_scp import Reports, report_by_title
from dcm.net.errors import NetworkError
from dcm.net.get import NotKept
from dcm.net.incoming import Folder, ReceivedInstance, receive
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.transport import Transport
from dcm.wire import (
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
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

if TYPE_CHECKING:
    import ssl

Handler = Callable[[ReceivedInstance], Awaitable[None]]

OnFailure = Callable[[NotKept], None]

_LOG: Final = logging.getLogger(__name__)
_BACKLOG: Final = 128
_PROCESSING_FAILURE: Final = 0x0110


class Refused(DcmError):  # noqa: N818 - reads as the sentence it is
    """To be raised by a handler: the sender is to get this status of C-STORE, and these words."""

    def __init__(self, status: int, words: str) -> None:
        if status_class(status) is not StatusClass.FAILURE:
            raise LocalProtocolError(f"{status:04X}H is no failure: who refuses must say so")
        super().__init__(words)
        self.status = status


class Listener:
    """Takes associations while its block runs.

        async with Listener(local, Folder(path), limits) as listener:
            listener.node  # with the port, also where the kernel chose it

    `handler` is awaited with each instance before it is answered: how it slows down, the sender does.
    Where it raises, the sender is told of a failure, with the status of a `Refused`. The file stays, since
    it may stand where one was that is acknowledged; a handler that does not want it removes it.
    `on_failure` is called with each instance of whose failure the sender is told.
    `peers` says by AE title where reports of storage commitment go to, once an association is over.
    """

    def __init__(
        self,
        local: DcmNode,
        folder: Folder,
        limits: TimeLimits,
        handler: Handler | None = None,
        *,
        admission: Admission | None = None,
        on_failure: OnFailure | None = None,
        peers: Mapping[str, DcmNode] | None = None,
    ) -> None:
        self.expected: Final = Expected()
        self._local: Final = local
        self._folder: Final = folder
        self._limits: Final = limits
        self._handler: Final = handler
        self._admission: Final = admission or Admission()
        self._on_failure: Final = on_failure
        self._peers: Final = peers or {}
        self._reporting: Final[set[asyncio.Task[None]]] = set()
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._accepting: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None
        self._tls: ssl.SSLContext | None = None

    @property
    def node(self) -> DcmNode:
        """Where we listen."""
        assert self._socket is not None, "the listener's block has not begun"
        port: int = self._socket.getsockname()[1]
        return frozen.replace(self._local, port=port)

    @property
    def busy(self) -> bool:
        """Whether there are associations."""
        return bool(self._tasks)

    async def __aenter__(self) -> Self:
        self._tls = self._local.tls.to_listen() if self._local.tls else None
        family = socket.AF_INET6 if ":" in self._local.host else socket.AF_INET
        address = (self._local.host, self._local.port)
        self._socket = socket.create_server(address, family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(self._socket))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._accepting is not None
        assert self._socket is not None
        await _end([self._accepting, *self._tasks])
        await _end(self._reporting)  # in this order: what ends may want to report
        self._socket.close()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            taken, address = await loop.sock_accept(listening)
            task = asyncio.create_task(self._serve(taken, f"{address[0]}:{address[1]}"))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, taken: socket.socket, remote: str) -> None:
        try:
            transport = await self._transport(taken, remote)
            association = await Association.accept(transport, remote, self._answer, self._limits)
            if association is not None:
                async with association:
                    await self._converse(association)
        except (NetworkError, RemoteProtocolError) as error:
            _LOG.warning("%s", error)
        except OSError as error:
            _LOG.warning("%s: %s", remote, error)
        finally:
            taken.close()

    async def _transport(self, taken: socket.socket, remote: str) -> Transport:
        if self._tls is None:
            return Transport(taken)
        from dcm.net.tls_transport import accept_tls  # noqa: PLC0415 - most do without

        return await accept_tls(taken, self._tls, remote, self._limits.association)

    async def _answer(self, request: AssociateRQ) -> AssociateAC | AssociateRJ:
        title, open_now = self._local.ae_title, len(self._tasks)
        return await self._admission.answer(request, title, open_now)

    async def _converse(self, association: Association) -> None:
        reports = Reports(association, self._folder)
        try:
            while (command := await association.command(self._limits.idle)) is not None:
                match command.message:
                    case CEchoRQ() as request:
                        await association.send(Command(command.context_id, _echoed(request)))
                    case NActionRQ():
                        await reports.answer(command)
                    case NEventReportRSP() as response:
                        await reports.confirmed(response)
                    case NEventReportRQ():
                        await self.expected.take(association, command)
                    case _:
                        await self._store(association, command)
        finally:
            if reports.unconfirmed:
                self._report(association.request_pdu.calling_ae_title, reports.unconfirmed)

    def _report(self, ae_title: str, reports: list[Transaction]) -> None:
        """Report on a new association, when this one is over."""
        telling = report_by_title(self._local, self._peers, ae_title, reports, self._limits)
        task = asyncio.create_task(telling)
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)

    async def _store(self, association: Association, command: Command) -> None:
        response, received = await receive(association, command, self._folder)
        if received is not None and self._handler is not None:
            response = await self._handled(received, response)
        await association.send(Command(command.context_id, response))
        if response.status:
            self._failed(association, response)

    async def _handled(self, received: ReceivedInstance, response: CStoreRSP) -> CStoreRSP:
        """Give what is to be answered once the handler has seen it."""
        assert self._handler is not None
        try:
            await self._handler(received)
        except Refused as refused:
            status, words = refused.status, str(refused)
        except Exception:  # noqa: BLE001 - whatever it was, it is no success
            _LOG.exception("the handler failed with %s", received.path)
            status, words = _PROCESSING_FAILURE, "the receiver could not process it"
        else:
            return response
        return frozen.replace(response, status=status, error_comment=_comment(words))

    def _failed(self, association: Association, response: CStoreRSP) -> None:
        uid = response.affected_sop_instance_uid or ""
        words = response.error_comment or ""
        _LOG.warning("%s: %s is not taken: %s", association.remote, uid, words)
        if self._on_failure is not None:
            self._on_failure(NotKept(uid, words))


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _echoed(request: CEchoRQ) -> CEchoRSP:
    return CEchoRSP(
        message_id_being_responded_to=request.message_id,
        status=0,
        affected_sop_class_uid=request.affected_sop_class_uid,
    )


def _comment(words: str) -> str:
    """Make an error comment: 64 characters of ASCII (PS3.7 Annex C)."""
    return "".join(each if " " <= each <= "~" else "?" for each in words)[:64]
