"""A scripted DICOM server on `dcm.wire`: correct except for the one thing that a test changes.

    class Mute(Archive):
        def echo(self, talk, heard): ...          no answer

    with ScriptedServer() as server:
        server.behaviour = Mute()

A `Behaviour` defines what the server does; a fault may override any method of it, or of
`support.archive.Archive`, which has the services. This module has the server itself, which uses one
thread for each association.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.wire import (
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
    Message,
    Received,
    ReleaseRP,
    ReleaseRQ,
    Sent,
    StartTimer,
    StopTimer,
    TimerExpired,
    TransportOpened,
)
from harness.clients.wire import HEADER, Closed, Incoming, Line, ProtocolBroken, Silence, Unreadable
from harness.model import Endpoint

PATIENCE: Final = 30.0
"""Seconds after which a thread gives up on a silent peer."""


class Behaviour:
    """How the server acts: a fault may override each method. One is made for each case."""

    artim = 1.0
    """Seconds of the ARTIM timer."""

    def line(self, taken: socket.socket) -> Line:
        """Return the `Line` for an accepted connection."""
        return Line(taken, PATIENCE)

    def opened(self, talk: "Talk") -> None:
        """Handle an opened connection."""

    def hears(self, pdu: bytes) -> bytes:
        """Change one received PDU; an empty result drops it."""
        return pdu

    def says(self, pdu: bytes) -> bytes:
        """Change one PDU to be sent."""
        return pdu

    def write(self, line: Line, data: bytes) -> None:
        """Write bytes to the connection."""
        line.say(data)

    def answer(self, request: AssociateRQ) -> AssociateAC | AssociateRJ:
        """Return the answer to an association request."""
        raise NotImplementedError

    def serve(self, talk: "Talk", heard: Incoming) -> None:
        """Answer a message."""
        raise NotImplementedError

    def offended(self, talk: "Talk", error: RemoteProtocolError) -> None:  # noqa: ARG002
        """The peer broke the protocol: send the A-ABORT that the protocol has prepared."""
        talk.flush()

    def release(self, talk: "Talk") -> None:
        """The peer requests the release of the association."""
        talk.send(ReleaseRP())

    def aborted(self, talk: "Talk") -> None:
        """The peer aborted the association."""
        talk.close()

    def expired(self, talk: "Talk") -> None:
        """The ARTIM timer expired."""
        talk.send(TimerExpired())


class Talk:
    """One connection to the server."""

    def __init__(self, line: Line, behaviour: Behaviour) -> None:
        self.line: Final = line
        self.behaviour: Final = behaviour
        self.connection: Final = Connection("acceptor")
        self.closed = False
        self._ended = False
        self._events: list[Received] = []
        self._deadline: float | None = None

    def run(self) -> None:
        """Serve until the connection is closed, or until the peer of a C-MOVE is gone."""
        with self.line, contextlib.suppress(OSError, LocalProtocolError, ProtocolBroken):
            self.behaviour.opened(self)
            self.send(TransportOpened())
            while (heard := self.message()) is not None:
                self.behaviour.serve(self, heard)

    def message(self) -> Incoming | None:
        """Return the next message and handle other events; None if the connection is closed."""
        begun: Command | None = None
        parts: list[bytes] = []
        while (event := self._event()) is not None:
            match event:
                case Command():
                    begun, parts = event, []
                    if not event.message.has_data_set:
                        return Incoming(event.context_id, event.message, b"")
                case DataFragments():
                    parts.append(event.data)
                    if event.last and begun is not None:
                        return Incoming(begun.context_id, begun.message, b"".join(parts))
                case _:
                    self._deal_with(event)
        return None

    def send(self, *events: Sent) -> None:
        """Send events that the protocol allows; the behaviour may change their PDUs."""
        for event in events:
            self.blurt(*self.connection.send(event))

    def send_message(self, context_id: int, message: Message, data_set: bytes = b"") -> None:
        """Send a message."""
        parts = (data_set,) if message.has_data_set else ()
        self.blurt(*self.connection.send_message(context_id, message, parts))

    def flush(self) -> None:
        """Send the pending data."""
        self.blurt(*self.connection.data_to_send())

    def blurt(self, *data: Buffer) -> None:
        """Send these PDUs, changed by the behaviour, in one segment."""
        self.behaviour.write(self.line, b"".join(map(self.behaviour.says, pdus_of(b"".join(data)))))

    def close(self) -> None:
        """Close the connection."""
        self.closed = True
        self.line.close()

    def _event(self) -> Received | None:
        while not self.closed:
            if self._events:
                return self._events.pop(0)
            try:
                self._events += self.connection.next_events()
            except RemoteProtocolError as error:
                self.behaviour.offended(self, error)
                continue
            if self._events:
                continue
            if self._ended:
                self.close()
            else:
                self._hear()
        return None

    def _hear(self) -> None:
        left = PATIENCE if self._deadline is None else self._deadline - time.monotonic()
        heard = self.line.hear_bytes(max(0.001, min(PATIENCE, left)))
        match heard:
            case bytes():
                if changed := self.behaviour.hears(heard):
                    self.connection.receive_data(changed)
            case Closed():
                self.connection.receive_data(b"")
                self._ended = True
            case Silence() if self._deadline is not None:
                self._deadline = None
                self.behaviour.expired(self)
            case Silence():
                self.close()
            case Unreadable():
                # A false length or a truncated PDU: the framing detects it.
                self.connection.receive_data(self.line.left())

    def _deal_with(self, event: Received) -> None:
        match event:
            case AssociateRQ():
                self.send(self.behaviour.answer(event))
            case ReleaseRQ():
                self.behaviour.release(self)
            case Abort():
                self.behaviour.aborted(self)
            case StartTimer():
                self._deadline = time.monotonic() + self.behaviour.artim
            case StopTimer():
                self._deadline = None
            case CloseTransport() | ConnectionLost():
                self.close()


class ScriptedServer:
    """Listens on a port of its own; a context manager.

    behaviour: used for connections opened from now on.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._socket: Final = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.endpoint: Final = Endpoint("127.0.0.1", self._socket.getsockname()[1])
        self._lines: Final[list[Line]] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for line in self._lines:
            line.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                taken, _ = self._socket.accept()
                line = self.behaviour.line(taken)
                self._lines.append(line)
                threading.Thread(target=Talk(line, self.behaviour).run, daemon=True).start()


def pdus_of(data: bytes) -> Iterator[bytes]:
    """Split the protocol's output into PDUs."""
    while data:
        end = HEADER + int.from_bytes(data[2:HEADER], "big")
        yield data[:end]
        data = data[end:]
