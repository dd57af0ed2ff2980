"""The two roles as cases see them: `remote` and `local`, each behind its relays."""

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.certificates import Encryption, TlsClient
from harness.clients.rest import Rest
from harness.errors import ServerError
from harness.model import AETitle, Endpoint
from harness.relay import Direction, Relay, Tape, Tls, Track
from harness.servers.capabilities import Capabilities, Identity
from harness.servers.deployment import Deployment
from harness.variant import USUAL, Variant

HEAD = 2048
"""Most bytes of a request in which to look for its first line."""
SERVER_NAME = "localhost"
"""A name in the certificate of every server: its address is known only once it runs."""
REQUEST_LINE = re.compile(rb"([A-Z]+) ([!-~]+) HTTP/1")


@dataclass(frozen=True)
class Party:
    """A server in its role, and the endpoints of the relays in front of it."""

    role: str
    server: Deployment
    dicom_relay: Relay
    rest_relay: Relay | None
    time_limit: float
    variant: Variant = USUAL
    """How it is set up."""
    encryption: Encryption | None = None
    """The TLS settings, if some of its interfaces use TLS; None without."""

    @property
    def identity(self) -> Identity:
        """Its identity."""
        return self.server.identity

    @property
    def ae_title(self) -> AETitle:
        """Its AE title."""
        return self.server.identity.ae_title

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return self.server.capabilities

    @property
    def dicom(self) -> Endpoint:
        """The address at which cases reach its DICOM port."""
        return self.dicom_relay.endpoint

    @property
    def more(self) -> Endpoint:
        """The port that replaces `{port}` in the configuration; it has no relay in front."""
        endpoint = self.server.adapter.more
        if endpoint is None:
            raise ServerError(f"the configuration of the {self.role} server has no {{port}}")
        return endpoint

    @property
    def worklists(self) -> Path:
        """The folder from which it answers worklist queries."""
        folder = self.server.worklists
        if folder is None:
            raise ServerError(f"the worklist folder of the {self.role} server cannot be accessed")
        return folder

    @property
    def dicomweb(self) -> str:
        """The path of its DICOMweb service."""
        path = self.server.adapter.dicomweb
        if path is None:
            raise ServerError(f"the {self.role} server has no DICOMweb")
        return path

    def new_rest(self, tls: TlsClient | None, note: Callable[[str], None] = lambda _: None) -> Rest:
        """Return a new REST client, which passes remarks to `note`; the caller closes it."""
        if self.rest_relay is None:
            raise ServerError(f"the {self.role} server has no REST interface")
        return Rest(
            self.rest_relay.endpoint, self.server.adapter.credentials, self.time_limit, note, tls
        )

    def tls_at(self, door: str) -> TlsClient | None:
        """Return the TLS settings that clients use for an interface; None without TLS."""
        return None if self.encryption is None else self.encryption.at(door)

    def aim_relays(self) -> None:
        """Point the relays to the server's current endpoints, which a restart may have changed."""
        self.dicom_relay.target = self.server.dicom
        self.dicom_relay.tls = _relayed(self.encryption, "dicom")
        if self.rest_relay is not None and self.server.rest is not None:
            self.rest_relay.target = self.server.rest
            self.rest_relay.tls = _relayed(self.encryption, "http")

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Shut the server down for the block, then start it again with what it has stored."""
        self.server.stop()
        yield
        self.server.start(keep=True)
        self.aim_relays()

    def was_reached(self, tape: Tape) -> bool:
        """Return whether anything was sent to the server itself, and not to a replacement."""
        doors = {str(self.server.dicom), str(self.server.rest)}
        return any(track.target in doors and track.chunks for track in self._tracks(tape))

    def requests(self, tape: Tape) -> set[tuple[str, str]]:
        """Return the method and target of each HTTP request that was sent to it.

        Clients wait for each answer before the next request, so each request begins a chunk of the
        tape. A body that looks like the beginning of a request is counted as one.
        """
        return {
            (found[1].decode(), found[2].decode("latin-1"))
            for track in self._tracks(tape)
            if track.protocol == "http"
            for chunk in tuple(track.chunks)
            if chunk.direction is Direction.TO_SERVER
            and (found := REQUEST_LINE.match(tape.read(chunk, HEAD)))
        }

    def _tracks(self, tape: Tape) -> list[Track]:
        return [each for each in tape.tracks if each.relay.partition(".")[0] == self.role]

    def pending(self) -> list[str]:
        """Return the requests that were sent to the server and not answered yet, one per line."""
        relays = [self.dicom_relay, *([self.rest_relay] if self.rest_relay else [])]
        return [line for relay in relays for line in relay.pending()]


def _relayed(encryption: Encryption | None, door: str) -> Tls | None:
    """Return a relay's TLS: it presents the client's certificate to the server, valid or not."""
    if encryption is None or door not in encryption.doors:
        return None
    return Tls(
        encryption.server,
        encryption.authority,
        SERVER_NAME,
        clients=(encryption.client, encryption.expired, encryption.foreign),
    )
