"""An acceptor on a blocking socket, for peers that send invalid data."""

import socket

from dcm.net.establish import OUR_INFORMATION
from dcm.wire import (
    Abort,
    AssociateAC,
    AssociateRQ,
    Command,
    Connection,
    DataFragments,
    Message,
    Received,
    ReleaseRP,
    ReleaseRQ,
    RoleSelection,
    Sent,
    StartTimer,
    StopTimer,
    TransportOpened,
    answer_contexts,
)


class Acceptor:
    """One accepted association, with all contexts and roles as proposed."""

    def __init__(self, taken: socket.socket) -> None:
        self.socket = taken
        self._connection = Connection("acceptor")
        self._events: list[Received] = []
        self._connection.send(TransportOpened())
        request = self.event()
        assert isinstance(request, AssociateRQ)
        supported: dict[str, list[str]] = {}
        for context in request.presentation_contexts:
            syntaxes = supported.setdefault(context.abstract_syntax, [])
            syntaxes += context.transfer_syntaxes
        roles = [each for each in request.user_information if isinstance(each, RoleSelection)]
        self.say(
            AssociateAC(
                called_ae_title=request.called_ae_title,
                calling_ae_title=request.calling_ae_title,
                presentation_contexts=answer_contexts(request.presentation_contexts, supported),
                user_information=(*OUR_INFORMATION, *roles),
            )
        )

    def event(self) -> Received:
        """Return the next event except timers. Raises `OSError` at the end."""
        while True:
            while not self._events:
                self._events += self._connection.next_events()
                if not self._events:
                    data = self.socket.recv(1 << 16)
                    if not data:
                        raise ConnectionResetError
                    self._connection.receive_data(data)
            event = self._events.pop(0)
            if isinstance(event, Abort):
                raise ConnectionAbortedError
            if not isinstance(event, StartTimer | StopTimer):
                return event

    def message(self) -> Message:
        """Return the next message; its data set is read and dropped."""
        while not isinstance(event := self.event(), Command):
            pass
        last = not event.message.has_data_set
        while not last:
            fragment = self.event()
            assert isinstance(fragment, DataFragments)
            last = fragment.last
        return event.message

    def say(self, *events: Sent) -> None:
        """Send valid events."""
        for event in events:
            for part in self._connection.send(event):
                self.socket.sendall(part)

    def blurt(self, data: bytes) -> None:
        """Send any bytes."""
        self.socket.sendall(data)

    def release(self) -> None:
        """Wait for the release request, and respond."""
        while not isinstance(self.event(), ReleaseRQ):
            pass
        self.say(ReleaseRP())

    def listen(self) -> None:
        """Read until the end, whatever arrives."""
        while self.socket.recv(1 << 16):
            pass
