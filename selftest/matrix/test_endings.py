"""However a matrix ends, its runs leave nothing behind: no process, no server, no folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from plugin.conftest import _nothing_left_behind
from support.suites import HEAD, INI

from harness.matrix.running import signals
from harness.report.load import load
from harness.waiting import wait_until

__all__ = ["_nothing_left_behind"]  # fixtures

SUITE = """
@case("END-001", ref="none")
def test_passes(dimse):
    assert dimse.echo() == 0

@case("END-002", ref="none")
def test_waits(dimse):
    open(f"waiting-{os.getpid()}", "w").close()
    signal.pause()
"""

IS_IGNORED = "import signal; print(signal.getsignal({number}) is signal.SIG_IGN)"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Two runs in the middle of a case that never ends, and a third that waits for its turn."""
    (tmp_path / "pytest.ini").write_text(INI)
    (tmp_path / "test_small.py").write_text(HEAD + SUITE)
    servers = ["--server", "qrscp"] * 3
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "matrix", "test_small.py", *servers, "--jobs", "2"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(
            lambda: len(list(tmp_path.glob("waiting-*"))) == 2 or process.poll() is not None,
            what="both runs to wait in a case",
            within=90,
        )
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def _family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found = psutil.Process(process.pid).children(recursive=True)
    assert len(found) >= 7  # the guard; two runs, each with a guard and two servers
    return found


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        # Handled like the one above, see the next test.
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_all_runs_end_in_order(
    running: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    """Every run writes its report, the page shows the results so far; the third never ran."""
    family = _family(running)

    os.killpg(running.pid, number)  # a terminal sends it to the whole group
    said, _ = running.communicate(timeout=120)

    assert running.returncode == 2
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    runs = [load(each) for each in sorted((tmp_path / "runs").glob("2*"))]
    assert len(runs) == 2
    for run in runs:
        assert {case.id: case.outcome for case in run.cases} == {
            "END-001": "passed",
            "END-002": "error",
        }
        assert (run.folder / "report.html").exists()
    assert "C  qrscp: it was interrupted before its first case" in said
    page = (tmp_path / "runs/matrix.html").read_text()
    assert "it was interrupted before its first case" in page


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_asks_to_end_unless_it_was_ignored(number: signal.Signals) -> None:
    """Under `nohup` a closed terminal ends nothing; children never inherit ignored signals."""
    before = signal.getsignal(number)
    try:
        for ours, asked in ((signal.SIG_DFL, 1), (signal.SIG_IGN, 0)):
            signal.signal(number, ours)
            with signals() as received:
                signal.raise_signal(number)
                said = subprocess.run(
                    [sys.executable, "-c", IS_IGNORED.format(number=int(number))],
                    capture_output=True,
                    text=True,
                    timeout=30,
                    check=True,
                ).stdout
            assert len(received) == asked
            assert signal.getsignal(number) is ours
            assert said == "False\n"
    finally:
        signal.signal(number, before)


def test_a_second_ctrl_c_ends_all_at_once(running: subprocess.Popen[str]) -> None:
    """Runs are not waited for."""
    family = _family(running)
    children = [
        each
        for each in psutil.Process(running.pid).children()
        if {"run", "pytest"} & {*each.cmdline()}  # `harness run` becomes pytest
    ]
    assert children
    for each in children:
        each.suspend()  # so that it cannot end cleanly

    os.killpg(running.pid, signal.SIGINT)
    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(running.pid).wait(timeout=1)
    os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=30)

    assert running.returncode == 2
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


def test_sigkill_leaves_nothing(running: subprocess.Popen[str]) -> None:
    """Runs, servers and temporary folders are removed all the same."""
    family = _family(running)

    running.kill()

    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []
