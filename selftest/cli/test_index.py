"""`dcm index`: indexes a folder, and reports problems with its files."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from store.objects import instance, write

from dcm.cli import main
from dcm.store.index import FILE, Index

Shown = pytest.CaptureFixture[str]


def report(capsys: Shown, *options: str) -> tuple[int, dict[str, object]]:
    """Return the exit status and what is printed as JSON."""
    status = main(["index", "--json", *options])
    printed = capsys.readouterr()
    assert printed.err == ""
    return status, json.loads(printed.out)


def test_folder_is_indexed(tmp_path: Path, capsys: Shown) -> None:
    """The content of the folder is counted, and queries can use the index."""
    data = tmp_path / "data"
    for number in (1, 2, 3):
        write(data / f"{number}.dcm", instance(number, PatientID="P"))
    (data / "note.txt").write_text("no DICOM")
    assert main(["index", str(data)]) == 0
    printed = capsys.readouterr()
    assert printed.out == (
        f"{data}: 4 files, 4 scanned, 0 gone\n"
        "3 instances, 3 series, 3 studies, 1 patients; 1 not DICOM, 0 damaged\n"
    )
    assert printed.err == ""
    with Index(data) as index:
        assert len(list(index.instances({"PatientID": "P"}))) == 3


def test_what_is_wrong_is_listed_and_a_failure(tmp_path: Path, capsys: Shown) -> None:
    """Damage and conflicts give exit status 1 if they are checked; duplicates alone do not."""
    path = write(tmp_path / "1.dcm", instance(1), pixels=5000)
    shutil.copy(path, tmp_path / "copy.dcm")
    status, found = report(capsys, str(tmp_path), "--duplicates", "--conflicts", "--damaged")
    assert status == 0
    assert found["duplicates"] == [
        {"sop_instance_uid": "1.2.3.1.3", "same": [[str(path), str(tmp_path / "copy.dcm")]]}
    ]
    write(tmp_path / "other.dcm", instance(1, PatientName="Other"))
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(path.read_bytes()[:-100])
    os.utime(cut, (10**9, 10**9))  # recently written files are scanned again
    assert report(capsys, str(tmp_path))[0] == 0
    status, found = report(capsys, str(tmp_path), "--conflicts")
    assert (status, len(found["conflicts"])) == (1, 1)  # type: ignore[arg-type]
    status, found = report(capsys, str(tmp_path), "--verify")
    assert status == 1
    assert found["verified"] == 4
    [damaged] = found["damaged"]  # type: ignore[misc]
    assert damaged["path"] == str(cut)
    assert main(["index", str(tmp_path), "--damaged"]) == 1
    assert f"damaged: {cut}: " in capsys.readouterr().out


def test_index_elsewhere(tmp_path: Path, capsys: Shown) -> None:
    """With --index nothing is written into the folder."""
    write(tmp_path / "data/1.dcm", instance(1))
    status, found = report(capsys, str(tmp_path / "data"), "--index", str(tmp_path / "i.sqlite"))
    assert status == 0
    assert found["counts"]["instances"] == 1  # type: ignore[index]
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["1.dcm"]


def test_no_folder_is_wrong_use(tmp_path: Path, capsys: Shown) -> None:
    """If there is no folder, nothing is created."""
    assert main(["index", str(tmp_path / "typo")]) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert not (tmp_path / "typo").exists()


def test_set_aside_index_is_told(tmp_path: Path, capsys: Shown) -> None:
    """A file that is not an index is kept under another name, with a warning."""
    write(tmp_path / "1.dcm", instance(1))
    (tmp_path / FILE).write_text("precious")
    assert main(["index", str(tmp_path)]) == 0
    assert "the index is recreated" in capsys.readouterr().err
    assert (tmp_path / f"{FILE}.set-aside-1").read_text() == "precious"


def test_interrupted_between_files(tmp_path: Path) -> None:
    """Ctrl-C ends it soon and cleanly; files already indexed are not scanned again."""
    data = tmp_path / "data"
    for number in range(12_000):
        path = data / str(number // 1000) / str(number)
        if number < 1000:
            write(path, instance(number))
        else:
            path.parent.mkdir(exist_ok=True)
            os.link(data / "0" / str(number % 1000), path)
    with subprocess.Popen(
        [sys.executable, "-m", "dcm", "index", str(data)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        while not (data / FILE).exists():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in told
    assert "Traceback" not in told
    assert main(["index", str(data)]) == 0
