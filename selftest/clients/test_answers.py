"""An unexpected answer fails the case: it is an assertion, and no other exception."""

from collections.abc import Callable

import pytest
import requests
from pydicom.dataset import Dataset

from harness.clients.answers import Malformed, header, number, single, xml
from harness.clients.dicomweb import json_number, json_value, json_values, person_name
from harness.clients.multipart import Part
from harness.clients.worklist import step_of
from harness.corpus import make


def test_what_is_there_is_returned() -> None:
    """The only item, a header, a number and the root of a document."""
    answer = requests.Response()
    answer.headers["ETag"] = '"0-1"'

    assert single([7]) == 7
    assert header(answer, "etag") == '"0-1"'
    assert [number(each) for each in ("12", 12, "12.5 ")] == [12, 12, 12.5]
    assert xml(b"<a><b/></a>").tag == "a"
    assert [json_number({"00201206": {"Value": [each]}}, "00201206") for each in (2, "2")] == [2, 2]


@pytest.mark.parametrize(
    ("look", "complaint"),
    [
        (lambda: single([]), "expected one answer, received none"),
        (lambda: single("ab", "study"), "expected one study, received 2"),
        (lambda: header(requests.Response(), "ETag"), "no header ETag"),
        (lambda: number(None), "expected a number, received None"),
        (lambda: number("many"), "expected a number, received 'many'"),
        (lambda: xml(b"<a>"), "expected XML"),
        (lambda: json_values({"00100010": "A"}, "00100010"), "not an object"),
        (lambda: json_values({"00100010": {"Value": "A"}}, "00100010"), "not a list"),
        (lambda: json_value({"00100010": {"Value": ["A", "B"]}}, "00100010"), "where one was"),
        (lambda: json_number({}, "00201206"), "expected a number, received None"),
        (lambda: person_name(None), "expected a person name, received None"),
        (lambda: step_of(Dataset()), "expected one Scheduled Procedure Step, received none"),
    ],
)
def test_what_is_odd_is_an_assertion(look: Callable[[], object], complaint: str) -> None:
    """A missing or unexpected part of an answer is described."""
    with pytest.raises(AssertionError, match=complaint):
        look()


def test_part_that_is_no_file() -> None:
    """A part that cannot be parsed, or a value in it, is an assertion."""
    data = make.instance(number=1).data
    broken = data.replace(b"\x20\x00\x13\x00IS\x02\x001 ", b"\x20\x00\x13\x00IS\x02\x00x ")
    assert broken != data

    for content in (b"no file", broken):
        with pytest.raises(Malformed, match="not a readable file"):
            Part({}, content).dataset()
    assert Part({}, data).stored_syntax == "1.2.840.10008.1.2.1"
