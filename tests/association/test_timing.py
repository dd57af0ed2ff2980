"""Latency of an exchange, and fairness between peers."""

import contextlib
import statistics
import time
from collections.abc import Callable

from dcm.wire import AssociateAC, AssociateRJ, CEchoRQ, Message, ReleaseRQ, build
from harness.cases import (
    ECHO,
    ECHO_ITEMS,
    Association,
    Heard,
    Maker,
    Suite,
    Wire,
    named,
    store_request,
)

suite = Suite(level="quality", needs="dimse.echo")


Note = Callable[[str, str], None]
"""pytest's `record_property`, which adds a figure to the record of the case."""
PATIENCE = 3.0
"""Seconds within which a server must answer one peer, regardless of another's behaviour."""
EXCHANGES = 24
WARM_UP = 8
"""The first exchanges on a connection, in which TCP acknowledges at once and hides the delay."""
DELAYED_ACK = 0.040
"""Seconds after which Linux sends a delayed acknowledgement, at the latest.

For that time, Nagle's algorithm delays the rest of an answer that a server sends in two parts,
although the server has computed all of it.
"""


@suite.case("ASSOC-060", ref="RFC 896, RFC 1122 4.2.3.2")
def test_echo_response_does_not_wait_for_an_acknowledgement(
    wire: Wire, record_property: Note
) -> None:
    """No delayed acknowledgement holds up the rest of a C-ECHO response after its first byte."""
    with wire.associate([ECHO]) as association:
        seconds = [_timed(association, CEchoRQ(message_id=1)) for _ in range(EXCHANGES)]
    record_property("C-ECHO, median", _in_ms(seconds))
    record_property("C-ECHO, beyond computing", _in_ms(association.line.delays[1:-1]))

    assert statistics.median(association.line.delays[WARM_UP:-1]) < DELAYED_ACK / 2


@suite.case("ASSOC-061", ref="RFC 896, RFC 1122 4.2.3.2", needs="dimse.store")
def test_store_response_does_not_wait_for_an_acknowledgement(
    wire: Wire, make: Maker, record_property: Note
) -> None:
    """No delayed acknowledgement holds up the rest of a C-STORE response after its first byte."""
    samples = [make.instance(number=number, rows=2, columns=2) for number in range(EXCHANGES)]
    with wire.associate([samples[0].context]) as association:
        seconds = [_timed(association, store_request(each), each.data_set) for each in samples]
    record_property("C-STORE, median", _in_ms(seconds))
    record_property("C-STORE, beyond computing", _in_ms(association.line.delays[1:-1]))

    assert statistics.median(association.line.delays[WARM_UP:-1]) < DELAYED_ACK / 2


@suite.case("ASSOC-062", ref="PS3.8 9.3.4 (2024e)", level="must")
def test_congestion_is_rejected_as_transient(wire: Wire) -> None:
    """Each of 20 concurrent associations is accepted, or rejected for congestion or a local limit."""
    request = build(wire.request([ECHO]))
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(wire.connect()) for _ in range(20)]
        for line in lines:
            line.say(request)
        answers = [line.hear() for line in lines]
        for line, answer in zip(lines, answers, strict=True):
            if isinstance(answer, AssociateAC):
                line.say(build(ReleaseRQ()))
                line.hear()
            line.close()

    assert [answer for answer in answers if not _accepted_or_transient(answer)] == []


@suite.case("ASSOC-063", ref="PS3.8 9.1.2 (2020b)", waits=3)
def test_silent_peer_does_not_block_others(wire: Wire) -> None:
    """While one peer has connected and sends nothing, an association of another is accepted."""
    with wire.connect():
        answer = wire.propose(wire.request([ECHO]), within=PATIENCE)

    assert named(answer) == AssociateAC.NAME


@suite.case("ASSOC-064", ref="PS3.8 9.1.2 (2020b)", waits=3)
def test_rejected_peer_does_not_block_others(wire: Wire) -> None:
    """While a rejected peer keeps its connection open, an association of another is accepted."""
    with wire.connect() as line:
        line.say(wire.bent_request(ECHO_ITEMS, protocol_version=2))
        rejection = line.hear()
        answer = wire.propose(wire.request([ECHO]), within=PATIENCE)

    assert named(rejection) == AssociateRJ.NAME
    assert named(answer) == AssociateAC.NAME


def _accepted_or_transient(answer: Heard) -> bool:
    return isinstance(answer, AssociateAC) or answer in (AssociateRJ(2, 3, 1), AssociateRJ(2, 3, 2))


def _timed(association: Association, request: Message, data_set: bytes = b"") -> float:
    """Return the duration of one exchange in seconds."""
    begin = time.perf_counter()
    association.ask(request, data_set)
    return time.perf_counter() - begin


def _in_ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.1f} ms"
