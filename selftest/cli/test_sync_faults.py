"""`dcm sync` avoids the faults of another toolkit; numbers refer to the project's catalogue."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.conftest import Start
from net.files import data_set, make
from net.peers import dcmqrscp, free_port, orthanc, storescp
from pydicom import dcmread
from pydicom.uid import JPEGBaseline8Bit, RLELossless

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


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder with five files of one series."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(5):
        make(folder, number, size=2000, study="1.2.3.41")
    return folder


def copies(folder: Path) -> dict[str, bytes]:
    """Return the data sets below a folder, by SOP Instance UID."""
    return {scan(path).sop_instance_uid: data_set(path) for path in folder.rglob("*.dcm")}


def test_refused_objects_are_a_failure(scans: Path, tmp_path: Path, capsys: Shown) -> None:
    """Fault 5.2: a server refuses every object: exit status 1, and each is in the report."""
    report = tmp_path / "report.json"
    with storescp(tmp_path / "target", "--refuse") as node:
        assert main(["sync", "-y", "-s", str(scans), str(node), "--report", str(report)]) == 1
    capsys.readouterr()
    assert json.loads(report.read_text())["complete"] is False


def test_objects_that_cannot_be_written_are_failures(
    scans: Path, tmp_path: Path, capsys: Shown
) -> None:
    """Fault 5.2: no file can be written: exit status 1, and each is named."""
    target, report = tmp_path / "target", tmp_path / "report.json"
    layout = "{SOPInstanceUID}/{SOPInstanceUID}.dcm"
    target.mkdir()
    for path in scans.iterdir():  # where a folder would be made, there is a file
        if path.suffix == ".dcm":
            (target / scan(path).sop_instance_uid).write_text("not DICOM")
    command = ["sync", "-y", "-s", str(scans), str(target), "--dir-format", layout]
    assert main([*command, "--report", str(report)]) == 1
    shown = capsys.readouterr()
    assert shown.out == f"{target}: 5 failed\n"
    failed = json.loads(report.read_text())["instances"]
    assert {each["outcome"] for each in failed} == {"failed"}
    assert {each["sop_instance_uid"] for each in failed} == copies(scans).keys()


def test_unreadable_files_are_failures(scans: Path, tmp_path: Path, capsys: Shown) -> None:
    """Fault 5.2: a truncated file is a failure, and the others arrive."""
    path = scans / "00003.dcm"
    path.write_bytes(path.read_bytes()[:-500])
    assert main(["sync", "-y", "-s", str(scans), f"{tmp_path}/target/"]) == 1
    assert "00003.dcm" in capsys.readouterr().err
    assert len(copies(tmp_path / "target")) == 4


@pytest.mark.parametrize("kind", ["storescp", "orthanc"])
def test_compressed_files_are_sent(
    kind: str, tmp_path: Path, capsys: Shown, orthanc_program: str
) -> None:
    """Fault 5.3: JPEG, RLE and native objects are proposed as such, and arrive byte for byte."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    make(folder, 1, JPEGBaseline8Bit, study="1.2.3.42")
    make(folder, 2, RLELossless, study="1.2.3.42")
    make(folder, 3, study="1.2.3.42")
    target = tmp_path / "target"
    start = storescp(target, "+xa") if kind == "storescp" else orthanc(target, orthanc_program)
    with start as node:
        assert main(["sync", "-y", "-s", str(folder), str(node)]) == 0
        assert capsys.readouterr().out == f"{node}: 3 stored\n"
        if kind == "orthanc":
            assert main(["sync", "-y", "-s", str(node), f"{tmp_path}/back/"]) == 0
            assert copies(tmp_path / "back") == copies(folder)


def test_keys_of_different_levels(archive: DcmNode, empty: DcmNode, capsys: Shown) -> None:
    """Fault 5.5: a series key is not sent with the query for studies, which cannot match it."""
    command = ["sync", "-s", str(archive), str(empty), "-q", "PatientID=CLI1", "-q"]
    assert main([*command, "SeriesNumber=2"]) == 0
    assert capsys.readouterr().out == f"{empty}: 1 stored\n"
    assert main([*command, "Modality=CT"]) == 0
    assert capsys.readouterr().out == f"{empty}: 2 stored\n"


def test_templates_are_not_code(scans: Path, tmp_path: Path, capsys: Shown) -> None:
    """Fault 5.6: a template with code is refused, and nothing is copied."""
    mark = tmp_path / "mark"
    template = f"{{__import__('os').system('touch {mark}')}}"
    command = ["sync", "-y", "-s", str(scans), f"{tmp_path}/target/", "--dir-format", template]
    assert main(command) == 2
    assert "layout" in capsys.readouterr().err or not mark.exists()
    assert not mark.exists()
    assert not (tmp_path / "target").exists()


def test_the_usual_template_takes_whatever_there_is(tmp_path: Path) -> None:
    """Fault 5.7: a series without a number, and one with an invalid number."""
    folder = tmp_path / "odd"
    folder.mkdir()
    for number, series in enumerate((None, "", "one", "1.5", "7")):
        path = make(folder, number, size=500, study="1.2.3.43", series=number)
        image = dcmread(path)
        if series is not None:
            image.add_new(0x00200011, "LO", series)
            image[0x00200011].VR = "IS" if series == "7" else "LO"
        image.save_as(path)
    assert main(["sync", "-y", "-s", str(folder), f"{tmp_path}/target/"]) == 0
    assert copies(tmp_path / "target") == copies(folder)


def test_a_source_that_cannot_be_asked_is_a_failure(
    scans: Path, tmp_path: Path, capsys: Shown
) -> None:
    """Fault 5.8: it is not skipped with a warning: exit status 1, without a traceback."""
    nobody = f"127.0.0.1:NOBODY:{free_port()}"
    assert main(["sync", "-y", "-s", nobody, "-s", str(scans), f"{tmp_path}/target/"]) == 1
    shown = capsys.readouterr()
    assert shown.out == f"{tmp_path}/target/: 5 stored\n"
    assert nobody in shown.err
    assert "Traceback" not in shown.err


def test_remote_copy_to_a_destination_that_the_source_does_not_know(
    archive: DcmNode, tmp_path: Path, capsys: Shown
) -> None:
    """Fault 5.11: exit status 1, and the reason is named."""
    with storescp(tmp_path / "target") as node:
        command = [
            "sync",
            "-s",
            str(archive),
            str(node),
            "-q",
            "PatientID=CLI1",
            "-m",
            "remote-copy",
        ]
        assert main(command) == 1
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert str(archive) in shown or "1.2.3.101" in shown


def test_local_copy_is_there(scans: Path, tmp_path: Path, capsys: Shown) -> None:
    """Fault 5.11: copies between folders, byte for byte including the file meta information."""
    target = tmp_path / "target"
    command = ["sync", "-y", "-s", str(scans), f"{target}/", "-m", "local-copy"]
    assert main([*command, "--out-file-ext", "ima"]) == 0
    assert capsys.readouterr().out == f"{target}/: 5 stored\n"
    whole = {path.read_bytes() for path in scans.glob("*.dcm")}
    assert {path.read_bytes() for path in target.rglob("*.ima")} == whole


def test_edits_set_what_is_absent(scans: Path, tmp_path: Path) -> None:
    """Fault 5.12: -e sets a missing element, also to a value with an equals sign."""
    command = ["sync", "-y", "-s", str(scans), f"{tmp_path}/target/"]
    assert main([*command, "-e", "PatientComments=a=b", "-e", "SeriesNumber=3"]) == 0
    for path in (tmp_path / "target").rglob("*.dcm"):
        header = scan(path, ("PatientComments", "SeriesNumber"))
        assert (header.text("PatientComments"), header.text("SeriesNumber")) == ("a=b", "3")


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--since", "nonsense"], "nonsense"), (["-q", "PatientIdd=1"], "PatientIdd")],
)
def test_wrong_words_are_told(
    options: list[str], words: str, scans: Path, tmp_path: Path, capsys: Shown
) -> None:
    """Fault 5.13: an invalid day or keyword: exit status 2, and nothing is sent."""
    assert main(["sync", "-s", str(scans), f"{tmp_path}/target/", *options]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("more", [["-y"], ["-q", "PatientID=NET"], ["-q", "PatientName=N*"]])
def test_a_pipe_that_is_never_written_does_not_block(
    start: Start, scans: Path, tmp_path: Path, more: list[str]
) -> None:
    """Fault 5.14: under cron, stdin may be a pipe that stays open; with a source it is not read."""
    end, other = os.pipe()
    try:
        process = start("sync", "-s", str(scans), f"{tmp_path}/target/", *more, stdin=end)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
        assert out == f"{tmp_path}/target/: 5 stored\n"
    finally:
        os.close(end)
        os.close(other)


def test_nothing_waits_for_the_clock(scans: Path, tmp_path: Path, capsys: Shown) -> None:
    """Fault 5.18: a sync of five files, or of none, has no pauses; the other took a second."""
    quickest = 10.0
    for _ in range(3):
        for command in (
            ["sync", "-y", "-f", "-s", str(scans), f"{tmp_path}/target/"],
            ["sync", "-y", "-s", str(scans), f"{tmp_path}/target/"],
        ):
            begun = time.perf_counter()
            assert main(command) == 0
            quickest = min(quickest, time.perf_counter() - begun)
    capsys.readouterr()
    assert quickest < 0.5


def test_help_imports_nothing_slow() -> None:
    """Fault 5.20: slow modules are imported where they are used."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "dcm", "sync", "--help"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    slow = ("pydicom", "httpx", "rich", "rich.progress", "distributed")
    assert [name for name in slow if name in imported] == []
