"""`dcm.cli.report`: the outcome of everything, as JSON and on stderr."""

import json
from pathlib import Path

import pytest

from dcm.cli.report import Reporter
from dcm.outcome import InstanceResult, Outcome, Report


def test_all_entries_are_in_the_file(tmp_path: Path) -> None:
    """The request, each entry, the counts, and whether everything succeeded."""
    path = tmp_path / "report.json"
    with Reporter("store", {"remote": "a"}, str(path)) as told:
        told.add("stored", good=True, path="ä")
        told.add("stored", good=True, path='"')
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
    assert (str(told), told.status) == ("2 stored", 0)
    assert [each.name for each in tmp_path.glob("*report*")] == ["report.json"]


def test_failure_makes_it_incomplete(tmp_path: Path) -> None:
    """One failed entry, or an error that ends the work."""
    with Reporter("get", {}, tmp_path / "one") as told:
        told.add("failed", good=False)
        told.add("stored", good=True)
    assert json.loads((tmp_path / "one").read_text())["complete"] is False
    with pytest.raises(ValueError, match="no"), Reporter("get", {}, tmp_path / "two"):
        raise ValueError("no")
    found = json.loads((tmp_path / "two").read_text())
    assert (found["complete"], found["problems"], found["instances"]) == (False, ["no"], [])


def test_interrupted_work_has_a_report(tmp_path: Path) -> None:
    """It has everything done until then."""

    def work() -> None:
        with Reporter("get", {}, tmp_path / "it") as told:
            told.add("stored", good=True)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    found = json.loads((tmp_path / "it").read_text())
    assert (found["problems"], found["counts"]) == (["interrupted"], {"stored": 1})


def test_device_is_not_replaced(tmp_path: Path) -> None:
    """A report to a pipe, or to /dev/stderr, is written to it."""
    path = tmp_path / "null"
    path.symlink_to("/dev/null")
    with Reporter("get", {}, path) as told:
        told.add("stored", good=True)
    assert path.is_char_device()


def test_without_a_file_outcomes_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Only failures and warnings are logged."""
    with Reporter("get", {}) as told:
        for number, outcome in enumerate(Outcome):
            told.tell(InstanceResult(f"{number}.dcm", f"1.{number}", outcome, "so it is"))
    assert told.counts == {outcome.value: 1 for outcome in Outcome}
    assert told.status == 1
    assert [record.message for record in caplog.records] == [
        "1.dcm: stored, with a warning: so it is",
        "4.dcm: passed over: so it is",
        "5.dcm: failed: so it is",
        "6.dcm: not tried: so it is",
        "7.dcm: not committed: so it is",
    ]


def test_report_of_an_operation_names_what_is_missing() -> None:
    """It is complete only if nothing is missing or unknown."""
    stored, failed = (InstanceResult("", "1", each) for each in (Outcome.STORED, Outcome.FAILED))
    assert (Report().complete, str(Report())) == (True, "no instances")
    report = Report([stored, failed, stored])
    assert (report.complete, report.lost, str(report)) == (False, [failed], "2 stored | 1 failed")
    assert report.counts() == {Outcome.STORED: 2, Outcome.FAILED: 1}
    report = Report([stored])
    report.add_trouble("one")
    report.add_trouble("two")
    assert (report.complete, str(report)) == (False, "1 stored: one; two")
