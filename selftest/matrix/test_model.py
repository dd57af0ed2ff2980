"""Runs side by side: differences, missing results, and servers that did not run."""

import json
from pathlib import Path

import pytest
from matrix.conftest import Fleet
from report.conftest import RunFolder

from harness.matrix import record
from harness.matrix.model import columns, make_matrix, side_by_side
from harness.report.load import load

PASSED, FAILED, KNOWN, ERROR = "passed", "failed", "known", "error"
LACKS, GONE = "unsupported", None


@pytest.mark.parametrize(
    ("outcomes", "kind"),
    [
        ((PASSED, PASSED, PASSED), "alike"),
        ((FAILED, FAILED, FAILED), "alike"),
        ((PASSED, FAILED, PASSED), "different"),
        ((PASSED, KNOWN, PASSED), "different"),
        ((PASSED, ERROR, LACKS), "different"),
        ((FAILED, ERROR, GONE), "different"),
        ((PASSED, LACKS, PASSED), "partly"),
        ((PASSED, PASSED, GONE), "partly"),
        ((LACKS, LACKS, GONE), "partly"),
        ((LACKS, LACKS, LACKS), "alike"),
    ],
)
def test_what_differs(fleet: Fleet, outcomes: tuple[str | None, ...], kind: str) -> None:
    """A case differs if outcomes differ where it ran; unsupported is a separate kind."""
    folders = [fleet.run("server", str(number)) for number in range(len(outcomes))]
    for folder, outcome in zip(folders, outcomes, strict=True):
        folder.add("ECHO-001", outcome="passed")  # so that each run has a case
        if outcome is not None:
            folder.add("CFIND-014", outcome=outcome)

    matrix = fleet.matrix(*folders)

    row = next(row for row in matrix.rows if row.case.id == "CFIND-014")
    assert row.kind == kind
    assert tuple(cell and cell.outcome for cell in row.cells) == outcomes
    assert matrix.of("different") == ([row] if kind == "different" else [])


def test_parameters_make_other_rows(fleet: Fleet) -> None:
    """Runs of one case with different parameters are compared separately."""
    folders = [fleet.run("server", "1"), fleet.run("server", "2")]
    for folder, outcomes in zip(folders, (("passed", "failed"), ("passed", "passed")), strict=True):
        for parameters, outcome in zip(("jpeg", "rle"), outcomes, strict=True):
            folder.add("CSTORE-003", parameters=parameters, outcome=outcome)

    kinds = {row.case.full_id: row.kind for row in fleet.matrix(*folders).rows}

    assert kinds == {"CSTORE-003-jpeg": "alike", "CSTORE-003-rle": "different"}


def test_a_server_that_did_not_run_costs_its_column_only(fleet: Fleet) -> None:
    """Its column has the reason; the other columns are compared as if it did not exist."""
    folders = [fleet.run("server", "1"), fleet.run("server", "2")]
    for folder in folders:
        folder.add("CFIND-014")
    found = [(str(number), load(each.path), None) for number, each in enumerate(folders)]

    matrix = make_matrix(columns([*found, ("orthanc:testing", None, "no such release is here")]))

    assert [column.letter for column in matrix.columns] == ["A", "B", "C"]
    assert [row.kind for row in matrix.rows] == ["alike"]
    assert matrix.rows[0].cells[2] is None
    assert matrix.columns[2].trouble == "no such release is here"
    assert matrix.columns[2].name == "orthanc:testing"
    assert matrix.judgement == "bad"
    assert all(not table.differing - {"version"} for table in matrix.tables)


def test_a_server_that_never_started_is_no_column_of_errors(fleet: Fleet) -> None:
    """If every case has the same error because the server did not start, it is shown once."""
    sound, broken = fleet.run("server", "1"), fleet.run("server", "2", capabilities={})
    failure = {"message": "Orthanc ended with exit code 1 while it started", "text": ""}
    for number in range(3):
        sound.add(f"CFIND-00{number}")
        whole = failure | {"expected": None, "received": None}
        broken.add(f"CFIND-00{number}", outcome="error", failure=whole)

    matrix = fleet.matrix(sound, broken)

    assert matrix.columns[1].trouble == "Orthanc ended with exit code 1 while it started"
    assert {row.kind for row in matrix.rows} == {"alike"}


def test_errors_of_a_server_that_runs_stay_errors(fleet: Fleet) -> None:
    """A run in which every case had its own error is a normal column."""
    folders = [fleet.run("server", "1"), fleet.run("server", "2")]
    folders[0].add("CFIND-014")
    folders[1].add("CFIND-014", outcome="error")

    matrix = fleet.matrix(*folders)

    assert matrix.columns[1].trouble is None
    assert [row.kind for row in matrix.rows] == ["different"]


@pytest.mark.parametrize(
    ("outcome", "facts", "judgement"),
    [
        ("passed", {}, "good"),
        ("known", {}, "good"),
        ("failed", {"exit_status": 1}, "bad"),
        ("error", {"exit_status": 1}, "bad"),
        ("passed", {"finished": None, "exit_status": None}, "unsure"),
    ],
)
def test_good_is_only_what_came_to_its_end(
    fleet: Fleet, outcome: str, facts: dict[str, object], judgement: str
) -> None:
    """A failure or an error on one server is bad, and an interrupted run is not good."""
    sound, other = fleet.run("server", "1"), fleet.run("server", "2", **facts)
    for folder in (sound, other):
        folder.add("ECHO-001")
    other.add("CFIND-014", outcome=outcome)

    assert fleet.matrix(sound, other).judgement == judgement


def test_verdict_counts_cases_servers_and_differences(
    real_looking: tuple[Fleet, list[RunFolder]], fleet: Fleet
) -> None:
    """One line has the number of comparisons and of differences."""
    matrix = real_looking[0].matrix(*real_looking[1])

    assert matrix.verdict == "144 cases on 5 servers: 11 differ"
    one = fleet.run("server", "1")
    one.add()
    assert fleet.matrix(one).verdict == "1 case on 1 server: no difference"
    assert make_matrix(columns([("qrscp", None, "gone")])).verdict == "1 server: no case ran"


def test_letters_go_on_after_z() -> None:
    """After Z, columns have two letters."""
    found = columns([(str(number), None, "gone") for number in range(28)])

    assert [each.letter for each in found][24:] == ["Y", "Z", "AA", "AB"]


def test_facts_stand_side_by_side() -> None:
    """Unequal facts differ, even if a server lacks one, unless it was never asked for it."""
    table = side_by_side("Limits", [{"a": "1", "b": "2"}, None, {"a": "1", "c": "3"}])

    assert table.rows == {
        "a": ("1", None, "1"),
        "b": ("2", None, None),
        "c": (None, None, "3"),
    }
    assert table.differing == {"b", "c"}


def test_the_record_says_the_same_as_the_matrix(
    real_looking: tuple[Fleet, list[RunFolder]], tmp_path: Path
) -> None:
    """It has servers, cases with outcomes, and tables; run folders are relative to the file."""
    fleet, folders = real_looking
    matrix = fleet.matrix(*folders)

    record.write(matrix, fleet.runs / "matrix.json")

    read = json.loads((fleet.runs / "matrix.json").read_text())
    assert read["format"] == 1
    assert [each["run"] for each in read["servers"]] == [each.path.name for each in folders]
    assert [each["letter"] for each in read["servers"]] == ["A", "B", "C", "D", "E"]
    assert len(read["cases"]) == 144
    failed = next(each for each in read["cases"] if each["case"] == "DICOMFIND-013")
    assert failed["kind"] == "different"
    assert [cell["outcome"] for cell in failed["cells"]] == [PASSED, PASSED, FAILED, FAILED, PASSED]
    assert failed["cells"][2]["why"].startswith("assert {'Muller^Anna'}")
    lacks = next(each for each in read["cases"] if each["suite"] == "rest/hierarchy")
    assert lacks["cells"][3]["why"] == "needs rest, which this server does not have"
    assert read["tables"]["Capabilities"]["rest"] == ["yes", "yes", None, None, None]
