"""The record of the relays for one case: connections, and their bytes with time and direction."""

import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Literal

from harness.model import Endpoint

if TYPE_CHECKING:
    from harness.relay.relay import Relay

Protocol = Literal["http", "dicom"]
Bytes = bytes | memoryview

MEMORY = 16 * 2**20
"""Most bytes of a tape kept in memory; a larger tape goes to a temporary file as a whole."""


class Direction(Enum):
    """Where bytes are sent: to the server that listens, or to the client that connected."""

    TO_SERVER = "to server"
    TO_CLIENT = "to client"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that arrived together: their time (`time.monotonic`), direction and place on the tape."""

    time: float
    direction: Direction
    offset: int
    size: int


@dataclass
class Track:
    """One connection, or the part of it that happened during this tape."""

    number: int
    relay: str
    protocol: Protocol
    peer: str
    target: str
    opened: float
    continued: bool
    """Whether the connection is older than the tape, so that the track begins in the middle of it."""
    ours: bool = False
    """Whether this process connected: a case, and not a server."""
    closed: float | None = None
    ended: str = "still open"
    tls: str = ""
    """Version and cipher with client and server, and the client's certificate; empty without TLS."""
    chunks: list[Chunk] = field(default_factory=list, repr=False)


class Tape:
    """The record of one case, over all relays of a loop."""

    def __init__(self, name: str, memory: int = MEMORY) -> None:
        self.name = name
        self.started = time.monotonic()
        self.started_at = datetime.now(UTC)
        self.tracks: list[Track] = []
        self.relays: dict[str, Endpoint] = {}
        """Where clients connect to each relay, by its name."""
        self.size = 0
        self._lock = threading.Lock()  # the relays' thread writes while a case's failure is read
        self._file = tempfile.SpooledTemporaryFile(max_size=memory)  # noqa: SIM115 - see below
        weakref.finalize(self, self._file.close)

    def add_track(
        self, relay: str, protocol: Protocol, peer: str, target: str, opened: float
    ) -> Track:
        """Add a connection that was opened at `opened`; it is continued if it is older than the tape."""
        continued = opened < self.started
        track = Track(len(self.tracks) + 1, relay, protocol, peer, target, opened, continued)
        self.tracks.append(track)
        return track

    def add(self, track: Track, direction: Direction, data: Bytes) -> None:
        """Record `data`, which has just arrived."""
        size = len(data)
        with self._lock:
            self._file.write(data)
            track.chunks.append(Chunk(time.monotonic(), direction, self.size, size))
            self.size += size

    def read(self, chunk: Chunk, most: int | None = None) -> bytes:
        """Return the bytes of `chunk`, or the first `most` of them."""
        with self._lock:
            self._file.seek(chunk.offset)
            data = self._file.read(chunk.size if most is None else min(most, chunk.size))
            self._file.seek(self.size)
        return data

    def pieces(self, track: Track, direction: Direction) -> Iterator[tuple[float, bytes]]:
        """Yield the time and bytes of each chunk that went in `direction`, in order."""
        for chunk in tuple(track.chunks):
            if chunk.direction is direction:
                yield chunk.time, self.read(chunk)

    def content_size(self, track: Track, direction: Direction) -> int:
        """Return the number of bytes that went in `direction`."""
        return sum(chunk.size for chunk in tuple(track.chunks) if chunk.direction is direction)

    def content(self, track: Track, direction: Direction) -> bytes:
        """Return all bytes that went in `direction`."""
        return b"".join(data for _, data in self.pieces(track, direction))


class Record:
    """Records one connection on the current tape, whichever that is."""

    def __init__(self, relay: "Relay", peer: str, target: str, *, ours: bool = False) -> None:
        self._relay, self._peer, self._target, self._ours = relay, peer, target, ours
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
        """Record what was negotiated by TLS."""
        self._tls = tls
        if self._track is not None:
            self._track.tls = tls

    def end(self, ended: str) -> None:
        """Record how the connection ended, if it is on the current tape."""
        if self._track is not None and self._tape is self._relay.tape:
            self._track.closed, self._track.ended = time.monotonic(), ended

    def _register(self) -> None:
        """Add the connection to the current tape."""
        self._tape = tape = self._relay.tape
        self._track: Track | None = None
        if tape is not None:
            name, protocol = self._relay.name, self._relay.protocol
            self._track = tape.add_track(name, protocol, self._peer, self._target, self._opened)
            self._track.tls, self._track.ours = self._tls, self._ours
