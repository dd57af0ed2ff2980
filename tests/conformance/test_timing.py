"""What an exchange costs beyond its computing, and what happens when many come at once."""

import contextlib
import statistics
import time
from collections.abc import Callable

from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.sop_class import Verification

from dcm.wire import AssociateAC, AssociateRJ, CEchoRQ, CStoreRQ, Message, ReleaseRQ, build, raw
from harness.cases import Association, Heard, Maker, Suite, Wire, data_set_offset, named

suite = Suite(level="product", needs="dimse.echo")


Note = Callable[[str, str], None]
"""pytest's `record_property`: the figure goes into the record of the case."""
ECHO = (Verification, [ImplicitVRLittleEndian])
EXCHANGES = 24
WARM_UP = 8
"""The first exchanges on a connection: TCP acknowledges at once for a while, and hides the wait."""
DELAYED_ACK = 0.040
"""Seconds after which Linux acknowledges at the latest: for that long, Nagle's algorithm holds back the rest
of an answer that a server sends in two parts. It has nothing to compute any more then."""


@suite.case("ASSOC-060", ref="RFC 896, RFC 1122 4.2.3.2")
def test_the_answer_to_an_echo_does_not_wait_for_an_acknowledgement(
    wire: Wire, record_property: Note
) -> None:
    """Between the first and the last byte of the answer to a C-ECHO there is no delayed acknowledgement."""
    with wire.associate([ECHO]) as association:
        seconds = [_timed(association, CEchoRQ(message_id=1)) for _ in range(EXCHANGES)]
    record_property("C-ECHO, median", _in_ms(seconds))
    record_property("C-ECHO, beyond computing", _in_ms(association.line.delays[1:-1]))

    assert statistics.median(association.line.delays[WARM_UP:-1]) < DELAYED_ACK / 2


@suite.case("ASSOC-061", ref="RFC 896, RFC 1122 4.2.3.2", needs="dimse.store")
def test_the_answer_to_a_store_does_not_wait_for_an_acknowledgement(
    wire: Wire, make: Maker, record_property: Note
) -> None:
    """Between the first and the last byte of the answer to a C-STORE there is no delayed acknowledgement."""
    samples = [make.instance(number=number, rows=2, columns=2) for number in range(EXCHANGES)]
    contexts = [(samples[0].sop_class_uid, [samples[0].transfer_syntax])]
    with wire.associate(contexts) as association:
        seconds = [
            _timed(
                association,
                CStoreRQ(
                    message_id=1,
                    affected_sop_class_uid=each.sop_class_uid,
                    affected_sop_instance_uid=each.sop_instance_uid,
                ),
                each.data[data_set_offset(each.data) :],
            )
            for each in samples
        ]
    record_property("C-STORE, median", _in_ms(seconds))
    record_property("C-STORE, beyond computing", _in_ms(association.line.delays[1:-1]))

    assert statistics.median(association.line.delays[WARM_UP:-1]) < DELAYED_ACK / 2


@suite.case("ASSOC-062", ref="PS3.8 9.3.4 (2024e)", level="must")
def test_who_has_no_room_says_that_it_is_for_now(wire: Wire) -> None:
    """Of 20 associations at a time each is accepted, or rejected for now: congestion, or a local limit."""
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


@suite.case("ASSOC-063", ref="PS3.8 9.1.2 (2020b)")
def test_who_connects_and_says_nothing_keeps_nobody_out(wire: Wire) -> None:
    """While one peer has connected and asks for nothing, others are served."""
    with wire.connect():
        answer = wire.propose(wire.request([ECHO]), within=wire.time_limit / 2)

    assert named(answer) == AssociateAC.NAME


@suite.case("ASSOC-064", ref="PS3.8 9.1.2 (2020b)")
def test_who_was_rejected_and_stays_keeps_nobody_out(wire: Wire) -> None:
    """While one peer was rejected and does not close the connection, others are served."""
    items = (
        raw.application_context(),
        raw.context(1, Verification.encode(), [ImplicitVRLittleEndian.encode()]),
        raw.user_information(),
    )
    with wire.connect() as line:
        line.say(wire.bent_request(items, protocol_version=2))
        rejection = line.hear()
        answer = wire.propose(wire.request([ECHO]), within=wire.time_limit / 2)

    assert named(rejection) == AssociateRJ.NAME
    assert named(answer) == AssociateAC.NAME


def _accepted_or_transient(answer: Heard) -> bool:
    return isinstance(answer, AssociateAC) or answer in (AssociateRJ(2, 3, 1), AssociateRJ(2, 3, 2))


def _timed(association: Association, request: Message, data_set: bytes = b"") -> float:
    """Give the seconds of one exchange."""
    begin = time.perf_counter()
    association.ask(request, data_set)
    return time.perf_counter() - begin


def _in_ms(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.1f} ms"
