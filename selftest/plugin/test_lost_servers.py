"""A server that dies, hangs or is slow fails only the case during which it happens."""

import pytest
from support.suites import RunSuite

pytestmark = pytest.mark.usefixtures("orthanc")

SUITE = """
@case("LOST-001", ref="none")
def test_before(rest):
    assert rest.json("/patients") == []

@case("LOST-002", ref="none")
def test_victim(rest, remote, stored, bench):
    stored.instance(PatientName="Lost^Soul")
    {fault}
    assert rest.json("/statistics")["CountInstances"] == 1

@case("LOST-003", ref="none")
def test_after(rest):
    assert rest.json("/patients") == []
"""
ONLY_THE_VICTIM = {"LOST-001": "passed", "LOST-002": "failed", "LOST-003": "passed"}


def test_killed_server_fails_its_case_with_signal_log_and_request(run_suite: RunSuite) -> None:
    """SIGKILL in mid-run: the case shows signal, log and request, and the run continues."""
    done = run_suite(SUITE.format(fault="os.kill(remote.server.pid, signal.SIGKILL)"))

    assert done.outcomes == ONLY_THE_VICTIM
    failure = done.case("LOST-002").failure
    assert failure is not None
    assert failure.message.startswith("the remote server died of SIGKILL")
    assert "GET /statistics" in failure.text
    assert "the last lines of its log" in failure.text
    assert "POST /instances" in (done.folder / "cases/LOST-002/exchange.txt").read_text()
    assert "POST /instances" in (done.folder / "cases/LOST-002/server.log").read_text()


def test_server_that_dies_with_a_request_under_way(run_suite: RunSuite) -> None:
    """A server that dies while it handles a request: the failure names the request."""
    fault = """
    import threading
    remote.server.launcher.freeze()
    threading.Timer(0.5, os.kill, (remote.server.pid, signal.SIGKILL)).start()"""
    done = run_suite(SUITE.format(fault=fault))

    assert done.outcomes == ONLY_THE_VICTIM
    failure = done.case("LOST-002").failure
    assert failure is not None
    assert failure.message == "the remote server died of SIGKILL, in progress: GET /statistics"


def test_frozen_server_costs_one_time_limit(run_suite: RunSuite) -> None:
    """SIGSTOP in mid-run: one case fails within its limit, and a new server runs the others."""
    done = run_suite(SUITE.format(fault="remote.server.launcher.freeze()"), "--case-limit=3")

    assert done.outcomes == ONLY_THE_VICTIM
    case = done.case("LOST-002")
    assert case.failure is not None
    assert case.failure.message.startswith("the remote server no longer answers")
    assert case.duration < 4


def test_slow_server_passes_within_the_limit(run_suite: RunSuite) -> None:
    """A server that is slow but within the limit fails no case."""
    fault = """
    from harness.relay import Disturbance
    remote.rest_relay.disturb = Disturbance(delay=0.3)"""
    done = run_suite(SUITE.format(fault=fault), "--case-limit=9")

    assert done.outcomes == {"LOST-001": "passed", "LOST-002": "passed", "LOST-003": "passed"}
    assert done.case("LOST-002").duration > 0.5


def test_too_slow_server_fails_one_case(run_suite: RunSuite) -> None:
    """A server that answers too late fails the case by its limit; it is healthy, so it is kept."""
    fault = """
    from harness.relay import Disturbance
    remote.rest_relay.disturb = Disturbance(delay=30)"""
    done = run_suite(SUITE.format(fault=fault), "--case-limit=3")

    assert done.outcomes == ONLY_THE_VICTIM
    failure = done.case("LOST-002").failure
    assert failure is not None
    assert not failure.message.startswith("the remote server")


def test_server_that_dies_after_a_case_fails_the_next_one(run_suite: RunSuite) -> None:
    """A crash between two cases fails the next one, with a message that says so."""
    suite = """
@pytest.fixture
def parting_shot(remote):
    yield
    pid = remote.server.pid
    os.kill(pid, signal.SIGSEGV)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

@case("LOST-001", ref="none")
def test_shot(rest, parting_shot):
    pass

@case("LOST-002", ref="none")
def test_next(rest):
    pass
"""
    done = run_suite(suite)

    assert done.outcomes["LOST-001"] == "failed"
    assert done.outcomes["LOST-002"] == "passed"
    failure = done.case("LOST-001").failure
    assert failure is not None
    assert "died of SIGSEGV" in failure.message


def test_dead_local_server(run_suite: RunSuite) -> None:
    """The local server is monitored like the remote."""
    # The case sends it no further request, so it would not wait for its end.
    fault = """
    pid = bench.local.server.pid
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)"""
    done = run_suite(SUITE.format(fault=fault))

    assert done.outcomes == ONLY_THE_VICTIM
    failure = done.case("LOST-002").failure
    assert failure is not None
    assert failure.message.startswith("the local server died of SIGKILL")


def test_work_that_a_failed_case_left_under_way_is_ended(run_suite: RunSuite) -> None:
    """A job that continues after its case has failed does not affect the next case."""
    suite = """
@case("LOST-001", ref="none")
def test_leaves_a_job(rest, stored, local):
    from harness.relay import Disturbance
    local.dicom_relay.disturb = Disturbance(delay=0.5)
    stored.study(instances=20)
    studies = rest.json("/studies")
    rest.post("/modalities/orthanctest/store", {"Resources": studies, "Asynchronous": True})
    assert False

@case("LOST-002", ref="none")
def test_sees_nothing_of_it(rest, local_rest):
    states = {job["State"] for job in rest.json("/jobs?expand")}
    assert states <= {"Success", "Failure"}
    assert local_rest.json("/instances") == []
"""
    done = run_suite(suite)

    assert done.outcomes == {"LOST-001": "failed", "LOST-002": "passed"}
