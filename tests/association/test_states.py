"""Unexpected and invalid PDUs: the state table of an acceptor (PS3.8 9.2.3)."""

import pytest

from dcm.wire import (
    Abort,
    AssociateRJ,
    AssociateRQ,
    CEchoRQ,
    ReleaseRP,
    ReleaseRQ,
    build,
    build_message,
    raw,
)
from harness.cases import (
    COMMAND,
    ECHO,
    ECHO_ITEMS,
    LAST,
    SUCCESS,
    Closed,
    Heard,
    Line,
    Suite,
    Wire,
    named,
    status_of,
    whole,
)

suite = Suite(needs="dimse.echo")


USER, PROVIDER = 0, 2
"""The sources of an A-ABORT: the service user and the service provider (PS3.8 9.3.8)."""
UNKNOWN_PDU = raw.pdu(0x0B, bytes(4))
ECHO_REQUEST = CEchoRQ(message_id=1)
ACCEPTANCE = raw.associate(2, [raw.application_context(), raw.user_information()])
BEFORE = {
    "acceptance": ACCEPTANCE,
    "rejection": build(AssociateRJ(1, 1, 1)),
    "data": whole(ECHO_REQUEST),
    "release": build(ReleaseRQ()),
    "release-answer": build(ReleaseRP()),
}
AFTER = {
    "request": raw.associate(AssociateRQ.TYPE, ECHO_ITEMS),
    "acceptance": ACCEPTANCE,
    "rejection": build(AssociateRJ(1, 1, 1)),
    "release-answer": build(ReleaseRP()),
}


@suite.case("ASSOC-030", ref="PS3.8 9.2.3 AA-1 (2020b)")
@pytest.mark.parametrize("pdu", BEFORE.values(), ids=BEFORE)
def test_unexpected_first_pdu_is_answered_by_abort(wire: Wire, pdu: bytes) -> None:
    """A first PDU other than a request for an association is answered by an A-ABORT."""
    with wire.connect() as line:
        line.say(pdu)

        assert named(line.hear()) == Abort.NAME


@suite.case("ASSOC-031", ref="PS3.8 9.2.3 AA-1 (2020b)")
def test_unknown_first_pdu_is_answered_by_abort(wire: Wire) -> None:
    """A first PDU of an unknown type is answered by an A-ABORT."""
    with wire.connect() as line:
        line.say(UNKNOWN_PDU)

        assert named(line.hear()) == Abort.NAME


@suite.case("ASSOC-032", ref="PS3.8 9.2.3 AA-2 (2020b)")
def test_abort_as_first_pdu_closes_the_connection(wire: Wire) -> None:
    """An A-ABORT as the first PDU closes the connection, without an answer."""
    with wire.connect() as line:
        line.say(build(Abort()))

        assert line.hear() == Closed()


@suite.case("ASSOC-033", ref="PS3.8 9.2.3 AA-8 (2020b)")
@pytest.mark.parametrize("pdu", AFTER.values(), ids=AFTER)
def test_unexpected_pdu_in_an_association_is_answered_by_abort(wire: Wire, pdu: bytes) -> None:
    """A PDU that is not allowed in an established association is answered by an A-ABORT of the provider."""
    assert _source(_abort_after(wire, pdu)) == PROVIDER


@suite.case("ASSOC-034", ref="PS3.8 9.2.3 AA-8 (2020b)")
def test_unknown_pdu_in_an_association_is_answered_by_abort(wire: Wire) -> None:
    """A PDU of an unknown type is answered by an A-ABORT of the service provider."""
    assert _source(_abort_after(wire, UNKNOWN_PDU)) == PROVIDER


@suite.case("ASSOC-035", ref="PS3.8 9.3.8 (2019a)")
def test_abort_has_a_defined_reason(wire: Wire) -> None:
    """An A-ABORT of the service provider has a defined reason, one of the service user has reason 0."""
    heard = _abort_after(wire, UNKNOWN_PDU)

    assert heard in (Abort(USER, 0), *(Abort(PROVIDER, reason) for reason in (0, 1, 2, 4, 5, 6)))


# Action AA-8 is for event 19, "Unrecognized or invalid PDU received". The standard does not specify
# which layer of a server detects these two faults, so either source of the abort is correct;
# ASSOC-034 tests the source.


@suite.case("ASSOC-036", ref="PS3.8 9.2.3 AA-8 (2020b)")
def test_data_on_a_context_not_accepted_is_answered_by_abort(wire: Wire) -> None:
    """A message on a presentation context that was not negotiated is answered by an A-ABORT."""
    pdv = raw.pdv(99, COMMAND | LAST, build_message(ECHO_REQUEST))

    assert named(_abort_after(wire, raw.p_data(pdv))) == Abort.NAME


@suite.case("ASSOC-037", ref="PS3.8 9.2.3 AA-8 (2020b)")
def test_pdv_longer_than_its_pdu_is_answered_by_abort(wire: Wire) -> None:
    """A PDV whose length reaches beyond its PDU is answered by an A-ABORT."""
    pdv = raw.pdv(1, COMMAND | LAST, build_message(ECHO_REQUEST), length=4000)

    assert named(_abort_after(wire, raw.p_data(pdv))) == Abort.NAME


@suite.case("ASSOC-038", ref="PS3.8 9.2.3 AA-1 (2020b)", waits=3)
def test_item_longer_than_its_pdu_is_answered_by_abort(wire: Wire) -> None:
    """A request with an item whose length reaches beyond its PDU is answered by an A-ABORT."""
    context = raw.item(0x20, bytes((1, 0, 0, 0)), length=0xFFFF)

    with wire.connect() as line:
        line.say(wire.bent_request([raw.application_context(), context]))

        assert named(line.hear(within=3.0)) == Abort.NAME


@suite.case("ASSOC-039", ref="PS3.8 9.1.1 (2020b)", level="quality")
def test_unfinished_pdu_of_one_peer_does_not_block_others(wire: Wire) -> None:
    """While one peer has announced 4 GiB and sends nothing else, a C-ECHO of another is answered."""
    with wire.associate([ECHO]) as waiting:
        waiting.line.say(raw.pdu(4, bytes(6), length=0xFFFFFFFF))
        with wire.associate([ECHO]) as association:
            answered = association.ask(ECHO_REQUEST)
        waiting.line.close()
        waiting.line.over = True

    assert status_of(answered.message) == SUCCESS


def _abort_after(wire: Wire, pdu: bytes) -> Heard:
    """Send `pdu` in an established association, and return the answer."""
    with wire.associate([ECHO]) as association:
        line: Line = association.line
        line.say(pdu)
        heard = line.hear()
        line.over = True  # it is not released, whatever was received
        return heard


def _source(heard: Heard) -> object:
    """Return the source of an abort, or a description of what was received instead."""
    return heard.source if isinstance(heard, Abort) else named(heard)
