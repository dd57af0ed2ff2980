"""Reading a run folder: complete, missing and truncated files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.cli import main
from harness.errors import ConfigError
from harness.report.load import load

if TYPE_CHECKING:
    from conftest import RunFolder


def test_a_run_is_read_whole(realistic_run: "RunFolder") -> None:
    """Every case of every worker is there, sorted by suite and id, with the facts of the run."""
    run = load(realistic_run.path)

    assert len(run.cases) == 80
    assert len(run.suites) == 9
    keys = [(case.suite, case.id) for case in run.cases]
    assert keys == sorted(keys)
    assert run.counts == {"failed": 2, "error": 1, "known": 1, "unsupported": 4, "passed": 72}
    assert run.damage == ()
    assert str(run.server) == "Orthanc 1.10.1"
    assert run.server.plugins["dicom-web"] == "1.7"
    assert run.verdict == "Orthanc 1.10.1: 72 passed, 2 failed, 1 error, 1 known, 4 unsupported"


def test_a_case_keeps_what_its_worker_wrote(run_folder: "RunFolder") -> None:
    """A case has its needs, covers, failure and folder of evidence."""
    run_folder.fail("CFIND-014", parameters="study", needs=["rest", "orthanc>=1.12.0"])

    (case,) = load(run_folder.path).cases

    assert case.full_id == "CFIND-014-study"
    assert case.full_name == "test_star_matches_any_suffix[study]"
    assert case.needs == ("rest", "orthanc>=1.12.0")
    assert case.covers == ("Orthanc.test_incoming_findscu_2",)
    assert case.failure is not None
    assert case.failure.received == "Muller^Anna"
    assert case.evidence == run_folder.path / "cases" / "CFIND-014"


def test_a_cut_last_line_is_told_and_costs_one_case(run_folder: "RunFolder") -> None:
    """A worker killed while writing leaves a partial line; the other cases are read."""
    run_folder.add("CFIND-001")
    run_folder.add("CFIND-002", worker="gw1")
    with (run_folder.path / "cases-gw1.jsonl").open("a") as file:
        file.write('{"id": "CFIND-003", "name": "test_')

    run = load(run_folder.path)

    assert [case.id for case in run.cases] == ["CFIND-001", "CFIND-002"]
    (sentence,) = run.damage
    assert "cases-gw1.jsonl ends in the middle of line 2" in sentence
    assert run.judgement == "unsure"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"id": "CFIND-003"', "Expecting ',' delimiter"),
        ('{"id": "CFIND-003"}', "'outcome' is missing"),
        ("[1, 2]", "indices"),
        ('{"outcome": "green"}', "'green' is not an outcome"),
    ],
    ids=["cut", "incomplete", "other", "unknown-outcome"],
)
def test_a_bad_line_within_is_named(run_folder: "RunFolder", line: str, told: str) -> None:
    """An unreadable line does not hide those after it."""
    (run_folder.path / "cases-gw0.jsonl").write_text(line + "\n")
    run_folder.add("CFIND-004")

    run = load(run_folder.path)

    assert [case.id for case in run.cases] == ["CFIND-004"]
    assert run.damage[0].startswith("Line 1 of cases-gw0.jsonl cannot be read")
    assert told in run.damage[0]


def test_an_interrupted_run_is_not_good(run_folder: "RunFolder") -> None:
    """A run without an end lasts until the end of its last case, and its verdict says so."""
    run_folder.write_run(finished=None, duration=None, exit_status=None)
    run_folder.add(duration=2.5)

    run = load(run_folder.path)

    assert run.interrupted
    assert run.duration == pytest.approx(3.5)
    assert run.judgement == "unsure"
    assert run.verdict == "Orthanc 1.10.1: 1 passed; interrupted"


def test_a_run_without_cases_is_not_good(run_folder: "RunFolder") -> None:
    """A case that did not run does not count as passed."""
    run = load(run_folder.path)

    assert run.judgement == "unsure"
    assert run.verdict == "Orthanc 1.10.1: no case ran"


def test_a_run_that_only_skipped_is_not_good(run_folder: "RunFolder") -> None:
    """A server that supports nothing gets no good verdict."""
    run_folder.add(outcome="unsupported", reason="needs rest")

    assert load(run_folder.path).judgement == "unsure"


def test_an_exit_status_without_failure_is_bad(run_folder: "RunFolder") -> None:
    """A run that exited with an error is bad even if each of its cases passed."""
    run_folder.write_run(exit_status=3)
    run_folder.add()

    run = load(run_folder.path)

    assert run.judgement == "bad"
    assert run.verdict == "Orthanc 1.10.1: 1 passed; exit status 3"


def test_a_passed_run_is_good(run_folder: "RunFolder") -> None:
    """Passed, known and unsupported cases keep the verdict good."""
    run_folder.add("CFIND-001")
    run_folder.add("CFIND-002", outcome="known", reason="tracker 214")
    run_folder.add("CFIND-003", outcome="unsupported", reason="needs rest")

    assert load(run_folder.path).judgement == "good"


@pytest.mark.parametrize("named", ["../outside", "/etc", "cases/GONE-001", "."])
def test_evidence_outside_the_run_is_left_alone(run_folder: "RunFolder", named: str) -> None:
    """Only an existing folder inside the run counts as evidence."""
    (run_folder.path.parent / "outside").mkdir()
    run_folder.add(evidence=named)

    assert load(run_folder.path).cases[0].evidence is None


def test_evidence_named_by_its_whole_path_is_left_alone(run_folder: "RunFolder") -> None:
    """A run folder can be moved, so paths in it are relative."""
    run_folder.fail(evidence=str(run_folder.path / "cases" / "CFIND-014"))

    assert load(run_folder.path).cases[0].evidence is None


def test_control_characters_become_visible(run_folder: "RunFolder") -> None:
    """No text of a loaded run can control a terminal or break XML."""
    run_folder.add(title="a\x00b\x1b[31mred\x1b[0m\ud800 \u202eturned", reason="one\r\ntwo\tthree")

    (case,) = load(run_folder.path).cases

    assert case.title == r"a\x00bred\ud800 \u202eturned"
    assert case.reason == "one\ntwo\tthree"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "is not a run folder: it has no run.json"),
        ("{", "cannot be read"),
        ("[]", "it has no format"),
        ('{"format": 2}', "was written by a newer harness (format 2, supported up to 1)"),
        ('{"format": 1, "finished": null}', "is incomplete: 'started' is missing"),
    ],
    ids=["empty", "cut", "other", "later", "incomplete"],
)
def test_a_folder_that_is_no_run_is_met_with_a_sentence(
    tmp_path: Path, content: str | None, told: str
) -> None:
    """The error names the folder and what is wrong with it."""
    if content is not None:
        (tmp_path / "run.json").write_text(content)

    with pytest.raises(ConfigError) as caught:
        load(tmp_path)

    assert str(tmp_path) in str(caught.value)
    assert told in str(caught.value)


def test_a_missing_folder_is_met_with_a_sentence(tmp_path: Path) -> None:
    """The error suggests what to name instead."""
    with pytest.raises(ConfigError, match="does not exist; give a run folder, such as runs/latest"):
        load(tmp_path / "none")


def test_the_command_prints_and_writes_if_asked(
    run_folder: "RunFolder", capsys: pytest.CaptureFixture[str]
) -> None:
    """`harness report RUN` prints the summary; with --write it writes page and JUnit again."""
    run_folder.add()

    assert main(["report", str(run_folder.path)]) == 0
    assert capsys.readouterr().out.endswith("Orthanc 1.10.1: 1 passed in 48.20 s\n")
    assert not (run_folder.path / "report.html").exists()

    assert main(["report", str(run_folder.path), "--write"]) == 0
    assert (run_folder.path / "report.html").stat().st_size > 10_000
    assert (run_folder.path / "junit.xml").exists()
    assert capsys.readouterr().out.endswith("Orthanc 1.10.1: 1 passed in 48.20 s\n")


def test_the_command_refuses_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong folder gives exit status 2 and one line, without traceback."""
    assert main(["report", str(tmp_path)]) == 2

    said = f"harness report: {tmp_path} is not a run folder: it has no run.json\n"
    assert capsys.readouterr().err == said


def test_fields_of_later_harnesses_are_ignored(run_folder: "RunFolder") -> None:
    """A record with unknown fields is still read."""
    run_folder.add(weather="fine")
    path = run_folder.path / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mood": "good"}))

    assert len(load(run_folder.path).cases) == 1
