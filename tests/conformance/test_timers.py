"""What a peer leaves open is closed when the ARTIM timer expires, mostly after 30 s (PS3.8 9.1.4, 9.1.5)."""

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification

from dcm.wire import Abort, ReleaseRQ, build, raw
from harness.cases import Closed, Suite, Wire

suite = Suite(needs="dimse.echo")


USUAL = (
    raw.application_context(),
    raw.context(1, Verification.encode(), [ImplicitVRLittleEndian.encode()]),
    raw.user_information(),
)
PATIENCE = 3.5
"""Of the usual time limits, which are of 10 s."""
patient = pytest.mark.timeout(60)


@patient
@suite.case("ASSOC-044", ref="PS3.8 9.1.5 (2020b)", waits=32)
def test_who_asks_for_nothing_is_not_waited_for(wire: Wire) -> None:
    """A connection on which no association is asked for is closed when the ARTIM timer expires."""
    with wire.connect() as line:
        assert line.hear(PATIENCE * wire.time_limit) in (Closed(), Abort(), Abort(2, 0))


@patient
@suite.case("ASSOC-045", ref="PS3.8 9.1.4 (2020b)", waits=32)
@pytest.mark.parametrize(
    ("version", "last_word"),
    [
        pytest.param(1, build(ReleaseRQ()), id="release"),
        pytest.param(1, raw.pdu(0x0B, bytes(4)), id="abort"),
        pytest.param(2, b"", id="rejection"),
    ],
)
def test_an_association_that_is_over_is_not_kept_open(
    wire: Wire, version: int, last_word: bytes
) -> None:
    """After its last word the acceptor closes the connection, should the requestor not do so."""
    with wire.connect() as line:
        line.say(wire.bent_request(USUAL, protocol_version=version))
        line.hear()
        if last_word:
            line.say(last_word)
            line.hear()

        assert line.hear(PATIENCE * wire.time_limit) == Closed()
