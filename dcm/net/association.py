"""One association over TCP: `dcm.wire.Connection` joined to a `Transport`.

    async with await Association.request(local, remote, contexts) as association:
        await association.send(Command(1, CEchoRQ(message_id=1)))
        response = await association.response(CEchoRSP, 1)

Leaving the block releases the association; an exception that leaves it aborts the association.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, NoReturn, Self, TypeVar

from dcm import __version__
from dcm.errors import AbortSource, LocalProtocolError, RemoteProtocolError
from dcm.net.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectionLost,
    NetworkError,
    NotAccepted,
    TimedOut,
)
from dcm.net.establish import look_for_tls, open_transport, rejected
from dcm.net.limits import TimeLimits
from dcm.net.remote import Listen, Remote
from dcm.net.transport import ClosedHere, Transport
from dcm.net.tries import Patience
from dcm.wire import (
    NEED_DATA,
    Abort,
    AcceptedContext,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    Buffer,
    CloseTransport,
    Command,
    Connection,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    PresentationContextRQ,
    Received,
    ReleaseRP,
    ReleaseRQ,
    Response,
    Sent,
    StartTimer,
    State,
    StatusClass,
    StopTimer,
    TransportOpened,
    UserIdentityAC,
    UserIdentityRQ,
    UserItem,
    describe_abort,
    rejection,
    status_class,
)
from dcm.wire import ConnectionLost as TransportLost

if TYPE_CHECKING:
    from dcm.net.trace import Trace

_LOG: Final = logging.getLogger(__name__)

IMPLEMENTATION_CLASS_UID: Final = "2.25.213446188240736542571934206846018437541"
IMPLEMENTATION_VERSION_NAME: Final = f"DCM_{__version__}"[:16]  # (PS3.7 D.3.3.2.3)
OUR_INFORMATION: Final[tuple[UserItem, ...]] = (
    MaximumLength(1 << 17),  # longer ones were not seen to be faster, and dcmtk sends none
    ImplementationClassUID(IMPLEMENTATION_CLASS_UID),
    ImplementationVersionName(IMPLEMENTATION_VERSION_NAME),
)

AnyResponse = TypeVar("AnyResponse", bound=Response)
Answer = Callable[[AssociateRQ], Awaitable[AssociateAC | AssociateRJ]]


class Association:
    """An established association, as requestor or acceptor.

    One task at a time may send, and one may receive; a second one gets a `RuntimeError` at once.

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
        self._message_id = 0
        self.used = False
        """Whether an operation was made on it before."""
        self.spoilt = False
        """Whether something of an earlier operation may still come: nothing else can begin here."""
        self._ended = False
        self._sending = False
        self._cut = False
        """Whether a PDU went out only in part: nothing can be sent behind it."""
        self._trace: Final = _trace(remote) if _LOG.isEnabledFor(logging.DEBUG) else None

    @classmethod
    async def request(
        cls,
        local: Listen,
        remote: Remote,
        contexts: Sequence[PresentationContextRQ],
        user_information: Sequence[UserItem] = (),
        *,
        patient: bool = True,
    ) -> Self:
        """Connect to `remote` and request an association.

        A peer that rejects it for now (PS3.8 9.3.4: result 2) is asked again for `limits.busy` seconds,
        unless not `patient`. Raises `NetworkError`, and `UnprotectedIdentity` before anything is sent.
        """
        remote.check_identity()
        limits = remote.limits
        patience = Patience(limits.busy if patient else 0)
        request = AssociateRQ(
            called_ae_title=remote.node.ae_title,
            calling_ae_title=local.ae_title,
            presentation_contexts=tuple(contexts),
            user_information=(
                *OUR_INFORMATION,
                *([remote.user_identity] if remote.user_identity else []),
                *user_information,
            ),
        )
        while True:
            transport = await open_transport(remote, local.tls)
            name = f"{remote} (we are {local.ae_title})"
            association = cls(Connection("requestor"), transport, name, limits)
            try:
                await association._ask(request)
            except AssociationRejected as error:
                await association.abort()
                if not await patience.pause(error):
                    raise
            except asyncio.CancelledError:  # a peer that serves one at a time would let us wait
                await association.abort(heard=False)
                raise
            except BaseException:
                await association.abort()
                raise
            else:
                return association

    @classmethod
    async def accept(
        cls, transport: Transport, remote: str, answer: Answer, limits: TimeLimits
    ) -> Self | None:
        """Wait for the request on an accepted connection and answer it; None if that rejects it."""
        association = cls(Connection("acceptor"), transport, remote, limits)
        try:
            accepted = await association._answer(answer)
        except BaseException:
            await association.abort()
            raise
        if not accepted:
            association.close()
            return None
        return association

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
        """What was asked for."""
        assert self._connection.request is not None  # there is no association without it
        return self._connection.request

    @property
    def answer_pdu(self) -> AssociateAC:
        """What was agreed to."""
        assert self._connection.answer is not None  # nor without this
        return self._connection.answer

    @property
    def peer_ae_title(self) -> str:
        """The AE title of the other side."""
        request = self.request_pdu
        asked = self._connection.role == "requestor"
        return request.called_ae_title if asked else request.calling_ae_title

    @property
    def is_quiet(self) -> bool:
        """Whether another operation can begin: the association stands, and nothing is under way on it."""
        return (
            self._connection.state is State.STA6
            and not (self._cut or self._sending or self._ended or self.spoilt)
            and self._connection.needs_data
            and self._transport.is_quiet
        )

    def next_message_id(self) -> int:
        """Return a message ID that was not used lately."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def context(self, abstract_syntax: str, transfer_syntax: str | None = None) -> AcceptedContext:
        """Return an accepted context. Raises `NotAccepted`."""
        found = self._connection.context_for(abstract_syntax, transfer_syntax)
        if found is None:
            wanted = (
                f"{abstract_syntax} in {transfer_syntax}" if transfer_syntax else abstract_syntax
            )
            raise NotAccepted(
                self.remote, self.doing, f"no presentation context was accepted for {wanted}",
                "the peer does not support it, or not for our AE title",
            )  # fmt: skip
        return found

    def accepted_contexts(self) -> tuple[AcceptedContext, ...]:
        """Return all contexts that can be used."""
        return tuple(self._connection.contexts.values())

    def context_by_id(self, context_id: int) -> AcceptedContext:
        """Return the context on which a message came."""
        return self._connection.contexts[context_id]

    # Messages.

    async def send(self, *events: Sent) -> None:
        """Send all this in one gathered write.

        After an error or a cancellation in the middle, the association can only be aborted.
        """
        if self._sending:
            raise RuntimeError(f"{self.remote}: {self.doing}: another task is sending")
        buffers: list[Buffer] = []
        try:
            for event in events:
                buffers += self._connection.send(event)
        except LocalProtocolError:
            self._cut = self._cut or bool(buffers)  # what came before counts as sent, and is not
            raise
        if self._trace is not None:
            self._trace.sent(events)
        await self._write(buffers)

    async def command(self, within: float | None = None) -> Command | None:
        """Return the next message; None if the peer asked for release, which was granted."""
        within = within or self.limits.response
        if self._connection.needs_data:
            await self._receive(within)
        try:
            command = self._connection.next_command()
        except RemoteProtocolError as error:
            raise self._wrong(error) from error
        if command is None:  # as hardly ever
            event = await self._event(within)
            if isinstance(event, ReleaseRQ):
                await self.send(ReleaseRP())
                _LOG.info("%s: released by the peer", self.remote)
                return None
            if not isinstance(event, Command):
                raise self.broken(f"{type(event).__name__} where a message is due")
            command = event
        if self._trace is not None:
            self._trace.received(command)
        return command

    async def response(self, kind: type[AnyResponse], message_id: int) -> AnyResponse:
        """Return the next message, which must be a response of this kind to our request."""
        command = await self.command()
        if command is None:
            raise ConnectionLost(self.remote, self.doing, "the peer released it before it answered")
        return self.expect(command, kind, message_id)

    async def answers(
        self, kind: type[AnyResponse], message_id: int
    ) -> Sequence[tuple[AnyResponse, bytes]]:
        """Return the next response to our request with its data set, and those behind it that are here."""
        found: list[tuple[AnyResponse, bytes]] = []
        while (whole := self._whole_message()) is not None:
            command, data = whole
            if self._trace is not None:
                self._trace.received(command, len(data))
            found.append((self.expect(command, kind, message_id), bytes(data)))
        if not found:
            response = await self.response(kind, message_id)
            # Only pending responses have one; some peers announce one with the last, and never send it.
            pending = status_class(response.status) is StatusClass.PENDING
            due = response.has_data_set and pending
            found.append((response, await self.data_set() if due else b""))
        return found

    def expect(self, command: Command, kind: type[AnyResponse], message_id: int) -> AnyResponse:
        """Require that a message is a response of this kind to our request."""
        message = command.message
        if not isinstance(message, kind):
            raise self.broken(f"{message.NAME} where {kind.NAME} is due")
        if message.message_id_being_responded_to != message_id:
            raise self.broken(
                f"{message.NAME} answers message {message.message_id_being_responded_to},"
                f" and {message_id} is under way"
            )
        return message

    async def fragments(self) -> tuple[Sequence[Buffer], bool]:
        """Return what has arrived of a data set, and whether that is its end.

        At least one fragment; they are views, valid until anything else is received.
        """
        while True:
            if self._connection.needs_data:
                await self._receive(self.limits.response)
            try:
                found, last = self._connection.next_fragments()
            except RemoteProtocolError as error:
                raise self._wrong(error) from error
            if found:
                if self._trace is not None:
                    self._trace.fragments_received(found, last=last)
                return found, last
            event = self._poll()
            if event is not None:
                raise self.broken(f"{type(event).__name__} within a data set")
            if not self._connection.needs_data:
                await self._receive(self.limits.response)

    async def data_set(self, limit: int = 1 << 24) -> bytes:
        """Return a whole small data set, such as an identifier."""
        gathered, last = bytearray(), False
        while not last:
            found, last = await self.fragments()
            for fragment in found:
                gathered += fragment
            if len(gathered) > limit:
                raise self.broken(f"an identifier is longer than {limit} bytes")
        return bytes(gathered)

    # The end.

    async def release(self) -> None:
        """Release the association; a peer that does not answer is left, since nothing is lost by it."""
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
        """End the association at once; if `heard`, wait a moment for the peer to read the A-ABORT.

        Another task that waits for the peer gets `ConnectionLost`.
        """
        try:
            if not (self._cut or self._sending):  # within a PDU nothing can be sent
                async with asyncio.timeout(self.limits.release):
                    await self._transport.send(self._last_words(), self.limits.release)
                    self._transport.finish()
                    # Closing with something unread makes the kernel drop the abort.
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

    def close(self) -> None:
        """Close the connection; calling it again does nothing."""
        self._transport.close()

    def broken(self, what: str) -> RemoteProtocolError:
        """Return the error for a message that the peer should not have sent."""
        return RemoteProtocolError(
            f"{self.remote}: {self.doing}: {what}", source=AbortSource.SERVICE_USER
        )

    # Inside.

    async def _ask(self, request: AssociateRQ) -> None:
        connection = self._connection
        connection.send(request)
        connection.next_event()  # OpenTransport: it is open
        if self._trace is not None:
            self._trace.proposed(request)
        await self.send(TransportOpened())
        try:
            event = await self._event(self.limits.association)
        except (ConnectionLost, RemoteProtocolError) as error:
            if self._transport.encrypted:
                raise
            raise look_for_tls(self.remote, self.doing, error) from error
        if isinstance(event, AssociateRJ):
            raise rejected(self.remote, event)
        if not isinstance(event, AssociateAC):
            raise self.broken(f"{type(event).__name__} where A-ASSOCIATE-AC is due")
        wanted = any(item.positive_response_requested for item in request.items(UserIdentityRQ))
        if wanted and not event.items(UserIdentityAC):
            raise NotAccepted(
                self.remote, self.doing, "it does not confirm who the user is",
                "it may know nothing of user identities: leave out that it must confirm",
            )  # fmt: skip
        self._established(request, event)

    def _established(self, request: AssociateRQ, answer: AssociateAC) -> None:
        proposed, usable = len(request.presentation_contexts), len(self._connection.contexts)
        _LOG.info(
            "%s: association, %d of %d presentation contexts accepted",
            self.remote, usable, proposed,
        )  # fmt: skip
        if self._trace is not None:
            self._trace.negotiated(request, answer)

    async def _release(self) -> None:
        await self.send(ReleaseRQ())
        while not isinstance(await self._event(None), CloseTransport):
            # Both have asked at once: the requestor answers first (PS3.8 7.2.2.7).
            if self._connection.state in (State.STA9, State.STA12):
                await self.send(ReleaseRP())

    async def _answer(self, answer: Answer) -> bool:
        self._connection.send(TransportOpened())
        event = await self._event(self.limits.association)
        if not isinstance(event, AssociateRQ):  # rejected by the connection: version
            await self._flush()
            return False
        if self._trace is not None:
            self._trace.proposed(event)
        said = await answer(event)
        await self.send(said)
        if isinstance(said, AssociateRJ):
            _LOG.info("%s: %s", self.remote, rejection(said))
            self._transport.finish()
            return False
        self._established(event, said)
        return True

    async def _event(self, within: float | None) -> Received:
        """Return the next event, received or due. Raises what ends the association."""
        while True:
            event = self._poll()
            if event is not None:
                return event
            await self._receive(within)

    async def _receive(self, within: float | None) -> None:
        """Receive something, or the end."""
        if self._ended:
            raise ConnectionLost(self.remote, self.doing, "the association is over")
        try:
            data = await self._transport.receive(within)
        except TimeoutError:
            raise self._timed_out("nothing came", within or 0) from None
        except ClosedHere:
            self._ended = True
            raise ConnectionLost(
                self.remote, self.doing, "the association was ended here"
            ) from None
        except OSError:
            data = memoryview(b"")  # reset: to the protocol the same as closed
        self._ended = not data
        self._connection.receive_data(data)

    def _poll(self) -> Received | None:
        """Return the next event that is here already, if it means anything above the timers."""
        while True:
            try:
                event = self._connection.next_event()
            except RemoteProtocolError as error:
                raise self._wrong(error) from error
            if event is NEED_DATA:
                return None
            if isinstance(event, Command):  # first what comes most
                return event
            if isinstance(event, Abort):
                raise AssociationAborted(self.remote, self.doing, describe_abort(event))
            if isinstance(event, TransportLost):
                raise ConnectionLost(self.remote, self.doing, "the peer closed the connection")
            if not isinstance(event, StartTimer | StopTimer):
                return event

    def _wrong(self, error: RemoteProtocolError) -> RemoteProtocolError:
        """Return the error with the peer and the step in its message."""
        words = f"{self.remote}: {self.doing}: {error}"
        return RemoteProtocolError(words, source=error.source, reason=error.reason)

    def _whole_message(self) -> tuple[Command, memoryview] | None:
        try:
            return self._connection.next_message()
        except RemoteProtocolError as error:
            raise self._wrong(error) from error

    async def _flush(self) -> None:
        await self._write(self._connection.data_to_send())

    async def _write(self, buffers: Sequence[Buffer]) -> None:
        if self._cut:
            raise ConnectionLost(
                self.remote, self.doing, "an earlier message was sent only in part"
            )
        self._sending = self._cut = True
        try:
            await self._transport.send(buffers, self.limits.response)
            self._cut = False
        except TimeoutError:
            raise self._timed_out("it takes no more data", self.limits.response) from None
        except ClosedHere:
            raise ConnectionLost(
                self.remote, self.doing, "the association was ended here"
            ) from None
        except OSError:
            await self._lost()
        finally:
            self._sending = False

    async def _lost(self) -> NoReturn:
        """Raise why nothing can be written: what the peer sent last may still be there to read."""
        while not self._transport.receiving:
            await self._event(self.limits.release)
        raise ConnectionLost(self.remote, self.doing, "the peer closed the connection")

    def _last_words(self) -> list[Buffer]:
        connection = self._connection
        if connection.state in (State.STA1, State.STA2, State.STA4, State.STA13):
            return connection.data_to_send()
        return connection.send(Abort())

    def _timed_out(self, what: str, within: float) -> TimedOut:
        return TimedOut(
            self.remote,
            self.doing,
            f"{what} for {within:g} s",
            "raise the time limit if it is slow",
        )


def _trace(remote: str) -> "Trace":
    from dcm.net.trace import Trace  # noqa: PLC0415 - only for --debug

    return Trace(remote)
