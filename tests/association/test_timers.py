"""Connections that a peer leaves open: the ARTIM timer of an acceptor (PS3.8 9.1.5, 9.2.3 AA-2).

The standard requires that a connection is closed when the timer expires (9.2.3, event 18), but does
not specify the timeout. A server that keeps the connection longer than we wait does not violate any
clause, so these cases have the level `quality`. They wait a little longer than the 30 s of most
servers.
"""

import pytest

from dcm.wire import Abort, ReleaseRQ, build, raw
from harness.cases import ECHO_ITEMS, Closed, Suite, Wire

suite = Suite(level="quality", needs="dimse.echo")


patient = pytest.mark.timeout(60)


@patient
@suite.case("ASSOC-044", ref="PS3.8 9.1.5, 9.2.3 AA-2 (2020b)", waits=32)
def test_artim_closes_idle_connection(wire: Wire) -> None:
    """A connection on which no association is requested is closed when the ARTIM timer expires."""
    with wire.connect() as line:
        assert line.hear(within=wire.artim) in (Closed(), Abort(), Abort(2, 0))


@patient
@suite.case("ASSOC-045", ref="PS3.8 9.1.5, 9.2.3 AA-2 (2020b)", waits=32)
@pytest.mark.parametrize(
    ("version", "last_word"),
    [
        pytest.param(1, build(ReleaseRQ()), id="release"),
        pytest.param(1, raw.pdu(0x0B, bytes(4)), id="abort"),
        pytest.param(2, b"", id="rejection"),
    ],
)
def test_artim_closes_connection_after_the_association(
    wire: Wire, version: int, last_word: bytes
) -> None:
    """After its last PDU the acceptor closes the connection itself if the requestor does not."""
    with wire.connect() as line:
        line.say(wire.bent_request(ECHO_ITEMS, protocol_version=version))
        line.hear()
        if last_word:
            line.say(last_word)
            line.hear()

        assert line.hear(within=wire.artim) == Closed()
