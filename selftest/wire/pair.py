"""Two connections joined in memory, and single ones in any state."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from dcm.wire import (
    Abort,
    AssociateAC,
    AssociateRQ,
    Buffer,
    CEchoRQ,
    Command,
    Connection,
    DataFragments,
    ImplementationClassUID,
    Limits,
    MaximumLength,
    PresentationContextRQ,
    Received,
    ReleaseRP,
    ReleaseRQ,
    Role,
    Sent,
    State,
    TransportOpened,
    UserItem,
    answer_contexts,
    build,
)

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
SUPPORTED = {VERIFICATION: (IMPLICIT,), CT: (EXPLICIT, IMPLICIT)}

CONTEXTS = (
    PresentationContextRQ(1, VERIFICATION, (IMPLICIT,)),
    PresentationContextRQ(3, CT, (IMPLICIT, EXPLICIT)),
    PresentationContextRQ(5, "1.2.3.4.5", (IMPLICIT,)),
)
ECHO = Command(1, CEchoRQ(message_id=1))


def user_information(*items: UserItem, maximum_length: int = 16384) -> tuple[UserItem, ...]:
    """Return the mandatory user information, and `items`."""
    return (MaximumLength(maximum_length), ImplementationClassUID("1.2.34"), *items)


def request(*items: UserItem, maximum_length: int = 16384) -> AssociateRQ:
    """Return a request for three contexts."""
    return AssociateRQ(
        called_ae_title="ACCEPTOR",
        calling_ae_title="REQUESTOR",
        user_information=user_information(*items, maximum_length=maximum_length),
        presentation_contexts=CONTEXTS,
    )


def answer(asked: AssociateRQ, *items: UserItem, maximum_length: int = 16384) -> AssociateAC:
    """Accept what is supported."""
    return AssociateAC(
        called_ae_title=asked.called_ae_title,
        calling_ae_title=asked.calling_ae_title,
        user_information=user_information(*items, maximum_length=maximum_length),
        presentation_contexts=answer_contexts(asked.presentation_contexts, SUPPORTED),
    )


def drain(connection: Connection) -> list[Received]:
    """Take all events."""
    found: list[Received] = []
    while events := connection.next_events():
        found += events
    return found


def merged(events: Sequence[Received]) -> list[Received]:
    """Join the parts of a data set in several events, so that the splitting does not matter."""
    found: list[Received] = []
    for event in events:
        before = found[-1] if found else None
        if not isinstance(event, DataFragments):
            found.append(event)
        elif isinstance(before, DataFragments) and not before.last:
            assert event.context_id == before.context_id
            both = [before.data + event.data]
            found[-1] = DataFragments(event.context_id, both, event.last)
        else:
            found.append(DataFragments(event.context_id, [event.data], event.last))
    return found


def joined(buffers: Sequence[Buffer]) -> bytes:
    """Return the bytes of a gathered write."""
    return b"".join(bytes(buffer) for buffer in buffers)


@dataclass
class Pair:
    """A requestor and an acceptor; each receives at once what the other one sends."""

    requestor: Connection = field(default_factory=lambda: Connection("requestor"))
    acceptor: Connection = field(default_factory=lambda: Connection("acceptor"))

    def send(self, role: Role, *events: Sent) -> list[Received]:
        """Let one side send; return the events of the other side."""
        sides = (self.requestor, self.acceptor)
        one, other = sides if role == "requestor" else sides[::-1]
        for event in events:
            data = joined(one.send(event))
            if data:
                other.receive_data(data)
        return drain(other)

    def associate(self, asked: AssociateRQ | None = None, *items: UserItem) -> None:
        """Establish the association, and drop the events that led to it."""
        asked = asked or request()
        self.send("acceptor", TransportOpened())
        self.send("requestor", asked, TransportOpened())
        self.send("acceptor", answer(asked, *items))
        drain(self.requestor)
        drain(self.acceptor)


def established(role: Role, limits: Limits | None = None) -> Connection:
    """Return a connection in Sta6."""
    connection = Connection(role, limits)
    if role == "requestor":
        connection.send(request())
        connection.send(TransportOpened())
        connection.receive_data(build(answer(request())))
    else:
        connection.send(TransportOpened())
        connection.receive_data(build(request()))
        drain(connection)
        connection.send(answer(request()))
    drain(connection)
    return connection


# How to reach each state: events to send, and PDUs to receive.
PATHS: dict[Role, dict[State, tuple[Sent | bytes, ...]]] = {
    "requestor": {
        State.STA1: (),
        State.STA4: (request(),),
        State.STA5: (request(), TransportOpened()),
    },
    "acceptor": {
        State.STA1: (),
        State.STA2: (TransportOpened(),),
        State.STA3: (TransportOpened(), build(request())),
    },
}
RELEASE: dict[Role, dict[State, tuple[Sent | bytes, ...]]] = {
    "requestor": {
        State.STA9: (ReleaseRQ(), build(ReleaseRQ())),
        State.STA11: (ReleaseRQ(), build(ReleaseRQ()), ReleaseRP()),
    },
    "acceptor": {
        State.STA10: (ReleaseRQ(), build(ReleaseRQ())),
        State.STA12: (ReleaseRQ(), build(ReleaseRQ()), build(ReleaseRP())),
    },
}
for _paths in RELEASE.values():
    _paths |= {
        State.STA6: (),
        State.STA7: (ReleaseRQ(),),
        State.STA8: (build(ReleaseRQ()),),
        State.STA13: (Abort(),),
    }


def in_state(role: Role, state: State) -> Connection:
    """Return a connection that reached `state` in the usual way, with its events taken."""
    if state in PATHS[role]:
        connection, path = Connection(role), PATHS[role][state]
    else:
        connection, path = established(role), RELEASE[role][state]
    for step in path:
        if isinstance(step, bytes):
            connection.receive_data(step)
        else:
            connection.send(step)
        drain(connection)
    assert connection.state is state
    return connection
