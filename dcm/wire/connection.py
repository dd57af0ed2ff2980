"""One association on one TCP connection, seen from one side, without the TCP connection.

The caller owns socket and timer. He gives what he received to `receive_data` and takes what it means from
`next_event`; he gives what he wants to say to `send` and writes the buffers that it returns:

    connection = Connection("acceptor")
    connection.send(TransportOpened())
    while True:
        event = connection.next_event()
        if event is NEED_DATA:
            connection.receive_data(socket.recv(65536))
        elif isinstance(event, AssociateRQ):
            socket.sendall(b"".join(connection.send(AssociateAC(...))))
        elif isinstance(event, CloseTransport):
            break

Where the peer breaks the protocol, `next_event` raises `RemoteProtocolError`. The A-ABORT that answers it is
then in `data_to_send`; all that remains is to write it and to go on as before, until the peer closes or ARTIM
expires. `LocalProtocolError` means that nothing was done.
"""

import sys
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from dcm.errors import AbortReason, AbortSource, LocalProtocolError, RemoteProtocolError
from dcm.wire.codec import COMMAND, LAST, build, first_pdv, parse_body
from dcm.wire.dimse import Message
from dcm.wire.dimse_codec import build_message
from dcm.wire.events import (
    NEED_DATA,
    CloseTransport,
    Command,
    ConnectionLost,
    DataFragment,
    NeedData,
    OpenTransport,
    Received,
    Sent,
    StartTimer,
    StopTimer,
    TimerExpired,
    TransportOpened,
)
from dcm.wire.fragment import SHORTEST_MAXIMUM, Assembler, fragments
from dcm.wire.framing import Framer
from dcm.wire.limits import Limits
from dcm.wire.negotiation import AcceptedContext, accepted_contexts, incomplete, unusable
from dcm.wire.pdu import (
    NAMES,
    PDU,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
)
from dcm.wire.state import ACTIONS, TRANSITIONS, Do, Role, State, StateEvent, StateMachine
from dcm.wire.user_items import ImplementationClassUID, MaximumLength
from dcm.wire.values import Buffer

_SENT: Final = {
    AssociateRQ: StateEvent.ASSOCIATE_REQUEST,
    AssociateAC: StateEvent.ASSOCIATE_ACCEPT,
    AssociateRJ: StateEvent.ASSOCIATE_REJECT,
    Command: StateEvent.P_DATA_REQUEST,
    DataFragment: StateEvent.P_DATA_REQUEST,
    ReleaseRQ: StateEvent.RELEASE_REQUEST,
    ReleaseRP: StateEvent.RELEASE_RESPONSE,
    Abort: StateEvent.ABORT_REQUEST,
    TimerExpired: StateEvent.ARTIM_EXPIRED,
}
_RECEIVED: Final = {
    AssociateRQ.TYPE: StateEvent.ASSOCIATE_RQ_PDU,
    AssociateAC.TYPE: StateEvent.ASSOCIATE_AC_PDU,
    AssociateRJ.TYPE: StateEvent.ASSOCIATE_RJ_PDU,
    PDataTF.TYPE: StateEvent.P_DATA_PDU,
    ReleaseRQ.TYPE: StateEvent.RELEASE_RQ_PDU,
    ReleaseRP.TYPE: StateEvent.RELEASE_RP_PDU,
    Abort.TYPE: StateEvent.ABORT_PDU,
}
_REQUESTS: Final[dict[Do, Received]] = {
    Do.OPEN_TRANSPORT: OpenTransport(),
    Do.CLOSE_TRANSPORT: CloseTransport(),
    Do.START_ARTIM: StartTimer(),
    Do.STOP_ARTIM: StopTimer(),
}
_ABORTING: Final = frozenset(
    action.name
    for action in ACTIONS.values()
    if {Do.SEND_USER_ABORT, Do.SEND_PROVIDER_ABORT} & {*action.do}
)
_TAKES_DATA: Final = frozenset(
    state
    for (event, state), action in TRANSITIONS.items()
    if event is StateEvent.P_DATA_PDU and Do.INDICATE in action.do
)

_SENDS_DATA: Final = frozenset(
    state
    for (event, state), action in TRANSITIONS.items()
    if event is StateEvent.P_DATA_REQUEST and action.do == (Do.SEND,) and action.next_state == state
)


class Connection:
    """The protocol of one association, as requestor or as acceptor.

    request, answer: the association PDUs once they have passed, whoever sent them.
    contexts: the accepted presentation contexts by ID, once the association stands.
    """

    def __init__(self, role: Role, limits: Limits | None = None) -> None:
        self.limits: Final = limits or Limits()
        self.request: AssociateRQ | None = None
        self.answer: AssociateAC | None = None
        self.contexts: Mapping[int, AcceptedContext] = {}
        self._machine: Final = StateMachine(role)
        self._framer: Final = Framer(self.limits)
        self._assembler = Assembler((), self.limits)
        self._maximum_sent = 0
        self._unfinished: int | None = None
        """Context ID of a message whose data set we have not sent to its end."""
        self._pdvs: memoryview | None = None
        """What is left of the PDVs of a P-DATA-TF."""
        self._events: Final[deque[Received]] = deque()
        self._outbox: list[Buffer] = []
        self._closed_by_peer = False
        self._over = False

    @property
    def role(self) -> Role:
        """Which side this is."""
        return self._machine.role

    @property
    def state(self) -> State:
        """Where the association stands (PS3.8 9.2.1)."""
        return self._machine.state

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

    # What the caller says.

    def send(self, event: Sent) -> list[Buffer]:
        """Do what `event` says; give the buffers to write, for one gathered write.

        Raises `LocalProtocolError` where the protocol does not allow it now, or does not allow what it holds.
        """
        if self._over:
            raise LocalProtocolError("the association is over: a new one needs a new connection")
        match event:
            case Command():  # first what comes most
                self._send_command(event)
            case DataFragment():
                self._send_fragment(event)
            case TransportOpened():
                self._transport_opened()
            case AssociateRQ():
                self._send_request(event)
            case AssociateAC():
                self._send_accept(event)
            case TimerExpired():
                self._step(_SENT[TimerExpired])
            case AssociateRJ() | ReleaseRQ() | ReleaseRP() | Abort():
                self._send_pdu(event)
        return self.data_to_send()

    def send_message(
        self, context_id: int, message: Message, data_set: Iterable[Buffer] = ()
    ) -> list[Buffer]:
        """Send a whole message, its data set given in slices of even length; give the buffers to write.

        A data set that cannot be had at once is better sent in one `DataFragment` after the other. After a
        slice of an odd length the message cannot be ended: abort.
        """
        buffers = self.send(Command(context_id, message))
        if message.has_data_set:
            slices = iter(data_set)
            current = next(slices, b"")
            for following in slices:
                buffers += self.send(DataFragment(context_id, current, last=False))
                current = following
            buffers += self.send(DataFragment(context_id, current, last=True))
        return buffers

    def data_to_send(self) -> list[Buffer]:
        """Return the buffers that wait to be written: after a `RemoteProtocolError`, the A-ABORT."""
        buffers, self._outbox = self._outbox, []
        return buffers

    def _transport_opened(self) -> None:
        if self.role == "acceptor":
            self._step(StateEvent.TRANSPORT_INDICATION)
            return
        self._machine.action(StateEvent.TRANSPORT_CONFIRM)
        assert self.request is not None  # there is no way to Sta4 without it
        self._step(StateEvent.TRANSPORT_CONFIRM, send=[build(self.request)])

    def _send_request(self, request: AssociateRQ) -> None:
        if self.role == "acceptor":
            raise LocalProtocolError("an acceptor does not ask for an association")
        self._machine.action(StateEvent.ASSOCIATE_REQUEST)
        request.check_titles()
        self._announce(request)
        self._step(StateEvent.ASSOCIATE_REQUEST)
        self.request = request

    def _send_accept(self, answer: AssociateAC) -> None:
        self._machine.action(StateEvent.ASSOCIATE_ACCEPT)
        request = self.request
        assert request is not None  # there is no way to Sta3 without it
        wrong = unusable(request, answer) + incomplete(request, answer)
        titles = (request.called_ae_title, request.calling_ae_title)
        if (answer.called_ae_title, answer.calling_ae_title) != titles:
            wrong.append("the AE titles are not those of the request (PS3.8 9.3.3)")
        if wrong:
            raise LocalProtocolError(f"{answer.NAME}: {'; '.join(wrong)}")
        self._announce(answer)
        self._step(StateEvent.ASSOCIATE_ACCEPT, send=[build(answer)])
        self._establish(request, answer, request.maximum_length)

    def _send_pdu(self, pdu: AssociateRJ | ReleaseRQ | ReleaseRP | Abort) -> None:
        if isinstance(pdu, Abort) and pdu != Abort():
            raise LocalProtocolError("the service user aborts with source 0 and reason 0")
        if isinstance(pdu, ReleaseRQ) and self._unfinished is not None:
            raise LocalProtocolError("a data set is not sent to its end yet; abort to give it up")
        self._step(_SENT[type(pdu)], send=[build(pdu)])

    def _send_command(self, event: Command) -> None:
        self._may_send_data()
        if event.context_id not in self.contexts:
            raise LocalProtocolError(f"context {event.context_id} was not accepted")
        if self._unfinished is not None:
            raise LocalProtocolError("the data set of the last message is not sent to its end yet")
        self._send_fragments(
            event.context_id, build_message(event.message), command=True, last=True
        )
        self._unfinished = event.context_id if event.message.has_data_set else None

    def _send_fragment(self, event: DataFragment) -> None:
        self._may_send_data()
        if self._unfinished != event.context_id:
            raise LocalProtocolError(
                f"no message on context {event.context_id} waits for its data set"
            )
        self._send_fragments(event.context_id, event.data, command=False, last=event.last)
        if event.last:
            self._unfinished = None

    def _send_fragments(self, context_id: int, data: Buffer, *, command: bool, last: bool) -> None:
        self._outbox += fragments(
            context_id, data, command=command, last=last, maximum_length=self._maximum_sent
        )

    def _may_send_data(self) -> None:
        """Refuse data where it cannot be sent now; where it can, it leaves the state as it is."""
        if self._machine.state not in _SENDS_DATA:
            self._machine.action(StateEvent.P_DATA_REQUEST)

    def _announce(self, pdu: AssociateRQ | AssociateAC) -> None:
        """Hold ourselves to what we are about to announce."""
        if not pdu.items(MaximumLength) or not pdu.items(ImplementationClassUID):
            raise LocalProtocolError(
                f"{pdu.NAME} must state maximum length (PS3.8 D.1)"
                " and implementation class UID (PS3.7 D.3.3.2.1)"
            )
        announced = pdu.maximum_length or (1 << 32) - 1
        if announced > self.limits.p_data_pdu:
            raise LocalProtocolError(
                f"maximum length {pdu.maximum_length} is beyond our limit of {self.limits.p_data_pdu}"
            )
        self._framer.limit_p_data(announced)

    # What the peer says.

    def receive_data(self, data: Buffer) -> None:
        """Take bytes from the peer; none at all: he closed the connection.

        What comes after the end is ignored: it was under way when the end came.
        """
        if self._over:
            return
        state = self._machine.state
        if state is State.STA1 or (state is State.STA4 and len(data)):
            raise LocalProtocolError("nothing can be received: the connection is not open yet")
        if data:
            self._framer.feed(data)
        else:
            self._closed_by_peer = True

    @property
    def needs_data(self) -> bool:
        """Whether all was taken that the peer has said; where it is false, `next_event` may need more."""
        return not (
            self._framer.has_more
            or self._events
            or self._pdvs is not None
            or self._closed_by_peer
            or self._over
        )

    def next_command(self) -> Command | None:
        """Return the next message if it is there in one piece, for less; None: `next_event` says what is."""
        whole = self._framer.next_command() if self._is_plain else None
        if whole is None:
            return None
        part = self._taken(whole[0], COMMAND | LAST, whole[1])
        assert isinstance(part, Command)  # a data set that is due has refused it
        return part

    def next_message(self) -> tuple[Command, memoryview] | None:
        """Return the next message with its data set if both are there in one piece, for less."""
        whole = self._framer.next_message() if self._is_plain else None
        if whole is None:
            return None
        context_id, command_set, data_context_id, data = whole
        command = self._taken(context_id, COMMAND | LAST, command_set)
        self._taken(data_context_id, LAST, data)
        assert isinstance(command, Command)  # a data set that is due has refused it
        return command, data

    @property
    def _is_plain(self) -> bool:
        """Whether what comes next can be taken from the stream at once."""
        return not self._events and self._pdvs is None and self._machine.state in _TAKES_DATA

    def _taken(
        self, context_id: int, control: int, data: memoryview
    ) -> Command | DataFragment | None:
        try:
            return self._assembler.receive(context_id, control, data)
        except RemoteProtocolError as error:
            self._refuse(error)
            raise

    def next_event(self) -> Received | NeedData:
        """Return what happened next; `NEED_DATA`: nothing, until more is received or sent.

        Raises `RemoteProtocolError` where the peer breaks the protocol; the answer is in `data_to_send`.
        """
        try:
            while not self._events and not self._over:
                part = self._next_part()
                if part is not None:
                    return part
                if not self._advance():
                    break
        except RemoteProtocolError as error:
            self._refuse(error)
            raise
        return self._events.popleft() if self._events else NEED_DATA

    def next_fragments(self) -> tuple[list[memoryview], bool]:
        """Return all that is there of the data set under way, and whether it ends with that.

        The bytes are those that `next_event` gives as one `DataFragment` after the other, for less: they are
        cut as they arrived, not as the peer cut them. Nothing: `next_event` says what there is instead.
        """
        found, last = self._fragments()
        if not found:
            event = self.next_event()
            if isinstance(event, DataFragment):
                found, last = [memoryview(event.data)], event.last
            elif event is not NEED_DATA:
                self._events.appendleft(event)
        return found, last

    def _fragments(self, most: int = sys.maxsize) -> tuple[list[memoryview], bool]:
        """Take the plain fragments that come next; none where something else comes before them."""
        context_id = self._assembler.data_set_on
        if context_id is None or not self._is_plain:
            return [], False
        found, last = self._framer.next_fragments(context_id, most)
        if last:
            self._assembler.end()
        return found, last

    def _next_part(self) -> Command | DataFragment | None:
        """Return the next part of a message; None: another PDU is needed."""
        if self._framer.within_fragment:
            due = self._assembler.data_set_on
            found, last = self._fragments(1)
            return DataFragment(due or 0, found[0], last) if found else None
        if self._pdvs is None and self._machine.state in _TAKES_DATA:
            whole = self._framer.next_command()
            if whole is not None:
                context_id, data = whole
                return self._assembler.receive(context_id, COMMAND | LAST, data)
        part = None
        while self._pdvs is not None and part is None:
            context_id, control, fragment, left = first_pdv(self._pdvs)
            self._pdvs = left if len(left) else None
            part = self._assembler.receive(context_id, control, fragment)
        return part

    def _advance(self) -> bool:
        """Take the next PDU, or the end of the connection; False: there is none."""
        pdu = self._framer.next_pdu()
        if pdu is not None:
            self._receive(*pdu)
        elif self._closed_by_peer:
            self._step(StateEvent.TRANSPORT_CLOSED)
        else:
            return False
        return True

    def _receive(self, kind: int, body: memoryview) -> None:
        happened = _RECEIVED[kind]
        action = self._machine.action(happened)
        if action.name in _ABORTING:
            raise RemoteProtocolError(
                f"{NAMES[kind]} is not expected in Sta{self.state} ({self.role})",
                reason=AbortReason.UNEXPECTED_PDU,
            )
        if Do.INDICATE not in action.do:
            self._step(happened)
        elif kind == PDataTF.TYPE:
            self._pdvs = body  # DT-2 and AR-6 indicate, and leave the state as it is
        else:
            self._indicate(happened, parse_body(kind, body, self.limits))

    def _indicate(self, happened: StateEvent, pdu: PDU) -> None:
        assert not isinstance(pdu, PDataTF)  # its PDVs are indicated, one by one
        acceptable = True
        if isinstance(pdu, AssociateRQ):
            acceptable = bool(pdu.protocol_version & 1)
            _check_maximum(pdu)
            self.request = pdu
        elif isinstance(pdu, AssociateAC):
            assert self.request is not None  # there is no way to Sta5 without it
            wrong = unusable(self.request, pdu)
            if wrong:
                raise RemoteProtocolError(f"{pdu.NAME}: {'; '.join(wrong)}")
            _check_maximum(pdu)
            self._establish(self.request, pdu, pdu.maximum_length)
        self._step(happened, indicate=pdu, acceptable=acceptable)

    # What follows from it.

    def _establish(self, request: AssociateRQ, answer: AssociateAC, peer_maximum: int) -> None:
        self.answer = answer
        self.contexts = accepted_contexts(request, answer, self.role)
        self._assembler = Assembler(self.contexts, self.limits)
        longest = self.limits.p_data_pdu_sent
        self._maximum_sent = min(peer_maximum or longest, longest)

    def _refuse(self, error: RemoteProtocolError) -> None:
        """Answer what the peer did wrong.

        An unexpected PDU needs no row of its own here: wherever its own row of Table 9-10 aborts, it does so
        in the same way as the row of an invalid PDU.
        """
        by_user = error.source is AbortSource.SERVICE_USER
        self._step(
            StateEvent.ABORT_REQUEST if by_user else StateEvent.INVALID_PDU, reason=error.reason
        )

    def _step(
        self,
        happened: StateEvent,
        *,
        send: Iterable[Buffer] = (),
        indicate: Received | None = None,
        acceptable: bool = True,
        reason: AbortReason | None = None,
    ) -> None:
        """Take one step of the state machine, and do what its action says."""
        action = self._machine.step(happened, acceptable=acceptable)
        for do in action.do:
            if do is Do.SEND:
                self._outbox += send
            elif do is Do.INDICATE:
                if indicate is not None:
                    self._events.append(indicate)
            elif do is Do.INDICATE_PROVIDER_ABORT:
                if reason is None:  # otherwise the error that is being raised says it
                    self._events.append(ConnectionLost())
            elif do in _REQUESTS:
                self._events.append(_REQUESTS[do])
            else:
                self._outbox.append(build(_provider_pdu(do, reason or AbortReason.NOT_SPECIFIED)))
        self._over = self.state is State.STA1
        if self.state is State.STA13:
            self._pdvs = None


def _provider_pdu(do: Do, reason: AbortReason) -> AssociateRJ | Abort:
    """Return the PDU that the service provider sends of its own accord."""
    if do is Do.SEND_REJECTION:  # our version of the protocol is not asked for (PS3.8 9.3.4)
        return AssociateRJ(result=1, source=2, reason=2)
    if do is Do.SEND_PROVIDER_ABORT:
        return Abort(AbortSource.SERVICE_PROVIDER, reason)
    return Abort()


def _check_maximum(pdu: AssociateRQ | AssociateAC) -> None:
    """Refuse a maximum length into which nothing fits."""
    if 0 < pdu.maximum_length < SHORTEST_MAXIMUM:
        raise RemoteProtocolError(
            f"{pdu.NAME}: maximum length {pdu.maximum_length} leaves no room for a fragment"
        )
