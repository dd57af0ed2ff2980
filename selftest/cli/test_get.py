"""`dcm get`: retrieves instances into a folder."""

import json
from pathlib import Path

import pytest
from cli.conftest import Keyboard, Start
from cli.moody import moody
from net.files import data_sets

from dcm.cli import main
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.net import DcmNode

Shown = pytest.CaptureFixture[str]


def test_what_matches_is_brought(
    archive: DcmNode, objects: Path, tmp_path: Path, capsys: Shown
) -> None:
    """Byte for byte, named by UID; an existing file counts as done."""
    target, report = tmp_path / "new" / "target", tmp_path / "report.json"
    arguments = ["get", str(archive), "PatientID=CLI1", "-o", str(target)]
    assert main([*arguments, "--report", str(report)]) == 0
    shown = capsys.readouterr()
    assert shown == ("3 stored\n", "")
    sent = data_sets(objects)
    assert data_sets(target) == {uid: sent[uid] for uid in ("1.2.3.101", "1.2.3.102", "1.2.3.103")}
    found = json.loads(report.read_text())
    assert found["counts"] == {"stored": 3}
    assert {each["sop_instance_uid"] for each in found["instances"]} == set(data_sets(target))
    assert main(arguments) == 0
    assert capsys.readouterr().out == "3 already there\n"


def test_a_query_goes_on(dcmqrscp_archive: DcmNode, tmp_path: Path, start: Start) -> None:
    """`dcm query a ... | dcm get a -o folder`."""
    query = start("query", str(dcmqrscp_archive), "PatientID=CLI1", "Modality=MR")
    get = start("get", str(dcmqrscp_archive), "-o", tmp_path / "target", stdin=query.stdout)
    assert get.communicate(timeout=60) == ("1 stored\n", "")
    assert set(data_sets(tmp_path / "target")) == {"1.2.3.103"}


def test_keys_limit_an_earlier_result(archive: DcmNode, tmp_path: Path, capsys: Shown) -> None:
    """Only instances that match both are retrieved."""
    file = tmp_path / "result.json"
    assert main(["query", str(archive), "PatientID=CLI*", "--level", "study"]) == 0
    file.write_text(capsys.readouterr().out)
    arguments = ["get", str(archive), "--query-res", str(file), "-o", str(tmp_path / "target")]
    assert main([*arguments, "PatientID=CLI2"]) == 0
    assert capsys.readouterr().out == "1 stored\n"
    assert main(arguments) == 0
    assert capsys.readouterr().out in (
        "1 already there | 3 stored\n",
        "3 stored | 1 already there\n",
    )


def test_an_archive_that_fails_in_the_middle(
    tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instances that it does not send are missing, and so are those that it cannot list."""
    monkeypatch.setattr("dcm.net.wanted._BATCH", 1)  # as if there were thousands in the first study
    file, report = tmp_path / "result.json", tmp_path / "report.json"
    studies = [{"PatientID": "A", "StudyInstanceUID": uid} for uid in ("1.2.1", "1.2.2", "1.2.9")]
    file.write_text(QueryResult(Level.STUDY, studies).to_json())
    with moody() as node:
        arguments = ["get", str(node), "--query-res", str(file), "--report", str(report)]
        assert main([*arguments, "-o", str(tmp_path / "target")]) == 1
    assert "out of resources" in capsys.readouterr().err
    told = json.loads(report.read_text())
    assert told["counts"] == {"failed": 2}
    assert "out of resources" in " ".join(told["problems"])


def test_what_a_query_did_not_find_is_missed(tmp_path: Path, capsys: Shown) -> None:
    """The instances in an incomplete query result are retrieved, but it is not a success."""
    file, report = tmp_path / "result.json", tmp_path / "report.json"
    with moody() as node:
        assert main(["query", str(node), "PatientID=LIMITED", "--level", "study"]) == 1
        file.write_text(capsys.readouterr().out)
        arguments = ["get", str(node), "--query-res", str(file), "--report", str(report)]
        assert main([*arguments, "-o", str(tmp_path / "target")]) == 1
    assert "not everything that matches is fetched: " in capsys.readouterr().err
    assert "A700H" in json.loads(report.read_text())["problems"][0]


def test_by_move(dcmqrscp_archive: DcmNode, tmp_path: Path, capsys: Shown) -> None:
    """An archive that does not know the destination is reported in one sentence."""
    arguments = ["get", str(dcmqrscp_archive), "PatientID=CLI1", "-o", str(tmp_path / "target")]
    assert main([*arguments, "--method", "move", "--local", "127.0.0.1:UNKNOWN:0"]) == 1
    shown = capsys.readouterr()
    assert "destination" in shown.err.lower()


def test_nothing_matches(archive: DcmNode, tmp_path: Path, capsys: Shown) -> None:
    """It is not an error, but it is reported."""
    assert main(["get", str(archive), "PatientID=NOBODY", "-o", str(tmp_path / "target")]) == 0
    shown = capsys.readouterr()
    assert shown.out == "no instances\n"
    assert f"nothing on {archive} matches" in shown.err


def test_everything_is_not_brought_by_mistake(
    archive: DcmNode, tmp_path: Path, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retrieving everything needs an option."""
    monkeypatch.setattr("sys.stdin", Keyboard(None))
    assert main(["get", str(archive), "-o", str(tmp_path / "target")]) == 2
    assert "--assume-yes" in capsys.readouterr().err
    assert not (tmp_path / "target").exists()


def test_a_folder_that_cannot_be_written(
    dcmqrscp_archive: DcmNode, start: Start, tmp_path: Path
) -> None:
    """Each instance fails with the reason, and so does the command."""
    process = start("get", str(dcmqrscp_archive), "PatientID=CLI2", "-o", "/proc/self")
    shown, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "1 failed" in shown
    assert "No such file or directory" in said or "not permitted" in said
