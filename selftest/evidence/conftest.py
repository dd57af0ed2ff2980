"""A real Orthanc behind relays, and recorded exchanges with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from harness.config.settings import Node, Pair
from harness.errors import ServerNotFound
from harness.model import AETitle, Credentials, Port
from harness.relay import Relay, RelayLoop
from harness.servers.deployment import Deployment, deploy
from harness.servers.guard import Guard
from harness.servers.launcher import Seat
from harness.servers.locate import find_orthanc
from harness.servers.orthanc import Orthanc
from harness.servers.product import Build, Role

PASSWORD = 'top "& secret/%'


@dataclass(frozen=True)
class Stand:
    """A server, with a relay in front of each door."""

    server: Deployment
    loop: RelayLoop
    rest: Relay
    dicom: Relay

    @property
    def auth(self) -> tuple[str, str]:
        """User and password."""
        return "alice", PASSWORD

    @property
    def url(self) -> str:
        """The base URL of the REST interface."""
        return f"http://{self.rest.endpoint}"


class Strict(Orthanc):
    """An Orthanc that checks the called AE title."""

    def configure(self, seat: Seat) -> dict[str, object]:
        """Return a minimal configuration."""
        return {
            "HttpPort": seat.ports["http"],
            "DicomPort": seat.ports["dicom"],
            "DicomAet": "ORTHANC",
            "DicomCheckCalledAet": True,
            "StorageDirectory": str(seat.data),
            "IndexDirectory": str(seat.data),
            "AuthenticationEnabled": True,
            "RegisteredUsers": {"alice": PASSWORD},
            "DicomAlwaysAllowFind": True,
            "KeepAlive": True,
        }


@pytest.fixture(scope="module")
def server() -> Iterator[Deployment]:
    """Run an Orthanc."""
    try:
        installation = find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))

    nobody = Node(AETitle("OTHER"), "127.0.0.1", Port(5001), Port(5000), None)
    own = Node(
        AETitle("ORTHANC"), "127.0.0.1", Port(4242), Port(8042), Credentials("alice", PASSWORD)
    )
    with Guard() as guard:
        role = Role("remote", Pair(own, nobody), guard)
        command = installation.command
        server = deploy(Build("Orthanc", installation.version, Strict, command=command), role)
        yield server
        server.close()


@pytest.fixture
def stand(server: Deployment) -> Iterator[Stand]:
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
