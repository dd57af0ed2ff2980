"""Certificates for one run: an authority, the certificates it issues, and their TLS contexts.

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
    """The paths of a certificate and its key, for programs that read files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Certificate:
    """A certificate with its intermediate certificates and its key, both PEM."""

    chain: bytes
    key: bytes = field(repr=False)

    @property
    def der(self) -> bytes:
        """The certificate without its chain, in DER, as a peer sees it."""
        end = b"-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert((self.chain.partition(end)[0] + end).decode("ascii"))

    def write(self, folder: Path, name: str) -> CertificateFiles:
        """Write `<name>.pem` and `<name>.key`; only the owner can read the key."""
        files = CertificateFiles(folder / f"{name}.pem", folder / f"{name}.key")
        files.certificate.write_bytes(self.chain)
        files.key.unlink(missing_ok=True)  # an older file may be readable by others
        files.key.touch(mode=0o600, exist_ok=False)
        files.key.write_bytes(self.key)
        return files


class Authority:
    """Issues certificates that are trusted only within the run."""

    def __init__(self) -> None:
        import trustme  # noqa: PLC0415 - slow to import, and most runs are without TLS

        self._ca = trustme.CA(organization_name="dicom-harness")
        self._key_type = (
            trustme.KeyType.RSA
        )  # required by the TLS 1.2 cipher suites of some servers

    @property
    def certificate(self) -> bytes:
        """The certificate of the authority, PEM."""
        return self._ca.cert_pem.bytes()

    def issue(self, *names: str, expired: bool = False) -> Certificate:
        """Issue a certificate for hosts or IP addresses, usable by servers and clients.

        It is valid from yesterday, to allow for clocks that differ, for a month; an expired one was
        valid until yesterday. The first name is also the common name.
        """
        begin, end = (-31 * _DAY, -_DAY) if expired else (-_DAY, 30 * _DAY)
        now = datetime.now(UTC).replace(tzinfo=None)  # trustme expects naive UTC
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
    """What a client needs for TLS: the servers' authority (PEM) and the client's own certificate.

    Host names in certificates are not checked: cases reach the server through a relay, which has
    its own certificate and verifies that of the server.
    """

    authority: bytes
    shown: Certificate | None

    @cached_property
    def context(self) -> ssl.SSLContext:
        """The context for clients written in Python."""
        context = client_context(self.authority, self.shown)
        context.check_hostname = False
        return context

    def options(self, folder: Path) -> list[str | Path]:
        """Return the options for dcmtk's programs; the files they read are written to `folder`."""
        authority = folder / "authority.pem"
        authority.write_bytes(self.authority)
        checks: list[str | Path] = ["+cf", authority]
        if self.shown is None:
            return ["+tla", *checks]
        files = self.shown.write(folder, "client")
        return ["+tls", files.key, files.certificate, *checks]


@dataclass(frozen=True)
class Encryption:
    """The certificates of a server that accepts only TLS, and those of its clients."""

    authority: bytes
    """PEM of the only authority that the server trusts, which also issued its certificate."""
    server: Certificate
    client: Certificate
    expired: Certificate
    """An expired client certificate from the trusted authority."""
    foreign: Certificate
    """A client certificate from an authority that the server does not trust."""
    doors: tuple[str, ...]
    """The interfaces of the server that use TLS: `dicom`, `http`."""

    @classmethod
    def new(cls, doors: Iterable[str], *names: str) -> Self:
        """Issue all certificates; `names` are those of the server."""
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
        """Return the files that a server reads; `both.pem` contains its key and its certificate."""
        server = self.server
        return {
            "server.pem": server.chain,
            "server.key": server.key,
            "both.pem": server.key + server.chain,
            "authority.pem": self.authority,
        }

    def as_client(self, shown: Certificate | None) -> TlsClient:
        """Return what a client needs if it presents this certificate, or no certificate if None."""
        return TlsClient(self.authority, shown)

    def at(self, door: str) -> TlsClient | None:
        """Return what a client needs to connect to `door`, or None if that does not use TLS."""
        return self.as_client(self.client) if door in self.doors else None


def server_context(shown: Certificate, *, clients: bytes | None = None) -> ssl.SSLContext:
    """Return the context of a server that presents the certificate `shown`.

    With `clients` (PEM of authorities), only clients with a certificate from one of these are
    accepted.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0  # a client that closes with an unread ticket sends a reset: data lost
    _show(context, shown)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients.decode("ascii"))
    return context


def client_context(servers: bytes, shown: Certificate | None = None) -> ssl.SSLContext:
    """Return the context of a client.

    `servers` is the PEM of the authorities that servers are verified with; `shown` is the client's
    own certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=servers.decode("ascii"))
    if shown is not None:
        _show(context, shown)
    return context


def _show(context: ssl.SSLContext, shown: Certificate) -> None:
    """Load a certificate and its key; OpenSSL reads them only from a file."""
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # readable only by the owner
        file.write(shown.key + shown.chain)
        file.flush()
        context.load_cert_chain(file.name)
