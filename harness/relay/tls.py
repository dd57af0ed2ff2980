"""TLS in a relay: for one side of a connection, and for both."""

import contextlib
import ssl
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from harness.certificates import Certificate, client_context, server_context
from harness.errors import ConfigError
from harness.relay.tape import Bytes

if TYPE_CHECKING:
    from harness.relay.connection import Connection
    from harness.relay.side import Side

_NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME, unknown to Python
_AT_ONCE: Final = 2**16  # no record is larger
_NO_TLS: Final = frozenset(
    ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL",
     "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE", "BAD_RECORD_TYPE", "UNEXPECTED_MESSAGE")
)  # fmt: skip


@dataclass(frozen=True)
class Tls:
    """How a relay speaks TLS with clients and with the server behind it.

    `shown`: the certificate that it presents to clients, in place of the server.
    `authorities`: PEM; one of them must have issued the server's certificate.
    `server_name`: the name that the server's certificate must be for.
    `clients`: certificates that clients may present. The relay presents the same one to the server,
    valid or not, so that the server decides. For a client without a certificate it presents none.
    `stand_in`: the certificate that it presents to the server for a client with another certificate of
    the `authorities`, even an expired one. Without it, the client is rejected.

    Versions, ciphers and extensions are negotiated with each side separately: those that a client
    offers do not reach the server.
    """

    shown: Certificate
    authorities: bytes
    server_name: str
    clients: tuple[Certificate, ...] = ()
    stand_in: Certificate | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for unusable values here, not later in the relays' thread."""
        try:
            TlsEnd().begin(self.door)
            TlsEnd().begin(self.behind(None), self.server_name)
        except (OSError, ValueError) as error:
            raise ConfigError(f"TLS for {self.server_name!r}: {error}") from error

    @cached_property
    def door(self) -> ssl.SSLContext:
        """The context for clients."""
        trusted = b"".join(each.chain for each in self.clients)
        if self.stand_in is not None:
            trusted += self.authorities
        context = server_context(self.shown, clients=trusted or None)
        if trusted:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
        return context

    def behind(self, shown: bytes | None) -> ssl.SSLContext:
        """Return the context for the server, given the certificate that the client presented (DER)."""
        return self._contexts[shown if shown in self._contexts else b""]

    @cached_property
    def _contexts(self) -> dict[bytes | None, ssl.SSLContext]:
        """One context for each certificate, one for none, and one for all others."""
        shown: dict[bytes | None, Certificate | None] = {b"": self.stand_in, None: None}
        shown |= {each.der: each for each in self.clients}
        return {der: client_context(self.authorities, each) for der, each in shown.items()}


class TlsEnd:
    """TLS with one end of a connection, without its socket: encrypts and decrypts bytes."""

    def __init__(self) -> None:
        self.agreed = False
        """Whether the handshake is complete, as far as the relay can tell."""
        self.over = False
        """Whether everything it will ever send has been decrypted, up to its end or its `failure`."""
        self.failure = ""
        """What went wrong, in words; empty if nothing did."""
        self.silent = False
        """Whether no closing notification is to be sent to it, or one was sent already."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._session: ssl.SSLObject | None = None

    @property
    def begun(self) -> bool:
        """Whether the handshake has begun."""
        return self._session is not None

    def begin(self, context: ssl.SSLContext, server_name: str | None = None) -> None:
        """Begin the handshake with a server of that name, or else with a client."""
        self._session = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_name is None,
            server_hostname=server_name,
        )

    def feed(self, data: Bytes) -> None:
        """Take bytes that have arrived; this may be called before the handshake has begun."""
        self._incoming.write(data)

    def shake_hands(self) -> None:
        """Continue the handshake, as far as possible with the bytes that have arrived."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            self.failure = _words(error)
        else:
            self.agreed = True

    def read(self) -> bytes:
        """Return everything that has arrived, decrypted."""
        parts = []
        try:
            while part := self._tls.read(_AT_ONCE):
                parts.append(part)
            self.over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.over = True
        except ssl.SSLError as error:
            self.over, self.failure = True, _words(error)
        return b"".join(parts)

    def encrypt(self, data: Bytes) -> bytes:
        """Return `data`, encrypted. Raises `ssl.SSLError` after a failure."""
        self._tls.write(data)
        return self._outgoing.read()

    def to_send(self) -> bytes:
        """Return the bytes that TLS itself has to send: handshakes, alerts."""
        return self._outgoing.read()

    def farewell(self) -> bytes:
        """Return the closing notification, or nothing if none is sent."""
        if self.silent or not self.agreed:
            return b""
        self.silent = True
        with contextlib.suppress(ssl.SSLError):  # raised as the peer's has not arrived
            self._tls.unwrap()
        return self._outgoing.read()

    @property
    def certificate(self) -> bytes | None:
        """The certificate that the peer presented (DER), or None."""
        return self._tls.getpeercert(binary_form=True)

    @property
    def agreement(self) -> str:
        """The negotiated version and cipher."""
        cipher = self._tls.cipher()
        return f"{self._tls.version()} {cipher[0] if cipher else ''}"

    @property
    def common_name(self) -> str:
        """The common name in the peer's certificate, if it presented one."""
        certificate: Any = self._tls.getpeercert() or {}
        subject = dict(pair for part in certificate.get("subject", ()) for pair in part)
        return str(subject.get("commonName", ""))

    @property
    def _tls(self) -> ssl.SSLObject:
        assert self._session is not None
        return self._session


class Secured:
    """Performs the handshakes with the client, then with the server, and decrypts what both send.

    The client comes first: its certificate decides which one is presented to the server. The end of
    its handshake is held back until the server's is complete: up to TLS 1.2, the client thus learns
    if the latter fails.
    """

    def __init__(self, connection: "Connection", tls: Tls, client: "Side", server: "Side") -> None:
        self._connection, self._tls = connection, tls
        self._client, self._server = client, server
        self._open = False
        _end(client).begin(tls.door)

    def receive(self, side: "Side", raw: Bytes) -> None:
        """Process the bytes that arrived from `side`."""
        _end(side).feed(raw)
        if self._open:
            self._read(side)
        else:
            self._agree()

    def finish(self, side: "Side") -> str:
        """Process the end of the bytes from `side`; return why it ends the connection, or empty."""
        end, other = _end(side), _end(side.peer)
        cut_off = side.peer.finished and not other.over
        if self._open and (cut_off or not end.failure):  # if cut off, it is expected to fail
            if not end.over:  # no notification arrived, so none is passed on
                other.silent = True
            return ""
        end.silent = other.silent = True
        broken_off = "it closed the connection during the handshake"
        return f"TLS with {side.who} failed: {end.failure or broken_off}"

    def _agree(self) -> None:
        """Continue the handshakes."""
        client, server = _end(self._client), _end(self._server)
        if not client.agreed and not self._shake_hands(self._client):
            return
        if not server.begun:
            server.begin(self._tls.behind(client.certificate), self._tls.server_name)
            self._client.paused = True
            self._connection.update(self._client)
            self._connection.record.agreed(self._agreed())
        if not self._shake_hands(self._server):
            return
        self._open = True
        self._connection.record.agreed(self._agreed())
        self._connection.send(self._client, client.to_send())
        self._client.paused = False
        for side in (self._client, self._server):
            if not self._connection.closed:  # bytes that arrived with the handshake
                self._connection.update(side)
                self._read(side)

    def _shake_hands(self, side: "Side") -> bool:
        """Continue one handshake; return whether it is complete."""
        end = _end(side)
        end.shake_hands()
        if side is self._server or not end.agreed:
            self._connection.send(side, end.to_send())
        if end.failure and not self._connection.closed:
            self._connection.close(self.finish(side))
        return end.agreed and not self._connection.closed

    def _read(self, side: "Side") -> None:
        """Relay what can be decrypted; an end that arrived with it is handled when `side` is readable."""
        end = _end(side)
        data = end.read()
        if raw := end.to_send():
            self._connection.send(side, raw)
        if data and not self._connection.closed:
            self._connection.take(side, data)
        if end.over:
            self._connection.update(side)

    def _agreed(self) -> str:
        client, server = _end(self._client), _end(self._server)
        name = client.common_name
        shown = f"certificate of {name!r}" if name else "no certificate"
        words = f"{client.agreement} with the client ({shown})"
        return words + (f", {server.agreement} with the server" if server.agreed else "")


def _end(side: "Side") -> TlsEnd:
    assert side.tls is not None
    return side.tls


def _words(error: ssl.SSLError) -> str:
    """Describe an error of OpenSSL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message.rstrip('.')}"
    if error.reason in _NO_TLS:
        return "it does not speak TLS"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    _, said, alert = reason.partition("alert ")
    return f"{alert} (its alert)" if said else reason
