"""What one connection notes on the tape."""

import time
from typing import TYPE_CHECKING

from harness.relay.tape import Bytes, Direction, Track

if TYPE_CHECKING:
    from harness.relay.relay import Relay


class Record:
    """Keeps one connection on the tape that records now, whichever that is."""

    def __init__(self, relay: "Relay", peer: str, target: str) -> None:
        self._relay, self._peer, self._target = relay, peer, target
        self._opened = time.monotonic()
        self._tls = ""
        self._register()

    def add(self, direction: Direction, data: Bytes) -> None:
        """Record `data`."""
        if self._relay.tape is not self._tape:
            self._register()
        if self._tape is not None and self._track is not None:
            self._tape.add(self._track, direction, data)

    def agreed(self, tls: str) -> None:
        """Note what TLS has agreed on."""
        self._tls = tls
        if self._track is not None:
            self._track.tls = tls

    def end(self, ended: str) -> None:
        """Note how the connection ended, on the tape that knows it."""
        if self._track is not None and self._tape is self._relay.tape:
            self._track.closed, self._track.ended = time.monotonic(), ended

    def _register(self) -> None:
        """Enter the connection on the tape that records now."""
        self._tape = tape = self._relay.tape
        self._track: Track | None = None
        if tape is not None:
            name, protocol = self._relay.name, self._relay.protocol
            self._track = tape.add_track(name, protocol, self._peer, self._target, self._opened)
            self._track.tls = self._tls
