"""`harness diff`: which differences between two runs are reported, and which are not."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from report.conftest import RunFolder, realistic

from harness.cli.diff import main
from harness.report.difference import Change, compare
from harness.report.load import load


@pytest.fixture
def later(run_folder: RunFolder) -> RunFolder:
    """Make the folder of a second run next to the first."""
    folder = RunFolder(run_folder.path.with_name("20261123-101500-orthanc-1.10.1"))
    folder.write_run()
    return folder


def _changes(before: RunFolder, after: RunFolder) -> list[tuple[str, str]]:
    found = compare(load(before.path), load(after.path)).changes
    return [(change.kind, change.key) for change in found]


def test_a_run_is_no_different_from_itself_on_another_day(tmp_path: Path) -> None:
    """Other times, workers, folders and orders are not differences."""
    first, second = RunFolder(tmp_path / "first"), RunFolder(tmp_path / "second")
    realistic(first)
    shutil.copytree(first.path, second.path)
    other_day = {"started": "2027-01-01T00:00:00+00:00", "command": ["pytest"], "workers": 1}
    second.write_run(**other_day, duration=99.0, exit_status=1)
    for path in second.path.glob("cases-*.jsonl"):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        told = [{**each, "duration": each["duration"] * 3, "worker": "main"} for each in records]
        path.write_text("".join(json.dumps(each) + "\n" for each in reversed(told)))

    assert _changes(first, second) == []


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("passed", "failed", "worse"),
        ("passed", "error", "worse"),
        ("passed", "known", "worse"),
        ("passed", "unsupported", "worse"),
        ("unsupported", "failed", "worse"),
        ("failed", "passed", "better"),
        ("known", "passed", "better"),
        ("unsupported", "passed", "better"),
        ("failed", "error", "content"),
        ("known", "unsupported", "content"),
    ],
)
def test_what_an_outcome_becomes(
    run_folder: RunFolder, later: RunFolder, before: str, after: str, kind: str
) -> None:
    """Passed is best, failed is worst, and cases without a result are in between."""
    run_folder.add("CFIND-014", outcome=before)
    later.add("CFIND-014", outcome=after)

    assert _changes(run_folder, later) == [(kind, "CFIND-014")]


@pytest.mark.parametrize(
    ("outcomes", "both", "kinds"),
    [
        (("passed", "known"), True, []),
        (("known", "passed"), True, []),
        (("known", "failed"), True, ["worse"]),
        (("passed", "known"), False, ["worse"]),
    ],
)
def test_what_chance_decides_is_no_difference(
    run_folder: RunFolder, later: RunFolder, outcomes: tuple[str, str], both: bool, kinds: list[str]
) -> None:
    """If both runs list the case so; a failure other than the listed one counts."""
    run_folder.add("CFIND-014", outcome=outcomes[0], by_chance=both, reason="by chance")
    later.add("CFIND-014", outcome=outcomes[1], by_chance=True)

    assert [kind for kind, _ in _changes(run_folder, later)] == kinds


def test_cases_are_told_apart_by_their_parameters(run_folder: RunFolder, later: RunFolder) -> None:
    """One run of an axis is gone, and another is new."""
    run_folder.add("CSTORE-003", parameters="jpeg")
    run_folder.add("CSTORE-003", parameters="rle")
    later.add("CSTORE-003", parameters="rle")
    later.add("CSTORE-003", parameters="jpeg-ls")

    assert _changes(run_folder, later) == [
        ("gone", "CSTORE-003-jpeg"),
        ("new", "CSTORE-003-jpeg-ls"),
    ]


def test_another_answer_of_a_case_that_fails_still(run_folder: RunFolder, later: RunFolder) -> None:
    """A failure that shows something else is another bug."""
    run_folder.fail("CFIND-014")
    failure = {"message": "m", "expected": "Mulder^Bob, Muller^Anna", "text": "t"}
    later.fail("CFIND-014", failure={**failure, "received": "nothing"})

    (change,) = compare(load(run_folder.path), load(later.path)).changes
    assert change.kind == "content"
    assert change.before == "failed: received Muller^Anna"
    assert change.after == "failed: received nothing"


def test_what_the_server_says_of_itself(run_folder: RunFolder, later: RunFolder) -> None:
    """A plugin that is missing, and one with another version."""
    server = {"name": "Orthanc", "version": "1.10.1", "ae_title": "ORTHANC"}
    later.write_run(server={**server, "plugins": {"dicom-web": "1.8", "worklists": "1.10.1"}})

    assert compare(load(run_folder.path), load(later.path)).changes == (
        Change("content", "plugin dicom-web", "", "1.7", "1.8"),
        Change("content", "plugin gdcm", "", "1.5", "no"),
    )


def test_slower_is_measured_against_the_run(run_folder: RunFolder, later: RunFolder) -> None:
    """On a machine with a third of the speed all cases are slower; one is slower than that."""
    for number in range(9):
        run_folder.add(f"CFIND-{number:03}", duration=0.5)
        later.add(f"CFIND-{number:03}", duration=1.5)
    run_folder.add("CFIND-100", duration=0.5)
    later.add("CFIND-100", duration=9.0)

    assert _changes(run_folder, later) == [("slower", "CFIND-100")]


def test_a_few_milliseconds_are_not_slower(run_folder: RunFolder, later: RunFolder) -> None:
    """Scheduling delays of a short case do not count."""
    run_folder.add("CFIND-014", duration=0.004)
    later.add("CFIND-014", duration=0.4)

    assert _changes(run_folder, later) == []


def test_a_busy_computer_is_not_slower(run_folder: RunFolder, later: RunFolder) -> None:
    """Time in which other programs used the processor is not the server's."""
    for number, waited in enumerate((8.9, 0.0)):
        run_folder.add(f"CFIND-{14 + number:03}", duration=0.1)
        later.add(f"CFIND-{14 + number:03}", duration=9.0, waited=waited)
    for number in range(5):
        run_folder.add(f"CSTORE-{number:03}", duration=0.1)
        later.add(f"CSTORE-{number:03}", duration=0.1)

    assert _changes(run_folder, later) == [("slower", "CFIND-015")]


def _told(
    capsys: pytest.CaptureFixture[str], before: RunFolder, after: RunFolder, *more: str
) -> tuple[int, str]:
    status = main([str(before.path), str(after.path), *more])
    return status, capsys.readouterr().out


def test_the_exit_code_says_whether_anything_got_worse(
    run_folder: RunFolder, later: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Better, new and gone cases do not block a release; worse ones do."""
    run_folder.add("CFIND-001", outcome="failed")
    run_folder.add("CFIND-002")
    later.add("CFIND-001")
    later.add("CFIND-003")
    assert _told(capsys, run_folder, later)[0] == 0
    assert _told(capsys, later, run_folder)[0] == 1


def test_the_three_formats(
    run_folder: RunFolder, later: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text for users, Markdown for a tracker, JSON for programs: each has case and both sides."""
    run_folder.add("CFIND-014")
    later.fail("CFIND-014")

    text = _told(capsys, run_folder, later)[1]
    assert text.splitlines()[0] == "Orthanc 1.10.1 -> Orthanc 1.10.1: 1 worse"
    assert "      before  passed" in text.splitlines()
    assert "      after   failed: received Muller^Anna" in text.splitlines()
    markdown = _told(capsys, run_folder, later, "--format", "markdown")[1]
    title = "A star in PatientName matches every name with that beginning."
    assert f"| CFIND-014 {title} | passed | failed: received Muller^Anna |" in markdown.splitlines()
    content: dict[str, Any] = json.loads(_told(capsys, run_folder, later, "--format", "json")[1])
    assert [(each["kind"], each["case"]) for each in content["changes"]] == [("worse", "CFIND-014")]
