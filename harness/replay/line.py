"""A recorded connection, opened again from the side of the case."""

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property

from harness.evidence.http import exchanges
from harness.evidence.recording import Recorded, with_credentials
from harness.model import Endpoint
from harness.relay.tape import Direction, Protocol, Tape
from harness.replay.messages import Counter

UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""An identifier that a server generates, for example of a job; it differs in each run."""


class Line:
    """One connection: its recording, and what is received now."""

    def __init__(self, tape: Tape, recorded: Recorded, limit: float) -> None:
        self.recorded, self.limit = recorded, limit
        self.sends = Direction.TO_SERVER if recorded.opened_by_case else Direction.TO_CLIENT
        """The direction of the bytes that the case sent."""
        self.late = False
        """Whether something recorded did not arrive in time; from then on nothing is waited for."""
        self.trouble = ""
        self._tape = tape
        self._then = bytearray()
        self._now = bytearray()
        self._arrived = threading.Condition()
        self._over = False
        self._socket: socket.socket | None = None
        self._credentials = iter(recorded.credentials)
        self._counters = (
            Counter(self._protocol, self._methods),
            Counter(self._protocol, self._methods),
        )

    @property
    def _protocol(self) -> Protocol:
        return self.recorded.track.protocol

    @cached_property
    def _methods(self) -> list[str] | None:
        """The methods of the requests, if their responses are received; else None."""
        if self._protocol != "http" or self.sends is Direction.TO_CLIENT:
            return None
        found = exchanges(self._tape, self.recorded.track)
        return [each.request.method for each in found if each.request is not None]

    def open(self, endpoint: Endpoint, context: ssl.SSLContext | None) -> None:
        """Connect to a server, over TLS if a context is given."""
        try:
            opened = socket.create_connection((endpoint.host, endpoint.port), self.limit)
            if context is not None:
                opened = context.wrap_socket(opened, server_hostname=endpoint.host)
        except OSError as error:
            self.trouble, self._over = f"it cannot be opened: {error}", True
            return
        self.take(opened)

    def take(self, opened: socket.socket) -> None:
        """Use an open connection, to or from a server."""
        opened.settimeout(None)
        self._socket = opened
        threading.Thread(target=self._read, args=(opened,), daemon=True).start()

    def _read(self, opened: socket.socket) -> None:
        while True:
            try:
                data = opened.recv(65536)
            except OSError:
                data = b""
            with self._arrived:
                self._now += data
                self._counters[1].feed(data)
                self._over = self._over or not data
                self._arrived.notify_all()
            if not data:
                return

    def wait_for_connection(self) -> None:
        """Wait until a server has connected, as the case did."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._socket is not None, self.limit):
                self.late, self.trouble = True, "the server did not connect"

    def connected(self, opened: socket.socket) -> None:
        """Use a connection that a server has opened."""
        with self._arrived:
            self.take(opened)
            self._arrived.notify_all()

    def expect(self, data: bytes) -> None:
        """Wait until as many messages have been received as the recording had up to `data`."""
        self._then += data
        wanted = self._counters[0].feed(data)
        if not self.late:
            with self._arrived:
                self.late = not self._arrived.wait_for(
                    lambda: self._counters[1].count >= wanted or self._over, self.limit
                )

    def expect_end(self) -> None:
        """Wait until the other side has closed the connection, as in the recording."""
        with self._arrived:
            self.late = self.late or not self._arrived.wait_for(lambda: self._over, self.limit)

    def send(self, data: bytes, renamed: Mapping[bytes, bytes], user: bytes | None) -> None:
        """Send what the case sent, with the current identifiers."""
        if self._socket is None:
            return
        if self._protocol == "http":
            data = with_credentials(data, self._credentials, user)
            data = UUID.sub(lambda found: renamed.get(found[0], found[0]), data)
        with contextlib.suppress(OSError):  # it is closed, as the received bytes show
            self._socket.sendall(data)

    def renamed(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield pairs of generated identifiers: the recorded one and the new one."""
        if self._protocol == "http":
            with self._arrived:
                then, now = UUID.findall(self._then), UUID.findall(self._now)
            if len(then) == len(now):
                yield from zip(then, now, strict=True)

    def close(self) -> None:
        """Close the connection, as the case did."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
