"""Certificates of a run's own: an authority, what it issues, and the TLS contexts made of them.

authority = Authority()
server = authority.issue("127.0.0.1", "localhost")
context = server_context(server, clients=authority.certificate)
"""

import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

_DAY = timedelta(days=1)


class CertificateFiles(NamedTuple):
    """Where a certificate and its key have been written, as programs want to be told."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Certificate:
    """A certificate, with those between it and its authority, and its key; both PEM."""

    chain: bytes
    key: bytes = field(repr=False)

    @property
    def der(self) -> bytes:
        """The certificate alone, as a peer that was shown it knows it."""
        end = b"-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert((self.chain.partition(end)[0] + end).decode("ascii"))

    def write(self, folder: Path, name: str) -> CertificateFiles:
        """Write `<name>.pem` and `<name>.key`; only the owner can read the key."""
        files = CertificateFiles(folder / f"{name}.pem", folder / f"{name}.key")
        files.certificate.write_bytes(self.chain)
        files.key.unlink(missing_ok=True)  # an older one may be open to others
        files.key.touch(mode=0o600, exist_ok=False)
        files.key.write_bytes(self.key)
        return files


class Authority:
    """Issues certificates that nobody outside of the run trusts."""

    def __init__(self) -> None:
        import trustme  # noqa: PLC0415 - slow to import, and most runs are without TLS

        self._ca = trustme.CA(organization_name="dicom-harness")
        self._key_type = (
            trustme.KeyType.RSA
        )  # what the ciphers of some servers for TLS 1.2 are about

    @property
    def certificate(self) -> bytes:
        """What its certificates are checked with; PEM."""
        return self._ca.cert_pem.bytes()

    def issue(self, *names: str, expired: bool = False) -> Certificate:
        """Issue a certificate for hosts or IP addresses, for servers and clients alike.

        It is valid since yesterday, since clocks differ, and for a month; an expired one was valid
        until yesterday. The first name is the common name too.
        """
        begin, end = (-31 * _DAY, -_DAY) if expired else (-_DAY, 30 * _DAY)
        now = datetime.now(UTC).replace(tzinfo=None)  # the library takes it for UTC
        issued = self._ca.issue_cert(
            *names,
            common_name=names[0],
            organization_name="dicom-harness",
            not_before=now + begin,
            not_after=now + end,
            key_type=self._key_type,
        )
        chain = b"".join(each.bytes() for each in issued.cert_chain_pems)
        return Certificate(chain, issued.private_key_pem.bytes())


@dataclass(frozen=True)
class TlsClient:
    """What a client needs for TLS: the PEM of the authority of servers, and the certificate that it shows.

    The names in a server's certificate are not compared with its address: cases reach the server through a
    relay, which has a certificate of its own and checks that of the server.
    """

    authority: bytes
    shown: Certificate | None

    @cached_property
    def context(self) -> ssl.SSLContext:
        """The context for Python's clients."""
        context = client_context(self.authority, self.shown)
        context.check_hostname = False
        return context

    def options(self, folder: Path) -> list[str | Path]:
        """Return the options for programs of dcmtk, which read files in `folder`."""
        authority = folder / "authority.pem"
        authority.write_bytes(self.authority)
        checks: list[str | Path] = ["+cf", authority]
        if self.shown is None:
            return ["+tla", *checks]
        files = self.shown.write(folder, "client")
        return ["+tls", files.key, files.certificate, *checks]


@dataclass(frozen=True)
class Encryption:
    """The certificates of a server that speaks TLS only, and of those who speak with it."""

    authority: bytes
    """PEM of the one authority that the server trusts, and that has issued its certificate."""
    server: Certificate
    client: Certificate
    expired: Certificate
    """A client's, of the right authority."""
    foreign: Certificate
    """A client's, of an authority that the server does not know."""
    doors: tuple[str, ...]
    """The doors of the server that speak TLS: `dicom`, `http`."""

    @classmethod
    def new(cls, doors: Iterable[str], *names: str) -> Self:
        """Issue them; `names` are those of the server."""
        authority, other = Authority(), Authority()
        return cls(
            authority.certificate,
            authority.issue(*names),
            authority.issue("client.example"),
            authority.issue("late.example", expired=True),
            other.issue("stranger.example"),
            tuple(doors),
        )

    def server_files(self) -> dict[str, bytes]:
        """Return the files that a server reads; `both.pem` has its key and its certificate."""
        server = self.server
        return {
            "server.pem": server.chain,
            "server.key": server.key,
            "both.pem": server.key + server.chain,
            "authority.pem": self.authority,
        }

    def as_client(self, shown: Certificate | None) -> TlsClient:
        """Return what a client needs that shows this certificate, or none."""
        return TlsClient(self.authority, shown)

    def at(self, door: str) -> TlsClient | None:
        """Return what a client needs at a door that is to be served; None where that has no TLS."""
        return self.as_client(self.client) if door in self.doors else None


def server_context(shown: Certificate, *, clients: bytes | None = None) -> ssl.SSLContext:
    """Make what a server needs that shows a certificate.

    With `clients`, the PEM of authorities, it accepts only clients with a certificate of theirs.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # a client that closes with a ticket unread resets, and data is lost
    _show(context, shown)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.decode("ascii"))
    return context


def client_context(servers: bytes, shown: Certificate | None = None) -> ssl.SSLContext:
    """Make what a client needs: the PEM of authorities that servers are checked with, and what it shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=servers.decode("ascii"))
    if shown is not None:
        _show(context, shown)
    return context


def _show(context: ssl.SSLContext, shown: Certificate) -> None:
    """Load a certificate and its key, which OpenSSL takes from a file only."""
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # only the owner can read it
        file.write(shown.key + shown.chain)
        file.flush()
        context.load_cert_chain(file.name)
