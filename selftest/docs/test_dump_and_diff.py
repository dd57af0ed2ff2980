"""The examples of `dcm dump` and `dcm diff` in `docs/dcm.md` print what the page says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import ROOT, configuration

from harness.corpus import corpus
from harness.corpus.part10 import file_of

__all__ = ["configuration"]

PAGE = (ROOT / "docs" / "dcm.md").read_text()
EXAMPLES = re.findall(
    r"^    \$ dcm (d(?:ump|iff) .*)\n((?:    (?!\$ ).*\n|\n(?=    (?!\$ )))*)", PAGE, re.MULTILINE
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files of the examples."""
    made = tmp_path / "made"
    (made / "scans").mkdir(parents=True)
    (made / "report.dcm").write_bytes(corpus["h03-sr"].data)
    changed = corpus["h03-sr"].dataset()
    changed.PatientName = "Bravo^Robert"
    changed.ContentSequence[1].ValueType = "NUM"
    del changed.StudyID
    (made / "changed.dcm").write_bytes(file_of(changed))
    for number in (1, 2):
        (made / "scans" / f"{number}.dcm").write_bytes(corpus[f"h01-ct-1-{number}"].data)
    return made


def test_there_are_examples() -> None:
    """The pattern still matches."""
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize(("command", "output"), EXAMPLES)
def test_example(command: str, output: str, folder: Path) -> None:
    """It is run in a folder with its files."""
    done = subprocess.run(
        [sys.executable, "-m", "dcm", *shlex.split(command)],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    shown = done.stdout.replace(str(folder), "/data")
    assert shown.splitlines() == [line[4:] for line in output.splitlines()]
    assert done.returncode == (1 if command.startswith("diff") else 0)
