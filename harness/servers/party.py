"""The two roles as cases see them: `remote` and `local`, each behind its relays."""

from dataclasses import dataclass
from pathlib import Path

from harness.clients.rest import Rest
from harness.errors import ServerError
from harness.model import AETitle, Endpoint
from harness.relay import Relay
from harness.servers.base import Identity, Server
from harness.servers.capabilities import Capabilities


@dataclass(frozen=True)
class Party:
    """A server in its role, and the endpoints of the relays in front of it."""

    role: str
    server: Server
    dicom_relay: Relay
    rest_relay: Relay | None
    time_limit: float

    @property
    def identity(self) -> Identity:
        """Who it is."""
        return self.server.identity

    @property
    def ae_title(self) -> AETitle:
        """Its application entity title."""
        return self.server.identity.ae_title

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return self.server.capabilities

    @property
    def dicom(self) -> Endpoint:
        """Where cases reach its DICOM port."""
        return self.dicom_relay.endpoint

    @property
    def worklists(self) -> Path:
        """The folder from which it answers worklist queries."""
        folder = self.server.worklists
        if folder is None:
            raise ServerError(f"the worklist folder of the {self.role} server is out of reach")
        return folder

    @property
    def dicomweb(self) -> str:
        """The path below which it offers DICOMweb."""
        path = self.server.dicomweb
        if path is None:
            raise ServerError(f"the {self.role} server has no DICOMweb")
        return path

    def new_rest(self) -> Rest:
        """Make a REST client for it; the caller closes it."""
        if self.rest_relay is None:
            raise ServerError(f"the {self.role} server has no REST interface")
        return Rest(self.rest_relay.endpoint, self.server.credentials, self.time_limit)

    def aim_relays(self) -> None:
        """Let the relays lead to the server's present endpoints: a restart may have changed them."""
        self.dicom_relay.target = self.server.dicom
        if self.rest_relay is not None and self.server.rest is not None:
            self.rest_relay.target = self.server.rest

    def pending(self) -> list[str]:
        """Give the requests that were sent to the server and not answered yet, a line each."""
        relays = [self.dicom_relay, *([self.rest_relay] if self.rest_relay else [])]
        return [line for relay in relays for line in relay.pending()]
