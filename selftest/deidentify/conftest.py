"""An independent validator: dciodvfy of dicom3tools."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

LIMIT = 60.0


@pytest.fixture(scope="session")
def errors_of() -> Callable[[Path], Counter[str]]:
    """Return the errors that dciodvfy finds in a file, with the number of each."""
    program = Path(sys.executable).with_name("dciodvfy")

    def judge(path: Path) -> Counter[str]:
        done = subprocess.run([program, path], capture_output=True, timeout=LIMIT, check=False)
        lines = (done.stdout + done.stderr).decode("latin-1").splitlines()
        return Counter(line for line in lines if line.startswith("Error"))

    return judge
