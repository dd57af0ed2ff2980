"""`dcm query`: results as tree, JSON or CSV; from keys, dates, batches and earlier results."""

import csv
import io
import json
import os
import signal
from pathlib import Path

import pytest
from cli.conftest import Keyboard, Start
from cli.moody import moody
from net.peers import free_port, storescp

from dcm.cli import main
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.net import DcmNode

Shown = pytest.CaptureFixture[str]
NOBODY = "127.0.0.1:NOBODY:1"


def asked(archive: DcmNode, capsys: Shown, *arguments: str) -> QueryResult:
    """Query, and parse the output of the pipe."""
    assert main(["query", str(archive), *arguments]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    return QueryResult.from_json(shown.out)


def patients(result: QueryResult) -> list[str]:
    """Return the patients of a result."""
    return [patient.uid for patient in result.patients]


def test_keys_and_their_level(archive: DcmNode, capsys: Shown) -> None:
    """The level is that of the most detailed key, unless it is given."""
    studies = asked(archive, capsys, "PatientID=CLI1")
    assert (studies.level, studies.source) == (Level.PATIENT, str(archive))
    assert patients(studies) == ["CLI1"]
    series = asked(archive, capsys, "PatientID=CLI1", "Modality=MR")
    assert (series.level, len(series)) == (Level.SERIES, 1)
    images = asked(archive, capsys, "PatientID=CLI*", "--level", "image")
    assert (images.level, len(images)) == (Level.IMAGE, 4)


def test_days(archive: DcmNode, capsys: Shown) -> None:
    """From a day on, and before one."""
    everybody = ("PatientID=CLI*", "--level", "study")
    assert patients(asked(archive, capsys, *everybody, "--since", "2021-01-01")) == ["CLI2"]
    assert patients(asked(archive, capsys, *everybody, "--before", "2021-01-01")) == ["CLI1"]


def test_a_tree_for_people(archive: DcmNode, capsys: Shown) -> None:
    """Totals are above it."""
    assert main(["query", str(archive), "PatientID=CLI1", "--level", "series",
                 "--out-format", "tree"]) == 0  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("1 patients | 1 studies | 2 series")
    assert "ID: CLI1 | Name: One^Cli" in lines[1]
    assert len(lines) == 5


def test_a_terminal_shows_a_tree(
    dcmqrscp_archive: DcmNode, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This is the default there."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert main(["query", str(dcmqrscp_archive), "PatientID=CLI1"]) == 0
    assert "└── ID: CLI1" in capsys.readouterr().out


def test_a_table_for_a_spreadsheet(archive: DcmNode, capsys: Shown) -> None:
    """A row for each entity, unique keys first, with the known attributes of its parents."""
    assert main(["query", str(archive), "PatientID=CLI*", "Modality=", "--out-format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(rows[0])[:3] == ["PatientID", "StudyInstanceUID", "SeriesInstanceUID"]
    assert [(row["PatientID"], row["Modality"]) for row in rows] == [
        ("CLI1", "CT"), ("CLI1", "MR"), ("CLI2", "CT"),
    ]  # fmt: skip
    assert {row["PatientName"] for row in rows} == {"One^Cli", "Two^Cli"}


def test_nothing_matches(archive: DcmNode, capsys: Shown) -> None:
    """The query succeeds."""
    assert len(asked(archive, capsys, "PatientID=NOBODY")) == 0


def test_an_earlier_result_limits(archive: DcmNode, tmp_path: Path, capsys: Shown) -> None:
    """The result is read from a file; keys limit it further."""
    file = tmp_path / "result.json"
    file.write_text(asked(archive, capsys, "PatientID=CLI1", "--level", "study").to_json())
    everything = asked(archive, capsys, "--query-res", str(file), "--level", "series")
    assert (patients(everything), len(everything)) == (["CLI1"], 2)
    assert len(asked(archive, capsys, "--query-res", str(file), "Modality=CT")) == 1


def test_an_earlier_result_without_anything(
    archive: DcmNode, tmp_path: Path, capsys: Shown
) -> None:
    """An empty result limits the query to nothing, not to everything."""
    file = tmp_path / "result.json"
    file.write_text(asked(archive, capsys, "PatientID=NOBODY", "--level", "study").to_json())
    assert len(asked(archive, capsys, "--query-res", str(file))) == 0
    assert len(asked(archive, capsys, "--query-res", str(file), "--level", "series")) == 0


def test_a_batch_runs_its_rows(archive: DcmNode, tmp_path: Path, capsys: Shown) -> None:
    """Each row is a query of its own: a row without matches does not match everything."""
    batch, report = tmp_path / "batch.csv", tmp_path / "report.json"
    batch.write_text("PatientID\nCLI2\nNOBODY\nCLI1\n")
    found = asked(archive, capsys, "--batch-csv", str(batch), "--report", str(report))
    assert patients(found) == ["CLI1", "CLI2"]
    told = json.loads(report.read_text())
    assert [(each["line"], each["found"]) for each in told["queries"]] == [(2, 1), (3, 0), (4, 1)]
    nothing = asked(archive, capsys, "--batch-csv", str(batch), "StudyDate=19000101")
    assert len(nothing) == 0


def test_a_row_that_fails_is_told(tmp_path: Path, capsys: Shown) -> None:
    """The message has its line, and the exit status is not 0; the other rows run."""
    batch, report = tmp_path / "batch.csv", tmp_path / "report.json"
    batch.write_text("PatientID\nONE\nBAD\nTWO\n")
    with moody() as node:
        arguments = ["query", str(node), "--batch-csv", str(batch), "--report", str(report)]
        assert main(arguments) == 1
    shown = capsys.readouterr()
    assert f"{batch}, line 3: {node} " in shown.err
    assert patients(QueryResult.from_json(shown.out)) == ["ONE", "TWO"]
    assert json.loads(report.read_text())["counts"] == {"answered": 2, "failed": 1}


def test_nobody_is_there_for_any_row(tmp_path: Path, capsys: Shown) -> None:
    """Only the first row is tried."""
    batch = tmp_path / "batch.csv"
    batch.write_text("PatientID\nONE\nTWO\n")
    nobody = f"127.0.0.1:NOBODY:{free_port()}"
    assert main(["query", nobody, "--batch-csv", str(batch)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("Connection refused") == 1


def test_an_answer_that_breaks_off_is_no_answer(capsys: Shown) -> None:
    """There is nothing on stdout that the next program could take for a complete result."""
    with moody() as node:
        assert main(["query", str(node), "PatientID=BAD"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1


def test_an_answer_that_is_not_all_is_shown_and_is_no_success(
    tmp_path: Path, capsys: Shown
) -> None:
    """The matches are printed; the JSON and the report say that there are more."""
    report = tmp_path / "report.json"
    with moody() as node:
        arguments = ["query", str(node), "PatientID=LIMITED", "--level", "study"]
        assert main([*arguments, "--report", str(report)]) == 1
    shown = capsys.readouterr()
    found = QueryResult.from_json(shown.out)
    assert patients(found) == ["LIMITED"]
    assert "out of resources" in found.incomplete
    assert "some answers are missing or unusable: C-FIND: A700H" in shown.err
    told = json.loads(report.read_text())
    assert told["complete"] is False
    assert told["counts"] == {"answered in part": 1}
    assert "A700H" in told["queries"][0]["words"][0]


def test_what_is_left_out_is_said(tmp_path: Path, capsys: Shown) -> None:
    """The archive ignored the date: that is not a failure, and the report counts it."""
    report = tmp_path / "report.json"
    with moody() as node:
        arguments = ["query", str(node), "PatientID=LATER", "StudyDate=20200101"]
        assert main([*arguments, "--report", str(report)]) == 0
    shown = capsys.readouterr()
    assert len(QueryResult.from_json(shown.out)) == 0
    assert "1 answer left out because the archive ignored StudyDate" in shown.err
    (query,) = json.loads(report.read_text())["queries"]
    assert query["answers"] == {"used": 0, "filtered": {"StudyDate": 1}}


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("PatientID\n*\n", [], "line 2: nothing limits this query"),
        ("PatientID\n1\n", ["PatientID=2"], "PatientID is also given on the command line"),
    ],
)
def test_what_is_no_batch(
    text: str, arguments: list[str], said: str, tmp_path: Path, capsys: Shown
) -> None:
    """Nothing is sent."""
    batch = tmp_path / "batch.csv"
    batch.write_text(text)
    assert main(["query", NOBODY, "--batch-csv", str(batch), *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["PatientIDs=1"], "there is no DICOM element named 'PatientIDs'; did you mean PatientID?"),
        (["--since", "nonsense"], "--since 'nonsense' is not a date: use 2020-10-31"),
        (["StudyDate=2020", "--since", "2020-01-01"], "StudyDate cannot be used with --since"),
        (["--query-res", "/nowhere.json"], "/nowhere.json: No such file or directory"),
        (
            ["StudyTime=2200-0200"],
            "the range ends before it begins (a range of times cannot cross",
        ),
        (["--query-res", os.devnull], f"{os.devnull} is not JSON output of `dcm query`"),
        ([], "it would return everything on 127.0.0.1:NOBODY:1; give KEY=VALUE, or use --assume-y"),
        (["PatientName=*", "PatientID="], "nothing limits this query"),
    ],
)
def test_what_cannot_be_asked(
    arguments: list[str], said: str, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence, and nothing is sent."""
    monkeypatch.setattr("sys.stdin", Keyboard(None))
    assert main(["query", NOBODY, *arguments]) in (1, 2)
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("\n", 2), ("", 2)])
def test_everything_only_if_it_is_meant(
    answer: str, status: int, archive: DcmNode, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a terminal the user is asked."""
    monkeypatch.setattr("sys.stdin", Keyboard(answer))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert main(["query", str(archive), "--no-progress"]) == status
    shown = capsys.readouterr()
    assert f"everything on {archive}. Continue? [y/N]" in shown.err
    assert bool(shown.out) is (status == 0)


def test_everything_for_a_program(archive: DcmNode, capsys: Shown) -> None:
    """An option asks for it, and stdin is not read."""
    assert {"CLI1", "CLI2"} <= set(patients(asked(archive, capsys, "--assume-yes")))


def test_an_open_stdin_does_not_block(dcmqrscp_archive: DcmNode, start: Start) -> None:
    """A scheduler may leave it open: with keys it is not read."""
    read, write = os.pipe()
    process = start("query", str(dcmqrscp_archive), "PatientID=CLI1", stdin=read)
    shown, said = process.communicate(timeout=60)
    os.close(write)
    os.close(read)
    assert said == ""
    assert len(QueryResult.from_json(shown)) == 1


def test_who_waits_for_stdin_can_be_interrupted(start: Start) -> None:
    """It ends at once."""
    read, write = os.pipe()
    process = start("query", NOBODY, "-v", stdin=read)
    assert process.stderr is not None
    assert "reading the result of an earlier query from standard input" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == "dcm query: interrupted\n"
    assert process.returncode == 130
    os.close(write)
    os.close(read)


def test_one_query_goes_on_with_another(dcmqrscp_archive: DcmNode, start: Start) -> None:
    """`dcm query a ... | dcm query b --level ...`."""
    first = start("query", str(dcmqrscp_archive), "PatientID=CLI1", "--level", "study")
    second = start("query", str(dcmqrscp_archive), "--level", "series", stdin=first.stdout)
    shown, said = second.communicate(timeout=60)
    assert said == ""
    assert len(QueryResult.from_json(shown)) == 2


def test_a_reader_may_leave(dcmqrscp_archive: DcmNode, start: Start) -> None:
    """`dcm query ... | head` is not an error."""
    process = start("query", str(dcmqrscp_archive), "PatientID=CLI*", "--level", "image")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert process.communicate(timeout=60)[1] == ""


def test_debug_lines_can_be_left_out(archive: DcmNode, capsys: Shown) -> None:
    """Requests and responses."""
    query = ["query", str(archive), "PatientID=CLI1", "--debug"]
    assert main(query) == 0
    said = capsys.readouterr().err
    assert "dcm.net.performed_queries: " in said
    assert "dcm.net.query_responses: " in said
    assert main([*query, "--debug-filter", "query_responses"]) == 0
    said = capsys.readouterr().err
    assert "dcm.net.performed_queries: " in said
    assert "dcm.net.query_responses: " not in said


def test_who_does_not_answer_queries(tmp_path: Path, capsys: Shown) -> None:
    """A storescp does not support C-FIND: one sentence."""
    with storescp(tmp_path / "folder") as node:
        assert main(["query", str(node), "PatientID=1"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "no presentation context was accepted" in shown.err
    assert shown.err.count("\n") == 1
