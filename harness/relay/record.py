"""What one connection notes on the tape."""

import time
from typing import Protocol as Interface

from harness.relay.tape import Bytes, Direction, Protocol, Tape, Track


class Taped(Interface):
    """What must be known of the relay whose connections are recorded."""

    name: str
    protocol: Protocol

    @property
    def tape(self) -> Tape | None:
        """The tape that records now."""


class Record:
    """Keeps one connection on the tape that records now, whichever that is."""

    def __init__(self, owner: Taped, peer: str, target: str) -> None:
        self._owner = owner
        self._peer, self._target = peer, target
        self._opened = time.monotonic()
        self._tls = ""
        self._register()

    def add(self, direction: Direction, data: Bytes) -> None:
        """Record `data`."""
        tape = self._owner.tape
        if tape is None:
            return
        if tape is not self._tape:
            self._register()
        if self._track is not None:
            tape.add(self._track, direction, data)

    def agreed(self, tls: str) -> None:
        """Note what TLS has agreed on."""
        self._tls = tls
        if self._track is not None:
            self._track.tls = tls

    def end(self, ended: str) -> None:
        """Note how the connection ended, on the tape that knows it."""
        if self._track is not None and self._tape is self._owner.tape:
            self._track.closed, self._track.ended = time.monotonic(), ended

    def _register(self) -> None:
        """Enter the connection on the tape that records now."""
        self._tape = tape = self._owner.tape
        self._track: Track | None = None
        if tape is not None:
            name, protocol = self._owner.name, self._owner.protocol
            self._track = tape.add_track(name, protocol, self._peer, self._target, self._opened)
            self._track.tls = self._tls
