"""One of the two sockets of a relayed connection."""

import contextlib
import socket
import struct
from dataclasses import dataclass, field

from harness.relay.tape import Bytes, Direction
from harness.relay.tls import TlsEnd

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class Side:
    """A socket and what waits for it; `direction` is where the bytes read from it go."""

    socket: socket.socket
    direction: Direction
    who: str
    tls: TlsEnd | None = None
    """What encrypts and decrypts; None for plain bytes."""
    peer: "Side" = field(init=False, repr=False)
    backlog: Bytes = b""
    """What its system did not take yet; while there is any, the peer is not read: back pressure."""
    paused: bool = False
    """It is not read, because of a disturbance."""
    finished: bool = False
    """All that it will ever send has been read."""
    broken: bool = False
    """It takes nothing any more, but what it sent before may still be read."""
    awaited: tuple[bool, bool] = (False, False)
    """Whether it is watched for something to read, and for room to write."""

    def __post_init__(self) -> None:
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def readable(self) -> bool:
        """Tell whether more should be read from it now."""
        return not (self.finished or self.paused or self.peer.backlog or self.peer.broken)

    def write(self, raw: Bytes) -> None:
        """Send `raw` as it is, now or when its system has room."""
        try:
            sent = 0 if self.backlog else self.socket.send(raw)
        except BlockingIOError:
            sent = 0
        if sent < len(raw):
            self.backlog = b"".join((self.backlog, raw[sent:]))

    def say_farewell(self) -> None:
        """Notify the peer that nothing more will come, once and after what waits; without TLS no one does."""
        if self.tls is not None and (last := self.tls.farewell()):
            with contextlib.suppress(OSError):  # one that is gone needs none
                self.write(last)

    def close(self, *, reset: bool) -> None:
        """Close the socket, orderly or by a TCP reset."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        else:
            self.say_farewell()
        self.socket.close()
