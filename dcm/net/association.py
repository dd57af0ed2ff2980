"""One association over TCP: `dcm.wire.Connection` joined to a `Transport`.

    async with await Association.request(local, remote, contexts) as association:
        await association.send(Command(1, CEchoRQ(message_id=1)))
        response = await association.response(CEchoRSP, 1)

Leaving the block releases the association, or aborts it where an error leaves it.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Final, NoReturn, Self, TypeVar

from dcm import __version__
from dcm.errors import AbortSource, RemoteProtocolError
from dcm.net.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectionFailed,
    ConnectionLost,
    NetworkError,
    NotAccepted,
    TimedOut,
    TlsFailed,
)
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.tls import UnusableTls
from dcm.net.transport import Transport, connect
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
    OpenTransport,
    PresentationContextRQ,
    Received,
    ReleaseRP,
    ReleaseRQ,
    Response,
    Sent,
    StartTimer,
    State,
    StopTimer,
    TransportOpened,
    UserIdentityAC,
    UserIdentityRQ,
    UserItem,
    abortion,
    rejection,
)
from dcm.wire import ConnectionLost as TransportLost

IMPLEMENTATION_CLASS_UID: Final = "2.25.213446188240736542571934206846018437541"
IMPLEMENTATION_VERSION_NAME: Final = f"DCM_{__version__}"
OUR_INFORMATION: Final[tuple[UserItem, ...]] = (
    MaximumLength(1 << 17),  # longer ones were not seen to be faster, and dcmtk sends none
    ImplementationClassUID(IMPLEMENTATION_CLASS_UID),
    ImplementationVersionName(IMPLEMENTATION_VERSION_NAME),
)

AnyResponse = TypeVar("AnyResponse", bound=Response)
Answer = Callable[[AssociateRQ], Awaitable[AssociateAC | AssociateRJ]]


class Association:
    """An established association, as requestor or acceptor.

    doing: the current step in words, for errors; who uses the association says what he does.
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
        self._ended = False
        self._writing = False

    @classmethod
    async def request(
        cls,
        local: DcmNode,
        remote: DcmNode,
        contexts: Sequence[PresentationContextRQ],
        user_information: Sequence[UserItem] = (),
        limits: TimeLimits | None = None,
    ) -> Self:
        """Connect to `remote` and ask for an association. Raises `NetworkError`."""
        limits = limits or TimeLimits()
        request = AssociateRQ(
            called_ae_title=remote.ae_title,
            calling_ae_title=local.ae_title,
            presentation_contexts=tuple(contexts),
            user_information=(
                *OUR_INFORMATION,
                *([remote.user_identity] if remote.user_identity else []),
                *user_information,
            ),
        )
        transport = await _connect(local, remote, limits.connect)
        name = f"{remote} (we are {local.ae_title})"
        association = cls(Connection("requestor"), transport, name, limits)
        try:
            await association._ask(request)
        except BaseException:
            await association.abort()
            raise
        return association

    @classmethod
    async def accept(
        cls, transport: Transport, remote: str, answer: Answer, limits: TimeLimits
    ) -> Self | None:
        """Wait for the request on a connection that was taken, and answer it; None: rejected."""
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

    def next_message_id(self) -> int:
        """Give a message ID that was not used lately."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def context(self, abstract_syntax: str, transfer_syntax: str | None = None) -> AcceptedContext:
        """Give an accepted context. Raises `NotAccepted`."""
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
        """Give all contexts that can be used."""
        return tuple(self._connection.contexts.values())

    def context_by_id(self, context_id: int) -> AcceptedContext:
        """Give the context on which a message came."""
        return self._connection.contexts[context_id]

    # Messages.

    async def send(self, *events: Sent) -> None:
        """Say all this in one gathered write."""
        buffers: list[Buffer] = []
        for event in events:
            buffers += self._connection.send(event)
        await self._write(buffers)

    async def command(self, within: float | None = None) -> Command | None:
        """Give the next message; None: the peer has asked for release, and was answered."""
        within = within or self.limits.response
        if self._connection.needs_data:
            await self._receive(within)
        try:
            command = self._connection.next_command()
        except RemoteProtocolError as error:
            raise self._wrong(error) from error
        if command is not None:  # as nearly always
            return command
        event = await self._event(within)
        if isinstance(event, ReleaseRQ):
            await self.send(ReleaseRP())
            return None
        if not isinstance(event, Command):
            raise self.broken(f"{type(event).__name__} where a message is due")
        return event

    async def response(self, kind: type[AnyResponse], message_id: int) -> AnyResponse:
        """Give the next message, which must be a response of this kind to our request."""
        command = await self.command()
        if command is None:
            raise ConnectionLost(self.remote, self.doing, "the peer released it before it answered")
        return self.expect(command, kind, message_id)

    async def answers(
        self, kind: type[AnyResponse], message_id: int
    ) -> Sequence[tuple[AnyResponse, bytes]]:
        """Give the next response to our request with its data set, and those behind it that are here too."""
        found: list[tuple[AnyResponse, bytes]] = []
        while (whole := self._whole_message()) is not None:
            command, data = whole
            found.append((self.expect(command, kind, message_id), bytes(data)))
        if not found:
            response = await self.response(kind, message_id)
            found.append((response, await self.data_set() if response.has_data_set else b""))
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
        """Give what has arrived of a data set, and whether that is its end.

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
                return found, last
            event = self._poll()
            if event is not None:
                raise self.broken(f"{type(event).__name__} within a data set")
            if not self._connection.needs_data:
                await self._receive(self.limits.response)

    async def data_set(self, limit: int = 1 << 24) -> bytes:
        """Give a whole small data set, of an identifier."""
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
        """End the association in order; a peer that does not answer is left, as all is said."""
        try:
            if self._connection.state is State.STA6:
                self.doing = "release"
                async with asyncio.timeout(self.limits.release):
                    await self._part()
        except (TimeoutError, NetworkError, RemoteProtocolError):
            pass
        finally:  # also when the task is cancelled
            self.close()

    async def abort(self) -> None:
        """End the association at once; the peer gets a moment to read why."""
        try:
            if not self._writing:  # within a PDU nothing can be said
                async with asyncio.timeout(self.limits.release):
                    await self._transport.send(self._last_words(), self.limits.release)
                    self._transport.finish()
                    while len(await self._transport.receive(None)):
                        pass  # closing with something unread makes the kernel drop the abort
        except (OSError, TimeoutError, NetworkError):
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection; to be called again does no harm."""
        self._transport.close()

    def broken(self, what: str) -> RemoteProtocolError:
        """Make the error for a message that the peer should not have sent."""
        return RemoteProtocolError(
            f"{self.remote}: {self.doing}: {what}", source=AbortSource.SERVICE_USER
        )

    # Inside.

    async def _ask(self, request: AssociateRQ) -> None:
        connection = self._connection
        connection.send(request)
        assert isinstance(connection.next_event(), OpenTransport)
        await self.send(TransportOpened())
        try:
            event = await self._event(self.limits.association)
        except (ConnectionLost, RemoteProtocolError) as error:
            if not self._transport.encrypted:
                self._look_for_tls(error)
            raise
        if isinstance(event, AssociateRJ):
            raise AssociationRejected(
                self.remote, rejection(event), _ADVICE.get((event.source, event.reason), ""),
                permanent=event.result == 1,
            )  # fmt: skip
        if not isinstance(event, AssociateAC):
            raise self.broken(f"{type(event).__name__} where A-ASSOCIATE-AC is due")
        wanted = any(item.positive_response_requested for item in request.items(UserIdentityRQ))
        if wanted and not event.items(UserIdentityAC):
            raise NotAccepted(
                self.remote, self.doing, "it does not confirm who the user is",
                "it may know nothing of user identities: leave out that it must confirm",
            )  # fmt: skip

    async def _part(self) -> None:
        await self.send(ReleaseRQ())
        while not isinstance(await self._event(None), CloseTransport):
            # Both have asked at once: the requestor answers first (PS3.8 7.2.2.7).
            if self._connection.state in (State.STA9, State.STA12):
                await self.send(ReleaseRP())

    def _look_for_tls(self, error: ConnectionLost | RemoteProtocolError) -> None:
        """Raise a better error where the peer may want TLS: it sends an alert (type 15H), or hangs up."""
        if isinstance(error, ConnectionLost):
            raise ConnectionLost(
                self.remote, self.doing, error.what, "does it want TLS?"
            ) from error
        if str(error).endswith(" 15H is no type of a PDU"):
            raise TlsFailed(
                self.remote, self.doing, "it answers with TLS", "set tls for it"
            ) from error

    async def _answer(self, answer: Answer) -> bool:
        self._connection.send(TransportOpened())
        event = await self._event(self.limits.association)
        if not isinstance(event, AssociateRQ):  # rejected by the connection: version
            await self._flush()
            return False
        said = await answer(event)
        await self.send(said)
        if isinstance(said, AssociateRJ):
            self._transport.finish()
            return False
        return True

    async def _event(self, within: float | None) -> Received:
        """Give the next event, received or due. Raises what ends the association."""
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
        except OSError:
            data = memoryview(b"")  # reset: to the protocol the same as closed
        self._ended = not data
        self._connection.receive_data(data)

    def _poll(self) -> Received | None:
        """Give the next event that is here already, if it means anything above the timers."""
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
                raise AssociationAborted(self.remote, self.doing, abortion(event))
            if isinstance(event, TransportLost):
                raise ConnectionLost(self.remote, self.doing, "the peer closed the connection")
            if not isinstance(event, StartTimer | StopTimer):
                return event

    def _wrong(self, error: RemoteProtocolError) -> RemoteProtocolError:
        """Say with whom, and while doing what, the protocol was broken."""
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
        self._writing = True
        try:
            await self._transport.send(buffers, self.limits.response)
        except TimeoutError:
            raise self._timed_out("it takes no more data", self.limits.response) from None
        except OSError:
            await self._lost()
        self._writing = False

    async def _lost(self) -> NoReturn:
        """Say why nothing can be written: what the peer said last may still be there to read."""
        while True:
            await self._event(self.limits.release)

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


_ADVICE: Final = {
    (1, 1): "is user identity wanted, or another one?",
    (1, 3): "register our AE title at the peer, or use one that it knows",
    (1, 7): "check the AE title of the peer",
    (3, 1): "try again later, or with fewer associations",
    (3, 2): "try again later, or with fewer associations",
}


async def _connect(local: DcmNode, remote: DcmNode, within: float) -> Transport:
    doing = "connection"
    try:
        if remote.tls is None:
            async with asyncio.timeout(within):
                return Transport(await connect(remote.host, remote.port))
        from dcm.net.tls_transport import connect_tls  # noqa: PLC0415 - most do without

        context = remote.tls.to_connect(local.tls)
        return await connect_tls(remote.host, remote.port, context, str(remote), within)
    except UnusableTls as error:
        raise TlsFailed(str(remote), doing, str(error)) from error
    except TimeoutError:
        raise TimedOut(
            str(remote), doing, f"no answer for {within:g} s", "is a firewall between?"
        ) from None
    except OSError as error:
        raise ConnectionFailed(
            str(remote),
            doing,
            _words(error),
            "check host and port, and that it runs",
        ) from error


def _words(error: OSError) -> str:
    """Say what the system says, without what asyncio puts before it."""
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or str(error)
