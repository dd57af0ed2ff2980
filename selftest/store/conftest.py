"""Shared by the tests of places."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from net.peers import free_port, orthanc
from store.medium import make_medium

from dcm.net import DcmNode
from harness.errors import ServerNotFound
from harness.servers.locate import find_orthanc


class Served(NamedTuple):
    """An Orthanc: its DICOM node and its URL."""

    node: DcmNode
    url: str

    def store(self, folder: Path) -> None:
        """Store all files of a folder."""
        for path in sorted(folder.rglob("IM*")):
            requests.post(f"{self.url}/instances", path.read_bytes(), timeout=30).raise_for_status()

    def zipped(self, route: str) -> bytes:
        """Return an archive or medium of all its patients; there is only one."""
        [patient] = requests.get(f"{self.url}/patients", timeout=30).json()
        found = requests.get(f"{self.url}/patients/{patient}/{route}", timeout=60)
        found.raise_for_status()
        return found.content


@pytest.fixture(scope="session")
def medium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a DICOMDIR by dcmtk and the files that it lists. Read only."""
    root = tmp_path_factory.mktemp("medium")
    make_medium(root)
    return root


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, medium: Path) -> Iterator[Served]:
    """Orthanc with the content of the medium."""
    try:
        program = str(find_orthanc().executable)
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    port = free_port()
    folder = tmp_path_factory.mktemp("orthanc")
    settings = {"HttpServerEnabled": True, "HttpPort": port, "AuthenticationEnabled": False}
    with orthanc(folder, program, **settings) as node:
        found = Served(node, f"http://127.0.0.1:{port}")
        found.store(medium)
        yield found


@pytest.fixture(scope="session")
def orthanc_archive(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip archive made by Orthanc."""
    path = tmp_path_factory.mktemp("archive") / "archive.zip"
    path.write_bytes(served.zipped("archive"))
    return path


@pytest.fixture(scope="session")
def orthanc_medium(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip archive with a DICOMDIR made by Orthanc."""
    path = tmp_path_factory.mktemp("media") / "media.zip"
    path.write_bytes(served.zipped("media"))
    return path


@pytest.fixture(scope="session")
def orthanc_folder(orthanc_medium: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a DICOMDIR made by Orthanc."""
    root = tmp_path_factory.mktemp("extracted")
    with zipfile.ZipFile(io.BytesIO(orthanc_medium.read_bytes())) as archive:
        archive.extractall(root)
    return root
