"""The compose files: each starts with its one command, and does what its first line says."""

import contextlib
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from support.docker import BUILDING, ROOT, Docker

from harness.servers.process import free_port
from harness.waiting import wait_until

FOLDER = ROOT / "docker/compose"
USER = ("alice", "alice-in-tests")


@dataclass(frozen=True)
class Composed:
    """The services started by a compose file, and their published ports."""

    command: tuple[str, ...]
    variables: dict[str, str]

    def rest(self, role: str) -> requests.Response | None:
        """Ask a server for its identity; return None if it does not answer."""
        url = f"http://127.0.0.1:{self.variables[f'{role}_REST']}/system"
        try:
            return requests.get(url, auth=USER, timeout=10)
        except requests.ConnectionError:
            return None

    def run(self, *arguments: str) -> str:
        """Run a command of docker-compose."""
        return subprocess.run(
            [*self.command, *arguments],
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            timeout=BUILDING,
            check=True,
        ).stdout


@contextlib.contextmanager
def _composed(name: str, release: str = "bookworm") -> Iterator[Composed]:
    """Start a compose file on free ports, and remove everything that it made."""
    names = ("REMOTE_DICOM", "REMOTE_REST", "LOCAL_DICOM", "LOCAL_REST")
    project = f"selftest-{uuid.uuid4().hex[:8]}"
    command = (*_compose(), "-f", str(FOLDER / name), "-p", project)
    ports = {each: str(free_port()) for each in names}
    composed = Composed(command, {**ports, "RELEASE": release})
    try:
        composed.run("up", "-d")
        yield composed
    finally:
        composed.run("down", "--volumes", "--timeout", "1")


def _compose() -> tuple[str, ...]:
    """Return the compose command of this computer: the plugin, or the separate program."""
    plugin = subprocess.run(
        ["docker", "compose", "version"], capture_output=True, timeout=60, check=False
    )
    if plugin.returncode == 0:
        return ("docker", "compose")
    if shutil.which("docker-compose") is None:
        pytest.skip("there is neither docker compose nor docker-compose here")
    return ("docker-compose",)


def _answers(composed: Composed, role: str) -> requests.Response:
    """Wait until a server reports its identity."""
    answer = wait_until(lambda: composed.rest(role), what=f"the {role} to answer", within=60)
    assert answer is not None
    return answer


def test_pair_knows_each_other(release: str) -> None:
    """Each sends C-ECHO to the other under the names of the compose file."""
    with _composed("pair.yml", release) as pair:
        assert _answers(pair, "REMOTE").json()["DicomAet"] == "ORTHANC"
        assert _answers(pair, "LOCAL").json()["DicomAet"] == "ORTHANCTEST"
        for role, modality in (("REMOTE", "orthanctest"), ("LOCAL", "orthanc")):
            url = f"http://127.0.0.1:{pair.variables[f'{role}_REST']}/modalities/{modality}/echo"
            assert requests.post(url, json={}, auth=USER, timeout=30).status_code == 200


def test_tls_is_the_only_way_in_for_dicom(release: str, tmp_path: Path) -> None:
    """A client that trusts the server's certificate is answered, one without TLS is not."""
    with _composed("tls.yml", release) as tls:
        assert _answers(tls, "REMOTE").json()["Name"] == "remote behind TLS"
        certificate = tmp_path / "server.crt"
        certificate.write_text(tls.run("exec", "-T", "remote", "cat", "/certificates/server.crt"))
        peer = ["127.0.0.1", tls.variables["REMOTE_DICOM"]]
        trusting = ["/usr/bin/echoscu", "--anonymous-tls", "--add-cert-file", str(certificate)]
        plain = ["/usr/bin/echoscu", "--acse-timeout", "3"]

        assert subprocess.run([*trusting, *peer], timeout=60, check=False).returncode == 0
        refused = subprocess.run([*plain, *peer], capture_output=True, timeout=60, check=False)
        assert refused.returncode != 0


@pytest.mark.slow  # builds both images
def test_postgresql_holds_the_index(images: Docker) -> None:
    """The remote reports it."""
    with _composed("postgresql.yml") as composed:
        answer = _answers(composed, "REMOTE")

        assert "libOrthancPostgreSQLIndex.so" in answer.json()["DatabaseBackendPlugin"]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/*.json")), ids=lambda path: path.parent.name)
def test_configurations_are_json(path: Path) -> None:
    """For every parser, not only Orthanc's, which accepts comments."""
    assert json.loads(path.read_text())["RegisteredUsers"] == dict([USER])
