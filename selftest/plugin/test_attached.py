"""Attached mode: a server that somebody else started, with the configuration that we generate."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.archive import Archive
from support.scripted import ScriptedServer
from support.suites import RunSuite

from harness.config.generate import main as generate
from harness.waiting import wait_until

SUITE = """
@case("ATT-001", ref="none")
def test_empty(rest):
    assert rest.json("/patients") == []

@case("ATT-002", ref="none")
def test_move_to_local(dimse, stored, local, local_rest):
    sample = stored.instance(PatientName="Moved^Far")
    moved = dimse.move("STUDY", local.ae_title, StudyInstanceUID=sample.study_instance_uid)
    assert (moved.status, moved.counts["completed"]) == (0, 1)
    assert len(local_rest.json("/instances")) == 1
"""


class Attached:
    """A running Orthanc, and the arguments with which the harness finds it."""

    def __init__(self, folder: Path, executable: str) -> None:
        ports = [str(port) for port in _free_ports(4)]
        self.file = folder / "IntegrationTestsConfiguration.json"
        options = ("--dicom", "--rest", "--local-dicom", "--local-rest")
        chosen = [word for pair in zip(options, ports, strict=True) for word in pair]
        assert generate(["--target", str(self.file), "--password", "open-sesame", *chosen]) == 0
        self.url = f"http://127.0.0.1:{ports[1]}"
        self.process = subprocess.Popen(
            [executable, str(self.file)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def get(self, path: str) -> object:
        """GET as the server's own user."""
        return requests.get(self.url + path, auth=("alice", "open-sesame"), timeout=5).json()

    def ready(self) -> bool:
        """True once it answers."""
        try:
            return bool(self.get("/system"))
        except requests.RequestException:
            return False


@pytest.fixture
def attached(tmp_path: Path, orthanc: str) -> Iterator[Attached]:
    """An Orthanc that the harness did not start; it must still run when the harness is done."""
    server = Attached(tmp_path, orthanc)
    try:
        wait_until(server.ready, what="Orthanc to answer", within=15)
        yield server
        assert server.process.poll() is None
    finally:
        server.process.kill()
        server.process.wait()


ANY_SUITE = """
@case("ATT-001", ref="none")
@needs("dimse.find.study")
def test_find(dimse, make):
    sample = make.instance(PatientName="Stays^There")
    dimse.store_all([sample])
    assert len(dimse.find_studies(StudyInstanceUID=sample.study_instance_uid)) == 1

@case("ATT-002", ref="none")
def test_objects_of_the_case_before_are_there(dimse):
    assert [str(each.PatientName) for each in dimse.find_studies(PatientName="")] == ["Stays^There"]

@case("ATT-003", ref="none")
@needs("rest")
def test_rest(rest):
    assert rest.json("/system")
"""


def test_any_server(run_suite: RunSuite) -> None:
    """A server without Orthanc's REST API is tested with what it accepts, and what is stored stays there."""
    with ScriptedServer(Archive()) as server:
        port = str(server.endpoint.port)
        done = run_suite(
            ANY_SUITE, "--server", "127.0.0.1", "--dicom", port, "--aet", "ARCHIVE", "--force"
        )

    expected = {"ATT-001": "passed", "ATT-002": "passed", "ATT-003": "unsupported"}
    assert done.outcomes == expected
    assert any("cannot be emptied" in note for note in done.run.notes)


def test_any_server_is_asked_about(run_suite: RunSuite) -> None:
    """Nothing is stored in a server that cannot be emptied unless somebody says that this is right."""
    with ScriptedServer(Archive()) as server:
        port = str(server.endpoint.port)
        done = run_suite(ANY_SUITE, "--server", "127.0.0.1", "--dicom", port)

    assert done.result.ret != 0
    assert "cannot be emptied" in done.result.stderr.str()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def test_suites_run_against_an_attached_server(run_suite: RunSuite, attached: Attached) -> None:
    """The cases run, C-MOVE reaches the local server at the configured port, also where -n 2 is asked."""
    done = run_suite(SUITE, "--server=127.0.0.1", f"--config={attached.file}", "-n2")

    assert done.outcomes == {"ATT-001": "passed", "ATT-002": "passed"}
    assert (done.run.mode, done.run.workers) == ("attached", 1)


CARELESS = """
@case("ATT-003", ref="none")
def test_careless(rest):
    rest.put("/modalities/left", ["LEFT", "127.0.0.1", 104])
    rest.delete("/modalities/orthanctest")
    rest.put("/tools/log-level-http", "verbose")
    rest.put("/tools/default-encoding", "Greek")

@case("ATT-004", ref="none")
def test_next(rest):
    modalities = rest.json("/modalities")
    assert "orthanctest" in modalities
    assert "left" not in modalities
    assert rest.get("/tools/log-level-http").text == "default"
    assert rest.get("/tools/default-encoding").text == "Utf8"

@case("ATT-005", ref="none", waits=30)
def test_patient(rest):
    rest.get("/system")
"""


def test_settings_of_an_attached_server_are_put_back(
    run_suite: RunSuite, attached: Attached
) -> None:
    """It cannot be started anew: what a case has set, added or deleted is as it was in the next case.

    A case that waits long would hold up the only server, and runs if it is named.
    """
    done = run_suite(CARELESS, f"--config={attached.file}")

    assert done.outcomes == {"ATT-003": "passed", "ATT-004": "passed", "ATT-005": "unsupported"}
    assert "it waits 30 s on the only server" in (done.case("ATT-005").reason or "")
    named = run_suite(CARELESS, f"--config={attached.file}", "--case=ATT-005")
    assert named.outcomes == {"ATT-005": "passed"}


CONFIGURED = """
from harness.case import configured

@case("ATT-006", ref="none")
@configured(DefaultEncoding="Greek", UnknownSopClassAccepted=True)
def test_set(rest):
    assert rest.get("/tools/default-encoding").text == "Greek"
    assert rest.get("/tools/unknown-sop-class-accepted").text == "1"

@case("ATT-007", ref="none")
@configured(UnknownSopClassAccepted=True)
def test_encoding_is_back(rest):
    assert rest.get("/tools/default-encoding").text == "Utf8"

@case("ATT-008", ref="none")
@configured(StorageCompression=True)
def test_not_at_run_time(rest):
    assert False
"""


def test_settings_that_can_be_changed_at_run_time(run_suite: RunSuite, attached: Attached) -> None:
    """A group's settings are made by requests where Orthanc has one for them, and undone after the case."""
    done = run_suite(CONFIGURED, f"--config={attached.file}", "-p", "no:randomly")

    expected = {"ATT-006": "passed", "ATT-007": "passed", "ATT-008": "unsupported"}
    assert done.outcomes == expected
    assert "DefaultEncoding" in " ".join(done.case("ATT-006").notes)


def test_wrong_password_is_told(run_suite: RunSuite, attached: Attached) -> None:
    """A refusal is no failing case, but a sentence."""
    done = run_suite(SUITE, f"--config={attached.file}", "--password=wrong")

    assert done.result.ret == pytest.ExitCode.USAGE_ERROR
    assert "refuses 'alice' (status 401)" in done.result.stderr.str()


def test_taken_local_port_is_told(run_suite: RunSuite, attached: Attached) -> None:
    """The remote expects the local server at one port; where that is taken the sentence names it."""
    port = json.loads(attached.file.read_text())["DicomModalities"]["orthanctest"][2]
    with socket.create_server(("127.0.0.1", port)):
        done = run_suite(SUITE, f"--config={attached.file}")

    assert set(done.outcomes.values()) == {"error"}
    failure = done.case("ATT-001").failure
    assert failure is not None
    assert str(port) in failure.message


def test_a_server_with_patients_is_not_emptied_unasked(
    run_suite: RunSuite, attached: Attached
) -> None:
    """Without a terminal and without --force nothing is deleted; with --force it is."""
    from harness.corpus import corpus  # noqa: PLC0415

    data = corpus["h01-ct-1-1"].data
    requests.post(f"{attached.url}/instances", data, auth=("alice", "open-sesame"), timeout=5)

    refused = run_suite(SUITE, f"--config={attached.file}")
    assert refused.result.ret == pytest.ExitCode.USAGE_ERROR
    assert "holds 1 patients, which the run deletes. Say --force" in refused.result.stderr.str()
    assert attached.get("/patients") != []

    forced = run_suite(SUITE, f"--config={attached.file}", "--force")
    assert set(forced.outcomes.values()) == {"passed"}


@pytest.mark.parametrize(("answer", "left"), [("n", 1), ("y", 0)])
def test_the_question_is_asked_on_a_terminal(
    attached: Attached, run_suite: RunSuite, answer: str, left: int
) -> None:
    """On a terminal the harness asks, and does what the person says."""
    from harness.corpus import corpus  # noqa: PLC0415

    data = corpus["h01-ct-1-1"].data
    requests.post(f"{attached.url}/instances", data, auth=("alice", "open-sesame"), timeout=5)
    run_suite.pytester.makepyfile(test_small="")
    said = _on_a_terminal(run_suite.pytester.path, attached.file, answer)

    assert "holds 1 patients, which the run deletes. Go on? [y/N]" in said
    patients = attached.get("/patients")
    assert isinstance(patients, list)
    assert len(patients) == left


def _on_a_terminal(folder: Path, config: Path, answer: str) -> str:
    """Run one case in a pseudo-terminal, answer the question, and give all that was said."""
    (folder / "test_small.py").write_text(
        "from harness.case import case\n"
        '@case("ATT-001", ref="none")\n'
        "def test_empty(rest):\n    assert rest.json('/patients') == []\n"
    )
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", f"--config={config}"],
        cwd=folder,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    said = b""
    try:
        while chunk := _read(main):
            said += chunk
            if said.endswith(b"[y/N] "):
                os.write(main, f"{answer}\n".encode())
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)
        process.wait(timeout=20)
        os.close(main)
    return said.decode(errors="replace")


def _read(main: int) -> bytes:
    try:
        return os.read(main, 4096)
    except OSError:  # the other side has closed
        return b""
