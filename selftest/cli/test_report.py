"""`dcm.report`: what became of everything, as JSON."""

import json
from pathlib import Path

import pytest

from dcm.report import Report


def test_it_tells_of_all_that_was_added(tmp_path: Path) -> None:
    """What was asked, each entry, the counts, and whether all went well."""
    path = tmp_path / "report.json"
    with Report("store", {"remote": "a"}, path) as report:
        report.add("stored", good=True, path="ä")
        report.add("stored", good=True, path='"')
        assert not path.exists()
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["asked"] == {"remote": "a"}
    assert found["instances"] == [
        {"path": "ä", "outcome": "stored"},
        {"path": '"', "outcome": "stored"},
    ]
    assert found["counts"] == {"stored": 2}
    assert found["complete"] is True
    assert found["problems"] == []
    assert str(report) == "2 stored"
    assert [each.name for each in tmp_path.glob("*report*")] == ["report.json"]


def test_what_failed_shows(tmp_path: Path) -> None:
    """One bad entry makes it incomplete, and so does an error that ends the work."""
    with Report("get", {}, tmp_path / "one") as report:
        report.add("failed", good=False)
        report.add("stored", good=True)
    assert json.loads((tmp_path / "one").read_text())["complete"] is False
    with pytest.raises(ValueError, match="no"), Report("get", {}, tmp_path / "two"):
        raise ValueError("no")
    found = json.loads((tmp_path / "two").read_text())
    assert (found["complete"], found["problems"], found["instances"]) == (False, ["no"], [])


def test_who_interrupts_has_a_report_too(tmp_path: Path) -> None:
    """What was done until then stands there."""

    def work() -> None:
        with Report("get", {}, tmp_path / "it") as report:
            report.add("stored", good=True)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    found = json.loads((tmp_path / "it").read_text())
    assert (found["problems"], found["counts"]) == (["interrupted"], {"stored": 1})


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    """A report to a pipe, or to /dev/stderr, goes through it."""
    path = tmp_path / "null"
    path.symlink_to("/dev/null")
    with Report("get", {}, path) as report:
        report.add("stored", good=True)
    assert path.is_char_device()


def test_without_a_path_it_counts() -> None:
    """And nothing is written."""
    with Report("get", {}) as report:
        report.add("stored", good=True)
        report.add("failed", good=False)
    assert (str(report), report.complete) == ("1 stored | 1 failed", False)
