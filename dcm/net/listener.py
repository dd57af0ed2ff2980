"""A listener: verification, storage and storage commitment as SCP (PS3.4 Annexes A, B and J).

Received instances go into a sink; storage commitment is answered for files. See `dcm.net.conversation` for
the work on an association, and `dcm.net.admission` for which associations are accepted.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from dcm import frozen
from dcm.errors import RemoteProtocolError
from dcm.net.admission import Admission
from dcm.net.association import Association
from dcm.net.commitment import Expected, Transaction
from dcm.net.commitment_scp import Held, InFolder, report_by_title
from dcm.net.conversation import Conversation, Destination, Handler, OnFailure, Service
from dcm.net.errors import NetworkError
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.remote import Listen, Remote
from dcm.net.transport import Transport
from dcm.sinks import Folder, Refused, Sink
from dcm.wire import AssociateAC, AssociateRJ, AssociateRQ, Message, rejection

if TYPE_CHECKING:
    import ssl

__all__ = ["Destination", "Handler", "Listener", "OnFailure", "Refused", "Service"]

_Task: TypeAlias = asyncio.Task[None]

_LOG: Final = logging.getLogger(__name__)
_BACKLOG: Final = 128
_MOST_UNASKED: Final = 200
"""The most connections without an association; when a new one arrives, the oldest is closed."""
_PAUSE: Final = 1.0
"""Seconds to stop accepting connections after the system has run out of descriptors or memory."""
_QUIET: Final = 1.0
"""Seconds without a message after which a stopping listener releases an association."""
_AT_ONCE: Final = 0.2
"""Seconds for peers to read an A-ABORT when the listener is cancelled."""
_OF_ONE_PEER: Final = frozenset(
    (errno.ECONNABORTED, errno.ECONNRESET, errno.EPROTO, errno.EPERM, errno.ETIMEDOUT,
     errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)
)  # fmt: skip
"""Errors of accept(2) that concern one connection, not the listening socket or the system."""


class Listener:
    """Accepts associations while its block runs.

        async with Listener(local, Folder(path), limits) as listener:
            listener.node  # with the actual port, even if the kernel chose it
            ...
            await listener.serve_forever()
            await listener.drain(10)  # to stop gracefully

    `handler` is awaited with each instance before the response is sent, so a slow handler slows the sender.
    If it raises, the response is a failure, with the status of a `Refused`. The file is kept, because it may
    have been acknowledged before (`ReceivedInstance.already_there`); a handler may remove a new one.
    `on_failure` is called with each instance that was answered with a failure.
    `peers` are the nodes, by AE title, to which storage commitment is reported after an association ended.
    `handlers` answer requests by message type; `admission` must accept their SOP classes.
    `held` finds the files for storage commitment; by default those of the sink, if it is a `Folder`.
    """

    def __init__(
        self,
        local: Listen,
        sink: Sink,
        limits: TimeLimits,
        handler: Handler | None = None,
        *,
        admission: Admission | None = None,
        on_failure: OnFailure | None = None,
        peers: Mapping[str, Remote] | None = None,
        handlers: Mapping[type[Message], Service] | None = None,
        held: Held | None = None,
    ) -> None:
        self.expected: Final = Expected()
        self._local: Final = local
        self._limits: Final = limits
        self._destinations: Final = [Destination(sink, handler, on_failure)]
        self._handlers: Final = handlers or {}
        self._held: Final = held or (InFolder(sink) if isinstance(sink, Folder) else None)
        self._admission: Final = admission or Admission()
        self._peers: Final = peers or {}
        self._tasks: Final[set[_Task]] = set()
        self._unasked: Final[dict[_Task, None]] = {}
        """The tasks of connections without an association so far, the oldest first."""
        self._associations: Final[dict[_Task, Conversation | None]] = {}
        self._reporting: Final[set[_Task]] = set()
        self._accepting: _Task | None = None
        self._socket: socket.socket | None = None
        self._node: DcmNode | None = None
        self._tls: ssl.SSLContext | None = None

    @property
    def node(self) -> DcmNode:
        """The node that listens."""
        assert self._node is not None, "the listener's block has not begun"
        return self._node

    @property
    def busy(self) -> bool:
        """Whether there are associations. Connections without one do not count."""
        return bool(self._associations)

    async def __aenter__(self) -> Self:
        self._tls = self._local.tls.to_listen() if self._local.tls else None
        family = socket.AF_INET6 if ":" in self._local.host else socket.AF_INET
        address = (self._local.host, self._local.port)
        self._socket = socket.create_server(address, family=family, backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._node = frozen.replace(self._local, port=self._socket.getsockname()[1])
        self._accepting = asyncio.create_task(self._accept(self._socket))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        cancelled = kind is not None and issubclass(kind, asyncio.CancelledError)
        patience = _AT_ONCE if cancelled else None
        try:
            await self._stop_accepting()
            await _end(self._tasks, patience)
        finally:
            await _end(self._reporting, patience)  # last: associations that end may start reports

    @contextmanager
    def expecting(self, destination: Destination) -> Iterator[None]:
        """Send instances claimed by this destination there while the block runs, as for a C-MOVE."""
        self._destinations.insert(0, destination)
        try:
            yield
        finally:
            self._destinations.remove(destination)

    async def serve_forever(self) -> None:
        """Wait until it stops accepting associations."""
        assert self._accepting is not None, "the listener's block has not begun"
        await asyncio.wait([self._accepting])

    async def drain(self, within: float) -> bool:
        """Stop accepting, and give peers up to `within` seconds to finish; return whether all did.

        An association is released when it is idle, or towards the end after its current message. The others
        are aborted when the block of the listener ends.
        """
        await self._stop_accepting()
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        last_messages = end - within / 4
        seen: dict[_Task, int] = {}
        for task in [*self._unasked]:
            task.cancel()
        while (left := self._tasks | self._reporting) and (now := loop.time()) < end:
            for task, conversation in self._associations.items():
                if conversation is None:
                    continue
                quiet = conversation.waiting and seen.get(task) == conversation.messages
                if quiet or now >= last_messages:
                    conversation.end()
                seen[task] = conversation.messages
            await asyncio.wait(left, timeout=min(_QUIET, end - now))
        return not left

    async def _stop_accepting(self) -> None:
        assert self._socket is not None
        try:
            if self._accepting is not None:
                await _end([self._accepting], None)
        finally:
            self._socket.close()

    async def _accept(self, listening: socket.socket) -> None:
        """Accept connections for ever. Log errors; the first in a row is a warning."""
        loop, failing = asyncio.get_running_loop(), False
        while True:
            try:
                taken, address = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno in _OF_ONE_PEER:
                    _LOG.debug("a connection ended before it was accepted: %s", error)
                    continue
                level = logging.DEBUG if failing else logging.WARNING
                _LOG.log(level, "cannot accept connections at the moment: %s", error.strerror)
                failing = True
                self._close_oldest()
                await asyncio.sleep(_PAUSE)
                continue
            if failing:
                _LOG.warning("accepting connections again")
                failing = False
            self._begin(taken, f"{address[0]}:{address[1]}")

    def _begin(self, taken: socket.socket, remote: str) -> None:
        if len(self._unasked) >= _MOST_UNASKED:
            self._close_oldest()
        task = asyncio.create_task(self._serve(taken, remote))
        self._tasks.add(task)
        self._unasked[task] = None
        task.add_done_callback(partial(self._ended, taken))

    def _close_oldest(self) -> None:
        """Close the connection that has waited longest without requesting an association."""
        if self._unasked:
            oldest = next(iter(self._unasked))
            del self._unasked[oldest]
            oldest.cancel()
            asyncio.get_running_loop().call_later(_AT_ONCE, oldest.cancel)  # if still open

    def _ended(self, taken: socket.socket, task: _Task) -> None:
        self._tasks.discard(task)
        self._unasked.pop(task, None)
        self._associations.pop(task, None)
        taken.close()

    async def _serve(self, taken: socket.socket, remote: str) -> None:
        try:
            association = await self._established(taken, remote)
            if association is not None:
                async with association:
                    await self._converse(association)
        except (NetworkError, RemoteProtocolError) as error:
            _LOG.warning("%s", error)
        except OSError as error:
            _LOG.warning("%s: %s", remote, error)
        except Exception:  # noqa: BLE001 - otherwise it would go unnoticed
            _LOG.exception("%s: association ended because of a bug", remote)

    async def _established(self, taken: socket.socket, remote: str) -> Association | None:
        """Answer the request for an association; return None if none arrives or it is rejected.

        The time limit (ARTIM, PS3.8 9.1.5) runs from the connection to the complete request, whatever arrives
        in between. A connection without any data, as for a health check, is not worth a warning.
        """
        said_anything = False
        try:
            async with asyncio.timeout(self._limits.association) as artim:
                taken.setblocking(False)
                said_anything = await _says_anything(taken)
                if not said_anything:
                    _LOG.debug("%s: connected without sending anything", remote)
                    return None
                transport = await self._transport(taken, remote)
                answer = partial(self._answer, artim, remote)
                return await Association.accept(transport, remote, answer, self._limits)
        except TimeoutError:
            level = logging.WARNING if said_anything else logging.DEBUG
            limit = self._limits.association
            _LOG.log(level, "%s: no association was requested within %g s", remote, limit)
            return None

    async def _transport(self, taken: socket.socket, remote: str) -> Transport:
        if self._tls is None:
            return Transport(taken)
        from dcm.net.tls_transport import secure  # noqa: PLC0415 - most listeners do not use it

        return await secure(taken, self._tls, remote, self._limits.association)

    async def _answer(
        self, artim: asyncio.Timeout, remote: str, request: AssociateRQ
    ) -> AssociateAC | AssociateRJ:
        artim.reschedule(None)
        task = asyncio.current_task()
        assert task is not None
        self._unasked.pop(task, None)
        self._associations[task] = None
        open_now = len(self._associations)
        answer = await self._admission.answer(request, self._local.ae_title, open_now)
        if isinstance(answer, AssociateRJ):
            names = f"{request.calling_ae_title!r} to {request.called_ae_title!r}"
            _LOG.warning("%s: from %s: %s", remote, names, rejection(answer))
        return answer

    async def _converse(self, association: Association) -> None:
        task = asyncio.current_task()
        assert task is not None
        conversation = Conversation(
            association, self._destinations, self.expected, self._handlers, self._held,
            reachable=association.ae_titles[0].strip() in self._peers,
        )  # fmt: skip
        self._associations[task] = conversation
        try:
            await conversation.run()
        finally:
            if unconfirmed := conversation.reports.unconfirmed:
                self._report(association.request_pdu.calling_ae_title, unconfirmed)

    def _report(self, ae_title: str, reports: list[Transaction]) -> None:
        """Report on a new association, since this one has ended."""
        telling = report_by_title(self._local, self._peers, ae_title, reports)
        task = asyncio.create_task(telling)
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)


async def _says_anything(taken: socket.socket) -> bool:
    """Wait for the first byte without reading it; return False if the connection ends without one."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return bool(taken.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            readable = asyncio.Event()
            loop.add_reader(taken, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(taken)
        except OSError:  # reset, as some health checks do
            return False


async def _end(tasks: Collection[_Task], patience: float | None) -> None:
    """Cancel tasks and wait for them; after `patience` seconds, cancel their clean-up, too."""
    ending = list(tasks)
    for task in ending:
        task.cancel()
    if ending and patience is not None:
        _, late = await asyncio.wait(ending, timeout=patience)
        for task in late:
            task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
