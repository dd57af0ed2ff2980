"""Shared by all tests of the command: an own configuration, and servers of other projects."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from net.conftest import (
    authority,
    client_tls,
    dcmqrscp_node,
    orthanc_node,
    orthanc_program,
    server_tls,
    storescp_node,
)
from net.files import make
from pydicom import dcmread

from dcm.cli import main
from dcm.net import DcmNode

__all__ = [
    "authority",
    "client_tls",
    "dcmqrscp_node",
    "orthanc_node",
    "orthanc_program",
    "server_tls",
    "storescp_node",
]

Process = subprocess.Popen[str]
Start = Callable[..., Process]
ROOT = Path(__file__).resolve().parents[2]


class Keyboard:
    """A replacement for stdin: not a terminal, or one on which a line is typed."""

    def __init__(self, line: str | None) -> None:
        self._line = line

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._line is not None

    def readline(self) -> str:
        """Return the typed line."""
        return self._line or ""


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four instances of two patients: a study with CT and MR, and a later one with CT."""
    folder = tmp_path_factory.mktemp("objects")
    for number, patient, name, date, series, modality in (
        (101, "CLI1", "One^Cli", "20200101", 1, "CT"),
        (102, "CLI1", "One^Cli", "20200101", 1, "CT"),
        (103, "CLI1", "One^Cli", "20200101", 2, "MR"),
        (104, "CLI2", "Two^Cli", "20210101", 3, "CT"),
    ):
        path = make(folder, number)
        image = dcmread(path)
        image.PatientID, image.PatientName, image.StudyDate = patient, name, date
        image.StudyInstanceUID = f"1.2.3.5.{patient[-1]}"
        image.SeriesInstanceUID, image.SeriesNumber = f"1.2.3.6.{series}", series
        image.Modality = modality
        image.save_as(path)
    return folder


def _with(objects: Path, node: DcmNode) -> DcmNode:
    assert main(["store", str(node), str(objects), "--quiet"]) == 0
    return node


@pytest.fixture
def dcmqrscp_archive(dcmqrscp_node: DcmNode, objects: Path) -> DcmNode:
    """The archive of dcmtk, containing `objects`."""
    return _with(objects, dcmqrscp_node)


@pytest.fixture(params=["dcmqrscp_node", "orthanc_node"])
def archive(request: pytest.FixtureRequest, objects: Path) -> DcmNode:
    """An archive containing `objects`."""
    return _with(objects, request.getfixturevalue(request.param))


@pytest.fixture(autouse=True)
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration, so that nothing depends on the user."""
    path = tmp_path / "dcm_conf.toml"
    path.touch()
    monkeypatch.setenv("DCM_CONFIG_PATH", str(path))
    monkeypatch.delenv("DCM_LOG_PATH", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    return path


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Start:
    """Start the command as a process that does not outlive its test."""

    def begin(*arguments: str | Path, **more: object) -> Process:
        process = subprocess.Popen(
            [sys.executable, "-m", "dcm", *map(str, arguments)],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | more,  # type: ignore[call-overload]
        )
        request.addfinalizer(process.communicate)
        request.addfinalizer(process.kill)
        return process

    return begin
