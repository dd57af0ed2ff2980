"""One association on one TCP connection, seen from one side, without the TCP connection.

The caller owns socket and timer. It passes what it received to `receive_data` and takes what that means from
`next_events`; it passes what it wants to say to `send` and writes the buffers that this returns:

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

If the peer breaks the protocol, `next_events` raises `RemoteProtocolError`. The A-ABORT that answers it is
then in `data_to_send`; the caller writes it and goes on as before, until the peer closes or ARTIM expires.
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
    """The protocol of one association, as requestor or as acceptor: the upper layer and its messages."""

    def __init__(self, role: Role, limits: Limits | None = None) -> None:
        super().__init__(role, limits)
        self._reader = MessageReader((), self.limits)
        self._writer = MessageWriter((), 0)

    def context_for(
        self, abstract_syntax: str, transfer_syntax: str | None = None
    ) -> AcceptedContext | None:
        """Return the first accepted context of `abstract_syntax`, with this transfer syntax or any."""
        for context in self.contexts.values():
            if context.abstract_syntax == abstract_syntax and (
                transfer_syntax in (None, context.transfer_syntax)
            ):
                return context
        return None

    def send(self, *events: Sent) -> list[Buffer]:
        """Do what the events say; return the buffers to write, for one gathered write.

        Raises `LocalProtocolError` if the protocol does not allow an event now, or not with this content:
        nothing of that event was done, and what came before it waits to be sent.
        """
        for event in events:
            if isinstance(event, _MESSAGES):  # what comes most, first
                if not self._sends_data:
                    self._machine.action(StateEvent.P_DATA_REQUEST)  # which refuses it
                self._outbox += self._writer.write(event)
            elif isinstance(event, ReleaseRQ) and self._writer.unfinished is not None:
                raise LocalProtocolError(
                    "a data set is not sent to its end yet; abort to give it up"
                )
            else:
                self._send(event)
        return self.data_to_send()

    def send_message(
        self, context_id: int, message: Message, data_set: Iterable[Buffer] = ()
    ) -> list[Buffer]:
        """Send a whole message, its data set given in slices of even length; return the buffers to write.

        A data set that cannot be had at once is better sent in one `DataFragment` after the other. After a
        slice of an odd length the message cannot be ended: abort.
        """
        events: list[Sent] = [Command(context_id, message)]
        if message.has_data_set:
            slices = [*data_set] or [b""]
            last = len(slices) - 1
            events += [DataFragment(context_id, data, at == last) for at, data in enumerate(slices)]
        return self.send(*events)

    def next_events(self) -> Sequence[Received]:
        """Return what has happened, in order; empty: nothing, until more is received or sent.

        All that has arrived of messages comes at once. What changes the state comes alone, so that what came
        before can still be answered. Raises `RemoteProtocolError` if the peer breaks the protocol, once what
        came before was returned; the answer is in `data_to_send`.
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
