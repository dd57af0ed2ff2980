"""A client for PDUs and messages exactly as sent and received, below the level of a library.

    with wire.connect() as line:                        a TCP connection, nothing sent yet
        line.say(raw.pdu(0x0B, bytes(4)))
        assert line.hear() == Abort(2, 1)

    with wire.associate([ECHO]) as association:
        answer = association.ask(CEchoRQ(message_id=1))

Misbehaviour of a server is not an error here: `hear` returns a PDU, or `Closed`, `Silence` or
`Unreadable`, which a case compares with the requirement of the standard.
"""

import contextlib
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

from dcm.errors import RemoteProtocolError
from dcm.frozen import Frozen
from dcm.wire import (
    PDU,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    Buffer,
    CloseTransport,
    Command,
    Connection,
    ConnectionLost,
    DataFragments,
    ImplementationClassUID,
    Limits,
    MaximumLength,
    Message,
    OpenTransport,
    PresentationContextRQ,
    Received,
    ReleaseRP,
    ReleaseRQ,
    Sent,
    StartTimer,
    State,
    StopTimer,
    TransportOpened,
    UserItem,
    build,
    describe_abort,
    parse,
    raw,
    rejection,
)
from harness.clients.client import Client

HEADER: Final = 6
LONGEST: Final = 1 << 26
"""Bytes of the longest acceptable PDU; one that announces more is not read."""
UNLIMITED: Final = Limits(p_data_pdu=(1 << 32) - 1)
IMPLEMENTATION_CLASS_UID: Final = "2.25.195110617"
ENDING: Final = frozenset({AssociateRJ.TYPE, ReleaseRP.TYPE, Abort.TYPE})
PENDING: Final = frozenset({0xFF00, 0xFF01})

Context = tuple[str, Sequence[str]]
"""Abstract syntax and transfer syntaxes of a presentation context."""
MOST_CONTEXTS: Final = 127
"""One less than the 128 of an association (PS3.8 9.3.2), to leave one for Verification."""
ECHO: Final[Context] = ("1.2.840.10008.1.1", ("1.2.840.10008.1.2",))
"""Verification in the default transfer syntax."""


class Closed(Frozen):
    """The peer closed the connection, or reset it."""


class Silence(Frozen):
    """The peer neither sent anything nor closed the connection within this time."""

    seconds: float


class Unreadable(Frozen):
    """The peer sent something that is not a PDU, and why it is not."""

    why: str


Heard = PDU | Closed | Silence | Unreadable


class ProtocolBroken(AssertionError):  # noqa: N818 - the peer's failure, not ours
    """The peer did something that the protocol does not allow at this point."""


Kind = TypeVar("Kind")


def due(kind: type[Kind], heard: Heard | Received, what: str = "") -> Kind:
    """Return what was received if it is of the expected kind, or else raise `ProtocolBroken`."""
    if not isinstance(heard, kind):
        what = what or getattr(kind, "NAME", "")
        raise ProtocolBroken(f"expected {what}, received {described(heard)}")
    return heard


class Incoming(Frozen):
    """A complete message from the peer."""

    context_id: int
    message: Message
    data_set: bytes


class Line(contextlib.AbstractContextManager["Line"]):
    """One TCP connection; a context manager that closes it.

    pdus: the bytes of each received PDU. delays: for each PDU, the seconds between its first and
    its last byte, when the server has nothing left to compute. over: whether the peer has ended the
    exchange.
    """

    def __init__(self, connected: socket.socket, time_limit: float) -> None:
        self.time_limit: Final = time_limit
        self.pdus: Final[list[bytes]] = []
        self.delays: Final[list[float]] = []
        self._socket: Final = connected
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self.over = False

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, also for a thread that is waiting to receive something."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def say(self, *data: Buffer) -> None:
        """Send any bytes, each of `data` in its own segment.

        A connection that the peer has closed is not an error: data it sent before can still be
        read.
        """
        self._socket.settimeout(self.time_limit)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for each in data:
                self._socket.sendall(each)

    def hear(self, within: float | None = None) -> Heard:
        """Wait up to `within` seconds for the next PDU; return it, or what happened instead."""
        heard = self.hear_bytes(within)
        if not isinstance(heard, bytes):
            return heard
        try:
            return parse(heard, UNLIMITED)
        except RemoteProtocolError as error:
            return Unreadable(str(error))

    def hear_bytes(self, within: float | None = None) -> bytes | Closed | Silence | Unreadable:
        """Wait for the next PDU and return its bytes, including the header."""
        limit = self.time_limit if within is None else within
        deadline = time.monotonic() + limit
        begun = time.monotonic() if self._received else 0.0
        while not (length := self._length()) or length > len(self._received):
            if length > LONGEST:
                return Unreadable(f"a PDU announces a length of {length - HEADER}")
            left = deadline - time.monotonic()
            if left <= 0 and self._received:
                return Unreadable(f"{self._begun()} in {limit:g} s")
            self._socket.settimeout(max(0.001, left))
            try:
                data = self._socket.recv(1 << 18)
            except TimeoutError:
                if not self._received:
                    return Silence(limit)
                continue
            except (ConnectionError, ssl.SSLError):
                data = b""
            if not data:
                self.over = True
                return Unreadable(self._begun()) if self._received else Closed()
            begun = begun or time.monotonic()
            self._received += data
        self.delays.append(time.monotonic() - begun)
        pdu, self._received = self._received[:length], self._received[length:]
        self.pdus.append(pdu)
        self.over = self.over or pdu[0] in ENDING
        return pdu

    def _begun(self) -> str:
        return f"a PDU of which only {len(self._received)} bytes were received"

    def left(self) -> bytes:
        """Return and discard the received part of an incomplete PDU."""
        left, self._received = self._received, b""
        return left

    def _length(self) -> int:
        """Return the length of the next PDU, including its header; 0 if not known yet."""
        known = len(self._received) >= HEADER
        return HEADER + int.from_bytes(self._received[2:HEADER], "big") if known else 0


class Association:
    """An association from either side, one message after another, on a `Line`.

    Raises `ProtocolBroken` if the peer does something that the protocol does not allow.
    """

    def __init__(self, line: Line, connection: Connection) -> None:
        self.line: Final = line
        self.connection: Final = connection
        self._events: Final[deque[Received]] = deque()

    @property
    def answer(self) -> AssociateAC:
        """The peer's acceptance of the association."""
        assert self.connection.answer is not None
        return self.connection.answer

    @property
    def stands(self) -> bool:
        """Whether messages can be exchanged."""
        return self.connection.state is State.STA6 and not self.line.over

    def send(self, *events: Sent) -> None:
        """Send events that the protocol allows."""
        for event in events:
            self.line.say(b"".join(self.connection.send(event)))

    def send_message(self, message: Message, data_set: bytes = b"", context_id: int = 0) -> None:
        """Send a message in one segment, on the given context or else the first."""
        self.line.say(self.encoded(message, data_set, context_id))

    def encoded(self, message: Message, data_set: bytes = b"", context_id: int = 0) -> bytes:
        """Return the PDUs of a message, to be sent in one segment with others.

        Raises `ProtocolBroken` if the peer did not accept the context or, without `context_id`, any
        context.
        """
        accepted = self.connection.contexts
        if not accepted or (context_id and context_id not in accepted):
            which = f"presentation context {context_id}" if context_id else "any context"
            raise ProtocolBroken(f"the peer accepted the association without {which}")
        context_id = context_id or next(iter(accepted))
        parts = (data_set,) if message.has_data_set else ()
        return b"".join(self.connection.send_message(context_id, message, parts))

    def event(self, within: float | None = None) -> Received:
        """Wait for the next event other than timers and such, up to `within` seconds per PDU."""
        while True:
            while not self._events:
                try:
                    self._events.extend(self.connection.next_events())
                except RemoteProtocolError as error:
                    self.line.say(b"".join(self.connection.data_to_send()))
                    raise ProtocolBroken(f"the peer broke the protocol: {error}") from error
                if not self._events:
                    self._hear(within)
            event = self._events.popleft()
            if isinstance(event, ConnectionLost | CloseTransport):
                raise ProtocolBroken("the peer closed the connection")
            if not isinstance(event, OpenTransport | StartTimer | StopTimer):
                return event

    def _hear(self, within: float | None = None) -> None:
        heard = self.line.hear_bytes(within)
        if isinstance(heard, Silence):
            raise ProtocolBroken(f"nothing was received from the peer for {heard.seconds:g} s")
        if isinstance(heard, Unreadable):
            raise ProtocolBroken(f"the peer broke the protocol: {heard.why}")
        self.connection.receive_data(heard if isinstance(heard, bytes) else b"")

    def receive(self) -> Incoming:
        """Wait for a complete message and return it."""
        event = due(Command, self.event(), "a message")
        parts = []
        last = not event.message.has_data_set
        while not last:
            part = due(DataFragments, self.event(), "the data set of a message")
            parts.append(part.data)
            last = part.last
        return Incoming(event.context_id, event.message, b"".join(parts))

    def responses(self) -> list[Incoming]:
        """Receive the responses to a request, up to the first whose status is not Pending."""
        found = [self.receive()]
        while getattr(found[-1].message, "status", None) in PENDING:
            found.append(self.receive())
        return found

    def ask(self, message: Message, data_set: bytes = b"", context_id: int = 0) -> Incoming:
        """Send a request, and return its only response."""
        self.send_message(message, data_set, context_id)
        return self.receive()

    def release(self) -> None:
        """Release the association as its requestor, ignoring messages that still arrive.

        If the acceptor requests the release at the same time, it is answered first (PS3.8 7.2.2).
        """
        self.send(ReleaseRQ())
        event = self.event()
        while isinstance(event, Command | DataFragments | ReleaseRQ):
            if isinstance(event, ReleaseRQ):
                self.send(ReleaseRP())
            event = self.event()
        due(ReleaseRP, event)


class Wire(Client):
    """A client that works with PDUs."""

    artim = 32.0
    """Seconds within which a server's ARTIM timer should expire; most servers take 30 s."""

    def connect(self) -> Line:
        """Open a TCP connection without sending anything."""
        try:
            peer = (self.peer.host, self.peer.port)
            connected = socket.create_connection(peer, timeout=self.time_limit)
            if self.tls is not None:
                connected = self.tls.context.wrap_socket(connected)
        except OSError as error:
            raise ProtocolBroken(f"no connection to {self.peer}: {error}") from error
        return Line(connected, self.time_limit)

    def request(
        self,
        contexts: Iterable[Context],
        *,
        maximum_length: int = 16384,
        items: Iterable[UserItem] = (),
    ) -> AssociateRQ:
        """Return an association request with these contexts, whose IDs are 1, 3, 5 ..."""
        return AssociateRQ(
            called_ae_title=self.called,
            calling_ae_title=self.calling,
            presentation_contexts=tuple(
                PresentationContextRQ(2 * number + 1, abstract_syntax, tuple(transfer_syntaxes))
                for number, (abstract_syntax, transfer_syntaxes) in enumerate(contexts)
            ),
            user_information=user_information(maximum_length, items),
        )

    def bent_request(
        self,
        items: Iterable[bytes],
        *,
        called: bytes | None = None,
        calling: bytes | None = None,
        **fields: int,
    ) -> bytes:
        """Return an association request with any items and fields, made with `dcm.wire.raw`."""
        called = (self.called.encode() if called is None else called).ljust(16)
        calling = (self.calling.encode() if calling is None else calling).ljust(16)
        return raw.associate(AssociateRQ.TYPE, items, called=called, calling=calling, **fields)

    def propose(self, request: AssociateRQ | bytes, within: float | None = None) -> Heard:
        """Request an association, and return the answer; an accepted one is released at once."""
        with self.connect() as line:
            line.say(build(request) if isinstance(request, AssociateRQ) else request)
            heard = line.hear(within)
            if isinstance(heard, AssociateAC):
                line.say(build(ReleaseRQ()))
                line.hear()
            return heard

    def accepted(self, request: AssociateRQ | bytes, within: float | None = None) -> AssociateAC:
        """Request an association that must be accepted, release it, and return the answer."""
        return due(AssociateAC, self.propose(request, within))

    def chosen(self, contexts: Sequence[Context]) -> list[str | None]:
        """Propose contexts on as many associations as needed, each with Verification in addition.

        Returns the transfer syntax that was chosen for each context, or None if it was not
        accepted. Fails the case if an association is not accepted, or a context is not answered.
        """
        found: list[str | None] = []
        for start in range(0, len(contexts), MOST_CONTEXTS):
            part = contexts[start : start + MOST_CONTEXTS]
            answer = self.accepted(self.request([ECHO, *part]))
            by_id = {each.context_id: each for each in answer.presentation_contexts}
            for context_id in range(3, 2 * len(part) + 3, 2):
                result = by_id.get(context_id)
                if result is None:
                    raise ProtocolBroken(f"presentation context {context_id} is not answered")
                found.append(result.transfer_syntax if result.accepted else None)
        return found

    @contextlib.contextmanager
    def associate(self, contexts: Iterable[Context], **options: Any) -> Iterator[Association]:
        """Open an association, and release it at the end if still open; options as for `request`.

        Fails the case if the association is not accepted.
        """
        request = self.request(contexts, **options)
        with self.connect() as line:
            association = Association(line, Connection("requestor", UNLIMITED))
            association.send(request, TransportOpened())
            due(AssociateAC, association.event())
            yield association
            if association.stands:
                association.release()


def user_information(maximum_length: int, items: Iterable[UserItem]) -> tuple[UserItem, ...]:
    """Return our user information for the negotiation, followed by `items` (PS3.8 D.3.3)."""
    ours = ImplementationClassUID(IMPLEMENTATION_CLASS_UID)
    return MaximumLength(maximum_length), ours, *items


def named(heard: Heard) -> str:
    """Return the name of a PDU, or a description of what happened instead."""
    return getattr(heard, "NAME", "") or described(heard)


def described(heard: Heard | Received) -> str:
    """Describe what was received, for a message about something unexpected."""
    match heard:
        case AssociateRJ():
            return rejection(heard)
        case Abort():
            return describe_abort(heard)
        case Closed():
            return "the end of the connection"
        case Silence():
            return f"nothing, in {heard.seconds:g} s"
        case Unreadable():
            return heard.why
        case _:
            return getattr(heard, "NAME", type(heard).__name__)
