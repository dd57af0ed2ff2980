"""How associations end: by release and by abort (PS3.8 7.2, 7.3)."""

from dcm.wire import (
    Abort,
    CEchoRQ,
    Command,
    ReleaseRP,
    ReleaseRQ,
    build,
    raw,
)
from harness.cases import ECHO, SUCCESS, Closed, Suite, Wire, answered_id, status_of

suite = Suite(needs="dimse.echo")


@suite.case("ASSOC-040", ref="PS3.8 7.2.2 (2024e)")
def test_release_is_answered(wire: Wire) -> None:
    """An A-RELEASE-RQ is answered by an A-RELEASE-RP."""
    with wire.associate([ECHO]) as association:
        association.line.say(build(ReleaseRQ()))

        assert association.line.hear() == ReleaseRP()


@suite.case("ASSOC-041", ref="PS3.8 7.2.2 (2024e)")
def test_request_before_a_release_is_answered_first(wire: Wire) -> None:
    """If a C-ECHO request and an A-RELEASE-RQ arrive in one segment, both are answered, in this order."""
    with wire.associate([ECHO]) as association:
        connection = association.connection
        request = connection.send(Command(1, CEchoRQ(message_id=7)))
        association.line.say(b"".join([*request, *connection.send(ReleaseRQ())]))

        assert answered_id(association.receive().message) == 7
        assert association.event() == ReleaseRP()


@suite.case("ASSOC-042", ref="PS3.8 9.2.3 AA-3 (2020b)")
def test_abort_closes_the_connection(wire: Wire) -> None:
    """After an A-ABORT the acceptor closes the connection and sends nothing more."""
    with wire.associate([ECHO]) as association:
        association.line.say(build(Abort()))

        assert association.line.hear() == Closed()


@suite.case("ASSOC-043", ref="PS3.8 7.3.2 (2020b)")
def test_aborts_do_not_affect_later_associations(wire: Wire) -> None:
    """After five associations that were aborted in the middle of a message, a C-ECHO succeeds."""
    for _ in range(5):
        with wire.associate([ECHO]) as association:
            association.line.say(raw.p_data(raw.pdv(1, 1, bytes(4))), build(Abort()))
            association.line.over = True

    with wire.associate([ECHO]) as association:
        answer = association.ask(CEchoRQ(message_id=1)).message
    assert status_of(answer) == SUCCESS
