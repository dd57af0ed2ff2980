"""Cases that need settings run on a server that has them, which is started once for all of them."""

import pytest
from support.suites import RunSuite

SUITE = """
from harness.case import configured

PIDS = []

def compresses(rest):
    found = rest.json("/statistics")
    return int(found["TotalDiskSize"]) < int(found["TotalUncompressedSize"])

compressed = configured(StorageCompression=True)

@compressed
@case("CONF-001", ref="none", level="product")
def test_compressed(rest, stored, remote):
    stored.instance(PatientComments="x" * 5000)
    assert compresses(rest)
    PIDS.append(remote.server.pid)

@case("CONF-002", ref="none", level="product")
def test_usual(rest, stored, remote):
    assert rest.json("/patients") == []
    stored.instance(PatientComments="x" * 5000)
    assert not compresses(rest)
    PIDS.append(remote.server.pid)

@compressed
@case("CONF-003", ref="none", level="product")
def test_compressed_again(rest, stored, remote, dimse):
    assert rest.json("/patients") == []
    stored.instance(PatientComments="x" * 5000)
    assert compresses(rest)
    assert len(dimse.find_studies(StudyInstanceUID="")) == 1
    usual, ours = PIDS
    assert remote.server.pid == ours != usual

@configured(DicomWeb={"Enable": False})
@case("CONF-004", ref="none", level="product")
def test_section(rest):
    rest.get("/dicom-web/studies", expect=404)
"""


@pytest.mark.usefixtures("orthanc")
def test_server_with_settings_is_started_once(run_suite: RunSuite) -> None:
    """Each case meets exactly the settings that it names; the record lists them."""
    done = run_suite(SUITE)

    assert set(done.outcomes.values()) == {"passed"}
    assert done.case("CONF-001").notes == ("configured with StorageCompression=true",)
    assert done.case("CONF-002").notes == ()
    assert done.case("CONF-004").notes == ("configured with DicomWeb.Enable=false",)


def test_server_that_cannot_be_configured_is_spared(run_suite: RunSuite) -> None:
    """A case with settings is unsupported if the harness cannot choose the server's settings."""
    done = run_suite(SUITE, "--remote=dcmqrscp", "--case=CONF-003")

    assert done.outcomes == {"CONF-003": "unsupported"}
    assert "server.configure" in str(done.case("CONF-003").reason)


@pytest.mark.usefixtures("orthanc")
def test_settings_with_which_a_server_does_not_start_fail_their_cases(run_suite: RunSuite) -> None:
    """The failure shows the settings and the server's last output; the other cases run."""
    done = run_suite("""
from harness.case import configured

@configured(IndexDirectory="/proc/nowhere")
@case("CONF-005", ref="none", level="product")
def test_never_runs(rest): pass

@case("CONF-006", ref="none", level="product")
def test_usual(rest):
    assert rest.json("/patients?since=0&limit=7") == []

@configured(IndexDirectory="/proc/nowhere")
@case("CONF-007", ref="none", level="product")
def test_never_runs_either(rest): pass
""")

    assert done.outcomes == {"CONF-005": "failed", "CONF-006": "passed", "CONF-007": "failed"}
    failure = done.case("CONF-005").failure
    assert failure is not None
    evidence = done.case("CONF-005").evidence
    assert evidence is not None
    assert "limit=7" not in (evidence / "exchange.txt").read_text()  # belongs to another case
    assert (
        'the remote configured with IndexDirectory="/proc/nowhere": remote Orthanc ended'
        in failure.text
    )
