"""Inputs: trees that render exactly, can be stored, and are reproduced from a seed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcm.wire import parse
from harness.fuzz import dicom, objects
from harness.fuzz.conversation import Conversation
from harness.fuzz.judges import judge
from harness.fuzz.parts import Part
from harness.fuzz.playing import CALLED, Line, Played
from harness.fuzz.shrink import Shrinking, cost, reduced
from harness.fuzz.source import Source, valid

CONVERSATIONS = valid(frozenset({"dicom", "http"}), root="/dicom-web", is_orthanc=True, moves=True)
SOURCE = Source(1, CONVERSATIONS)


def test_objects_are_rendered_as_they_are() -> None:
    """A file that was parsed into parts renders the same bytes."""
    assert [
        each.id for each in objects.samples() if objects.part10(each).render() != each.data
    ] == []


def test_requests_are_right() -> None:
    """An association request with everything negotiable is accepted by our own strict reader."""
    request = dicom.associate([dicom.ECHO_CONTEXT], *dicom.NEGOTIATIONS).render()
    parse(request.replace(CALLED, b"ARCHIVE".ljust(16)))


def test_length_follows_from_the_content() -> None:
    """If a part is removed, surrounding lengths are updated, unless they are false on purpose."""
    inner = Part("inner", b"abc", b"I", ">H")
    outer = Part("outer", (inner, Part("rest", b"z")), b"O", ">H")

    assert outer.render() == b"O\0\7I\0\3abcz"
    assert outer.with_at((0,)).render() == b"O\0\1z"
    assert outer.having("outer", lie=9).with_at((0,)).render() == b"O\0\x09z"
    assert outer.having("inner", times=2).render() == b"O\0\x0dI\0\3abcI\0\3abcz"


@given(st.integers(0, 1 << 40))
def test_inputs_can_be_stored_and_come_again(number: int) -> None:
    """An input is the same if it is generated again, and if it is read from its file."""
    made = SOURCE[number]

    assert Source(1, CONVERSATIONS)[number] == made
    read = Conversation.loads(made.dumps())
    assert read == made
    assert [each.message.render() for each in read.steps] == [
        each.message.render() for each in made.steps
    ]


def test_seeds_give_other_inputs() -> None:
    """Another seed gives other inputs, and most inputs are bent."""
    other = Source(2, CONVERSATIONS)

    assert sum(SOURCE[each] == other[each] for each in range(100)) < 10
    assert sum(bool(SOURCE[each].mutations) for each in range(100)) > 80


def test_no_input_makes_the_server_speak_to_others() -> None:
    """Without `moves` no input makes the server send: it may know the nodes of a hospital."""
    quiet = valid(frozenset({"dicom", "http"}), root="/dicom-web", is_orthanc=True, moves=False)
    sent = [step.message.render() for each in quiet for step in each.steps]

    assert not any(b"/modalities" in each or b"/peers" in each or b"/jobs" in each for each in sent)
    assert not any(step.message.name == "C-MOVE-RQ" for each in quiet for step in each.steps)


@given(st.integers(0, 1 << 40), st.data())
def test_shrinking_keeps_what_is_asked_for(number: int, data: st.DataObject) -> None:
    """The result still shows the finding, is not larger, and has no superfluous message."""
    made = SOURCE[number]
    step = data.draw(st.sampled_from(made.steps))

    def still(conversation: Conversation) -> bool:
        return any(each.message.name == step.message.name for each in conversation.steps)

    small = Shrinking(made, still, attempts=300, seconds=60).run()

    assert still(small)
    assert len(small.steps) == 1
    assert cost(small) <= cost(made)


@given(st.sets(st.integers(0, 99), min_size=1, max_size=6))
def test_reduction_is_minimal(wanted: set[int]) -> None:
    """Delta debugging keeps exactly the items that are needed."""
    left = reduced(range(100), lambda items: wanted <= set(items))
    again = reduced(left, lambda items: wanted <= set(items))

    assert set(again) == wanted


def played(door: str, sent: bytes, heard: bytes) -> Played:
    """Return the finding from one connection that the server closed."""
    return Played({0: Line(door, [sent], bytearray(heard), closed=True)}, 0.0)


REQUEST = dicom.associate([dicom.ECHO_CONTEXT]).render()
BREACHES = {
    b"\2\0\0\0\0\x10abc": "the connection ends in the middle of a PDU",
    b"\x09\0\0\0\0\0": "a PDU of type NH was received",
    b"\3\0\0\0\0\4\0\1\1\1\4\0\0\0\0\0": "a PDU of type NH was received after a rejection",
    b"\4\0\0\0\0\6\0\0\0\2\1\3": "a P-DATA-TF was received without an association",
    b"\7\0\0\0\0\4\0\0\0\0": None,
    b"": None,
}


def test_answers_that_break_the_protocol_of_dicom() -> None:
    """PDUs that are truncated, of unknown type, or out of sequence are found."""
    for heard, said in BREACHES.items():
        found = judge(played("dicom", REQUEST, heard))
        assert (found and found.what) == said, heard


@pytest.mark.parametrize(
    ("control", "asked", "found"),
    [
        (0x02, objects.TOKENS[0], True),
        (0x1A, objects.TOKENS[0], True),  # receivers ignore the reserved bits
        (0x02, "", False),
        (0x1A, "", False),
        (0x00, objects.TOKENS[0], False),  # the server may wait for more of the query, or not
    ],
)
def test_data_of_another_patient(control: int, asked: str, *, found: bool) -> None:
    """Another patient's data is a finding only after complete queries for one patient."""
    query = dicom.query(asked).with_at((1, 0), Part("control", bytes((1, control)))).render()
    request = dicom.associate([(dicom.PATIENT_ROOT[dicom.FIND], (dicom.IMPLICIT,))]).render()
    name = Part("implementation version", objects.TOKENS[1].encode(), b"\x55\0", ">H")
    answer = bytearray(dicom.associate([], name, kind=2).render())
    breach = judge(Played({0: Line("dicom", [request, query], answer)}, 0.0))

    assert (breach is not None and breach.kind == "another patient") is found, breach


GET = (
    b"GET /dicom-web/studies?PatientID=%s HTTP/1.1\r\nHost: x\r\n\r\n" % objects.TOKENS[0].encode()
)
ANSWERS = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n[]": None,
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n[[": "protocol",
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]": "protocol",
    b"nonsense\r\n\r\n": "protocol",
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + objects.TOKENS[0].encode(): None,
    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    + objects.TOKENS[1].encode(): "another patient",
}


def test_answers_that_are_wrong_in_http() -> None:
    """Answers that are not HTTP, not JSON, or about another patient are found."""
    for heard, kind in ANSWERS.items():
        found = judge(played("http", GET, heard))
        assert (found and found.kind) == kind, heard


def test_query_about_everybody_is_not_judged() -> None:
    """If a query names no patient, an answer may contain any."""
    anybody = GET.replace(objects.TOKENS[0].encode(), b"*")
    heard = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" + objects.TOKENS[1].encode()

    assert judge(played("http", anybody, heard)) is None
