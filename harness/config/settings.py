"""Where the remote and the local instance are, and what a configuration made for them says."""

from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigError
from harness.model import AETitle, Credentials, Endpoint, Port, Version

FILE_NAME = "IntegrationTestsConfiguration.json"


@dataclass(frozen=True)
class Ports:
    """The ports on which an instance listens."""

    dicom: Port
    rest: Port


@dataclass(frozen=True)
class Node:
    """One server, remote or local, at the address under which the other one reaches it."""

    ae_title: AETitle
    host: str
    dicom: Port
    rest: Port | None
    credentials: Credentials | None

    def __post_init__(self) -> None:
        Endpoint(self.host, self.dicom)  # it checks the host name
        if self.dicom == self.rest:
            raise ConfigError(
                f"port {self.dicom} of {self.ae_title} is given to both DICOM and REST:"
                " choose two different ones"
            )

    @property
    def dicom_endpoint(self) -> Endpoint:
        """Where it speaks DICOM."""
        return Endpoint(self.host, self.dicom)

    @property
    def rest_endpoint(self) -> Endpoint | None:
        """Where it speaks HTTP; None for a server without."""
        return None if self.rest is None else Endpoint(self.host, self.rest)

    @property
    def url(self) -> str | None:
        """The base of its REST API, with a slash at the end; None for a server without."""
        return None if self.rest is None else f"http://{self.rest_endpoint}/"


@dataclass(frozen=True)
class Pair:
    """The server under test and the second instance, each as the other one sees it."""

    remote: Node
    local: Node

    def __post_init__(self) -> None:
        if self.remote.ae_title == self.local.ae_title:
            raise ConfigError(
                f"both instances are called {self.remote.ae_title}: a C-MOVE names its destination"
                " by AE title, so that remote and local need different ones"
            )
        if self.remote.host == self.local.host:
            for port in (self.local.dicom, self.local.rest):
                if port is not None and port in (self.remote.dicom, self.remote.rest):
                    raise ConfigError(
                        f"port {port} of {self.local.host} is given to both the remote and the"
                        " local instance: choose another one for either"
                    )


@dataclass(frozen=True)
class Setup:
    """All that a configuration of the remote says: who takes part, and where it keeps what."""

    pair: Pair
    storage: Path
    worklists: Path | None
    """The folder from which worklist queries are answered; None where there is none."""
    plugins: tuple[str, ...] = ()
    compression: bool = False
    orthanc: Version | None = None
    """The version that the configuration was made for; None suits every version."""


# The password is no word that stands elsewhere in a record: it is blotted out wherever it is met.
DEFAULT_CREDENTIALS = Credentials("alice", "alice-in-tests")
REMOTE = Node(AETitle("ORTHANC"), "127.0.0.1", Port(4242), Port(8042), DEFAULT_CREDENTIALS)
LOCAL = Node(AETitle("ORTHANCTEST"), "127.0.0.1", Port(5001), Port(5000), DEFAULT_CREDENTIALS)
