"""A remote run by the user in a container: `generate_config.py --docker` finds the way back."""

import contextlib
import shlex
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from support.suites import RunSuite

from harness.config.generate import main as generate
from harness.config.network import local_address_in, local_address_towards
from harness.config.reading import read
from harness.errors import ConfigError
from harness.servers.product import Build
from harness.waiting import wait_until

from .images import Images

if TYPE_CHECKING:
    from harness.servers.container_engine import Engine

SUITE = """
from harness.clients.worklist import Worklist
from harness.waiting import wait_until

@case("ATC-001", ref="none")
def test_move_to_local(dimse, stored, local, local_rest):
    sample = stored.instance(PatientName="Moved^Out")
    dimse.move("STUDY", local.ae_title, StudyInstanceUID=sample.study_instance_uid)
    wait_until(lambda: local_rest.json("/instances"), what="the instance at the local server")

@case("ATC-002", ref="none")
def test_each_reaches_the_other(rest, local_rest):
    assert rest.json("/peers/peer/system")["DicomAet"] == "ORTHANCTEST"
    rest.post("/modalities/self/echo", {})
    local_rest.post("/modalities/orthanc/echo", {})

@case("ATC-003", ref="none")
@needs("dimse.worklist")
def test_worklist(remote, dimse, make):
    worklist = Worklist(remote.worklists, dimse)
    worklist.put(make.worklist_item(PatientName="Waiting^Ann"))
    assert worklist.names() == ["Waiting^Ann"]
"""


def _free_ports(count: int) -> list[str]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [str(each.getsockname()[1]) for each in sockets]


@pytest.fixture
def attached(
    engine: "Engine", images: Images, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Path]:
    """The configuration of a remote that runs with exactly the printed command."""
    file = tmp_path / "boxed.json"
    options = ("--dicom", "--rest", "--local-dicom", "--local-rest")
    chosen = [word for pair in zip(options, _free_ports(4), strict=True) for word in pair]
    plugins = ["--plugins", "/usr/share/orthanc/plugins"]
    assert generate(["--target", str(file), "--docker", *plugins, *chosen]) == 0
    printed = next(line for line in capsys.readouterr().out.splitlines() if "docker run" in line)
    words = [*shlex.split(printed.replace("IMAGE", images.orthancteam()))]
    words.insert(2, "--detach")
    box = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    try:
        remote = read(file)[0].remote
        assert remote.credentials is not None
        user = (remote.credentials.username, remote.credentials.password)

        def answers() -> bool:
            try:
                return requests.get(f"{remote.url}system", auth=user, timeout=2).ok
            except requests.RequestException:
                return False

        wait_until(answers, what="the remote to answer", within=30)
        yield file
    finally:
        engine.api.remove_container(box.strip(), force=True, v=True)


def test_the_printed_command_starts_a_remote_that_reaches_us(
    run_suite: RunSuite, attached: Path
) -> None:
    """Ports published on this computer, the bridge as way back: C-MOVE, peers, worklists work."""
    done = run_suite(SUITE, "--server=127.0.0.1", f"--config={attached}")

    assert done.outcomes == {"ATC-001": "passed", "ATC-002": "passed", "ATC-003": "passed"}
    assert done.run.mode == "attached"


def test_a_container_reached_by_its_address(engine: "Engine", image: Build) -> None:
    """In its network this computer is the gateway, whether network or container is named."""
    api = engine.api
    network = api.create_network("dicom-harness-selftest-way")["Id"]
    host = api.create_host_config(network_mode=network)
    box = api.create_container(
        image.image_id, ["/bin/sh"], tty=True, stdin_open=True, host_config=host
    )["Id"]
    try:
        api.start(box)
        (joined,) = api.inspect_container(box)["NetworkSettings"]["Networks"].values()

        assert local_address_in("dicom-harness-selftest-way") == joined["Gateway"]
        assert local_address_towards(joined["IPAddress"]) == joined["Gateway"]
    finally:
        api.remove_container(box, force=True)
        api.remove_network(network)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("host", "--docker host: this computer has no address in that network"),
        ("no-such-network", "no-such-network: docker reports .*not found.*--local-host"),
    ],
)
def test_a_network_that_is_no_way_back_is_told(engine: "Engine", network: str, said: str) -> None:
    """Each error says what to do."""
    with pytest.raises(ConfigError, match=said):
        local_address_in(network)


def test_without_dockers_program_the_way_around_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address can still be given by hand."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match=r"docker, which cannot be run.*--local-host"):
        local_address_in("bridge")
