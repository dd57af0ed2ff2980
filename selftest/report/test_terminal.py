"""The text at the end of a run."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.report.load import load
from harness.report.terminal import IN_FULL, lines, shown_path

if TYPE_CHECKING:
    from conftest import RunFolder


def test_a_failure_looks_as_designed(
    run_folder: "RunFolder", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Id, name and clause, expected and received, and the path of the evidence."""
    run_folder.fail("CFIND-014")
    run_folder.path.parent.joinpath("latest").symlink_to(run_folder.path.name)
    monkeypatch.chdir(run_folder.path.parent.parent)

    shown = lines(load(run_folder.path), 80)

    assert shown[:4] == [
        "FAILED CFIND-014 test_star_matches_any_suffix                    PS3.4 C.2.2.2.4",
        "  expected  Mulder^Bob, Muller^Anna",
        "  received  Muller^Anna",
        "  evidence  runs/latest/cases/CFIND-014/   exchange.txt  server.log  repro.sh  body-1.bin",
    ]


def test_a_failure_without_values_shows_its_message(run_folder: "RunFolder") -> None:
    """A failure without a comparison says why it failed."""
    failure = {"message": "no answer in 10 s", "expected": None, "received": None, "text": ""}
    run_folder.fail(outcome="error", failure=failure)

    shown = lines(load(run_folder.path))

    assert shown[0].startswith("ERROR CFIND-014 ")
    assert shown[1] == "  because   no answer in 10 s"


def test_long_values_are_wrapped_and_what_is_left_out_is_said(run_folder: "RunFolder") -> None:
    """Many lines, or long ones, do not flood the terminal."""
    tall = "\n".join(str(number) for number in range(50))
    failure = {"message": "differs", "expected": tall, "received": "x" * 500, "text": ""}
    run_folder.fail(failure=failure)

    shown = lines(load(run_folder.path), 80)

    assert "(44 more lines, in the report)" in shown[7]
    assert shown[8] == "  received  " + "x" * 68
    assert shown[9:14] == [" " * 12 + "x" * 68] * 5
    assert shown[14] == " " * 12 + "(2 more lines, in the report)"


def test_a_flood_of_failures_is_one_line_each(run_folder: "RunFolder") -> None:
    """After the first failures, only names are printed."""
    for number in range(IN_FULL + 5):
        run_folder.fail(f"CFIND-{number:03}")

    shown = lines(load(run_folder.path))

    assert sum("  expected  " in line for line in shown) == IN_FULL
    at = shown.index("5 more failures, in the report:")
    assert [line.split()[1] for line in shown[at + 1 : at + 6]] == [
        f"CFIND-{number:03}" for number in range(IN_FULL, IN_FULL + 5)
    ]


def test_the_table_counts_by_suite(realistic_run: "RunFolder") -> None:
    """One row for each suite, one column for each outcome that occurred, and the total."""
    shown = lines(load(realistic_run.path))

    head = next(line for line in shown if line.startswith("suite"))
    assert head.split() == ["suite", "passed", "failed", "error", "known", "unsupported", "time"]
    row = next(line for line in shown if line.startswith("rest/hierarchy"))
    assert row.split()[1:6] == ["8", ".", ".", ".", "4"]
    total = next(line for line in shown if line.startswith("all "))
    assert total.split()[1:6] == ["72", "2", "1", "1", "4"]


def test_unsupported_cases_are_grouped_by_need(realistic_run: "RunFolder") -> None:
    """One line for each unmet need."""
    shown = [line for line in lines(load(realistic_run.path), 200) if line.startswith("unsupp")]

    assert len(shown) == 2
    assert "orthanc>=1.12.0" in shown[0]
    assert "3 cases, REST-090, REST-091, REST-092" in shown[0]


def test_known_cases_are_one_line_for_each_issue(run_folder: "RunFolder") -> None:
    """It has the number of cases and the full reason."""
    crash = "dies of SIGSEGV in gdcm::ImageWriter::Write when it transcodes (tracker 214)"
    run_folder.add("WADO-001", outcome="known", reason="answers 400 (not reported)")
    for number in range(2, 30):
        run_folder.add(f"WADO-{number:03}", outcome="known", reason=crash)

    shown = lines(load(run_folder.path), 80)

    at = shown.index(
        "known  28 cases  dies of SIGSEGV in gdcm::ImageWriter::Write when it transcodes"
    )
    assert shown[at + 1].startswith("       (tracker 214): WADO-002, WADO-003,")
    assert shown[at + 2] == "known  1 case  answers 400 (not reported): WADO-001"
    wide = next(line for line in lines(load(run_folder.path), 120) if crash in line)
    assert wide == f"known  28 cases  {crash}: WADO-002, WADO-003, WADO…"
    whole = next(line for line in lines(load(run_folder.path), None) if crash in line)
    assert whole.endswith("WADO-028, WADO-029")


def test_failure_that_is_not_as_listed_says_what_the_list_says(run_folder: "RunFolder") -> None:
    """It comes after what was received."""
    said = "not as listed: the entry at known/orthanc.toml:3 says shows 'x': wrong (tracker 1)"
    run_folder.fail(reason=said)

    assert lines(load(run_folder.path), 60)[3:5] == [
        "  list      not as listed: the entry at known/orthanc.toml:3",
        "            says shows 'x': wrong (tracker 1)",
    ]
    assert f"  list      {said}" in lines(load(run_folder.path), None)


def test_no_reason_is_cut(run_folder: "RunFolder") -> None:
    """The reason is complete at any width; a file has it on one line."""
    said = "the remote server died of SIGSEGV, in progress: " + "GET /studies, " * 30 + "and more"
    failure = {"message": said, "expected": None, "received": None, "text": ""}
    run_folder.fail(failure=failure)
    run_folder.add("REST-001", outcome="unsupported", reason=said)
    run = load(run_folder.path)

    for width in (40, 80, 120):
        shown = lines(run, width)
        assert " ".join(" ".join(shown).split()).count(said) == 2
        assert all(len(each) <= width for each in shown if "GET /studies" in each)
    assert any(said in line for line in lines(run, None))


def test_the_end_names_notes_slowest_and_verdict(realistic_run: "RunFolder") -> None:
    """Notes, the five slowest cases, and last the verdict."""
    shown = lines(load(realistic_run.path))

    assert any(line.startswith("note  dciodvfy was not found") for line in shown)
    at = shown.index("slowest")
    assert [bool(line.startswith("  ")) for line in shown[at + 1 : at + 7]] == [True] * 5 + [False]
    assert shown[-1].startswith("Orthanc 1.10.1: 72 passed, 2 failed, 1 error,")
    assert shown[-1].endswith(" in 48.20 s")


def test_the_page_is_named_once_it_is_there(run_folder: "RunFolder") -> None:
    """A path is only shown if it exists."""
    run_folder.add()
    before = lines(load(run_folder.path))
    run_folder.file("report.html", b"")

    after = lines(load(run_folder.path))

    assert not any(line.startswith("report") for line in before)
    assert after[-2] == f"report  {run_folder.path}/report.html"


def test_colours_change_no_character(realistic_run: "RunFolder") -> None:
    """With colours the text is the same, including alignment."""
    run = load(realistic_run.path)

    coloured = lines(run, colour=True)

    assert any("\x1b[1;31mFAILED\x1b[0m" in line for line in coloured)
    assert [re.sub(r"\x1b\[[\d;]*m", "", line) for line in coloured] == lines(run)


def test_a_run_elsewhere_is_named_by_its_whole_path(tmp_path: Path) -> None:
    """A path relative to the working directory would be confusing."""
    assert shown_path(tmp_path / "report.html") == str(tmp_path / "report.html")
