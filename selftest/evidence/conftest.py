"""A real Orthanc behind relays, and what a client did with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from harness.config.settings import Ports
from harness.errors import ServerNotFound
from harness.model import AETitle, Credentials
from harness.relay import Relay, RelayLoop
from harness.servers.guard import Guard
from harness.servers.locate import find_orthanc
from harness.servers.orthanc import OrthancProcess

PASSWORD = 'top "& secret/%'


@dataclass(frozen=True)
class Stand:
    """A server, with a relay in front of each door."""

    server: OrthancProcess
    loop: RelayLoop
    rest: Relay
    dicom: Relay

    @property
    def auth(self) -> tuple[str, str]:
        """User and password."""
        return "alice", PASSWORD

    @property
    def url(self) -> str:
        """Where a client finds the REST interface."""
        return f"http://{self.rest.endpoint}"


@pytest.fixture(scope="module")
def server() -> Iterator[OrthancProcess]:
    """Run an Orthanc."""
    try:
        installation = find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))

    def configure(ports: Ports, storage: Path, _: Path | None) -> dict[str, object]:
        return {
            "HttpPort": ports.rest,
            "DicomPort": ports.dicom,
            "DicomAet": "ORTHANC",
            "DicomCheckCalledAet": True,
            "StorageDirectory": str(storage),
            "IndexDirectory": str(storage),
            "AuthenticationEnabled": True,
            "RegisteredUsers": {"alice": PASSWORD},
            "DicomAlwaysAllowFind": True,
            "KeepAlive": True,
        }

    with Guard() as guard:
        process = OrthancProcess(
            "evidence",
            installation,
            configure,
            ae_title=AETitle("ORTHANC"),
            credentials=Credentials("alice", PASSWORD),
            guard=guard,
        )
        yield process
        process.close()


@pytest.fixture
def stand(server: OrthancProcess) -> Iterator[Stand]:
    """Put relays in front of an empty Orthanc."""
    server.reset(unsettled=False)
    rest = server.rest
    assert rest is not None
    with RelayLoop() as loop:
        yield Stand(
            server,
            loop,
            loop.open("remote.rest", target=rest, protocol="http"),
            loop.open("remote.dicom", target=server.dicom, protocol="dicom"),
        )


@pytest.fixture(scope="session")
def image() -> bytes:
    """Make a small DICOM file."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = SecondaryCaptureImageStorage
    made.PatientID, made.PatientName = "EV1", "Evidence^Eva"
    for number, keyword in enumerate(("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")):
        setattr(made, keyword, f"2.25.{number + 77}")
    file = BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()
