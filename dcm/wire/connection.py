"""One side of an association on a TCP connection, without the TCP connection itself.

The caller owns the socket and the timer. It passes received bytes to `receive_data` and gets the events from
`next_events`; it passes its own events to `send` and writes the buffers that this returns:

    connection = Connection("acceptor")
    connection.send(TransportOpened())
    while True:
        for event in (events := connection.next_events()):
            if isinstance(event, AssociateRQ):
                socket.sendall(b"".join(connection.send(AssociateAC(...))))
            elif isinstance(event, CloseTransport):
                return
        if not events:
            connection.receive_data(socket.recv(65536))

If the peer breaks the protocol, `next_events` raises `RemoteProtocolError`, and `data_to_send` returns the
A-ABORT. The caller writes it and continues as before, until the peer closes the connection or ARTIM expires.
`LocalProtocolError` means that nothing was done.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.wire.dimse import Message
from dcm.wire.events import Command, DataFragment, Received, Sent
from dcm.wire.limits import Limits
from dcm.wire.message_reader import MessageReader
from dcm.wire.message_writer import MessageWriter
from dcm.wire.negotiation import AcceptedContext
from dcm.wire.pdu import AssociateAC, AssociateRQ, ReleaseRQ
from dcm.wire.state import Role, StateEvent
from dcm.wire.upper_layer import UpperLayer
from dcm.wire.values import Buffer

_MESSAGES: Final = (Command, DataFragment)


class Connection(UpperLayer):
    """The protocol of one association, as requestor or acceptor: the upper layer and its messages."""

    def __init__(self, role: Role, limits: Limits | None = None) -> None:
        super().__init__(role, limits)
        self._reader = MessageReader((), self.limits)
        self._writer = MessageWriter((), 0)

    def context_for(
        self, abstract_syntax: str, transfer_syntax: str | None = None
    ) -> AcceptedContext | None:
        """Return the first accepted context of `abstract_syntax` with this or any transfer syntax."""
        for context in self.contexts.values():
            if context.abstract_syntax == abstract_syntax and (
                transfer_syntax in (None, context.transfer_syntax)
            ):
                return context
        return None

    def send(self, *events: Sent) -> list[Buffer]:
        """Process the events; return the buffers to write, for one gathered write.

        Raises `LocalProtocolError` if the protocol does not allow an event now, or not with this content.
        That event then has no effect; the output of those before it is returned by `data_to_send`.
        """
        for event in events:
            if isinstance(event, _MESSAGES):  # first, because they are the most frequent
                if not self._sends_data:
                    self._machine.action(StateEvent.P_DATA_REQUEST)  # raises the error
                self._outbox += self._writer.write(event)
            elif isinstance(event, ReleaseRQ) and self._writer.unfinished is not None:
                raise LocalProtocolError(
                    "a data set has not been sent completely; abort to give it up"
                )
            else:
                self._send(event)
        return self.data_to_send()

    def send_message(
        self, context_id: int, message: Message, data_set: Iterable[Buffer] = ()
    ) -> list[Buffer]:
        """Send a whole message, with its data set in slices of even length; return the buffers to write.

        If the data set is not available at once, send a `Command` and then one `DataFragment` after another.
        After a slice of odd length the message cannot be completed; abort the association.
        """
        events: list[Sent] = [Command(context_id, message)]
        if message.has_data_set:
            slices = [*data_set] or [b""]
            last = len(slices) - 1
            events += [DataFragment(context_id, data, at == last) for at, data in enumerate(slices)]
        return self.send(*events)

    def next_events(self) -> Sequence[Received]:
        """Return the next events in order; empty if there are none until more is received or sent.

        All parts of messages that have arrived are returned together. An event that changes the state is
        returned alone, so that messages before it can still be answered. Raises `RemoteProtocolError` if the
        peer breaks the protocol, after earlier events were returned; the answer is in `data_to_send`.
        """
        try:
            if self._takes_data:
                data = self._reader.read(self._framer)
                if data or (self._framer.within_p_data and not self._closed_by_peer):
                    return data
            return self._next_events()
        except RemoteProtocolError as error:
            self._refuse(error)
            raise

    def _establish(self, request: AssociateRQ, answer: AssociateAC) -> None:
        super()._establish(request, answer)
        peer = answer if self.role == "requestor" else request
        longest = self.limits.p_data_pdu_sent
        self._reader = MessageReader(self.contexts, self.limits)
        self._writer = MessageWriter(self.contexts, min(peer.maximum_length or longest, longest))
