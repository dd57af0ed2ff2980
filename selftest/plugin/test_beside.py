"""Cases that wait run concurrently, in processes and with servers of their own."""

import signal

import pytest
from support.suites import RunSuite

from harness.waiting import wait_until

pytestmark = pytest.mark.usefixtures("orthanc")

MEETING = """
from pathlib import Path
from harness.waiting import wait_until

def meet(own):
    place = Path(os.environ["PLACE"])
    (place / own).touch()
    wait_until(lambda: len(list(place.iterdir())) == 3, what="the others", within=20)

@case("BES-001", ref="none")
def test_usual(rest):
    assert rest.json("/patients") == []
    meet("usual")

@case("BES-002", ref="none", waits=30)
def test_patient(rest, stored):
    stored.instance(PatientName="Beside^Two")
    meet("patient")
    assert rest.json("/statistics")["CountInstances"] == {count}

@case("BES-003", ref="none", waits=20)
def test_less_patient(rest):
    meet("less patient")
    assert rest.json("/patients") == []
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_waiting_cases_run_beside_the_others(
    run_suite: RunSuite, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    """Three cases that wait for each other pass, though one process runs one case at a time.

    The others do not see what the second one stored: each has servers of its own.
    """
    place = run_suite.pytester.mkdir("place")
    monkeypatch.setenv("PLACE", str(place))
    done = run_suite(MEETING.format(count=1), "-n", workers)

    assert done.outcomes == {"BES-001": "passed", "BES-002": "passed", "BES-003": "passed"}
    done.result.assert_outcomes(passed=3)


def test_evidence_of_a_waiting_case_is_its_own(
    run_suite: RunSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A waiting case that fails shows both sides, and only its own requests."""
    place = run_suite.pytester.mkdir("place")
    monkeypatch.setenv("PLACE", str(place))
    done = run_suite(MEETING.format(count=2))

    failed = done.case("BES-002")
    assert (failed.outcome, done.result.ret) == ("failed", pytest.ExitCode.TESTS_FAILED)
    assert failed.failure is not None
    assert (failed.failure.expected, failed.failure.received) == ("2", "1")
    exchange = (done.folder / "cases/BES-002/exchange.txt").read_text()
    assert "GET /statistics" in exchange
    assert "GET /patients" not in exchange


def test_process_of_a_waiting_case_that_ends(run_suite: RunSuite) -> None:
    """Each case whose process was killed is an error that says so; the run continues."""
    done = run_suite("""
@pytest.mark.parametrize("number", [1, 2])
@case("BES-004", ref="none", waits=3)
def test_killed(rest, number):
    os.kill(os.getpid(), signal.SIGKILL)

@case("BES-008", ref="none", waits=6)
def test_in_another_process(rest):
    rest.get("/system")

@case("BES-005", ref="none")
def test_usual(rest):
    assert rest.json("/patients") == []
""")

    assert done.outcomes == {
        "BES-004-1": "error", "BES-004-2": "error", "BES-008": "passed", "BES-005": "passed",
    }  # fmt: skip
    for key in ("BES-004-1", "BES-004-2"):
        failure = done.case(key).failure
        assert failure is not None
        assert failure.message == "the process that ran the case ended (-9) before the case did"


def test_interrupt_ends_the_waiting_cases(run_suite: RunSuite) -> None:
    """Ctrl-C while only a waiting case is left: the run exits with 2 and leaves nothing behind.

    A fixture of this folder looks for leftovers.
    """
    begun = run_suite.pytester.path / "begun"
    run_suite.pytester.makepyfile(
        test_small=f"""
import threading
from pathlib import Path
from harness.case import case

@case("BES-006", ref="none", waits=60)
def test_patient(rest):
    Path({str(begun)!r}).touch()
    threading.Event().wait(60)

@case("BES-007", ref="none")
def test_usual(rest):
    rest.get("/system")
"""
    )
    process = run_suite.pytester.popen(
        [*run_suite.pytester._getpytestargs(), "-n", "0"], stdin=None
    )
    try:
        wait_until(begun.exists, what="the waiting case to begin", within=40)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == pytest.ExitCode.INTERRUPTED
