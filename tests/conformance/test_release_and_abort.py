"""How associations end: by release and by abort (PS3.8 7.2, 7.3)."""

from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification

from dcm.wire import (
    Abort,
    CEchoRQ,
    CEchoRSP,
    Command,
    ReleaseRP,
    ReleaseRQ,
    build,
    raw,
)
from harness.cases import Closed, Suite, Wire

suite = Suite(needs="dimse.echo")


ECHO = (Verification, [ImplicitVRLittleEndian])


@suite.case("ASSOC-040", ref="PS3.8 7.2.2 (2024e)")
def test_a_release_is_answered(wire: Wire) -> None:
    """A-RELEASE-RQ is answered by A-RELEASE-RP."""
    with wire.associate([ECHO]) as association:
        association.line.say(build(ReleaseRQ()))

        assert association.line.hear() == ReleaseRP()


@suite.case("ASSOC-041", ref="PS3.8 7.2.2 (2024e)")
def test_what_was_asked_before_the_release_is_answered_before_it(wire: Wire) -> None:
    """A request is answered though the release is asked for at once, and then the release is."""
    with wire.associate([ECHO]) as association:
        connection = association.connection
        request = connection.send(Command(1, CEchoRQ(message_id=7)))
        association.line.say(b"".join([*request, *connection.send(ReleaseRQ())]))

        answer = association.receive().message
        assert isinstance(answer, CEchoRSP)
        assert answer.message_id_being_responded_to == 7
        assert association.event() == ReleaseRP()


@suite.case("ASSOC-042", ref="PS3.8 9.2.3 AA-3 (2020b)")
def test_an_abort_ends_the_connection(wire: Wire) -> None:
    """After an A-ABORT the acceptor says nothing more and closes the connection."""
    with wire.associate([ECHO]) as association:
        association.line.say(build(Abort()))

        assert association.line.hear() == Closed()


@suite.case("ASSOC-043", ref="PS3.8 7.3.2 (2020b)")
def test_after_aborts_others_are_served(wire: Wire) -> None:
    """Five associations that were aborted within a message leave the server as it was."""
    for _ in range(5):
        with wire.associate([ECHO]) as association:
            association.line.say(raw.p_data(raw.pdv(1, 1, bytes(4))), build(Abort()))
            association.line.over = True

    with wire.associate([ECHO]) as association:
        answer = association.ask(CEchoRQ(message_id=1)).message
    assert isinstance(answer, CEchoRSP)
