"""`dcm sync`: copies, output and reports, between real archives."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.conftest import Start
from net.peers import dcmqrscp, storescp

from dcm.cli import main
from dcm.data.header import scan
from dcm.net import DcmNode

Shown = pytest.CaptureFixture[str]

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[DcmNode]:
    """An empty archive."""
    with dcmqrscp(tmp_path / "empty") as node:
        yield node


def test_what_matches_is_copied_once(
    archive: DcmNode, empty: DcmNode, tmp_path: Path, capsys: Shown
) -> None:
    """The report has each instance with its source and destination; a second run copies nothing."""
    report = tmp_path / "report.json"
    arguments = ["sync", "-s", str(archive), str(empty), "-q", "PatientID=CLI1", "--verify"]
    assert main([*arguments, "--report", str(report)]) == 0
    assert capsys.readouterr() == (f"{empty}: 3 stored\n", "")
    found = json.loads(report.read_text())
    assert found["complete"] is True
    assert {each["sop_instance_uid"] for each in found["instances"]} == {
        "1.2.3.101", "1.2.3.102", "1.2.3.103",
    }  # fmt: skip
    ways = {(each["source"], each["destination"]) for each in found["instances"]}
    assert ways == {(str(archive), str(empty))}
    assert main(arguments) == 0
    assert capsys.readouterr() == (f"{empty}: 3 already there\n", "")


def test_a_page_tells_of_it(
    archive: DcmNode, empty: DcmNode, tmp_path: Path, capsys: Shown
) -> None:
    """It shows destinations, counts and failures; names from peers are only text in it."""
    path, nobody = tmp_path / "page.html", "127.0.0.1:<b>X/b:1"
    arguments = ["sync", "-s", str(archive), str(empty), nobody, "-q", "PatientID=CLI1"]
    assert main([*arguments, "--report-html", str(path)]) == 1
    page = path.read_text()
    assert "incomplete" in page
    assert f'<td>{empty}</td><td class="number">3</td>' in page
    assert "<li>127.0.0.1:&lt;b&gt;X/b:1 cannot be queried" in page


def test_a_query_goes_on(archive: DcmNode, empty: DcmNode, start: Start) -> None:
    """`dcm query a ... | dcm sync b` takes the source from the result."""
    query = start("query", str(archive), "PatientID=CLI1", "Modality=MR")
    sync = start("sync", str(empty), stdin=query.stdout)
    assert sync.communicate(timeout=60) == (f"{empty}: 1 stored\n", "")


def test_a_dry_run_copies_nothing(archive: DcmNode, empty: DcmNode, capsys: Shown) -> None:
    """It prints what would be copied, and the destination."""
    arguments = ["sync", "-s", str(archive), str(empty), "-q", "PatientID=CLI1"]
    assert main([*arguments, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"from {archive} to {empty}:\n1 patients | 1 studies")
    assert "Date: " in shown
    assert main(["query", str(empty), "PatientID=CLI1"]) == 0
    assert json.loads(capsys.readouterr().out)["answers"] == {}


def test_a_destination_that_cannot_be_asked(
    archive: DcmNode, empty: DcmNode, tmp_path: Path, capsys: Shown
) -> None:
    """Exit status 1 with the reason; the other destination gets everything."""
    with storescp(tmp_path / "target", "--refuse") as node:
        arguments = ["sync", "-s", str(archive), str(node), str(empty), "-q", "PatientID=CLI1"]
        assert main(arguments) == 1
    shown = capsys.readouterr()
    assert shown.out == f"{node}: not compared\n{empty}: 3 stored\n"
    assert f"{node} cannot be queried" in shown.err


def test_a_journal_survives(archive: DcmNode, tmp_path: Path, capsys: Shown) -> None:
    """With the same journal, a destination without queries does not get an instance twice."""
    with storescp(tmp_path / "target") as node:
        arguments = ["sync", "-s", str(archive), str(node), "-q", "PatientID=CLI1"]
        for options, words in (
            ([], "3 stored"),
            ([], "3 stored"),
            (["--journal", str(tmp_path / "journal")], "3 stored"),
            (["--journal", str(tmp_path / "journal")], "3 already there"),
        ):
            assert main([*arguments, *options]) == 0
            assert capsys.readouterr().out == f"{node}: {words}\n"


def test_wrong_use(archive: DcmNode, capsys: Shown) -> None:
    """Exit status 2, and nothing is done."""
    here = str(archive)
    for arguments, words in (
        (["-s", here, here, "-q", "PatientID=1"], "both a source and a destination"),
        ([here, "-q", "PatientID=1"], "no source: give --source"),
        (["-s", here, "127.0.0.1:X:1"], "nothing limits this query"),
        (["-s", here, "127.0.0.1:X:1", "-q", "PatientID"], "is not KEY=VALUE"),
    ):
        assert main(["sync", *arguments]) == 2
        assert words in capsys.readouterr().err


def test_edits_on_the_way(archive: DcmNode, tmp_path: Path, capsys: Shown) -> None:
    """-e sets an element; the copies have it, the archive does not."""
    target = tmp_path / "target"
    arguments = ["sync", "-s", str(archive), f"{target}/", "-q", "PatientID=CLI1"]
    assert main([*arguments, "-e", "PatientName=Changed^By=Us", "--verify"]) == 0
    assert capsys.readouterr().out == f"{target}/: 3 stored\n"
    names = {scan(path).text("PatientName") for path in target.rglob("*.dcm")}
    assert names == {"Changed^By=Us"}
    assert main(["query", str(archive), "PatientID=CLI1", "PatientName="]) == 0
    assert "Changed" not in capsys.readouterr().out


def test_de_identification_on_the_way(archive: DcmNode, tmp_path: Path, capsys: Shown) -> None:
    """The copies have no patient name, and the same key finds them again."""
    target, key = tmp_path / "target", tmp_path / "key"
    arguments = ["sync", "-s", str(archive), f"{target}/", "-q", "PatientID=CLI1"]
    arguments += ["--deidentify", "--key-file", str(key), "--allow-burned-in"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{target}/: 3 stored\n"
    files = [path.read_bytes() for path in target.rglob("*.dcm")]
    assert len(files) == 3
    assert not any(b"CLI1" in data or b"One^Cli" in data for data in files)
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{target}/: 3 already there\n"
    assert main([*arguments, "--remap-uids"]) == 2
