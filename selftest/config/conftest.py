"""Runs of `generate_config.py`, and a remote and a local Orthanc started with its output."""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from harness.config.generate import main
from harness.config.orthanc import local_configuration
from harness.config.reading import read
from harness.config.settings import Node, Setup
from harness.errors import ServerNotFound
from harness.servers.guard import Guard
from harness.servers.locate import OrthancInstallation, find_orthanc
from harness.servers.process import ServerProcess, free_port

# Else Orthanc's HTTP client would send requests to the other instance through a proxy.
ENVIRONMENT = {"TCP_NODELAY": "1", "no_proxy": "*"}


@dataclass(frozen=True)
class Written:
    """The result of one run of `generate_config.py`."""

    code: int
    out: str
    err: str
    path: Path

    @property
    def text(self) -> str:
        """The text of the written file."""
        return self.path.read_text()

    @property
    def values(self) -> dict[str, object]:
        """The configuration in it."""
        values: dict[str, object] = json.loads(self.text)
        return values


Generate = Callable[..., Written]


@pytest.fixture
def generate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Generate:
    """Run the command in this process, with its own target file."""
    target = tmp_path / "remote.json"

    def run(*argv: str) -> Written:
        try:
            code = main(["--target", str(target), *argv])
        except SystemExit as error:  # argparse exits like this
            code = int(error.code or 0)
        said = capsys.readouterr()
        return Written(code, said.out, said.err, target)

    return run


@dataclass(frozen=True)
class Running:
    """A running Orthanc, and its log so far."""

    instance: Node
    process: ServerProcess
    session: requests.Session

    def get(self, path: str) -> object:
        """Send GET to the REST API."""
        answer = self.session.get(f"{self.instance.url}{path}", timeout=5)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: object) -> requests.Response:
        """POST JSON to the REST API."""
        return self.session.post(f"{self.instance.url}{path}", json=body, timeout=10)


@dataclass(frozen=True)
class Servers:
    """Both instances, and the setup that was written for them."""

    setup: Setup
    remote: Running
    local: Running


@pytest.fixture(scope="session")
def orthanc() -> OrthancInstallation:
    """Find the Orthanc of this computer."""
    try:
        return find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))


Start = Callable[[Path, Node], Running]


@pytest.fixture(scope="session")
def start(orthanc: OrthancInstallation) -> Iterator[Start]:
    """Run Orthanc with a configuration file, in a folder other than that of the file."""
    with contextlib.ExitStack() as stack:
        guard = stack.enter_context(Guard())

        def run(file: Path, instance: Node) -> Running:
            log = file.parent / "elsewhere" / "orthanc.log"
            log.parent.mkdir()
            session = stack.enter_context(requests.Session())
            session.trust_env = False
            if instance.credentials is not None:
                session.auth = (instance.credentials.username, instance.credentials.password)
            process = ServerProcess(file.stem, log, guard)
            running = Running(instance, process, session)
            stack.callback(process.kill)
            process.run(
                [str(orthanc.executable), str(file)],
                environment=ENVIRONMENT,
                ready=lambda: _answers(running),
            )
            return running

        yield run


@pytest.fixture(scope="session")
def servers(
    start: Start, orthanc: OrthancInstallation, tmp_path_factory: pytest.TempPathFactory
) -> Servers:
    """Start the remote with the written file, and the local instance at the address in it."""
    target = tmp_path_factory.mktemp("remote") / "remote.json"
    ports = [str(free_port()) for _ in range(4)]
    names = ("--dicom", "--rest", "--local-dicom", "--local-rest")
    argv = [word for pair in zip(names, ports, strict=True) for word in pair]
    plugins = [word for plugin in orthanc.plugins for word in ("--plugins", str(plugin))]
    assert main(["--target", str(target), *argv, *plugins]) == 0
    pair, worklists = read(target)
    setup = Setup(pair, target.parent / "remote-storage", worklists)

    folder = tmp_path_factory.mktemp("local")
    local_file = folder / "local.json"
    local_file.write_text(json.dumps(local_configuration(setup.pair, folder / "storage")))
    return Servers(
        setup,
        remote=start(target, setup.pair.remote),
        local=start(local_file, setup.pair.local),
    )


def _answers(server: Running) -> bool:
    try:
        server.get("system")
    except requests.ConnectionError:
        return False
    return True
