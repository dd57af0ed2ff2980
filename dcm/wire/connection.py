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

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.wire.dimse import Message
from dcm.wire.events import Command, DataFragment, Received, Sent
from dcm.wire.limits import Limits
from dcm.wire.message_reader import MessageReader
from dcm.wire.message_writer import MessageWriter
from dcm.wire.negotiation import AcceptedContext
from dcm.wire.pdu import AssociateAC, AssociateRQ, ReleaseRQ
from dcm.wire.state import Role, State
from dcm.wire.upper_layer import UpperLayer
from dcm.wire.values import Buffer


class Connection:
    """The protocol of one association, as requestor or as acceptor."""

    def __init__(self, role: Role, limits: Limits | None = None) -> None:
        self._upper: Final = UpperLayer(role, limits or Limits())
        self._contexts = self._upper.contexts
        self._reader = MessageReader((), self._upper.limits)
        self._writer = MessageWriter((), 0)

    @property
    def limits(self) -> Limits:
        """What is accepted from the peer."""
        return self._upper.limits

    @property
    def role(self) -> Role:
        """Which side this is."""
        return self._upper.machine.role

    @property
    def state(self) -> State:
        """The state of the association (PS3.8 9.2.1)."""
        return self._upper.machine.state

    @property
    def request(self) -> AssociateRQ | None:
        """The A-ASSOCIATE-RQ, once it was sent or received."""
        return self._upper.request

    @property
    def answer(self) -> AssociateAC | None:
        """The A-ASSOCIATE-AC, once it was sent or received."""
        return self._upper.answer

    @property
    def contexts(self) -> Mapping[int, AcceptedContext]:
        """The accepted presentation contexts by ID, once the association is established."""
        return self._upper.contexts

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
        upper = self._upper
        for event in events:
            if isinstance(event, Command):  # what comes most, first
                upper.outbox += self._message_writer().command(event.context_id, event.message)
            elif isinstance(event, DataFragment):
                writer = self._message_writer()
                upper.outbox += writer.data(event.context_id, event.data, last=event.last)
            elif isinstance(event, ReleaseRQ) and self._writer.unfinished is not None:
                raise LocalProtocolError(
                    "a data set is not sent to its end yet; abort to give it up"
                )
            else:
                upper.send(event)
                self._establish()
        return upper.data_to_send()

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

    def data_to_send(self) -> list[Buffer]:
        """Return the buffers that wait to be written: after a `RemoteProtocolError`, the A-ABORT."""
        return self._upper.data_to_send()

    def receive_data(self, data: Buffer) -> None:
        """Take bytes from the peer; empty if the peer has closed the connection.

        What comes after the end is ignored: it was under way when the end came.
        """
        upper = self._upper
        if upper.over:
            return
        state = upper.machine.state
        if state is State.STA1 or (state is State.STA4 and len(data)):
            raise LocalProtocolError("nothing can be received: the connection is not open yet")
        if data:
            upper.framer.feed(data)
        else:
            upper.closed_by_peer = True

    @property
    def needs_data(self) -> bool:
        """Whether everything that was received was returned by `next_events`."""
        return self._upper.needs_data

    def next_events(self) -> Sequence[Received]:
        """Return what has happened, in order; empty: nothing, until more is received or sent.

        All that has arrived of messages comes at once. What changes the state comes alone, so that what came
        before can still be answered. Raises `RemoteProtocolError` if the peer breaks the protocol, once what
        came before was returned; the answer is in `data_to_send`.
        """
        upper = self._upper
        try:
            if upper.takes_data:
                data = self._reader.read(upper.framer)
                if data or (upper.framer.within_p_data and not upper.closed_by_peer):
                    return data
            events = upper.next_events()
        except RemoteProtocolError as error:
            upper.refuse(error)
            raise
        self._establish()
        return events

    def _message_writer(self) -> MessageWriter:
        if not self._upper.sends_data:
            self._upper.refuse_data()
        return self._writer

    def _establish(self) -> None:
        """Prepare for messages once the contexts are known."""
        upper = self._upper
        if self._contexts is not upper.contexts:
            self._contexts = upper.contexts
            self._reader = MessageReader(upper.contexts, upper.limits)
            self._writer = MessageWriter(upper.contexts, upper.maximum_sent)
