"""Every event in every state of a connection."""

from collections.abc import Callable

import pytest
from wire.pair import ECHO, PATHS, RELEASE, answer, drain, in_state, joined, request
from wire.tables import BY_STATE, NEXT

from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.wire import (
    PDV,
    Abort,
    AssociateRJ,
    Connection,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
    Role,
    State,
    TimerExpired,
    TransportOpened,
    build,
    build_message,
    raw,
)

P_DATA = PDataTF((PDV(1, command=True, last=True, data=build_message(ECHO.message)),))

HAPPENINGS: dict[int, Callable[[Connection], object]] = {
    1: lambda one: one.send(request()),
    2: lambda one: one.send(TransportOpened()),
    3: lambda one: one.receive_data(build(answer(request()))),
    4: lambda one: one.receive_data(build(AssociateRJ(1, 1, 7))),
    5: lambda one: one.send(TransportOpened()),
    6: lambda one: one.receive_data(build(request())),
    7: lambda one: one.send(answer(request())),
    8: lambda one: one.send(AssociateRJ(1, 1, 7)),
    9: lambda one: one.send(ECHO),
    10: lambda one: one.receive_data(build(P_DATA)),
    11: lambda one: one.send(ReleaseRQ()),
    12: lambda one: one.receive_data(build(ReleaseRQ())),
    13: lambda one: one.receive_data(build(ReleaseRP())),
    14: lambda one: one.send(ReleaseRP()),
    15: lambda one: one.send(Abort()),
    16: lambda one: one.receive_data(build(Abort())),
    17: lambda one: one.receive_data(b""),
    18: lambda one: one.send(TimerExpired()),
    19: lambda one: one.receive_data(raw.pdu(0x42, bytes(4))),
}
"""One way to cause each event of PS3.8 Table 9-10."""

DOES: dict[str, tuple[list[str], bytes]] = {
    # the events for the caller, and the types of the PDUs that are sent (PS3.8 Tables 9-6 to 9-9)
    "AE-1": (["OpenTransport"], b""),
    "AE-2": ([], b"\1"),
    "AE-3": (["AssociateAC"], b""),
    "AE-4": (["AssociateRJ", "CloseTransport"], b""),
    "AE-5": (["StartTimer"], b""),
    "AE-6": (["StopTimer", "AssociateRQ"], b""),
    "AE-7": ([], b"\2"),
    "AE-8": (["StartTimer"], b"\3"),
    "DT-1": ([], b"\4"),
    "DT-2": (["Command"], b""),
    "AR-1": ([], b"\5"),
    "AR-2": (["ReleaseRQ"], b""),
    "AR-3": (["ReleaseRP", "CloseTransport"], b""),
    "AR-4": (["StartTimer"], b"\6"),
    "AR-5": (["StopTimer"], b""),
    "AR-6": (["Command"], b""),
    "AR-7": ([], b"\4"),
    "AR-8": (["ReleaseRQ"], b""),
    "AR-9": ([], b"\6"),
    "AR-10": (["ReleaseRP"], b""),
    "AA-1": (["StartTimer"], b"\7"),
    "AA-2": (["StopTimer", "CloseTransport"], b""),
    "AA-3": (["Abort", "CloseTransport"], b""),
    "AA-4": (["ConnectionLost"], b""),
    "AA-5": (["StopTimer"], b""),
    "AA-6": ([], b""),
    "AA-7": ([], b"\7"),
    "AA-8": (["StartTimer"], b"\7"),
}
REMOTE = {3, 4, 6, 10, 12, 13, 19}
ABORTING = ("AA-1", "AA-7", "AA-8")

REACHABLE = [(role, state) for role in PATHS for state in sorted({*PATHS[role], *RELEASE[role]})]
NAMES = [f"{role}-{state.name}" for role, state in REACHABLE]


def events_of(role: Role) -> list[int]:
    """Return the events of a role: a requestor opens its connection, an acceptor is given one."""
    return [event for event in HAPPENINGS if event not in ((5,) if role == "requestor" else (1, 2))]


@pytest.mark.parametrize(("role", "state"), REACHABLE, ids=NAMES)
def test_each_event_in_each_state(role: Role, state: State) -> None:
    """The PDUs sent, the events for the caller, and the next state are those of the tables."""
    for event in events_of(role):
        happens_as_expected(role, state, event)


def happens_as_expected(role: Role, state: State, event: int) -> None:
    """Cause one event in one state."""
    connection = in_state(role, state)
    expected = BY_STATE[state].get(event)
    if expected is None:
        with pytest.raises(LocalProtocolError):
            HAPPENINGS[event](connection)
        assert (event, connection.state, drain(connection)) == (event, state, [])
        return

    sent = HAPPENINGS[event](connection)
    data = joined(sent) if isinstance(sent, list) else b""
    if event in REMOTE and expected in ABORTING:
        with pytest.raises(RemoteProtocolError):
            connection.next_events()
        assert connection.state is State.STA13
    learnt = [type(each).__name__ for each in drain(connection)]
    data += joined(connection.data_to_send())

    second_half = expected == "AR-8" and role == "acceptor"
    assert (event, learnt, data[:1]) == (event, *DOES[expected])
    assert (event, connection.state) == (event, NEXT[expected][second_half])


@pytest.mark.parametrize(("role", "state"), REACHABLE, ids=NAMES)
def test_aborts_say_who_and_why(role: Role, state: State) -> None:
    """Before the association the user aborts, later the provider (PS3.8 9.2.2, 9.3.8)."""
    for event in sorted(REMOTE):
        action = BY_STATE[state].get(event)
        if action in ABORTING:
            connection = in_state(role, state)
            HAPPENINGS[event](connection)
            with pytest.raises(RemoteProtocolError):
                connection.next_events()
            by_provider = Abort(2, 1) if event == 19 else Abort(2, 2)
            expected = Abort() if action == "AA-1" else by_provider
            assert (event, joined(connection.data_to_send())) == (event, build(expected))


def test_an_acceptor_does_not_ask() -> None:
    """The table has one column for both roles in Sta1; an acceptor does not request."""
    with pytest.raises(LocalProtocolError, match="acceptor"):
        Connection("acceptor").send(request())


@pytest.mark.parametrize(("role", "state"), [("requestor", State.STA5), ("acceptor", State.STA2)])
def test_nothing_follows_the_end(role: Role, state: State) -> None:
    """A connection serves one association; what arrives later is ignored (PS3.8 9.1.1)."""
    connection = in_state(role, state)
    connection.receive_data(b"")
    drain(connection)
    assert connection.state is State.STA1
    connection.receive_data(build(ReleaseRQ()))
    connection.receive_data(b"")
    assert drain(connection) == []
    with pytest.raises(LocalProtocolError, match="new connection"):
        connection.send(TransportOpened())
