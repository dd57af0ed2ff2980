"""Runs a group of lies: the sample of its cases, once honestly and once with each lie."""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from harness.report.load import CaseResult, load
from support.liar import MARK, group

ROOT = Path(__file__).resolve().parents[2]


def failures(name: str, folder: Path) -> dict[str, set[str]]:
    """Run the sample of the group `name` with all its lies; give the cases that failed by lie."""
    told = group(name)
    finished = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                str(ROOT / "tests" / told.suites),
                "-p",
                "support.liar",
                "-q",
            ),
            *(f"--case={each}" for each in told.sample),
            *("--runs", str(folder), "-n2", "--case-limit=18", *told.options),
        ],
        env={**os.environ, "HARNESS_LIES": name, "PYTHONPATH": f"{ROOT / 'selftest'}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=600,  # a lied-to case waits for what never comes
        check=False,
    )
    assert finished.returncode in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), (
        finished.stdout + finished.stderr
    )
    failed: dict[str, set[str]] = defaultdict(set)
    for case in load(folder / "latest").cases:
        lie, key = _lie_and_key(case)
        assert case.outcome in ("passed", "failed"), f"{key} with {lie}: {case.outcome} {case.why}"
        if case.outcome == "failed":
            failed[lie].add(key)
    return failed


def _lie_and_key(case: CaseResult) -> tuple[str, str]:
    """Tell the lie from the case's own parameters: `CSTORE-003[jpeg]`."""
    before, _, after = (case.parameters or "").partition(MARK)
    lie, _, behind = after.partition("/")
    own = before.strip("-") or behind.strip("-")
    return lie, f"{case.id}[{own}]" if own else case.id
