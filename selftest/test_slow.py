"""Slow tests are left out unless requested, and their number is printed."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAID = "slow selftests were left out: ./run-tests.sh --all runs them too"


def _run(folder: Path, *arguments: str) -> str:
    (folder / "conftest.py").write_text((ROOT / "selftest/conftest.py").read_text())
    (folder / "test_some.py").write_text(
        "import pytest\n"
        "@pytest.mark.slow\ndef test_slow(): pass\n"
        "@pytest.mark.slow\ndef test_slower(): pass\n"
        "def test_quick(): pass\n"
    )
    pytest_here = (sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"))
    return subprocess.run(
        [*pytest_here, "--rootdir", ".", "-p", "no:cacheprovider", "test_some.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


@pytest.mark.parametrize("workers", ["0", "2"])
def test_slow_selftests_are_left_out_and_counted(workers: str, tmp_path: Path) -> None:
    """The number is that of one worker: each collects the same tests."""
    said = _run(tmp_path, "-n", workers, "--dist", "loadfile")

    assert f"2 {SAID}" in said
    assert "1 passed" in said


def test_all_runs_them(tmp_path: Path) -> None:
    """Nothing is left out, and no note is printed."""
    said = _run(tmp_path, "--all")

    assert "3 passed" in said
    assert SAID not in said
