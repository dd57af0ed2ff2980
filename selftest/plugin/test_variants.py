"""Cases on a remote with another setup: over TLS, on a database, upgraded halfway."""

import pytest
from support.suites import RunSuite

from harness.cli import main
from harness.errors import ServerNotFound
from harness.servers.databases.installation import find_plugins
from harness.servers.databases.place import installed

TLS = """
from harness.case import configured
from dcm.wire import AssociateAC

@case("VAR-001", ref="none")
@configured(tls="dicom")
def test_evidence(dimse):
    assert dimse.echo() == 1

@case("VAR-002", ref="none")
def test_without_tls(dimse):
    assert dimse.echo() == 0

@case("VAR-003", ref="none")
@configured(tls="dicom")
def test_relay_shows_the_certificate_of_the_client(wire, remote):
    tls = remote.encryption.as_client(remote.encryption.expired)
    late = type(wire)(wire.peer, wire.called, wire.calling, 3.0, tls)
    assert isinstance(late.propose(late.request([("1.2.840.10008.1.1", ["1.2.840.10008.1.2"])])), AssociateAC)
"""


def test_exchange_over_tls_is_evidence(run_suite: RunSuite) -> None:
    """Exchanges over TLS are decoded in the evidence; the server checks client certificates."""
    done = run_suite(TLS, "--remote", "storescp", "--orthanc", "none")

    expected = {"VAR-001": "failed", "VAR-002": "passed", "VAR-003": "failed"}
    assert done.outcomes == expected
    evidence = done.case("VAR-001").evidence
    assert evidence is not None
    text = (evidence / "exchange.txt").read_text()
    assert "C-ECHO-RQ" in text
    assert "TLS" in text
    assert main(["replay", "VAR-001", "--run", str(done.folder)]) == 0  # over TLS again
    assert done.case("VAR-001").notes == ("dicom over TLS, with client certificates",)


def test_server_without_tls_is_unsupported(run_suite: RunSuite) -> None:
    """A product that cannot be started with TLS lacks `server.tls`."""
    done = run_suite(TLS, "--remote", "dcmqrscp", "--orthanc", "none")

    expected = {"VAR-001": "unsupported", "VAR-002": "passed", "VAR-003": "unsupported"}
    assert done.outcomes == expected


BROKEN = """
from harness.case import configured

@case("VAR-011", ref="none")
@configured(SslEnabled=True, SslCertificate="/nowhere.pem")
def test_first(rest):
    pass

@case("VAR-012", ref="none")
@configured(SslEnabled=True, SslCertificate="/nowhere.pem")
def test_second(rest):
    pass

@case("VAR-013", ref="none")
def test_usual(rest):
    assert rest.json("/system")
"""


def test_set_up_that_does_not_start_is_tried_once(run_suite: RunSuite, orthanc: str) -> None:
    """Each case of the group fails with the server's output; the others are not affected."""
    done = run_suite(BROKEN, f"--orthanc={orthanc}")

    expected = {"VAR-011": "failed", "VAR-012": "failed", "VAR-013": "passed"}
    assert done.outcomes == expected
    why = [done.case(each).why or "" for each in ("VAR-011", "VAR-012")]
    assert "while it started" in why[0]
    assert why[0] == why[1]


UPGRADE = """
from harness.case import configured

@case("VAR-021", ref="none")
@configured(previous=True)
def test_upgrade(rest, stored, upgrade, remote):
    stored.instance()
    upgrade()
    assert len(rest.json("/instances")) == 1
    assert remote.server.upgraded

@case("VAR-022", ref="none")
@configured(previous=True)
def test_next_one_begins_empty_with_the_previous_release(rest, remote):
    assert rest.json("/instances") == []
    assert not remote.server.upgraded
"""


def test_upgrade_keeps_the_data(run_suite: RunSuite, orthanc: str) -> None:
    """The release under test continues with the previous one's data; the next case starts empty."""
    done = run_suite(UPGRADE, f"--orthanc={orthanc}", f"--previous=orthanc:{orthanc}")

    assert done.outcomes == {"VAR-021": "passed", "VAR-022": "passed"}


def test_upgrade_without_a_previous_release(run_suite: RunSuite, orthanc: str) -> None:
    """Without --previous there is nothing to upgrade from."""
    done = run_suite(UPGRADE, f"--orthanc={orthanc}")

    assert done.outcomes == {"VAR-021": "unsupported", "VAR-022": "unsupported"}


DATABASE = """
@case("VAR-031", ref="none")
def test_on_the_database(rest, stored):
    stored.instance()
    assert "libOrthancPostgreSQLIndex" in rest.json("/system")["DatabaseBackendPlugin"]
"""


def test_run_on_a_database(
    run_suite: RunSuite, orthanc: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--database sets up the remote of every case."""
    monkeypatch.delenv("TMPDIR")  # PostgreSQL does not run as root, and must be able to enter it
    try:
        installed("postgresql")
        find_plugins("postgresql")
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    done = run_suite(DATABASE, f"--orthanc={orthanc}", "--database=postgresql")

    assert done.outcomes == {"VAR-031": "passed"}
    assert "on postgresql" in done.run.notes


def test_database_is_for_orthanc(run_suite: RunSuite) -> None:
    """Other servers have their own storage, so --database is a usage error."""
    done = run_suite(DATABASE, "--remote", "qrscp", "--database=postgresql")

    assert done.result.ret == pytest.ExitCode.USAGE_ERROR
