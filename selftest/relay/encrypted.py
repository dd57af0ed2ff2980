"""Shared by the tests of TLS: certificates, servers and clients that encrypt, and a relay."""

import contextlib
import select
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from relay.sockets import LIMIT, Handler

from harness.certificates import Authority, Certificate, client_context, server_context
from harness.model import Endpoint
from harness.relay import Relay, RelayLoop, Tls
from harness.relay.tape import Protocol
from harness.waiting import wait_until

HOST = "127.0.0.1"
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True)
class Parties:
    """An authority that everyone trusts, another one, and the certificates that they issued."""

    authority: Authority = field(default_factory=Authority)
    other: Authority = field(default_factory=Authority)

    def __post_init__(self) -> None:
        issued = {
            "server": self.authority.issue(HOST, "localhost"),
            "door": self.authority.issue(HOST, "localhost"),
            "client": self.authority.issue("client"),
            "unlisted": self.authority.issue("unlisted"),
            "expired": self.authority.issue("expired", HOST, expired=True),
            "foreign": self.other.issue("foreign", HOST),
            "elsewhere": self.authority.issue("elsewhere.example"),
        }
        object.__setattr__(self, "_issued", issued)

    _issued: dict[str, Certificate] = field(init=False, repr=False)

    def __getitem__(self, name: str) -> Certificate:
        return self._issued[name]

    @property
    def tls(self) -> Tls:
        """The TLS settings of a test's relay."""
        clients = tuple(self[name] for name in ("client", "expired", "foreign"))
        return Tls(self["door"], self.authority.certificate, HOST, clients)

    def relay(
        self, loop: RelayLoop, target: Endpoint, protocol: Protocol = "http", **changes: object
    ) -> Relay:
        """Put a relay in front of a server with TLS."""
        tls = replace(self.tls, **changes)  # type: ignore[arg-type]
        return loop.open("r", target=target, protocol=protocol, tls=tls)

    def serving(
        self,
        handler: Handler,
        *,
        shown: str = "server",
        require: bool = False,
        version: str = "1.3",
    ) -> Handler:
        """Return a handler that negotiates TLS and passes the TLS socket to another handler."""
        clients = self.authority.certificate if require else None
        context = server_context(self[shown], clients=clients)
        context.maximum_version = VERSIONS[version]
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF

        def handle(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False) as secure:
                handler(secure)

        return handle

    @contextlib.contextmanager
    def client(
        self, relay: Relay, shown: str | None = None, version: str = "1.3"
    ) -> Iterator[ssl.SSLSocket]:
        """Connect to a relay, and negotiate TLS."""
        context = client_context(self.authority.certificate, self[shown] if shown else None)
        context.maximum_version = VERSIONS[version]
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
        address = (relay.endpoint.host, relay.endpoint.port)
        with (
            socket.create_connection(address, LIMIT) as sock,
            context.wrap_socket(sock, server_hostname=HOST, suppress_ragged_eofs=False) as secure,
        ):
            yield secure

    def fails(self, relay: Relay, shown: str | None = None, version: str = "1.3") -> str:
        """Connect to a relay, send data, and return in which phase TLS fails for the client."""
        doing = "the handshake"
        try:
            with self.client(relay, shown, version) as sock:
                doing = "the exchange"
                sock.sendall(b"hello")
                got = sock.recv(5)
        except OSError:
            return doing
        raise AssertionError(f"nothing failed: {got!r}")


def say_end(sock: socket.socket) -> None:
    """Send the closure alert; the peer may continue to send."""
    assert isinstance(sock, ssl.SSLSocket)
    sock.settimeout(0.05)
    with contextlib.suppress(ssl.SSLError, TimeoutError):  # it wants to wait for the peer's
        sock.unwrap()
    with contextlib.suppress(OSError):
        sock.settimeout(LIMIT)


def receive(sock: socket.socket, count: int) -> bytes:
    """Read exactly this number of bytes."""
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        assert part, f"the end came after {len(data)} bytes"
        data += part
    return data


def read_to_end(sock: socket.socket) -> bytes:
    """Read until the peer's closure alert."""
    parts = []
    with contextlib.suppress(
        ssl.SSLZeroReturnError
    ):  # in place of an empty read, if we have closed our end too
        while data := sock.recv(65536):
            parts.append(data)
    return b"".join(parts)


def wait_for_reset(sock: socket.socket) -> None:
    """Wait for a reset, which Python reports like any other end without a closure alert."""
    poll = select.poll()
    poll.register(sock, 0)
    wait_until(
        lambda: [found for _, found in poll.poll(0) if found & select.POLLERR], what="a reset"
    )
