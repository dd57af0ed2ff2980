"""Messages in PDUs: fragments, their order, and the maximum length (PS3.8 9.3.5, D.1, E)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import pytest

from dcm.wire import Abort, CEchoRQ, CStoreRQ, build_message, raw
from harness.cases import (
    COMMAND,
    ECHO,
    LAST,
    P_DATA,
    Sample,
    Stored,
    Suite,
    Wire,
    answered_id,
    get_study,
    named,
    pdvs_of,
    receiving,
    stored_response,
    sub_operations,
    whole,
)

suite = Suite(needs="dimse.echo")


@suite.case("ASSOC-050", ref="PS3.8 E.1 (2024e)")
def test_message_in_smallest_fragments_is_assembled(wire: Wire) -> None:
    """A C-ECHO request in fragments of two bytes, each in its own PDU, is answered."""
    pdvs = _pdvs(build_message(CEchoRQ(message_id=3)), size=2)

    assert _echo(wire, b"".join(raw.p_data(each) for each in pdvs)) == 3


@suite.case("ASSOC-051", ref="PS3.8 9.3.5 (2019a)")
def test_many_pdvs_in_one_pdu_are_assembled(wire: Wire) -> None:
    """A C-ECHO request in many PDVs of one P-DATA-TF is answered."""
    pdvs = _pdvs(build_message(CEchoRQ(message_id=4)), size=8)

    assert _echo(wire, raw.p_data(*pdvs)) == 4


@suite.case("ASSOC-052", ref="PS3.8 9.1.1 (2020b)")
def test_segment_borders_are_no_pdu_borders(wire: Wire) -> None:
    """A C-ECHO request that arrives byte by byte is answered, and so are two that arrive together."""
    pdus = [whole(CEchoRQ(message_id=number)) for number in (5, 6)]
    with wire.associate([ECHO]) as association:
        association.line.say(*(bytes([byte]) for byte in pdus[0]))
        first = answered_id(association.receive().message)
        association.line.say(pdus[1] + pdus[0])
        both = [answered_id(association.receive().message) for _ in range(2)]

    assert [first, *both] == [5, 6, 5]


@suite.case("ASSOC-053", ref="PS3.8 E.2 (2019a)")
def test_unused_bits_of_the_control_header_are_ignored(wire: Wire) -> None:
    """A C-ECHO request with bits 2 to 7 set in the message control header is answered."""
    message = build_message(CEchoRQ(message_id=9))

    assert _echo(wire, raw.p_data(raw.pdv(1, 0xFC | COMMAND | LAST, message))) == 9


@suite.case("ASSOC-054", ref="PS3.8 D.1 (2020a)", needs=("dimse.get.study", "dimse.store"))
@pytest.mark.parametrize("maximum", [4096, 16384])
def test_maximum_length_of_the_requestor_is_kept(wire: Wire, stored: Stored, maximum: int) -> None:
    """An object longer than our maximum length comes in P-DATA-TF PDUs of at most that length."""
    sample = stored.instance(rows=128, columns=128)
    heard = _retrieved(wire, sample, maximum)

    assert heard.instances == [sample.sop_instance_uid]
    assert [length for length in heard.lengths if length > maximum] == []


@suite.case("ASSOC-055", ref="PS3.8 D.1 (2020a)", needs=("dimse.get.study", "dimse.store"))
def test_maximum_length_of_0_sets_no_limit(wire: Wire, stored: Stored) -> None:
    """With a maximum length of 0, which sets no limit, an object comes in PDUs of any length."""
    sample = stored.instance(rows=128, columns=128)

    assert _retrieved(wire, sample, 0).instances == [sample.sop_instance_uid]


@suite.case("ASSOC-056", ref="PS3.8 E.1 (2024e)", needs=("dimse.get.study", "dimse.store"))
def test_fragments_have_an_even_length(wire: Wire, stored: Stored) -> None:
    """Each fragment has an even number of bytes, even if our maximum length is odd."""
    heard = _retrieved(wire, stored.instance(rows=128, columns=128), 4097)

    assert [len(data) for _, _, data in heard.pdvs if len(data) % 2] == []


@suite.case("ASSOC-057", ref="PS3.8 E.1 (2024e)", needs=("dimse.get.study", "dimse.store"))
def test_fragments_have_their_order_and_context(wire: Wire, stored: Stored) -> None:
    """Command fragments come before data fragments, all on one context, and the last of each is marked."""
    heard = _retrieved(wire, stored.instance(rows=128, columns=128), 4096)

    turns = [turn for turn, _ in groupby((context, control) for context, control, _ in heard.pdvs)]
    store = next((context for context, control in turns if control == 0), None)
    assert turns[:3] == [(store, COMMAND | LAST), (store, 0), (store, LAST)]


@suite.case("ASSOC-058", ref="PS3.8 E.2 (2019a)")
def test_unused_bits_of_the_control_header_are_zero(wire: Wire) -> None:
    """A C-ECHO response has zeros in bits 2 to 7 of its message control header."""
    with wire.associate([ECHO]) as association:
        association.ask(CEchoRQ(message_id=1))
        headers = [control for _, control, _ in pdvs_of(association.line.pdus)]

    assert headers == [COMMAND | LAST]


@suite.case("ASSOC-059", ref="PS3.8 D.1 (2020a)", level="should")
def test_pdu_beyond_the_announced_maximum_is_answered_by_abort(wire: Wire) -> None:
    """A P-DATA-TF longer than the server's announced maximum length is answered by an A-ABORT."""
    with wire.associate([ECHO]) as association:
        beyond = (association.answer.maximum_length or 1 << 20) + 100
        fragment = bytes(beyond - 6 + beyond % 2)
        association.line.say(raw.p_data(raw.pdv(1, COMMAND, fragment)))
        heard = association.line.hear()
        association.line.over = True

    assert named(heard) == Abort.NAME


@dataclass(frozen=True)
class _Retrieved:
    """The result of a C-GET: the instances, and all PDUs."""

    instances: list[str]
    pdus: list[bytes]

    @property
    def lengths(self) -> list[int]:
        """The PDU lengths of the P-DATA-TF."""
        return [len(pdu) - 6 for pdu in self.pdus if pdu[0] == P_DATA]

    @property
    def pdvs(self) -> list[tuple[int, int, bytes]]:
        """Context ID, control header and fragment of each PDV."""
        return pdvs_of(self.pdus)


def _retrieved(wire: Wire, sample: Sample, maximum: int) -> _Retrieved:
    """Retrieve a study by C-GET as a requestor that receives PDUs of at most `maximum` bytes."""
    contexts, roles = receiving(sample)
    instances = []
    with wire.associate(contexts, maximum_length=maximum, items=roles) as association:
        get_study(association, sample)
        for came in sub_operations(association):
            if isinstance(came.message, CStoreRQ):
                instances.append(came.message.affected_sop_instance_uid)
                assert came.data_set == sample.data_set
                association.send_message(stored_response(came.message), context_id=came.context_id)
    return _Retrieved(instances, association.line.pdus)


def _pdvs(message: bytes, *, size: int) -> Iterator[bytes]:
    """Split a command set into PDVs of `size` bytes."""
    for at in range(0, len(message), size):
        last = LAST if at + size >= len(message) else 0
        yield raw.pdv(1, COMMAND | last, message[at : at + size])


def _echo(wire: Wire, request: bytes) -> int | str:
    """Send a C-ECHO request, however fragmented, and return the answered message ID."""
    with wire.associate([ECHO]) as association:
        association.line.say(request)
        return answered_id(association.receive().message)
