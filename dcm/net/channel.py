"""One association over TCP, below its messages: a `dcm.wire.Connection` on a `Transport`."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, NoReturn, Self

from dcm.errors import AbortSource, RemoteProtocolError
from dcm.net.errors import AssociationAborted, ConnectionLost, NetworkError, TimedOut
from dcm.net.limits import TimeLimits
from dcm.net.transport import ClosedHere, Transport
from dcm.wire import (
    Abort,
    AcceptedContext,
    AssociateAC,
    AssociateRQ,
    Buffer,
    CloseTransport,
    Command,
    Connection,
    DataFragments,
    Received,
    ReleaseRP,
    ReleaseRQ,
    Sent,
    StartTimer,
    State,
    StopTimer,
    describe_abort,
)
from dcm.wire import ConnectionLost as TransportLost

if TYPE_CHECKING:
    from dcm.net.trace import Trace

_LOG: Final = logging.getLogger(__name__)
_MESSAGES: Final = (Command, DataFragments)
_NOTHING_TO_ABORT: Final = (State.STA1, State.STA2, State.STA4, State.STA13)


class Channel:
    """The traffic on one TCP connection, as events of `dcm.wire`.

    One task at a time may send, and one may receive; a second one gets a `RuntimeError` at once. Leaving its
    block releases the association; an exception that leaves it aborts the association.

    doing: the current step in words, for errors; set by the code that uses the association.
    """

    def __init__(
        self, connection: Connection, transport: Transport, remote: str, limits: TimeLimits
    ) -> None:
        self.remote: Final = remote
        self.limits: Final = limits
        self.doing = "association"
        self._connection: Final = connection
        self._transport: Final = transport
        self._events: Final[deque[Received]] = deque()
        """Received data that is not processed yet."""
        self._ended = False
        self._sending = False
        self._cut = False
        """Whether a PDU was sent only in part, so nothing can be sent after it."""
        self.trace: Final = _trace(remote) if _LOG.isEnabledFor(logging.DEBUG) else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            await self.release()
        else:
            await self.abort()

    @property
    def request_pdu(self) -> AssociateRQ:
        """The request."""
        assert self._connection.request is not None  # set on any established association
        return self._connection.request

    @property
    def answer_pdu(self) -> AssociateAC:
        """The answer to the request."""
        assert self._connection.answer is not None  # as above
        return self._connection.answer

    @property
    def ae_titles(self) -> tuple[str, str]:
        """The AE titles of the peer, and of this side."""
        request = self.request_pdu
        if self._connection.role == "requestor":
            return request.called_ae_title, request.calling_ae_title
        return request.calling_ae_title, request.called_ae_title

    @property
    def contexts(self) -> Mapping[int, AcceptedContext]:
        """The accepted presentation contexts, by ID."""
        return self._connection.contexts

    @property
    def is_quiet(self) -> bool:
        """Whether the association is open, and nothing is in progress."""
        return (
            self._connection.state is State.STA6
            and not (self._cut or self._sending or self._ended or self._events)
            and self._connection.needs_data
            and self._transport.is_quiet
        )

    @property
    def encrypted(self) -> bool:
        """Whether it uses TLS."""
        return self._transport.encrypted

    async def send(self, *events: Sent) -> None:
        """Send everything in one gathered write.

        After an error or a cancellation in the middle, the association can only be aborted.
        """
        if self._sending:
            raise RuntimeError(f"{self.remote}: {self.doing}: another task is sending")
        buffers = self._connection.send(*events)
        if self.trace is not None:
            self.trace.sent(events)
        await self._write(buffers)

    async def event(self, within: float | None) -> Received:
        """Return the next event. Raises the error that ends the association."""
        events = self._events
        while True:
            if not events:
                await self.wait_for_events(within)
            event = events.popleft()
            if isinstance(event, _MESSAGES):  # the most frequent events first
                return event
            if isinstance(event, Abort):
                raise AssociationAborted(self.remote, self.doing, describe_abort(event))
            if isinstance(event, TransportLost):
                raise self.lost("the peer closed the connection")
            if not isinstance(event, StartTimer | StopTimer):
                return event
            if buffers := self._connection.data_to_send():  # the connection has rejected a request
                await self._write(buffers)

    async def coming(self) -> Received:
        """Wait for the next event, and return it without removing it."""
        while True:
            await self.wait_for_events(None)
            if not isinstance(self._events[0], StartTimer | StopTimer):
                return self._events[0]
            self._events.popleft()

    async def wait_for_events(self, within: float | None) -> None:
        """Receive until there is an event."""
        connection, events = self._connection, self._events
        receive = connection.needs_data
        while not events:
            if receive:
                if self._ended:
                    raise self.lost("the association is over")
                try:
                    data = await self._transport.receive(within)
                except TimeoutError:
                    raise self._timed_out("nothing was received", within or 0) from None
                except ClosedHere:
                    self._ended = True
                    raise self.lost("the association was ended here") from None
                except OSError:
                    data = memoryview(b"")  # reset: the same as closed, for the protocol
                self._ended = not data
                connection.receive_data(data)
            try:
                events.extend(connection.next_events())
            except RemoteProtocolError as error:
                words = f"{self.remote}: {self.doing}: {error}"
                wrong = RemoteProtocolError(words, source=error.source, reason=error.reason)
                raise wrong from error
            receive = True

    # Ending the association.

    async def release(self) -> None:
        """Release the association; a peer that does not answer is ignored, since nothing is lost."""
        try:
            if self._connection.state is State.STA6:
                self.doing = "release"
                async with asyncio.timeout(self.limits.release):
                    await self._release()
                _LOG.info("%s: released", self.remote)
        except (TimeoutError, NetworkError, RemoteProtocolError) as error:
            _LOG.debug("%s: release: %s", self.remote, error or "no answer")
        finally:  # also when the task is cancelled
            self.close()

    async def abort(self, *, heard: bool = True) -> None:
        """Abort the association; if `heard`, wait a moment for the peer to read the A-ABORT.

        Another task that is waiting for the peer gets `ConnectionLost`.
        """
        try:
            if not (self._cut or self._sending):  # in the middle of a PDU nothing else can be sent
                async with asyncio.timeout(self.limits.release):
                    await self._transport.send(self._last_words(), self.limits.release)
                    self._transport.finish()
                    # Closing with unread data makes the kernel drop the abort.
                    while (
                        heard
                        and not self._transport.receiving
                        and len(await self._transport.receive(None))
                    ):
                        pass
        except (OSError, TimeoutError, NetworkError):
            pass
        finally:
            self.close()

    def finish(self) -> None:
        """Tell the peer that nothing more will be sent."""
        self._transport.finish()

    def close(self) -> None:
        """Close the connection; calling it again does nothing."""
        self._transport.close()

    def broken(self, what: str) -> RemoteProtocolError:
        """Return the error for a message that the peer should not have sent."""
        return RemoteProtocolError(
            f"{self.remote}: {self.doing}: {what}", source=AbortSource.SERVICE_USER
        )

    def lost(self, what: str) -> ConnectionLost:
        """Return the error for an association that is over."""
        return ConnectionLost(self.remote, self.doing, what)

    # Internal methods.

    async def _release(self) -> None:
        await self.send(ReleaseRQ())
        while not isinstance(await self.event(None), CloseTransport):
            # Both sides have requested release: the requestor answers first (PS3.8 7.2.2.7).
            if self._connection.state in (State.STA9, State.STA12):
                await self.send(ReleaseRP())

    async def _write(self, buffers: Sequence[Buffer]) -> None:
        if self._cut:
            raise self.lost("an earlier message was sent only in part")
        self._sending = self._cut = True
        try:
            await self._transport.send(buffers, self.limits.response)
            self._cut = False
        except TimeoutError:
            raise self._timed_out("the peer accepts no more data", self.limits.response) from None
        except ClosedHere:
            raise self.lost("the association was ended here") from None
        except OSError:
            await self._lost()
        finally:
            self._sending = False

    async def _lost(self) -> NoReturn:
        """Raise why nothing can be written; the last data from the peer may still be readable."""
        while not self._transport.receiving:
            await self.event(self.limits.release)
        raise self.lost("the peer closed the connection")

    def _last_words(self) -> list[Buffer]:
        if self._connection.state in _NOTHING_TO_ABORT:
            return self._connection.data_to_send()
        return self._connection.send(Abort())

    def _timed_out(self, what: str, within: float) -> TimedOut:
        return TimedOut(
            self.remote,
            self.doing,
            f"{what} for {within:g} s",
            "increase the time limit if it is slow",
        )


def _trace(remote: str) -> "Trace":
    from dcm.net.trace import Trace  # noqa: PLC0415 - only for --debug

    return Trace(remote)
