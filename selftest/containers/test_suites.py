"""`pytest tests --image NAME`: the cases run as with a process, and nothing is left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.suites import HEAD, INI, RunSuite

from harness.report.load import load
from harness.servers.container_engine import SOCKET
from harness.servers.product import Build
from harness.waiting import wait_until

if TYPE_CHECKING:
    from harness.servers.container_engine import Engine

CHECKOUT = Path(__file__).resolve().parents[2]
SUITE = """
from harness.clients.worklist import Worklist
from harness.waiting import wait_until

@case("BOX-001", ref="none")
def test_move_to_local(dimse, stored, local, local_rest):
    sample = stored.instance(PatientName="Moved^Out")
    dimse.move("STUDY", local.ae_title, StudyInstanceUID=sample.study_instance_uid)
    wait_until(lambda: local_rest.json("/instances"), what="the instance at the local server")

@case("BOX-002", ref="none")
def test_each_knows_the_other(rest, local_rest):
    assert rest.json("/peers/peer/system")["DicomAet"] == "ORTHANCTEST"
    assert local_rest.json("/peers/orthanc/system")["DicomAet"] == "ORTHANC"
    local_rest.post("/modalities/orthanc/echo", {})
    rest.post("/modalities/self/echo", {})

@case("BOX-003", ref="none")
@needs("dimse.worklist")
def test_worklist(remote, dimse, make):
    worklist = Worklist(remote.worklists, dimse)
    worklist.put(make.worklist_item(PatientName="Waiting^Ann"))
    assert worklist.names() == ["Waiting^Ann"]

@case("BOX-006", ref="none")
def test_address_towards_the_remote(remote):
    from harness.config.network import local_address_towards
    assert local_address_towards(remote.server.dicom.host) == remote.dicom.host

@case("BOX-004", ref="none")
def test_victim(rest, remote):
    rest.get("/patients")
    remote.server.launcher.send_signal(signal.SIGSEGV)
    wait_until(remote.server.died, what="its end")

@case("BOX-005", ref="none")
def test_after(rest):
    assert rest.json("/patients") == []
"""
AS_A_PROCESS = {
    "BOX-001": "passed",
    "BOX-002": "passed",
    "BOX-003": "passed",
    "BOX-004": "failed",
    "BOX-005": "passed",
    "BOX-006": "passed",
}


def test_cases_run_against_an_image(run_suite: RunSuite, image: Build) -> None:
    """The servers reach each other, and a crash costs its case and is in the log."""
    done = run_suite(SUITE, f"--image={image.image}")

    assert done.outcomes == AS_A_PROCESS
    failure = done.case("BOX-004").failure
    assert failure is not None
    assert failure.message.startswith("the remote server died of SIGSEGV")
    assert "GET /patients" in (done.folder / "cases/BOX-004/server.log").read_text()
    assert done.run.server.image == image.image


def test_two_workers_without_an_orthanc_here(run_suite: RunSuite, image: Build) -> None:
    """Both servers of each worker are containers, pairs do not interfere, and a note says so."""
    done = run_suite(SUITE, f"--image={image.image}", "--orthanc=none", "-n2")

    assert done.outcomes == AS_A_PROCESS
    assert done.run.workers == 2
    assert any("the local server was of the same image" in note for note in done.run.notes)


def test_the_harness_runs_in_a_container_too(
    engine: "Engine", image: Build, tmp_path: Path
) -> None:
    """With the engine's socket mounted, it joins the servers' network, and leaves it clean."""
    (tmp_path / "pytest.ini").write_text(INI)
    (tmp_path / "test_small.py").write_text(HEAD + SUITE)
    # This computer's programs are those of the container.
    ours = [
        "/usr",
        sys.prefix,
        sys.base_prefix,
        str(CHECKOUT),
        str((CHECKOUT / ".orthanc").resolve()),
    ]
    ours += [path for path in sys.path if Path(path).is_dir()]
    binds = [f"{path}:{path}:ro" for path in dict.fromkeys(ours)]
    binds += [f"{tmp_path}:{tmp_path}", f"{SOCKET}:{SOCKET}"]
    api = engine.api
    box = api.create_container(
        image.image_id,
        [sys.executable, "-m", "pytest", f"--image={image.image}"],
        working_dir=str(tmp_path),
        environment={
            "PYTHONPATH": ":".join(sys.path),
            "TMPDIR": str(tmp_path),  # the engine must see the folder of worklists
        },
        host_config=api.create_host_config(binds=binds),
    )["Id"]
    try:
        api.start(box)
        api.wait(box, timeout=120)
        said = api.logs(box).decode()
        networks = api.inspect_container(box)["NetworkSettings"]["Networks"]
    finally:
        api.remove_container(box, force=True)

    runs = load(tmp_path / "runs" / "latest")
    assert {each.full_id: each.outcome for each in runs.cases} == AS_A_PROCESS, said
    assert list(networks) == ["bridge"]
    chosen = {"label": f"dicom-harness.container={box}"}
    assert api.containers(all=True, filters=chosen) == api.networks(filters=chosen) == []


def test_an_image_and_a_server_exclude_each_other(run_suite: RunSuite) -> None:
    """An error before anything is started."""
    done = run_suite(SUITE, "--image=any", "--server=127.0.0.1")

    assert done.result.ret == pytest.ExitCode.USAGE_ERROR
    said = "--image starts a remote, but --server and --config name one that is running"
    assert said in done.result.stderr.str()


ENDLESS = """
@case("BOX-001", ref="none")
def test_waits(rest):
    rest.get("/system")
    open("waiting", "w").close()
    signal.pause()
"""


@pytest.fixture
def running(image: Build, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run in the middle of a case that never ends."""
    (tmp_path / "pytest.ini").write_text(INI)
    (tmp_path / "test_small.py").write_text(HEAD + ENDLESS)
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", f"--image={image.image}"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until((tmp_path / "waiting").exists, what="the case to begin", within=90)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _left_of(engine: "Engine", process: subprocess.Popen[bytes]) -> list[str]:
    """The containers and networks that a process made."""
    chosen = {"label": "dicom-harness.process"}
    found = engine.api.containers(all=True, filters=chosen) + engine.api.networks(filters=chosen)
    owner = f"{process.pid} "
    return [
        each["Id"] for each in found if each["Labels"]["dicom-harness.process"].startswith(owner)
    ]


def test_ctrl_c_ends_everything_and_still_reports(
    running: subprocess.Popen[bytes], engine: "Engine", tmp_path: Path
) -> None:
    """Ctrl-C: container and network are gone when the run has ended."""
    assert len(_left_of(engine, running)) == 2
    os.killpg(running.pid, signal.SIGINT)

    assert running.wait(timeout=60) == pytest.ExitCode.INTERRUPTED
    assert _left_of(engine, running) == []
    (case,) = load(tmp_path / "runs" / "latest").cases
    assert case.outcome == "error"


def test_sigkill_leaves_nothing(running: subprocess.Popen[bytes], engine: "Engine") -> None:
    """SIGKILL of the run: its guard removes container and network."""
    assert len(_left_of(engine, running)) == 2
    running.kill()

    wait_until(lambda: not _left_of(engine, running), what="the guard to clean up", within=30)
