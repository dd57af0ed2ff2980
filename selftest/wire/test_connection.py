"""Associations between two connections joined in memory, and peers that break the protocol."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire.pair import (
    CT,
    ECHO,
    EXPLICIT,
    IMPLICIT,
    VERIFICATION,
    Pair,
    answer,
    drain,
    established,
    in_state,
    joined,
    merged,
    request,
    user_information,
)
from wire.strategies import all_messages

from dcm.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from dcm.wire import (
    Abort,
    AcceptedContext,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    CEchoRSP,
    CloseTransport,
    Command,
    Connection,
    ConnectionLost,
    CStoreRQ,
    DataFragment,
    DataFragments,
    Limits,
    MaximumLength,
    Message,
    OpenTransport,
    PresentationContextAC,
    Received,
    ReleaseRP,
    ReleaseRQ,
    Role,
    RoleSelection,
    Sent,
    StartTimer,
    State,
    StopTimer,
    TransportOpened,
    build,
    build_message,
    raw,
)

STORE = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3")
ROLES: tuple[Role, ...] = ("requestor", "acceptor")


def test_a_whole_association() -> None:
    """Each side receives the messages of the other, in order."""
    pair = Pair()
    asked = request()
    assert pair.send("acceptor", TransportOpened()) == []
    assert drain(pair.acceptor) == [StartTimer()]
    assert pair.send("requestor", asked) == []
    assert drain(pair.requestor) == [OpenTransport()]
    assert pair.send("requestor", TransportOpened()) == [StopTimer(), asked]
    assert pair.send("acceptor", answer(asked)) == [answer(asked)]
    assert pair.send("requestor", ECHO) == [ECHO]
    response = Command(1, CEchoRSP(message_id_being_responded_to=1, status=0))
    assert pair.send("acceptor", response) == [response]
    assert pair.send("requestor", ReleaseRQ()) == [ReleaseRQ()]
    assert pair.send("acceptor", ReleaseRP()) == [ReleaseRP(), CloseTransport()]
    assert drain(pair.acceptor) == [StartTimer()]
    assert (pair.requestor.state, pair.acceptor.state) == (State.STA1, State.STA13)
    pair.acceptor.receive_data(b"")
    assert drain(pair.acceptor) == [StopTimer()]
    assert pair.acceptor.state is State.STA1


def test_both_sides_know_what_was_agreed_on() -> None:
    """Accepted contexts by ID, with the acceptor's preferred transfer syntax, and default roles."""
    pair = Pair()
    pair.associate()
    assert pair.requestor.contexts == {
        1: AcceptedContext(1, VERIFICATION, IMPLICIT, scu=True, scp=False),
        3: AcceptedContext(3, CT, EXPLICIT, scu=True, scp=False),
    }
    assert pair.acceptor.contexts == {
        1: AcceptedContext(1, VERIFICATION, IMPLICIT, scu=False, scp=True),
        3: AcceptedContext(3, CT, EXPLICIT, scu=False, scp=True),
    }
    for side in (pair.requestor, pair.acceptor):
        assert side.request == request()
        assert side.answer == answer(request())
        assert side.context_for(CT) == side.contexts[3]
        assert side.context_for(CT, EXPLICIT) == side.contexts[3]
        assert side.context_for(CT, IMPLICIT) is None
        assert side.context_for("1.2.3.4.5") is None


@pytest.mark.parametrize(
    ("proposed", "accepted", "requestor", "acceptor"),
    [
        (None, None, (True, False), (False, True)),
        ((True, True), None, (True, False), (False, True)),
        ((True, True), (True, True), (True, True), (True, True)),
        ((False, True), (False, True), (False, True), (True, False)),
        ((True, True), (False, True), (False, True), (True, False)),
        ((False, True), (False, False), (False, False), (False, False)),
    ],
)
def test_roles(
    proposed: tuple[bool, bool] | None,
    accepted: tuple[bool, bool] | None,
    requestor: tuple[bool, bool],
    acceptor: tuple[bool, bool],
) -> None:
    """Without an answer the default roles apply; otherwise what both want (PS3.7 D.3.3.4)."""
    items = [RoleSelection(CT, *proposed)] if proposed else []
    answers = [RoleSelection(CT, *accepted)] if accepted else []
    pair = Pair()
    pair.associate(request(*items), *answers)
    ours, theirs = pair.requestor.contexts[3], pair.acceptor.contexts[3]
    assert ((ours.scu, ours.scp), (theirs.scu, theirs.scp)) == (requestor, acceptor)


@pytest.mark.parametrize("role", ROLES)
@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(all_messages, st.binary(max_size=50)), max_size=4), st.integers(8, 60))
def test_messages_pass_whole(
    role: Role, messages: list[tuple[Message, bytes]], maximum: int
) -> None:
    """The peer receives the same messages and data sets with any maximum length."""
    pair = Pair()
    asked = request(maximum_length=maximum)
    pair.send("acceptor", TransportOpened())
    pair.send("requestor", asked, TransportOpened())
    pair.send("acceptor", answer(asked, maximum_length=maximum))
    drain(pair.acceptor)
    one, other = (pair.requestor, pair.acceptor)[:: 1 if role == "requestor" else -1]
    sent = []
    for message, half in messages:
        data = half * 2 if message.has_data_set else b""
        other.receive_data(joined(one.send_message(3, message, [half * 2])))
        sent.append((message, data))
    assert whole_messages(drain(other)) == sent


def whole_messages(events: list[Received]) -> list[tuple[Message, bytes]]:
    """Join the parts of messages."""
    found: list[tuple[Message, bytes]] = []
    for event in events:
        if isinstance(event, Command):
            found.append((event.message, b""))
        elif isinstance(event, DataFragments):
            message, data = found.pop()
            found.append((message, data + event.data))
    return found


def conversation() -> bytes:
    """Return the bytes of a requestor in an association with an echo and a store."""
    pair = Pair()
    asked = request()
    pair.send("acceptor", TransportOpened())
    said = joined(pair.requestor.send(asked) + pair.requestor.send(TransportOpened()))
    pair.acceptor.receive_data(said)
    drain(pair.acceptor)
    pair.requestor.receive_data(joined(pair.acceptor.send(answer(asked, maximum_length=100))))
    drain(pair.requestor)
    said += joined(pair.requestor.send(ECHO))
    said += joined(pair.requestor.send_message(3, STORE, [bytes(300), b"", bytes(2)]))
    return said + joined(pair.requestor.send(ReleaseRQ()))


CONVERSATION = conversation()


def heard(pieces: list[bytes]) -> list[Received]:
    """Return the events of an acceptor that receives a conversation in these pieces."""
    acceptor = Connection("acceptor")
    acceptor.send(TransportOpened())
    found = []
    for piece in pieces:
        if piece:
            acceptor.receive_data(piece)
        for event in drain(acceptor):
            found.append(event)
            if isinstance(event, AssociateRQ):
                acceptor.send(answer(event, maximum_length=100))
                found += drain(acceptor)
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(CONVERSATION)), max_size=12).map(sorted))
def test_any_split_gives_the_same_events(borders: list[int]) -> None:
    """The way in which TCP splits the stream does not matter."""
    # The request comes alone, as in practice: a requestor waits until it is accepted.
    head = int.from_bytes(CONVERSATION[2:6], "big") + 6
    borders = sorted({*borders, head})
    pieces = [
        CONVERSATION[start:end]
        for start, end in zip([0, *borders], [*borders, len(CONVERSATION)], strict=True)
    ]
    events = heard(pieces)
    assert merged(events) == merged(heard([CONVERSATION[:head], CONVERSATION[head:]]))
    assert whole_messages(events) == [(ECHO.message, b""), (STORE, bytes(302))]
    assert events[-1] == ReleaseRQ()


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([(role, state) for role in ROLES for state in State]),
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.integers(0, len(CONVERSATION)).map(lambda at: CONVERSATION[at : at + 40]),
            st.builds(
                raw.pdu, st.integers(0, 8), st.binary(max_size=80), length=st.integers(0, 90)
            ),
            st.builds(
                lambda context_id, control, data: raw.p_data(raw.pdv(context_id, control, data)),
                st.sampled_from([1, 3, 5]),
                st.integers(0, 3),
                st.one_of(st.binary(max_size=30), st.just(build_message(STORE))),
            ),
        ),
        max_size=6,
    ),
)
def test_garbage_raises_nothing_but_remote_protocol_error(
    where: tuple[Role, State], pieces: list[bytes]
) -> None:
    """In any state, any bytes are read or are an error of the peer, which is then sent an abort."""
    role, state = where
    try:
        connection = in_state(role, state)
    except KeyError:  # a state that this role does not have
        return
    if state in (State.STA1, State.STA4):
        return
    for piece in [*pieces, b""]:
        connection.receive_data(piece)
        try:
            drain(connection)
        except RemoteProtocolError:
            assert connection.state is State.STA13
            assert isinstance(connection.data_to_send()[0], bytes)
    assert drain_all(connection).state is State.STA1


def drain_all(connection: Connection) -> Connection:
    """Take all events, even if the remaining PDUs are wrong."""
    for _ in range(100):
        try:
            if not connection.next_events():
                return connection
        except RemoteProtocolError:
            assert connection.state is State.STA13
    raise AssertionError("there is no end of events")


def test_memory_is_bounded_whatever_a_peer_sends() -> None:
    """A peer that sends many tiny PDVs, or an endless command set, uses no memory for it."""
    tiny = raw.p_data(*[raw.pdv(1, 1)] * 20_000)
    alone = raw.p_data(raw.pdv(1, 1)) * 20_000
    endless = raw.p_data(raw.pdv(1, 1, bytes(16000))) * 10
    tracemalloc.start()
    try:
        for data in (tiny, alone, endless):
            connection = established("acceptor", Limits(p_data_pdu=1 << 20))
            connection._framer.limit_p_data(1 << 20)
            connection.receive_data(data)
            drain_all(connection)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_bulk_passes_without_a_copy() -> None:
    """Buffers to write are views of the caller's data; received fragments are views of its own."""
    pair = Pair()
    pair.associate()
    data = bytes(100_000)
    buffers = pair.requestor.send_message(3, STORE, [data])
    views = [buffer for buffer in buffers if isinstance(buffer, memoryview) and buffer.obj is data]
    assert sum(map(len, views)) == len(data)

    fed = bytearray(joined(buffers))
    pair.acceptor.receive_data(fed)
    received = [event for event in drain(pair.acceptor) if isinstance(event, DataFragments)]
    parts = [part for event in received for part in event.parts]
    assert all(isinstance(part, memoryview) and part.obj is fed for part in parts)
    assert sum(map(len, parts)) == len(data)


def test_a_peer_without_a_maximum_gets_pdus_of_our_own_length() -> None:
    """Zero means no limit (PS3.8 D.1): then our own limit applies."""
    limits = Limits(p_data_pdu_sent=1000)
    requestor = Connection("requestor", limits)
    requestor.send(request())
    requestor.send(TransportOpened())
    requestor.receive_data(build(answer(request(), maximum_length=0)))
    drain(requestor)
    sent = requestor.send_message(3, STORE, [bytes(5000)])
    assert max(len(buffer) for buffer in sent) == 994


def test_a_context_that_was_not_accepted_cannot_be_used() -> None:
    """Neither by us nor by the peer."""
    pair = Pair()
    pair.associate()
    with pytest.raises(LocalProtocolError, match="context 5 was not accepted"):
        pair.requestor.send(Command(5, ECHO.message))
    pair.acceptor.receive_data(raw.p_data(raw.pdv(5, 3, build_message(ECHO.message))))
    with pytest.raises(RemoteProtocolError, match="context 5, which was not accepted"):
        pair.acceptor.next_events()
    assert joined(pair.acceptor.data_to_send()) == build(Abort(2, 6))


def test_an_unreadable_message_is_aborted_by_the_user() -> None:
    """Errors in a message are not those of the upper layer (PS3.8 9.3.8, source 0)."""
    acceptor = established("acceptor")
    acceptor.receive_data(raw.p_data(raw.pdv(1, 3, b"no command")))
    with pytest.raises(RemoteProtocolError, match="unreadable command set"):
        acceptor.next_events()
    assert joined(acceptor.data_to_send()) == build(Abort(0, 0))
    assert drain(acceptor) == [StartTimer()]
    acceptor.receive_data(build(Abort()))
    assert drain(acceptor) == [StopTimer(), CloseTransport()]


def test_messages_are_not_interleaved() -> None:
    """A message is completed before the next one or a release; an abort is possible at any time."""
    requestor = established("requestor")
    requestor.send(Command(3, STORE))
    requestor.send(DataFragment(3, b"data", last=False))
    for event in (ECHO, DataFragment(1, b"data", last=True), ReleaseRQ()):
        with pytest.raises(LocalProtocolError):
            requestor.send(event)
    requestor.send(DataFragment(3, b"", last=True))
    with pytest.raises(LocalProtocolError, match="no message on context 3 is waiting"):
        requestor.send(DataFragment(3, b"data", last=True))
    assert requestor.send(Abort()) == [build(Abort())]


def test_nothing_of_a_pdu_follows_an_abort() -> None:
    """After our abort, PDUs that were already received are dropped."""
    acceptor = established("acceptor")
    echo = raw.pdv(1, 3, build_message(ECHO.message))
    acceptor.receive_data(raw.p_data(echo, echo) + raw.p_data(echo))
    assert acceptor.next_events() == [ECHO, ECHO, ECHO]
    acceptor.receive_data(raw.p_data(echo))
    acceptor.send(Abort())
    assert drain(acceptor) == [StartTimer()]


def test_another_version_of_the_protocol_is_rejected() -> None:
    """By the service provider, without telling the user (PS3.8 9.3.4, AE-6)."""
    acceptor = in_state("acceptor", State.STA2)
    strange = AssociateRQ(
        called_ae_title="A",
        calling_ae_title="B",
        user_information=user_information(),
        presentation_contexts=request().presentation_contexts,
        protocol_version=2,
    )
    acceptor.receive_data(build(strange))
    assert drain(acceptor) == [StopTimer(), StartTimer()]
    assert joined(acceptor.data_to_send()) == build(AssociateRJ(1, 2, 2))
    assert acceptor.state is State.STA13


@pytest.mark.parametrize("maximum", [1, 7])
def test_a_maximum_length_without_room_is_refused(maximum: int) -> None:
    """Nothing could be sent to this peer."""
    acceptor = in_state("acceptor", State.STA2)
    acceptor.receive_data(build(request(maximum_length=maximum)))
    with pytest.raises(RemoteProtocolError, match=f"maximum length {maximum} leaves no room"):
        acceptor.next_events()
    requestor = in_state("requestor", State.STA5)
    requestor.receive_data(build(answer(request(), maximum_length=maximum)))
    with pytest.raises(RemoteProtocolError, match=f"maximum length {maximum} leaves no room"):
        requestor.next_events()


def changed_answer(*contexts: PresentationContextAC, **changes: object) -> AssociateAC:
    """Return an answer with other contexts."""
    values = {
        "called_ae_title": "ACCEPTOR",
        "calling_ae_title": "REQUESTOR",
        "user_information": user_information(),
        "presentation_contexts": contexts or answer(request()).presentation_contexts,
    }
    return AssociateAC(**(values | changes))  # type: ignore[arg-type]


REFUSED = PresentationContextAC(5, 3)
GOOD = (PresentationContextAC(1, 0, IMPLICIT), PresentationContextAC(3, 0, EXPLICIT), REFUSED)
UNUSABLE = [
    changed_answer(*GOOD, PresentationContextAC(7, 0, IMPLICIT)),
    changed_answer(PresentationContextAC(1, 0, EXPLICIT), *GOOD[1:]),
]
INCOMPLETE = [
    changed_answer(*GOOD[:2]),
    changed_answer(user_information=user_information(RoleSelection(CT, scu=True, scp=True))),
]
OURS_ONLY = [
    changed_answer(called_ae_title="OTHER"),
    changed_answer(user_information=(MaximumLength(16384),)),
    changed_answer(user_information=user_information()[1:]),
    changed_answer(user_information=user_information(maximum_length=0)),
    changed_answer(user_information=user_information(maximum_length=(1 << 20) + 1)),
]


@pytest.mark.parametrize("wrong", [*UNUSABLE, *INCOMPLETE, *OURS_ONLY])
def test_we_do_not_send_a_wrong_answer(wrong: AssociateAC) -> None:
    """It must fit the request (PS3.8 7.1.1.14, 9.3.3), and announce a length that we can buffer."""
    acceptor = in_state("acceptor", State.STA3)
    with pytest.raises(LocalProtocolError):
        acceptor.send(wrong)
    assert acceptor.state is State.STA3
    assert acceptor.send(answer(request())) == [build(answer(request()))]


@pytest.mark.parametrize("wrong", UNUSABLE)
def test_a_peers_unusable_answer_is_refused(wrong: AssociateAC) -> None:
    """Contexts that were not proposed leave nothing to agree on."""
    requestor = in_state("requestor", State.STA5)
    requestor.receive_data(build(wrong))
    with pytest.raises(RemoteProtocolError, match="was not proposed"):
        requestor.next_events()
    assert joined(requestor.data_to_send()) == build(Abort(2, 6))


@pytest.mark.parametrize("wrong", INCOMPLETE)
def test_a_peers_incomplete_answer_is_understood(wrong: AssociateAC) -> None:
    """It omits or adds something, but is usable."""
    requestor = in_state("requestor", State.STA5)
    requestor.receive_data(build(wrong))
    assert drain(requestor) == [wrong]
    assert {*requestor.contexts} == {1, 3}


def test_a_request_must_announce_what_we_can_keep() -> None:
    """The maximum length may not exceed what we would accept."""
    with pytest.raises(LocalProtocolError, match="exceeds our limit"):
        Connection("requestor").send(request(maximum_length=0))
    unlimited = Connection("requestor", Limits(p_data_pdu=(1 << 32) - 1))
    unlimited.send(request(maximum_length=0))
    assert unlimited.state is State.STA4


def test_a_peer_who_exceeds_the_announced_maximum_length_is_refused() -> None:
    """The header is refused, before anything of it is stored (PS3.8 D.1)."""
    acceptor = established("acceptor")
    acceptor.receive_data(raw.pdu(4, length=16385))
    with pytest.raises(RemoteProtocolError, match="length of 16385, but the limit is 16384"):
        acceptor.next_events()


@pytest.mark.parametrize("role", ROLES)
def test_a_collision_of_releases_is_resolved(role: Role) -> None:
    """The requestor answers first, then the acceptor (PS3.8 7.2.2.7)."""
    pair = Pair()
    pair.associate()
    first, second = (pair.requestor, pair.acceptor)[:: 1 if role == "requestor" else -1]
    crossing = joined(first.send(ReleaseRQ())), joined(second.send(ReleaseRQ()))
    second.receive_data(crossing[0])
    first.receive_data(crossing[1])
    assert (drain(pair.requestor), drain(pair.acceptor)) == ([ReleaseRQ()], [ReleaseRQ()])
    with pytest.raises(LocalProtocolError):
        pair.acceptor.send(ReleaseRP())
    assert pair.send("requestor", ReleaseRP()) == [ReleaseRP()]
    assert pair.send("acceptor", ReleaseRP()) == [ReleaseRP(), CloseTransport()]
    assert (pair.requestor.state, pair.acceptor.state) == (State.STA1, State.STA13)


def test_data_may_arrive_while_a_release_is_answered() -> None:
    """The acceptor may still send data (AR-6, AR-7)."""
    pair = Pair()
    pair.associate()
    pair.send("requestor", ReleaseRQ())
    response = Command(1, CEchoRSP(message_id_being_responded_to=1, status=0))
    assert pair.send("acceptor", response) == [response]
    assert pair.requestor.state is State.STA7


def test_what_came_before_the_end_is_told_before_the_end() -> None:
    """The last events of a peer that sends and closes at once are not lost."""
    requestor = established("requestor")
    echo = raw.p_data(raw.pdv(1, 3, build_message(ECHO.message)))
    requestor.receive_data(echo + echo[:7])
    requestor.receive_data(b"")
    assert drain(requestor) == [ECHO, ConnectionLost()]
    assert requestor.state is State.STA1


def test_the_user_does_not_abort_as_the_provider() -> None:
    """Source and reason of a user's abort are zero (PS3.8 9.3.8)."""
    with pytest.raises(LocalProtocolError, match="source 0"):
        established("requestor").send(Abort(2, 1))


def test_a_protocol_error_says_whose_fault_it_is() -> None:
    """The common base class is never raised itself."""
    with pytest.raises(TypeError, match="whose fault"):
        ProtocolError("somebody's")


def _said(*events: Sent) -> bytes:
    """Return the bytes of a requestor on an association."""
    requestor = established("requestor")
    return b"".join(joined(requestor.send(event)) for event in events)


def test_messages_come_at_once_and_what_changes_the_state_comes_alone() -> None:
    """The messages before it can then still be answered."""
    acceptor = established("acceptor")
    acceptor.receive_data(_said(ECHO, ECHO, ReleaseRQ()) + build(Abort()))
    assert acceptor.next_events() == [ECHO, ECHO]
    assert acceptor.state is State.STA6
    response = Command(1, CEchoRSP(message_id_being_responded_to=1, status=0))
    assert acceptor.send(response) != []
    assert acceptor.next_events() == [ReleaseRQ()]
    assert acceptor.state is State.STA8
    assert acceptor.next_events() == [Abort(), CloseTransport()]
    assert acceptor.next_events() == []


def test_messages_before_a_wrong_one_are_returned_before_it_is_refused() -> None:
    """They can be answered until then; after our own abort the error is not reported."""
    for aborts in (False, True):
        acceptor = established("acceptor")
        wrong = raw.p_data(raw.pdv(1, 3, b"no command"))
        acceptor.receive_data(_said(ECHO) + wrong + _said(ECHO))
        assert acceptor.next_events() == [ECHO]
        assert acceptor.data_to_send() == []
        if aborts:
            acceptor.send(Abort())
            assert drain(acceptor) == [StartTimer()]
            continue
        acceptor.send(Command(1, CEchoRSP(message_id_being_responded_to=1, status=0)))
        with pytest.raises(RemoteProtocolError, match="unreadable command set"):
            acceptor.next_events()
        assert joined(acceptor.data_to_send()) == build(Abort(0, 0))
        assert drain(acceptor) == [StartTimer()]


def test_no_message_is_taken_within_a_data_set() -> None:
    """A command in place of the data set is refused with an abort."""
    acceptor = established("acceptor")
    acceptor.receive_data(_said(Command(3, STORE)))
    assert acceptor.next_events() == [Command(3, STORE)]
    acceptor.receive_data(_said(ECHO))
    with pytest.raises(RemoteProtocolError):
        acceptor.next_events()
    assert joined(acceptor.data_to_send())[0] == Abort.TYPE
    assert acceptor.state is State.STA13


def test_messages_with_data_sets_that_lie_behind_each_other() -> None:
    """All that have arrived are returned at once."""
    said = _said(*(each for _ in range(2) for each in (Command(3, STORE), _data(b"\1\2"))))
    acceptor = established("acceptor")
    acceptor.receive_data(said[:-1])
    assert acceptor.next_events() == [
        Command(3, STORE),
        DataFragments(3, [b"\1\2"], last=True),
        Command(3, STORE),
        DataFragments(3, [b"\1"], last=False),
    ]
    acceptor.receive_data(said[-1:])
    assert acceptor.next_events() == [DataFragments(3, [b"\2"], last=True)]


@pytest.mark.parametrize("wrong", ["no data set is due", "on another context"])
def test_a_data_set_that_does_not_belong_is_refused(wrong: str) -> None:
    """With an abort, after the command before it."""
    other = wrong == "on another context"
    command = Command(3, STORE) if other else ECHO
    data = _said(Command(3, STORE), _data(b"\1\2"))[-14:]
    acceptor = established("acceptor")
    acceptor.receive_data(_said(command) + (data[:10] + b"\1" + data[11:] if other else data))
    assert acceptor.next_events() == [command]
    with pytest.raises(RemoteProtocolError):
        acceptor.next_events()
    assert joined(acceptor.data_to_send())[0] == Abort.TYPE
    assert acceptor.state is State.STA13


def _data(data: bytes) -> DataFragment:
    return DataFragment(3, data, last=True)


def test_what_was_built_before_an_error_of_ours_waits_to_be_sent() -> None:
    """The peer gets whole messages, in order."""
    requestor = established("requestor")
    with pytest.raises(LocalProtocolError):
        requestor.send(Command(3, STORE), _data(b"odd"))
    sent = joined(requestor.send(_data(b"even")))
    assert sent == _said(Command(3, STORE), _data(b"even"))
