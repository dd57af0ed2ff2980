"""Servers that cannot be started: the reason is given once, not once for each case."""

from pathlib import Path

import pytest
from support.suites import RunSuite, libraries_imported_once

__all__ = ["libraries_imported_once"]  # a fixture

SUITE = """
@case("REC-001", ref="x")
@pytest.mark.parametrize("number", range(30))
def test_it(rest, number):
    assert rest.json("/system")
"""
ORTHANC = """#!/bin/sh
case "$*" in *--version*) echo "Orthanc 1.12.9"; exit;; esac
echo "cannot load libexample.so.3" >&2
exit 7
"""


@pytest.fixture
def run_suite(pytester: pytest.Pytester) -> RunSuite:
    """Run small suites in a folder of their own."""
    return RunSuite(pytester)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_server_that_does_not_start_ends_the_run(
    run_suite: RunSuite, tmp_path: Path, workers: int
) -> None:
    """Each worker tells why; no other case is tried."""
    orthanc = tmp_path / "Orthanc"
    orthanc.write_text(ORTHANC)
    orthanc.chmod(0o755)

    done = run_suite(SUITE, f"--orthanc={orthanc}", f"-n{workers}")

    assert done.result.ret == pytest.ExitCode.INTERRUPTED
    said = done.result.stdout.str()
    assert "no case can run: local Orthanc ended with exit code 7 while it started" in said
    assert said.count("cannot load libexample.so.3") == max(1, workers)
    assert "  because   local Orthanc ended with exit code 7" in said
    assert "Traceback" not in said
    assert "harness/plugin/worker.py" not in said
    assert list(done.outcomes.values()) == ["error"] * max(1, workers)
