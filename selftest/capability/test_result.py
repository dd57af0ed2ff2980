"""Results as values: JSON and back, side by side, and the names that cases need."""

import dataclasses
import json

import pytest

from harness.capability import (
    Contradiction,
    Finding,
    ProbeResult,
    as_markdown,
    as_text,
    capabilities_of,
    differences,
    rows,
    statement,
)
from harness.capability.result import Run
from harness.errors import ConfigError

CT = "sop-class/1.2.840.10008.5.1.4.1.1.2"
EVIL = "</td><script>x=1</script>|`*_[a](http://x.test/)\\"


def result(*findings: Finding, **changes: object) -> ProbeResult:
    """Make a result."""
    made = ProbeResult(
        server={"ae_title": "PACS", "product": "Pacs", "version": "1.0"},
        findings=findings,
        contradictions=(),
        troubles=(),
        left_behind=(),
        ended=None,
        read_only=False,
        run=Run("2026-11-26T09:00:00+00:00", 3.2, "127.0.0.1:104"),
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def stored(words: str = "stored") -> Finding:
    """Make the finding about CT."""
    return Finding(CT, "sop-class", "CT Image Storage", declared=True, probed=words)


def test_json_and_back() -> None:
    """What is written is read again, tuples and absent values included."""
    extended = Finding("association/extended/C-FIND/study", "association", "Extended", ("a", "b"))
    one = result(stored(), extended, contradictions=(Contradiction(CT, "PS3.4 B", "says", "does"),))

    assert ProbeResult.from_json(json.loads(json.dumps(one.as_json()))) == one


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "no probe of format 1, but 2"),
        ({"findings": [{"id": "x"}]}, "cannot be read"),
    ],
)
def test_another_format_is_refused(change: dict[str, object], words: str) -> None:
    """A file of another harness is not half read."""
    with pytest.raises(ConfigError, match=words):
        ProbeResult.from_json(json.loads(json.dumps(result(stored()).as_json() | change)))


def test_side_by_side() -> None:
    """Each ability has a row, with a dash for who knows nothing of it, in the order of the topics."""
    echo = Finding("association/window", "association", "Window", "not answered")
    made = rows([result(stored()), result(echo)])

    by_id = {row.id: row for row in made}
    assert by_id[CT].values == ("yes: stored", "-")
    assert by_id["association/window"].values == ("-", "not answered")
    assert [row.topic for row in made][-2:] == ["association", "sop-class"]
    assert by_id["server/version"].values == ("1.0", "1.0")
    assert not by_id["server/version"].differs


def test_differences_name_what_changed_and_new_contradictions() -> None:
    """Times and address are no difference; a value and a contradiction are."""
    before = result(stored(), run=Run("2025-01-01T00:00:00+00:00", 9.0, "elsewhere:1"))
    contradiction = Contradiction(CT, "PS3.4 B.2.2", "accepts CT", "it refuses it")
    after = result(stored("0122H failure"), contradictions=(contradiction,))

    assert differences(before, result(stored())) == []
    assert [(row.subject, row.values) for row in differences(before, after)] == [
        ("CT Image Storage", ("yes: stored", "yes: 0122H failure")),
        ("It accepts CT, but it refuses it (PS3.4 B.2.2).", ("no", "yes")),
    ]


def test_what_was_refused_is_no_ability() -> None:
    """A class that is accepted and not stored does not count for cases."""
    assert "dimse.store" in capabilities_of(result(stored())).versions
    assert "dimse.store" not in capabilities_of(result(stored("0122H failure"))).versions


def test_what_a_server_says_means_nothing_in_markdown() -> None:
    """Signs of Markdown and HTML in a value are only signs."""
    text = as_markdown(statement(result(stored(EVIL))))

    assert "<script>" not in text
    assert "\\<script\\>" in text
    [row] = [line for line in text.splitlines() if line.startswith("| CT Image") and "x=1" in line][
        :1
    ]
    assert row.replace("\\|", "").count("|") == 5


def test_an_unfinished_probe_says_so_first() -> None:
    """In each form for people, that it is not complete stands at the top."""
    one = result(stored(), ended="it ended during C-FIND")

    assert as_text(one).splitlines()[3].startswith("NOT COMPLETE: it ended during C-FIND.")
    assert "The probe is not complete: it ended during C-FIND." in as_markdown(statement(one))
