"""The examples of `dcm sort` and `dcm view` in `docs/dcm.md` print what the page says."""

import glob
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import ROOT, configuration
from store.objects import instance, write
from view.test_pixels import RAMP, made

__all__ = ["configuration"]

PAGE = (ROOT / "docs" / "dcm.md").read_text()
EXAMPLES = re.findall(r"^    \$ dcm ((?:sort|view) .*)\n((?:    (?!\$ ).*\n)*)", PAGE, re.MULTILINE)
[PROGRAM] = re.findall(r"```python\n(from dcm\.sort .*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the examples."""
    top = tmp_path / "made"
    for number, patient, date, series in (
        (1, "4711", "20240229", "1"),
        (2, "4711", "20240229", "1"),
        (3, "4711", "20240229", "2"),
        (4, "0815", "20231102", "1"),
    ):
        path = top / "scans" / ("a" if number < 3 else "b") / f"IM{number}"
        write(path, attributes(number, patient, date, series), pixels=2000)
    other = attributes(2, "4711", "20240229", "1") | {"PatientName": "Other"}
    write(top / "scans/b/IM9", other, pixels=2000)
    shutil.copy(top / "scans/a/IM1", top / "scans/b/again")
    (top / "scans/note.txt").write_text("no DICOM")
    return top


def attributes(number: int, patient: str, date: str, series: str) -> dict[str, str]:
    """Return the attributes of an image."""
    return instance(
        number, PatientID=patient, StudyDate=date, SeriesNumber=series, InstanceNumber=str(number),
        StudyInstanceUID=f"1.2.3.8.{patient}", SeriesInstanceUID=f"1.2.3.9.{patient}{series}",
    )  # fmt: skip


def run(folder: Path, *words: str) -> list[str]:
    """Run the command in the folder, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "dcm", *words],
        cwd=folder, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return done.stdout.replace(str(folder), "/data").splitlines()


def test_examples(folder: Path) -> None:
    """They are run one after the other, in the page's order."""
    assert [command.split()[0] for command, _ in EXAMPLES] == ["sort", "sort", "sort", "view"]
    for command, output in EXAMPLES:
        words = shlex.split(command)
        if words[0] == "view":
            shutil.rmtree(folder / "scans")
            (folder / "scans").mkdir()
            (folder / "scans/note.txt").write_text("no DICOM")
            for number in range(5):
                made(RAMP).save_as(folder / f"scans/{number}", enforce_file_format=True)
        if "*" in words[-1]:
            words[-1] = glob.glob(words[-1], root_dir=folder)[0]  # noqa: PTH207
        assert run(folder, *words) == [line[4:] for line in output.splitlines()]


def test_program(folder: Path) -> None:
    """It prints a line for each file, and leaves nothing behind."""
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    assert len(done.stdout.splitlines()) == 7
    assert done.stdout.count(" linked") == 5
    assert [*(folder / "sorted").iterdir()] == []
