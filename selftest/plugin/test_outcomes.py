"""The outcome of a case, and of the run."""

import pytest
from support.suites import RunSuite

from harness.servers.locate import find_orthanc

pytestmark = pytest.mark.usefixtures("orthanc")


def test_each_outcome_has_its_word_and_its_facts(run_suite: RunSuite) -> None:
    """Passed, failed, unsupported and error are distinct; a comparison shows both sides."""
    suite = '''
@case("OUT-001", ref="PS3.4 C.4.1")
def test_good(rest):
    """All is well."""
    rest.get("/system")

@case("OUT-002", ref="none", covers="Orthanc.test_system")
def test_bad(rest):
    names = {"Mulder^Bob"}
    assert names == {"Muller^Anna", "Mulder^Bob"}

@case("OUT-003", ref="none", level="product")
@needs("orthanc>=99")
def test_too_new(rest):
    assert False

@case("OUT-004", ref="none")
def test_our_own_trouble(corpus):
    corpus["no such sample"]

@case("OUT-005", ref="none")
def test_wrong_status(rest):
    rest.get("/nowhere")

@case("OUT-006", ref="none")
def test_skips_itself():
    pytest.skip("too lazy")
'''
    done = run_suite(suite)

    assert done.outcomes == {
        "OUT-001": "passed",
        "OUT-002": "failed",
        "OUT-003": "unsupported",
        "OUT-004": "error",
        "OUT-005": "failed",
        "OUT-006": "error",
    }
    assert done.result.ret == pytest.ExitCode.TESTS_FAILED
    good = done.case("OUT-001")
    assert (good.title, good.ref, good.level) == ("All is well.", "PS3.4 C.4.1", "must")
    assert good.evidence is None
    bad = done.case("OUT-002").failure
    assert bad is not None
    assert (bad.expected, bad.received) == ("Mulder^Bob, Muller^Anna", "Mulder^Bob")
    version = find_orthanc().version
    assert done.case("OUT-003").reason == f"needs orthanc>=99, but this is {version}"
    status = done.case("OUT-005").failure
    assert status is not None
    assert status.message == "GET /nowhere: expected status 200, received 404"
    exchange = (done.folder / "cases/OUT-005/exchange.txt").read_text()
    assert "GET /nowhere" in exchange
    assert "GET /system" not in exchange  # belongs to another case


def test_each_failure_is_summarized_once(run_suite: RunSuite) -> None:
    """Pytest's own summary, which cuts the reasons, is printed only if `-r` asks for it."""
    suite = """
@case("OUT-007", ref="none")
def test_bad(rest):
    assert rest.json("/system")["ApiVersion"] == "another"
"""
    ours = run_suite(suite).result.stdout.str()
    assert ours.count("FAILED") == 1
    assert "FAILED OUT-007" in ours

    both = run_suite(suite, "-rf").result.stdout.str()
    assert "FAILED OUT-007" in both
    assert "FAILED test_small.py::test_bad" in both


def test_a_run_in_which_nothing_ran_is_no_success(run_suite: RunSuite) -> None:
    """If all cases are unsupported, the exit code is not 0."""
    done = run_suite(
        '@case("OUT-001", ref="none", level="product")\n@needs("orthanc>=99")\ndef test_it(): pass\n'
    )

    assert done.outcomes == {"OUT-001": "unsupported"}
    assert done.result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_password_reaches_no_record(run_suite: RunSuite) -> None:
    """A failing case that prints and sends the password leaves it nowhere in the run folder."""
    suite = """
@case("OUT-001", ref="none")
def test_leak(rest, remote):
    import requests
    password = remote.server.adapter.credentials.password
    with open("password.txt", "w") as file:
        file.write(password)
    print("the password is", password)
    print(requests.auth._basic_auth_str("alice", password))
    rest.put("/modalities/leak", {"AET": "A", "Host": password, "Port": 104})
    rest.get("/nowhere", params={"password": password}, expect=None)
    assert password == "something else"
"""
    done = run_suite(suite)

    secret = (run_suite.pytester.path / "password.txt").read_bytes()
    assert done.outcomes == {"OUT-001": "failed"}
    files = [path for path in done.folder.rglob("*") if path.is_file()]
    assert [path for path in files if secret in path.read_bytes()] == []
    assert {"exchange.txt", "server.log", "repro.sh"} <= {path.name for path in files}


def test_workers_have_servers_of_their_own(run_suite: RunSuite) -> None:
    """Two workers: both run cases, neither sees the other's objects, one run folder has all."""
    suite = """
@pytest.mark.parametrize("number", range(8))
@case("OUT-001", ref="none")
def test_alone(rest, stored, number):
    stored.instance(PatientID=str(number))
    patients = [each["MainDicomTags"]["PatientID"] for each in rest.json("/patients?expand")]
    assert patients == [str(number)]
"""
    done = run_suite(suite, "-n2")

    assert list(done.outcomes.values()) == ["passed"] * 8
    assert {each.worker for each in done.run.cases} == {"gw0", "gw1"}


def test_a_killed_worker_is_an_error_and_leaves_nothing(run_suite: RunSuite) -> None:
    """SIGKILL of a worker: its case is an error, the others run, its servers are gone."""
    suite = """
@case("OUT-001", ref="none")
def test_last_words(rest):
    os.kill(os.getpid(), signal.SIGKILL)

@pytest.mark.parametrize("number", range(4))
@case("OUT-002", ref="none")
def test_others(rest, number):
    rest.get("/system")
"""
    done = run_suite(suite, "-n2")

    assert done.outcomes["OUT-001"] == "error"
    assert [done.outcomes[f"OUT-002-{number}"] for number in range(4)] == ["passed"] * 4


def test_servers_that_do_not_start_end_the_run(run_suite: RunSuite) -> None:
    """A plugin fails to load: the first case is an error that says why, and no other one begins."""
    suite = """
@case("OUT-001", ref="none")
def test_one(rest):
    pass

@case("OUT-002", ref="none")
def test_two(rest):
    pass
"""
    run_suite.pytester.makefile(".so", broken="this is no shared library")
    done = run_suite(suite, "--plugins=broken.so")

    assert done.outcomes == {"OUT-001": "error"}
    failure = done.case("OUT-001").failure
    assert failure is not None
    assert "broken.so" in failure.text
