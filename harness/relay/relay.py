"""One relay: a listening port in front of one port of one server."""

import re
import socket
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError, HarnessError
from harness.model import Endpoint
from harness.relay.connection import Connection
from harness.relay.disturb import Disturbance
from harness.relay.lies import Filter, Lie
from harness.relay.tape import Protocol, Tape
from harness.relay.tls import Tls

if TYPE_CHECKING:
    from harness.relay.loop import RelayLoop


class Relay:
    """A relay in front of one port of a server; created by `RelayLoop.open`."""

    def __init__(
        self,
        loop: "RelayLoop",
        name: str,
        *,
        protocol: Protocol,
        target: Endpoint,
        listen: Endpoint | str,
        tls: Tls | None,
    ) -> None:
        self.loop = loop
        self.name = name
        self.protocol: Protocol = protocol
        self.tls = tls
        """How it speaks TLS, or None for plain connections; a change applies to new connections."""
        self.lie: Lie | None = None
        """The seeded bug, if any; it applies to new connections, and over HTTP to the next request."""
        self.tape: Tape | None = None
        self._disturb: Disturbance | None = None
        self._connections: set[Connection] = set()
        self._lost: list[str] = []
        self.target = target
        self.listener = _listening_socket(listen)
        host, port = self.listener.getsockname()[:2]
        self.endpoint = Endpoint(host, port)
        """Where clients connect."""

    @property
    def target(self) -> Endpoint:
        """The server's own port; a change applies to new connections."""
        return self._target

    @target.setter
    def target(self, target: Endpoint) -> None:
        self._target, self.addresses = target, _resolve(target)

    @property
    def disturb(self) -> Disturbance | None:
        """How its connections are disturbed now, or None."""
        return self._disturb

    @disturb.setter
    def disturb(self, disturb: Disturbance | None) -> None:
        self._disturb = disturb
        self.loop.call(self._recover)

    def filter(self) -> Filter | None:
        """Return a filter for a connection, or None if no lie is set."""
        return None if self.lie is None else self.lie.filter()

    def pending(self) -> list[str]:
        """Describe each request that was sent to the server and not answered, in one line each.

        This includes requests on connections that the server has closed since the tape began: if it
        died, they are the requests that were in progress.
        """
        return self.loop.call(
            lambda: [*self._lost, *(self._question(e) for e in self._connections if e.unanswered)]
        )

    def start_tape(self, tape: Tape | None) -> None:
        """Record on `tape` from now on; called by the loop, in its thread."""
        if tape is not None:
            tape.relays[self.name] = self.endpoint
        self.tape = tape
        self._lost = []

    def ended(self, connection: Connection) -> None:
        """Forget a connection that has been closed, but not its unanswered request."""
        self._connections.discard(connection)
        abort = self.protocol == "dicom" and connection.question[:1] == b"\x07"
        if connection.unanswered and "the client" not in connection.ended and not abort:
            self._lost.append(self._question(connection))

    def cut(self, reason: str) -> None:
        """Close every connection; called by the loop, in its thread."""
        for connection in tuple(self._connections):
            connection.close(f"cut: {reason}")

    def close(self) -> None:
        """Stop listening and close every connection; called by the loop when its thread has ended."""
        self.loop.watch(self.listener)
        self.listener.close()
        self.cut("the relay was closed")

    def _recover(self) -> None:
        for connection in tuple(self._connections):
            connection.recover()

    def accept(self) -> None:
        """Accept a connection; called by the loop, in its thread."""
        try:
            client, peer = self.listener.accept()
        except OSError:  # the client has disconnected already
            return
        connection = Connection(self, client, str(Endpoint(*peer[:2])))
        if not connection.ended:
            self._connections.add(connection)

    def _question(self, connection: Connection) -> str:
        if self.protocol == "http":
            found = re.match(rb"[!-~]+ [^ \r\n]+(?= HTTP/)", connection.question)
            if found is not None:
                return found.group().decode("latin-1")
            return f"{connection.unanswered} bytes that are not an HTTP request"
        titles = connection.start[10:42].decode("latin-1")
        who = f"association of {titles[16:].strip()} with {titles[:16].strip()}"
        return f"{who}: {connection.unanswered} bytes after the last answer"


def _listening_socket(listen: Endpoint | str) -> socket.socket:
    """Listen on an endpoint, or on a port of a host that the kernel chooses."""
    host, port = (listen, 0) if isinstance(listen, str) else (listen.host, listen.port)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        raise HarnessError(
            f"the relay cannot listen on {host}, port {port or 'any'}: {error.strerror}; "
            "another program may be using the port, or this computer does not have the address"
        ) from error
    listener.setblocking(False)
    return listener


def _resolve(target: Endpoint) -> list[tuple[socket.AddressFamily, Any]]:
    """Resolve the target's addresses now: in the relays' thread, all connections would wait."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"unknown host {target.host!r}: {error.strerror}") from error
    return [(family, address) for family, _, _, _, address in found]
