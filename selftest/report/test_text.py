"""Text made safe to display, and text for a tracker."""

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.report.contrast import WORDS, marked
from harness.report.load import load
from harness.report.text import excerpt, printable, read_excerpt, seconds, size
from harness.report.tracker import fenced, markdown

if TYPE_CHECKING:
    from conftest import RunFolder


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(), max_size=50))
def test_whatever_is_printable_fits_into_xml(text: str) -> None:
    """Any text, however broken, can be written as XML and UTF-8 and read back."""
    element = ET.Element("text")
    element.text = printable(text)

    read = ET.fromstring(ET.tostring(element, encoding="utf-8"))  # noqa: S314 - our own

    assert (read.text or "") == element.text


@settings(max_examples=100, deadline=None)
@given(st.text("ab, <&\n", max_size=40), st.text("ab, <&\n", max_size=40))
def test_marks_change_no_character(expected: str, received: str) -> None:
    """Without its marks, the marked text equals the text."""
    left, right = marked(expected, received)

    assert (left.striptags().split(), right.striptags().split()) == (
        expected.split(),
        received.split(),
    )
    assert ("<mark>" in left + right) == (expected != received)


def test_long_values_are_not_compared() -> None:
    """The time to compare grows with the square of the length, so long values stay unmarked."""
    left, right = marked("a " * WORDS, "b " * WORDS)

    assert "<mark>" not in left + right


def test_a_long_text_keeps_both_ends() -> None:
    """The beginning shows the subject, the end shows the error."""
    assert excerpt("a" * 50 + "b" * 1000 + "c" * 50, 100) == (
        "a" * 50 + "\n\n[... 1.0 kB left out ...]\n\n" + "c" * 50
    )
    assert excerpt("short", 100) == "short"


def test_a_long_file_keeps_both_ends(tmp_path: Path) -> None:
    """Files are truncated alike, and bytes that are not text become escapes."""
    path = tmp_path / "server.log"
    path.write_bytes(b"M\xfcller" + b"x" * 3_000_000 + b"the end\0")

    text = read_excerpt(path, 1000)

    assert text.startswith(r"M\xfcllerxxx")
    assert "[... 3.0 MB left out ...]" in text
    assert text.endswith(r"xxthe end\x00")


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (0, "0 ms"),
        (0.0431, "43 ms"),
        (0.9996, "1.00 s"),
        (59.99, "59.99 s"),
        (59.996, "1 min 0 s"),
        (125.4, "2 min 5 s"),
    ],
)
def test_durations_are_read_at_a_glance(duration: float, shown: str) -> None:
    """At most three digits, and never 60 seconds."""
    assert seconds(duration) == shown


def test_sizes_are_read_at_a_glance() -> None:
    """Bytes, then thousands, then millions."""
    assert [size(count) for count in (0, 999, 1000, 1_400_000)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "1.4 MB",
    ]


def test_a_fence_is_longer_than_any_inside() -> None:
    """A value with a code block of its own stays inside ours."""
    assert fenced("a\n````\nb") == "`````\na\n````\nb\n`````"


def test_the_tracker_gets_the_message_where_nothing_was_compared(run_folder: "RunFolder") -> None:
    """A failure without values is described by its message."""
    failure = {"message": "no answer in 10 s", "expected": None, "received": None, "text": ""}
    run_folder.fail(failure=failure)
    run = load(run_folder.path)

    text = markdown(run, run.cases[0], [])

    assert "**Failure**\n\n```\nno answer in 10 s\n```\n" in text
    assert "**Expected**" not in text
    assert "**To reproduce**" not in text
