"""The addresses of the remote and the local instance, and the settings of a configuration."""

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
    """One server, remote or local, at the address by which the other one reaches it."""

    ae_title: AETitle
    host: str
    dicom: Port
    rest: Port | None
    credentials: Credentials | None

    def __post_init__(self) -> None:
        Endpoint(self.host, self.dicom)  # validates the host name
        if self.dicom == self.rest:
            raise ConfigError(
                f"port {self.dicom} of {self.ae_title} is used for both DICOM and REST:"
                " choose different ones"
            )

    @property
    def dicom_endpoint(self) -> Endpoint:
        """Its DICOM address."""
        return Endpoint(self.host, self.dicom)

    @property
    def rest_endpoint(self) -> Endpoint | None:
        """Its HTTP address, or None if it has none."""
        return None if self.rest is None else Endpoint(self.host, self.rest)

    @property
    def url(self) -> str | None:
        """The base URL of its REST API, with a trailing slash, or None if it has none."""
        return None if self.rest is None else f"http://{self.rest_endpoint}/"


@dataclass(frozen=True)
class Pair:
    """The server under test and the second instance, each as seen by the other."""

    remote: Node
    local: Node

    def __post_init__(self) -> None:
        if self.remote.ae_title == self.local.ae_title:
            raise ConfigError(
                f"both instances are called {self.remote.ae_title}: a C-MOVE names its destination"
                " by AE title, so remote and local need different ones"
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
    """Everything that a configuration of the remote contains: the nodes, and its folders."""

    pair: Pair
    storage: Path
    worklists: Path | None
    """The folder from which worklist queries are answered, or None if there is none."""
    plugins: tuple[str, ...] = ()
    compression: bool = False
    open_to_others: bool = True
    """Whether other computers, or containers, access it by HTTP."""
    orthanc: Version | None = None
    """The version that the configuration was made for; None suits every version."""


USER = "alice"
"""The user name of the harness on the servers that it starts."""
# The password must not be a word that occurs elsewhere in a record: it is redacted everywhere.
DEFAULT_CREDENTIALS = Credentials(USER, "alice-in-tests")
REMOTE = Node(AETitle("ORTHANC"), "127.0.0.1", Port(4242), Port(8042), DEFAULT_CREDENTIALS)
LOCAL = Node(AETitle("ORTHANCTEST"), "127.0.0.1", Port(5001), Port(5000), DEFAULT_CREDENTIALS)
