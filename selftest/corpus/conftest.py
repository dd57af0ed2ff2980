"""Shared by the selftests of the corpus: the validator, and a way to run dcmtk's programs."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

LIMIT = 30.0
Run = Callable[..., str]


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a program from the path or next to Python; return its output, whatever its status."""

    def run_program(name: str, *arguments: str | Path) -> str:
        beside = Path(sys.executable).with_name(name)
        program = str(beside) if beside.exists() else shutil.which(name)
        assert program is not None, f"{name} is needed, and neither on the path nor beside Python"
        done = subprocess.run(
            [program, *map(str, arguments)], capture_output=True, timeout=LIMIT, check=False
        )
        assert done.returncode >= 0, f"{name} died of signal {-done.returncode}"
        return (done.stdout + done.stderr).decode(errors="replace")

    return run_program


@pytest.fixture(scope="session")
def errors_of(run: Run) -> Callable[[Path], list[str]]:
    """Return the errors that dciodvfy finds in a file."""

    def judge(path: Path) -> list[str]:
        return [line for line in run("dciodvfy", path).splitlines() if line.startswith("Error")]

    return judge
