"""PDUs that come when they should not, and what is no PDU: the state table of an acceptor (PS3.8 9.2.3)."""

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification

from dcm.wire import (
    PDV,
    Abort,
    AssociateRJ,
    CEchoRQ,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
    build,
    build_message,
    raw,
)
from harness.cases import Closed, Heard, Line, Suite, Wire, named

suite = Suite(needs="dimse.echo")


ECHO = (Verification, [ImplicitVRLittleEndian])
COMMAND, LAST = 1, 2
USER, PROVIDER = 0, 2
"""Who aborts: the service user or the service provider (PS3.8 9.3.8)."""
UNKNOWN_PDU = raw.pdu(0x0B, bytes(4))
RELEASE = build(ReleaseRQ())
DATA = build(PDataTF((PDV(1, True, True, build_message(CEchoRQ(message_id=1))),)))
ACCEPTANCE = raw.associate(2, [raw.application_context(), raw.user_information()])
BEFORE = {
    "acceptance": ACCEPTANCE,
    "rejection": build(AssociateRJ(1, 1, 1)),
    "data": DATA,
    "release": RELEASE,
    "release-answer": build(ReleaseRP()),
}
AFTER = {
    "request": raw.associate(
        1,
        [
            raw.application_context(),
            raw.context(1, Verification.encode(), [ImplicitVRLittleEndian.encode()]),
            raw.user_information(),
        ],
    ),
    "acceptance": ACCEPTANCE,
    "rejection": build(AssociateRJ(1, 1, 1)),
    "release-answer": build(ReleaseRP()),
}


@suite.case("ASSOC-030", ref="PS3.8 9.2.3 AA-1 (2020b)")
@pytest.mark.parametrize("pdu", BEFORE.values(), ids=BEFORE)
def test_what_comes_before_the_request_is_answered_by_an_abort(wire: Wire, pdu: bytes) -> None:
    """Any PDU but a request for an association is answered by an A-ABORT when it comes first."""
    with wire.connect() as line:
        line.say(pdu)

        assert named(line.hear()) == Abort.NAME


@suite.case("ASSOC-031", ref="PS3.8 9.2.3 AA-1 (2020b)")
def test_an_unknown_pdu_before_the_request_is_answered_by_an_abort(wire: Wire) -> None:
    """A PDU of an unknown type is answered by an A-ABORT when it comes first."""
    with wire.connect() as line:
        line.say(UNKNOWN_PDU)

        assert named(line.hear()) == Abort.NAME


@suite.case("ASSOC-032", ref="PS3.8 9.2.3 AA-2 (2020b)")
def test_an_abort_before_the_request_ends_the_connection(wire: Wire) -> None:
    """An A-ABORT that comes first is not answered: the connection is closed."""
    with wire.connect() as line:
        line.say(build(Abort()))

        assert line.hear() == Closed()


@suite.case("ASSOC-033", ref="PS3.8 9.2.3 AA-8 (2020b)")
@pytest.mark.parametrize("pdu", AFTER.values(), ids=AFTER)
def test_what_has_no_place_in_an_association_is_answered_by_an_abort(
    wire: Wire, pdu: bytes
) -> None:
    """A PDU that is not for an established association is answered by an A-ABORT of the service provider."""
    assert _source(_abort_after(wire, pdu)) == PROVIDER


@suite.case("ASSOC-034", ref="PS3.8 9.2.3 AA-8 (2020b)")
def test_an_unknown_pdu_in_an_association_is_answered_by_an_abort(wire: Wire) -> None:
    """A PDU of an unknown type is answered by an A-ABORT of the service provider."""
    assert _source(_abort_after(wire, UNKNOWN_PDU)) == PROVIDER


@suite.case("ASSOC-035", ref="PS3.8 9.3.8 (2019a)")
def test_the_reason_of_an_abort_is_one_of_those_there_are(wire: Wire) -> None:
    """An abort of the service provider has a defined reason, one of the service user the reason 0."""
    heard = _abort_after(wire, UNKNOWN_PDU)

    assert heard in (Abort(USER, 0), *(Abort(PROVIDER, reason) for reason in (0, 1, 2, 4, 5, 6)))


@suite.case("ASSOC-036", ref="PS3.8 9.3.5.1 (2019a)")
def test_data_on_a_context_that_was_not_accepted_is_answered_by_an_abort(wire: Wire) -> None:
    """A message on a presentation context that nobody proposed is no message: the association is aborted."""
    message = build_message(CEchoRQ(message_id=1))

    assert _source(_abort_after(wire, raw.p_data(raw.pdv(99, COMMAND | LAST, message)))) in (
        USER,
        PROVIDER,
    )


@suite.case("ASSOC-037", ref="PS3.8 9.3.5.1 (2019a)")
def test_a_pdv_longer_than_its_pdu_is_answered_by_an_abort(wire: Wire) -> None:
    """A PDV whose length reaches beyond the PDU is invalid: the association is aborted."""
    pdv = raw.pdv(1, COMMAND | LAST, build_message(CEchoRQ(message_id=1)), length=4000)

    assert _source(_abort_after(wire, raw.p_data(pdv))) in (USER, PROVIDER)


@suite.case("ASSOC-038", ref="PS3.8 9.2.3 AA-1 (2020b)")
def test_an_item_longer_than_its_pdu_is_answered_by_an_abort(wire: Wire) -> None:
    """A request with an item whose length reaches beyond the PDU is invalid: an A-ABORT answers it."""
    context = raw.item(0x20, bytes((1, 0, 0, 0)), length=0xFFFF)

    with wire.connect() as line:
        line.say(wire.bent_request([raw.application_context(), context]))

        assert named(line.hear(wire.time_limit / 2)) == Abort.NAME


@suite.case("ASSOC-039", ref="PS3.8 9.1.1 (2020b)", level="product")
def test_who_announces_much_and_sends_little_keeps_nobody_out(wire: Wire) -> None:
    """While one peer has announced 4 GiB and sends nothing more, others are served."""
    with wire.associate([ECHO]) as waiting:
        waiting.line.say(raw.pdu(4, bytes(6), length=0xFFFFFFFF))
        with wire.associate([ECHO]) as association:
            answered = association.ask(CEchoRQ(message_id=1))
        waiting.line.close()
        waiting.line.over = True

    assert answered.message.NAME == "C-ECHO-RSP"


def _abort_after(wire: Wire, pdu: bytes) -> Heard:
    """Say `pdu` in an association that stands, and give what is heard."""
    with wire.associate([ECHO]) as association:
        line: Line = association.line
        line.say(pdu)
        heard = line.hear()
        line.over = True  # whatever it was: it is not to be released
        return heard


def _source(heard: Heard) -> object:
    """Give the source of an abort, or what was heard in its place."""
    return heard.source if isinstance(heard, Abort) else named(heard)
