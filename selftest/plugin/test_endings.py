"""Nothing is left running, however the harness ends; a fixture of this folder checks that."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.suites import HEAD, INI, RunSuite

from harness.report.load import load
from harness.waiting import wait_until

pytestmark = pytest.mark.usefixtures("orthanc")

SUITE = """
@case("END-001", ref="none")
def test_passes(rest):
    rest.get("/system")

@case("END-002", ref="none")
def test_waits(rest):
    open("waiting", "w").close()
    signal.pause()
"""

# A Ctrl-C has hit each of these places; pytest sees it as such only inside the case itself.
INTERRUPTED_REPORT = """
import os, pytest, signal

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    if call.when == "call" and getattr(item.module, "where", "") == "while the report of the case is made":
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise SystemError("AST constructor recursion depth mismatch")
    return (yield)
"""
INTERRUPTED_CASES = """
where = "WHERE"

class Finalized:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

@case("END-001", ref="none")
def test_is_interrupted(rest):
    if where == "in the case":
        os.kill(os.getpid(), signal.SIGINT)
    if where == "in a finalizer of the case":
        Finalized()

@case("END-002", ref="none")
def test_does_not_run(rest):
    rest.get("/system")
"""


@pytest.fixture(params=[0, 2], ids=["alone", "two workers"])
def running(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """A run in the middle of a case that never ends."""
    (tmp_path / "pytest.ini").write_text(INI)
    (tmp_path / "test_small.py").write_text(HEAD + SUITE)
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", f"-n{request.param}"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        runs = tmp_path / "runs"
        wait_until(lambda: _holds(runs, "END-001"), what="the first case to end", within=90)
        wait_until((tmp_path / "waiting").exists, what="the second case to begin", within=90)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _holds(runs: Path, case: str) -> bool:
    return any(case in path.read_text() for path in runs.glob("latest/cases-*.jsonl"))


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """All descendants of the run: workers, servers, guards."""
    return psutil.Process(process.pid).children(recursive=True)


def test_ctrl_c_ends_everything_and_still_reports(
    running: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """Ctrl-C: the servers are gone, the run folder has the results so far, pytest exits with 2."""
    family = _family(running)
    os.killpg(running.pid, signal.SIGINT)  # a terminal sends it to the whole group

    assert running.wait(timeout=60) == pytest.ExitCode.INTERRUPTED
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
    outcomes = {each.id: each.outcome for each in load(tmp_path / "runs" / "latest").cases}
    assert outcomes["END-001"] == "passed"
    assert outcomes["END-002"] == "error"


@pytest.mark.parametrize(
    ("where", "outcome"),
    [
        ("in a finalizer of the case", "error"),  # as with any exception there
        ("while the report of the case is made", "passed"),
        ("in the case", "error"),
    ],
)
def test_ctrl_c_ends_the_run_wherever_python_is(
    run_suite: RunSuite, where: str, outcome: str
) -> None:
    """The run ends, even if Python loses the exception or makes it an internal error."""
    run_suite.pytester.makeconftest(INTERRUPTED_REPORT)

    finished = run_suite(INTERRUPTED_CASES.replace("WHERE", where), "-n0")

    assert finished.result.ret == pytest.ExitCode.INTERRUPTED
    assert finished.outcomes == {"END-001": outcome}


def test_sigkill_leaves_nothing(running: subprocess.Popen[bytes]) -> None:
    """SIGKILL of the process that the user started also ends workers, servers and folders."""
    family = _family(running)
    assert len(family) >= 3  # two servers and a guard
    running.kill()

    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
