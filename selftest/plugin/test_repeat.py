"""`harness run --repeat N`: the same cases several times, and what differs."""

from pathlib import Path

import pytest

from harness.cli import main
from harness.cli.run import _workers, sources
from harness.report.load import load

SUITE = """
import pathlib
from harness.case import case

@case("REP-001", ref="x")
def test_always(remote): pass

@case("REP-002", ref="x")
def test_every_second_time(remote):
    marks = pathlib.Path("marks")
    marks.write_text(marks.read_text() + "x" if marks.exists() else "x")
    assert len(marks.read_text()) % 2
"""


def test_what_differs_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A case that fails every second time is in the table, with its outcome in each run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (tmp_path / "test_it.py").write_text(SUITE)

    status = main(["run", "test_it.py", "--repeat", "3", "--orthanc", "none", "-n", "0"])

    said = capsys.readouterr().out
    assert status == 1
    assert "✓ ✗ ✓  REP-002 test_every_second_time  assert" in said
    assert "REP-001" not in said
    assert "1 case had the same result in all runs." in said
    folders = [each for each in (tmp_path / "runs").iterdir() if not each.is_symlink()]
    assert len([load(each) for each in folders]) == 3


@pytest.mark.parametrize("number", ["1", "0", "many"])
def test_a_number_that_is_none(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One run is not a repetition."""
    assert main(["run", "--repeat", number]) == 2
    assert f"--repeat {number}: expected a number of 2 or more" in capsys.readouterr().err


def test_a_clause_is_counted_before_workers_are_chosen() -> None:
    """The cases of a whole part of the standard get several workers."""
    assert sum(each.is_called("PS3.8 *") for each in sources()) > 50
    assert _workers(["PS3.8 9.3.4*"], []) <= _workers(["PS3.8 *"], [])
