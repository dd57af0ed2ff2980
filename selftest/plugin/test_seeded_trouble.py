"""Problems that once went unnoticed, or were attributed to the wrong case or side."""

import sys

import pytest
from support.suites import RunSuite

pytestmark = pytest.mark.usefixtures("orthanc")


def test_defect_of_a_case_is_an_error(run_suite: RunSuite) -> None:
    """An exception in a body is an error of ours: shown with its type, and never a known issue."""
    known = run_suite.pytester.mkdir("known")
    (known / "orthanc.toml").write_text(
        '[[issue]]\ncases = ["SEED-001"]\nshows = "."\nreason = "anything"\nref = "none"\n'
    )
    done = run_suite(
        """
@case("SEED-001", ref="none")
def test_key(rest):
    {}["missing"]

@case("SEED-002", ref="none")
def test_missing_member(rest):
    rest.json("/system")["NoSuchMember"]

@case("SEED-003", ref="none")
def test_not_json(rest):
    rest.get("/app/explorer.html").json()
""",
        f"--known={known}",
    )

    assert done.outcomes == {"SEED-001": "error", "SEED-002": "failed", "SEED-003": "failed"}
    error = done.case("SEED-001").failure
    missing = done.case("SEED-002").failure
    assert error is not None
    assert missing is not None
    assert error.message == "KeyError: 'missing'"
    assert missing.message.startswith("the answer has no member 'NoSuchMember'; it has ApiVersion")


def test_setting_that_a_case_leaves_behind_does_not_reach_the_next(run_suite: RunSuite) -> None:
    """A modality that was PUT and left there is gone in the next case; so are script variables."""
    done = run_suite("""
@case("SEED-004", ref="none")
def test_careless(rest):
    rest.put("/modalities/left", ["LEFT", "127.0.0.1", 104])
    rest.post("/tools/execute-script", "left = 'behind'")
    assert "left" in rest.json("/modalities")

@case("SEED-005", ref="none")
def test_next(rest):
    assert "left" not in rest.json("/modalities")
    assert rest.post("/tools/execute-script", "print(left)").text.strip() == "nil"
""")

    assert done.outcomes == {"SEED-004": "passed", "SEED-005": "passed"}


def test_job_that_a_case_leaves_behind_does_not_reach_the_next(run_suite: RunSuite) -> None:
    """After a case that has sent objects elsewhere, the server is restarted: no job is listed."""
    done = run_suite("""
@case("SEED-006", ref="none")
def test_careless(rest, stored, local):
    stored.instance()
    rest.post("/modalities/orthanctest/store", rest.json("/instances"))
    assert len(rest.json("/jobs")) == 1

@case("SEED-007", ref="none")
def test_next(rest):
    assert rest.json("/jobs") == []
""")

    assert done.outcomes == {"SEED-006": "passed", "SEED-007": "passed"}


def test_job_on_objects_is_ended_without_a_fresh_start(run_suite: RunSuite) -> None:
    """The same server continues, without active jobs or objects; ended jobs may be listed."""
    done = run_suite("""
from pathlib import Path

@case("SEED-030", ref="none")
def test_careless(rest, stored, remote):
    stored.study(instances=20)
    (study,) = rest.json("/studies")
    rest.post(f"/studies/{study}/anonymize", {"Asynchronous": True})
    Path("server").write_text(str(remote.server.pid))

@case("SEED-031", ref="none")
def test_next(rest, remote):
    assert str(remote.server.pid) == Path("server").read_text()
    assert {job["State"] for job in rest.json("/jobs?expand")} <= {"Success", "Failure"}
    assert rest.json("/instances") == []
    rest.post("/tools/execute-script", "x = 1")

@case("SEED-032", ref="none")
def test_after_a_script(rest, remote):
    assert str(remote.server.pid) != Path("server").read_text()
""")

    assert done.outcomes == dict.fromkeys(("SEED-030", "SEED-031", "SEED-032"), "passed")


LATE = """
@pytest.fixture
def victim(remote):
    yield
    os.kill(remote.server.pid, signal.SIGKILL)

@case("SEED-008", ref="none")
def test_last_words(rest, victim):
    rest.get("/system")

@case("SEED-009", ref="none")
def test_innocent(rest):
    assert rest.json("/patients") == []
"""


def test_server_that_dies_as_a_case_ends_fails_that_case(run_suite: RunSuite) -> None:
    """A server found dead at the end of a case was lost by this case."""
    done = run_suite(LATE)

    assert done.outcomes == {"SEED-008": "failed", "SEED-009": "passed"}
    assert done.result.ret == pytest.ExitCode.TESTS_FAILED
    failure = done.case("SEED-008").failure
    assert failure is not None
    assert failure.message.startswith("the remote server died of SIGKILL")


KILLER = """
import os
import signal
import psutil

def pytest_runtest_logfinish(nodeid):
    if "test_last_words" in nodeid:
        for child in psutil.Process().children():
            if "harness-remote-" in child.cwd():
                child.send_signal(signal.SIGKILL)
                os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
"""


@pytest.mark.parametrize("workers", ["0", "1"])
def test_server_that_dies_between_two_cases_fails_the_first(
    run_suite: RunSuite, workers: str
) -> None:
    """A server that dies after the record of a case was closed still fails this case."""
    run_suite.pytester.makeconftest(KILLER)
    done = run_suite(
        LATE.replace("    os.kill(remote.server.pid, signal.SIGKILL)\n", ""), "-n", workers
    )

    assert done.outcomes == {"SEED-008": "failed", "SEED-009": "passed"}
    assert done.result.ret == pytest.ExitCode.TESTS_FAILED
    failure = done.case("SEED-008").failure
    assert failure is not None
    assert "died of SIGKILL, after the case had ended" in failure.message


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ("dimse.fnd.study", "did you mean dimse.find.study?"),
        ("rest>=1.0", "which has no version"),
        ("orthanc>=1.9", "is a `must` but needs orthanc>=1.9"),
    ],
    ids=["misspelt", "no-version", "must"],
)
def test_need_that_cannot_be_meant_is_an_error(run_suite: RunSuite, needs: str, said: str) -> None:
    """A need is in the vocabulary, has a version only if it can, and does not excuse a `must`."""
    done = run_suite(f"""
@case("SEED-010", ref="none")
@needs("{needs}")
def test_never_runs(rest):
    pass
""")

    assert done.result.ret == pytest.ExitCode.USAGE_ERROR
    done.result.stderr.fnmatch_lines([f"*{said}*"])


def test_suites_can_have_needs_of_their_own(run_suite: RunSuite) -> None:
    """A need from the ini file is valid, and unsupported by a server that does not have it."""
    run_suite.pytester.makeini(
        "[pytest]\nharness_needs = mine.thing\naddopts = -p harness.plugin -p no:cacheprovider"
    )
    done = run_suite("""
@case("SEED-011", ref="none")
@needs("mine.thing")
def test_mine(rest):
    pass
""")

    assert done.outcomes == {"SEED-011": "unsupported"}


def test_junit_file_of_pytest(run_suite: RunSuite) -> None:
    """A figure that a case measures is not an error if pytest writes its own JUnit file."""
    done = run_suite(
        """
@case("SEED-012", ref="none")
def test_measures(rest, record_property):
    record_property("speed", "fast")
""",
        "--junit-xml=junit.xml",
    )

    assert done.outcomes == {"SEED-012": "passed"}
    assert done.result.ret == pytest.ExitCode.OK
    assert "speed" in (run_suite.pytester.path / "junit.xml").read_text()


def test_dropped_request_fails_its_case(run_suite: RunSuite) -> None:
    """A request on a warm connection that is cut is not repeated silently."""
    done = run_suite("""
from harness.relay import Disturbance

@case("SEED-013", ref="none")
def test_dropped(rest, bench):
    rest.get("/system")
    bench.relay("remote.rest").disturb = Disturbance(cut_after=0)
    rest.get("/system")
""")

    assert done.outcomes == {"SEED-013": "failed"}
    failure = done.case("SEED-013").failure
    assert failure is not None
    assert failure.message.startswith("GET /system: no answer")


def test_request_that_was_repeated_is_noted(run_suite: RunSuite) -> None:
    """The record and the page name a request repeated because its idle connection was closed."""
    done = run_suite("""
from harness.relay import Disturbance

@case("SEED-014", ref="none")
def test_idle(rest, bench, monkeypatch):
    monkeypatch.setattr("harness.clients.rest.KEPT", 0)
    rest.get("/system")
    relay, note = bench.relay("remote.rest"), rest._note

    def undisturbed(text):
        relay.disturb = None
        note(text)

    monkeypatch.setattr(rest, "_note", undisturbed)
    relay.disturb = Disturbance(cut_after=0)
    rest.get("/system")
""")

    assert done.outcomes == {"SEED-014": "passed"}
    (note,) = done.case("SEED-014").notes
    assert note.startswith("GET /system was sent twice: the server had closed the connection")
    assert note in (done.folder / "report.html").read_text()


def test_both_servers_are_emptied_though_one_is_lost(run_suite: RunSuite) -> None:
    """If one server is lost as a case ends, the other is emptied for the next case all the same."""
    done = run_suite(f"""
{LATE}
@case("SEED-015", ref="none")
def test_stores_at_the_other(rest, local_rest, make, victim):
    local_rest.upload(make.instance().data)
    rest.get("/system")

@case("SEED-016", ref="none")
def test_finds_nothing(rest, local_rest):
    assert rest.json("/patients") == local_rest.json("/patients") == []
""")

    assert done.outcomes == {
        "SEED-008": "failed", "SEED-009": "passed", "SEED-015": "failed", "SEED-016": "passed",
    }  # fmt: skip


def test_server_that_a_case_crashed_is_emptied(run_suite: RunSuite) -> None:
    """Its port is new, and what it stored does not reach the next case."""
    done = run_suite(
        """
@case("SEED-017", ref="none")
def test_crashes(stored, crash):
    stored.instance()
    crash()

@case("SEED-018", ref="none")
def test_finds_nothing(dimse):
    assert dimse.find_studies(StudyInstanceUID="") == []
""",
        "--remote=dcmqrscp",
    )

    assert done.outcomes == {"SEED-017": "passed", "SEED-018": "passed"}


@pytest.mark.skipif(
    not (3, 11) <= sys.version_info < (3, 11, 5), reason="this Python counts each tree by itself"
)
def test_syntax_tree_of_a_finalizer_does_not_end_the_run(run_suite: RunSuite) -> None:
    """A failure is shown even if a finalizer that builds a syntax tree is due."""
    done = run_suite("""
import ast, gc

class Garbage:
    def __init__(self):
        self.cycle = self

    def __del__(self):
        ast.parse("a.b + c")
        Garbage()

@case("SEED-020", ref="none")
def test_fails():
    gc.set_threshold(60, 5, 5)
    Garbage()
    assert False
""")

    assert done.outcomes == {"SEED-020": "failed"}
