"""How a service reuses memory."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from dcm.serve.memory import keep_memory
kept = sys.argv[1] == "keep" and keep_memory()
pieces = [bytes(1 << 18)]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(500):
    pieces = [b"x" * (1 << 18) for _ in range(6)]
    pieces.clear()
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_memory_of_pieces_is_used_again() -> None:
    """Pages are requested from the kernel once, not once for each chunk."""
    kept, faults = _run("keep")
    if not kept:
        pytest.skip("this C library is not glibc")
    assert faults < 3000
    assert faults * 10 < _run("leave")[1]


def _run(how: str) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, timeout=60, check=True
    )
    kept, faults = done.stdout.split()
    return int(kept), int(faults)
