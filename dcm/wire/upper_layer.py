"""Association establishment, release and abort, and the state of an association (PS3.8 9.2)."""

from collections.abc import Iterable, Mapping
from typing import Final

from dcm.errors import AbortReason, AbortSource, LocalProtocolError, RemoteProtocolError
from dcm.wire.codec import build, parse_body
from dcm.wire.events import (
    CloseTransport,
    ConnectionLost,
    OpenTransport,
    Received,
    Sent,
    StartTimer,
    StopTimer,
    TimerExpired,
    TransportOpened,
)
from dcm.wire.framing import Framer
from dcm.wire.limits import Limits
from dcm.wire.message_writer import SHORTEST_MAXIMUM
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
    AssociateRJ: StateEvent.ASSOCIATE_REJECT,
    ReleaseRQ: StateEvent.RELEASE_REQUEST,
    ReleaseRP: StateEvent.RELEASE_RESPONSE,
    Abort: StateEvent.ABORT_REQUEST,
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
_OF_ITS_OWN: Final[dict[Do, AssociateRJ | Abort]] = {
    Do.SEND_REJECTION: AssociateRJ(result=1, source=2, reason=2),  # version not supported
    Do.SEND_USER_ABORT: Abort(),
}
_ABORTING: Final = {
    action.name
    for action in ACTIONS.values()
    if {Do.SEND_USER_ABORT, Do.SEND_PROVIDER_ABORT} & {*action.do}
}
_TAKES_DATA: Final = {
    state for (_, state), action in TRANSITIONS.items() if action.name in ("DT-2", "AR-6")
}
_SENDS_DATA: Final = {
    state for (_, state), action in TRANSITIONS.items() if action.name in ("DT-1", "AR-7")
}


class UpperLayer:
    """The upper layer of one association, without messages.

    limits: what is accepted from the peer.
    request, answer: the association PDUs, after they were sent or received.
    contexts: the accepted presentation contexts by ID, after the association was established.
    """

    def __init__(self, role: Role, limits: Limits | None = None) -> None:
        self.limits: Final = limits or Limits()
        self.request: AssociateRQ | None = None
        self.answer: AssociateAC | None = None
        self.contexts: Mapping[int, AcceptedContext] = {}
        self._machine: Final = StateMachine(role)
        self._framer: Final = Framer(self.limits)
        self._takes_data = self._sends_data = self._over = False
        """Whether messages can be received and sent in this state, and whether the association is over."""
        self._closed_by_peer = False
        self._events: list[Received] = []
        self._outbox: list[Buffer] = []

    @property
    def role(self) -> Role:
        """Whether this is the requestor or the acceptor."""
        return self._machine.role

    @property
    def state(self) -> State:
        """The state of the association (PS3.8 9.2.1)."""
        return self._machine.state

    # Events from the caller.

    def data_to_send(self) -> list[Buffer]:
        """Return the buffers that are not written yet, such as the A-ABORT after a `RemoteProtocolError`."""
        buffers, self._outbox = self._outbox, []
        return buffers

    def _send(self, event: Sent) -> None:
        """Process an event other than a message. Raises `LocalProtocolError` if it is not allowed now."""
        if self._over:
            raise LocalProtocolError("the association is over: a new one needs a new connection")
        match event:
            case TransportOpened():
                self._transport_opened()
            case AssociateRQ():
                self._send_request(event)
            case AssociateAC():
                self._send_accept(event)
            case TimerExpired():
                self._step(StateEvent.ARTIM_EXPIRED)
            case AssociateRJ() | ReleaseRQ() | ReleaseRP() | Abort():
                if isinstance(event, Abort) and event != Abort():
                    raise LocalProtocolError("the service user aborts with source 0 and reason 0")
                self._step(_SENT[type(event)], send=[build(event)])

    def _transport_opened(self) -> None:
        if self.role == "acceptor":
            self._step(StateEvent.TRANSPORT_INDICATION)
            return
        self._machine.action(StateEvent.TRANSPORT_CONFIRM)
        assert self.request is not None  # always set in Sta4
        self._step(StateEvent.TRANSPORT_CONFIRM, send=[build(self.request)])

    def _send_request(self, request: AssociateRQ) -> None:
        if self.role == "acceptor":
            raise LocalProtocolError("an acceptor does not request an association")
        self._machine.action(StateEvent.ASSOCIATE_REQUEST)
        request.check_titles()
        self._announce(request)
        self._step(StateEvent.ASSOCIATE_REQUEST)
        self.request = request

    def _send_accept(self, answer: AssociateAC) -> None:
        self._machine.action(StateEvent.ASSOCIATE_ACCEPT)
        request = self.request
        assert request is not None  # always set in Sta3
        wrong = unusable(request, answer) + incomplete(request, answer)
        titles = (request.called_ae_title, request.calling_ae_title)
        if (answer.called_ae_title, answer.calling_ae_title) != titles:
            wrong.append("the AE titles are not those of the request (PS3.8 9.3.3)")
        if wrong:
            raise LocalProtocolError(f"{answer.NAME}: {'; '.join(wrong)}")
        self._announce(answer)
        self._step(StateEvent.ASSOCIATE_ACCEPT, send=[build(answer)])
        self._establish(request, answer)

    def _announce(self, pdu: AssociateRQ | AssociateAC) -> None:
        """Check what we are about to announce, and enforce the maximum length on received PDUs."""
        if not pdu.items(MaximumLength) or not pdu.items(ImplementationClassUID):
            raise LocalProtocolError(
                f"{pdu.NAME} must state maximum length (PS3.8 D.1)"
                " and implementation class UID (PS3.7 D.3.3.2.1)"
            )
        announced = pdu.maximum_length or (1 << 32) - 1
        if announced > self.limits.p_data_pdu:
            raise LocalProtocolError(
                f"maximum length {pdu.maximum_length} exceeds our limit of {self.limits.p_data_pdu}"
            )
        self._framer.limit_p_data(announced)

    # PDUs from the peer.

    def receive_data(self, data: Buffer) -> None:
        """Add bytes from the peer; empty if the peer has closed the connection.

        Bytes that arrive after the end of the association are ignored.
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
        """Whether `next_events` has returned everything, and more must be received."""
        return not (self._framer.has_more or self._events or self._closed_by_peer or self._over)

    def _next_events(self) -> list[Received]:
        """Return the events of the next PDU that causes any, or of the end of the connection.

        Raises `RemoteProtocolError`; the caller then calls `_refuse`.
        """
        while not self._events and not self._over:
            pdu = self._framer.next_pdu()
            if pdu is not None:
                self._receive(*pdu)
            elif self._closed_by_peer:
                self._step(StateEvent.TRANSPORT_CLOSED)
            else:
                break
        events, self._events = self._events, []
        return events

    def _refuse(self, error: RemoteProtocolError) -> None:
        """Answer a protocol error of the peer.

        An unexpected PDU is treated as an invalid one: where its row of Table 9-10 aborts, it does so in the
        same way as the row of an invalid PDU.
        """
        by_user = error.source is AbortSource.SERVICE_USER
        self._step(
            StateEvent.ABORT_REQUEST if by_user else StateEvent.INVALID_PDU, reason=error.reason
        )

    def _receive(self, kind: int, body: memoryview) -> None:
        happened = _RECEIVED[kind]
        action = self._machine.action(happened)
        if action.name in _ABORTING:
            raise RemoteProtocolError(
                f"{NAMES[kind]} is not expected in Sta{self.state} ({self.role})",
                reason=AbortReason.UNEXPECTED_PDU,
            )
        if Do.INDICATE in action.do:
            self._indicate(happened, parse_body(kind, body, self.limits))
        else:
            self._step(happened)

    def _indicate(self, happened: StateEvent, pdu: PDU) -> None:
        assert not isinstance(pdu, PDataTF)  # handled by the caller
        acceptable = True
        if isinstance(pdu, AssociateRQ):
            acceptable = bool(pdu.protocol_version & 1)
            _check_maximum(pdu)
            self.request = pdu
        elif isinstance(pdu, AssociateAC):
            assert self.request is not None  # always set in Sta5
            wrong = unusable(self.request, pdu)
            if wrong:
                raise RemoteProtocolError(f"{pdu.NAME}: {'; '.join(wrong)}")
            _check_maximum(pdu)
            self._establish(self.request, pdu)
        self._step(happened, indicate=pdu, acceptable=acceptable)

    # Consequences.

    def _establish(self, request: AssociateRQ, answer: AssociateAC) -> None:
        self.answer = answer
        self.contexts = accepted_contexts(request, answer, self.role)

    def _step(
        self,
        happened: StateEvent,
        *,
        send: Iterable[Buffer] = (),
        indicate: Received | None = None,
        acceptable: bool = True,
        reason: AbortReason | None = None,
    ) -> None:
        """Take one step of the state machine, and perform its action."""
        action = self._machine.step(happened, acceptable=acceptable)
        for do in action.do:
            if do is Do.SEND:
                self._outbox += send
            elif do is Do.INDICATE:
                if indicate is not None:
                    self._events.append(indicate)
            elif do is Do.INDICATE_PROVIDER_ABORT:
                if reason is None:  # otherwise the error being raised reports it
                    self._events.append(ConnectionLost())
            elif do is Do.SEND_PROVIDER_ABORT:
                why = reason or AbortReason.NOT_SPECIFIED
                self._outbox.append(build(Abort(AbortSource.SERVICE_PROVIDER, why)))
            elif do in _OF_ITS_OWN:
                self._outbox.append(build(_OF_ITS_OWN[do]))
            else:
                self._events.append(_REQUESTS[do])
        state = self.state
        self._takes_data, self._sends_data = state in _TAKES_DATA, state in _SENDS_DATA
        self._over = state is State.STA1


def _check_maximum(pdu: AssociateRQ | AssociateAC) -> None:
    """Raise `RemoteProtocolError` for a maximum length that leaves no room for a fragment."""
    if 0 < pdu.maximum_length < SHORTEST_MAXIMUM:
        raise RemoteProtocolError(
            f"{pdu.NAME}: maximum length {pdu.maximum_length} leaves no room for a fragment"
        )
