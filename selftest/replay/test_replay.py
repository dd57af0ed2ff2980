"""`harness replay`: recorded requests are sent again, and the answers are compared."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from support.suites import RunSuite

from harness.cli import main
from harness.errors import ServerNotFound
from harness.programs import find_tool
from harness.report.load import CaseResult
from harness.servers.locate import find_orthanc
from harness.variant import USUAL

FOUND = """
@case("REC-001", ref="x")
def test_nothing_is_found(dimse, stored):
    stored.study(PatientName="Muller^Anna")
    assert dimse.find_studies(PatientName="Mul*") == []
"""
JOB = """
@case("REC-002", ref="x")
def test_a_job(rest, stored):
    stored.study(PatientName="Muller^Anna")
    (found,) = rest.json("/studies")
    job = rest.post(f"/studies/{found}/anonymize", {"Asynchronous": True}).json()
    assert rest.json(f"/jobs/{job['ID']}")["Type"] == "Other"
"""
SECURE = """
from harness.case import configured
@case("REC-005", ref="x")
@configured(RegisteredUsers={"alice": None, "bert": "sesame"}, AuthenticationEnabled=True)
def test_another_user(rest):
    assert rest.json("/system")["ApiVersion"] == 0
"""
UNSTARTABLE = """
from harness.case import configured
@case("REC-006", ref="x")
@configured(UserMetadata={"Mine": 1})
def test_it_starts(rest):
    assert rest.json("/system")
"""
KILLED = """
@case("REC-010", ref="x")
def test_it_starts_again(story, stored):
    stored.instance()
    story.end("SIGKILL")
    story.start(HttpPort=-1)
"""
LIMITED = """
@case("REC-011", ref="x")
def test_it_takes_little_memory(bench, rest):
    with bench.action("memory limit", megabytes=0):
        rest.json("/system")
        raise AssertionError("it took too much")
"""
CONTINUED = """
import requests

@case("REC-007", ref="x")
def test_a_connection_is_opened(rest):
    rest.json("/system")

@case("REC-008", ref="x")
def test_another_one_comes_first(rest, remote):
    requests.get(f"http://{remote.rest_relay.endpoint}/patients", auth=("nobody", "x"))
    assert rest.json("/studies") == ["none"]
"""
SHAKEN = """
import ssl
from harness.case import configured

@case("REC-009", ref="x")
@configured(tls="dicom")
def test_a_version(handshake):
    assert handshake(ssl.TLSVersion.TLSv1_2) == "none"
"""


@pytest.fixture
def _orthanc() -> None:
    try:
        find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))


def _replay(run: Path, *arguments: str) -> int:
    return main(["replay", *arguments, "--run", str(run)])


def _change(case: CaseResult, **fields: object) -> None:
    """Change fields of a recording."""
    assert case.evidence is not None
    recording = case.evidence / "recording.json"
    recording.write_text(json.dumps(json.loads(recording.read_text()) | fields))


def test_the_same_server_answers_the_same(
    run_suite: RunSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    """The object is stored and found again, on a server that starts as empty as it was."""
    done = run_suite(FOUND, "--orthanc=none")
    assert done.outcomes == {"REC-001": "failed"}
    capsys.readouterr()

    assert _replay(done.folder, "REC-001") == 0

    said = capsys.readouterr().out
    assert "C-STORE-RSP #1 0000H success" in said
    assert "C-FIND-RSP" in said
    assert "the same as recorded." in said
    assert "then  " not in said


def test_what_another_server_answers_stands_beside_it(
    run_suite: RunSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server without queries answers differently: both answers are shown, with exit code 1."""
    if find_tool("storescp") is None:
        pytest.skip("dcmtk's storescp is not here")
    done = run_suite(FOUND, "--orthanc=none")
    capsys.readouterr()

    assert _replay(done.folder, "REC-001", "--remote", "storescp", "--wait", "1") == 1

    said = capsys.readouterr().out
    assert "<- then  C-FIND-RSP" in said
    assert "now   nothing" in said
    assert "differ from the recorded ones." in said


@pytest.mark.usefixtures("_orthanc")
def test_credentials_and_identifiers_are_those_of_now(
    run_suite: RunSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recording has no password, and the job has a new identifier: its state is still found."""
    done = run_suite(JOB)
    evidence = done.case("REC-002").evidence
    assert evidence is not None
    sent = b"".join(path.read_bytes() for path in evidence.glob("http-*-to-server.bin"))
    assert b"Authorization: ****" in sent
    capsys.readouterr()

    _replay(done.folder, "REC-002")

    said = capsys.readouterr().out
    assert "-> GET /jobs/" in said
    assert "401 Unauthorized" not in said
    assert "404 Not Found" not in said


@pytest.mark.usefixtures("_orthanc")
def test_credentials_are_those_of_the_configuration(
    run_suite: RunSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the case configured other users, their credentials are sent."""
    done = run_suite(SECURE)
    assert done.outcomes == {"REC-005": "failed"}
    capsys.readouterr()

    assert _replay(done.folder, "REC-005") == 0

    said = capsys.readouterr().out
    assert "<- 200 OK, application/json   (as recorded)" in said


@pytest.mark.usefixtures("_orthanc")
def test_a_handshake(run_suite: RunSuite, capsys: pytest.CaptureFixture[str]) -> None:
    """It is made again, although it passes through no relay; a server without TLS does not agree."""
    done = run_suite(SHAKEN)
    capsys.readouterr()

    assert _replay(done.folder, "REC-009") == 0
    assert "TLSv1_2 offered, TLSv1.2 agreed on   (as recorded)" in capsys.readouterr().out

    _change(done.case("REC-009"), variant=asdict(USUAL))
    assert _replay(done.folder, "REC-009") == 1
    assert "TLSv1_2 offered, nothing agreed on" in capsys.readouterr().out


@pytest.mark.usefixtures("_orthanc")
def test_a_connection_of_an_earlier_case(
    run_suite: RunSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its answers are compared with its own, although another connection was used before it."""
    done = run_suite(CONTINUED)
    assert done.outcomes["REC-008"] == "failed"
    capsys.readouterr()

    assert _replay(done.folder, "REC-008") == 0

    said = capsys.readouterr().out
    assert said.index("GET /patients") < said.index("GET /studies")


@pytest.mark.usefixtures("_orthanc")
def test_a_server_that_does_not_start(
    run_suite: RunSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    """If it did not start with the set-up of the case, it is started so again, and does not again."""
    done = run_suite(UNSTARTABLE)
    capsys.readouterr()

    assert _replay(done.folder, "REC-006") == 0
    assert "It does not start, as recorded: remote Orthanc" in capsys.readouterr().out

    _change(done.case("REC-006"), variant=asdict(USUAL))
    assert _replay(done.folder, "REC-006") == 1
    assert "now   it started" in capsys.readouterr().out

    _change(done.case("REC-006"), trouble="")
    assert _replay(done.folder, "REC-006") == 2
    assert "nothing was recorded" in capsys.readouterr().err


@pytest.mark.usefixtures("_orthanc")
def test_what_was_done_to_the_server(
    run_suite: RunSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is killed and started again with the same settings, and the result is compared."""
    done = run_suite(KILLED)
    assert done.outcomes == {"REC-010": "failed"}
    capsys.readouterr()

    assert _replay(done.folder, "REC-010") == 0
    said = capsys.readouterr().out
    assert "end (ending SIGKILL): done   (as recorded)" in said
    assert "start (settings {'HttpPort': -1}): remote Orthanc ended" in said

    starts = [[0.5, "start", {"previous": False, "settings": {"HttpPort": -1}}, ""]]
    _change(done.case("REC-010"), actions=starts)
    assert _replay(done.folder, "REC-010") == 1
    assert "then  start (settings {'HttpPort': -1}): done" in capsys.readouterr().out


@pytest.mark.usefixtures("_orthanc")
def test_a_limit_of_memory(run_suite: RunSuite, capsys: pytest.CaptureFixture[str]) -> None:
    """The server is ended if it exceeds the limit again."""
    done = run_suite(LIMITED)
    capsys.readouterr()

    _replay(done.folder, "REC-011")
    assert "memory limit: it took too much   (as recorded)" in capsys.readouterr().out

    limit = [[0.0, "memory limit", {"megabytes": 1 << 12}, "it took too much"]]
    _change(done.case("REC-011"), actions=limit)
    assert _replay(done.folder, "REC-011") == 1
    assert "now   memory limit (megabytes 4096): done" in capsys.readouterr().out


@pytest.mark.usefixtures("_orthanc")
def test_a_case_that_listened_listens_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a C-MOVE to the case itself, the same stores are refused again, with the same counts."""
    key = "CONRT-010-some-refused"
    runs = tmp_path / "runs"
    command = [sys.executable, "-m", "harness", "run", key, "-n", "0", "--keep-exchanges"]
    subprocess.run([*command, "--runs", str(runs)], capture_output=True, timeout=120, check=False)

    assert _replay(runs / "latest", key) == 0

    said = capsys.readouterr().out
    assert "local.dicom, answered by the case" in said
    assert "-> C-STORE-RSP" in said
    assert "the same as recorded." in said


def test_a_case_of_which_nothing_was_kept(
    run_suite: RunSuite, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says how to record it."""
    done = run_suite('@case("REC-003", ref="x")\ndef test_it(remote): pass\n', "--orthanc=none")
    capsys.readouterr()

    assert _replay(done.folder, "REC-003") == 2
    assert "run it with --keep-exchanges" in capsys.readouterr().err
    assert _replay(done.folder, "REC-009") == 2
    assert "has no case 'REC-009'" in capsys.readouterr().err


def test_a_recording_holds_every_byte(run_suite: RunSuite) -> None:
    """Its pieces have the length of the files next to it."""
    done = run_suite(FOUND, "--orthanc=none")
    evidence = done.case("REC-001").evidence
    assert evidence is not None

    record = json.loads((evidence / "recording.json").read_text())

    assert all(each["opened_by_case"] for each in record["connections"])
    for each in record["connections"]:
        for name, word in (("TO_SERVER", "to-server"), ("TO_CLIENT", "to-client")):
            sizes = [size for _, direction, size in each["chunks"] if direction == name]
            kept = evidence / f"dicom-{each['number']}-{word}.bin"
            assert kept.stat().st_size == sum(sizes)


def test_no_script_stands_where_it_could_not_do_all(run_suite: RunSuite) -> None:
    """A pynetdicom association cannot be repeated by curl or dcmtk."""
    done = run_suite(FOUND, "--orthanc=none")
    evidence = done.case("REC-001").evidence
    assert evidence is not None
    assert not (evidence / "repro.sh").exists()


def test_silence_is_an_answer_too(run_suite: RunSuite, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that closes the connection without an answer does so again."""
    suite = """
@case("REC-004", ref="x")
def test_garbage(remote):
    import socket
    with socket.create_connection((remote.dicom.host, remote.dicom.port), 5) as opened:
        opened.sendall(bytes(16))
        opened.shutdown(socket.SHUT_WR)
        opened.recv(100)
    assert False
"""
    done = run_suite(suite, "--orthanc=none")
    capsys.readouterr()

    assert _replay(done.folder, "REC-004") == 0
    assert "as recorded." in capsys.readouterr().out
