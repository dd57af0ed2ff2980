"""Without an Orthanc: pynetdicom's qrscp is tested, and the report says what that leaves out."""

import pytest
from support.suites import RunSuite

SUITE = """
from harness.waiting import wait_until

@case("EMB-001", ref="none")
@needs("dimse.find.study")
def test_find(dimse, stored):
    stored.study(PatientName="Muller^Anna")
    assert [str(each.PatientName) for each in dimse.find_studies(PatientName="M*")] == ["Muller^Anna"]

@case("EMB-002", ref="none")
@needs("dimse.move.study")
def test_move(dimse, stored, local, local_dimse):
    sample = stored.instance()
    dimse.move("STUDY", local.ae_title, StudyInstanceUID=sample.study_instance_uid)
    wait_until(lambda: local_dimse.find_studies(StudyInstanceUID=""), what="the study at the local server")

@case("EMB-003", ref="none")
@needs("rest")
def test_rest(rest): pass

@case("EMB-004", ref="none")
def test_emptied(dimse, local_dimse):
    assert dimse.find_studies(StudyInstanceUID="") == local_dimse.find_studies(StudyInstanceUID="") == []

@case("EMB-005", ref="none")
def test_killed(dimse, remote):
    os.kill(remote.server.pid, signal.SIGKILL)
    dimse.echo()

@case("EMB-006", ref="none")
def test_after(dimse):
    assert dimse.echo() == 0
"""


def test_dicom_suites_run_against_the_embedded_server(run_suite: RunSuite) -> None:
    """DICOM cases run both ways, REST is unsupported, a crash costs one case; a note says so."""
    done = run_suite(SUITE, "--orthanc=none")

    assert done.outcomes == {
        "EMB-001": "passed",
        "EMB-002": "passed",
        "EMB-003": "unsupported",
        "EMB-004": "passed",
        "EMB-005": "failed",
        "EMB-006": "passed",
    }
    failure = done.case("EMB-005").failure
    assert failure is not None
    assert failure.message.startswith("the remote server died of SIGKILL")
    assert done.run.server.name == "qrscp"
    (note,) = done.run.notes
    assert "the REST, DICOMweb and worklist suites were left out" in note


def test_known_issues_are_reported_and_outdated_ones_fail(run_suite: RunSuite) -> None:
    """A listed failure is known; a listed case that passes fails the run."""
    suite = """
@case("CFIND-033", ref="none")
def test_listed_and_failing(dimse):
    found = []
    assert found == ["Muller^Anna"]

@case("CGET-009", ref="none")
def test_listed_and_passing(dimse):
    assert dimse.echo() == 0
"""
    done = run_suite(suite, "--orthanc=none")

    assert done.outcomes == {"CFIND-033": "known", "CGET-009": "failed"}
    reason = done.case("CFIND-033").reason or ""
    assert reason.startswith("a group length element in the identifier makes it fail")
    failure = done.case("CGET-009").failure
    assert failure is not None
    assert "remove it from the entry at known/qrscp.toml:" in failure.message
    assert done.result.ret == pytest.ExitCode.TESTS_FAILED
