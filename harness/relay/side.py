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
    """A socket and the bytes that wait for it; `direction` is where the bytes read from it go."""

    socket: socket.socket
    direction: Direction
    who: str
    tls: TlsEnd | None = None
    """Encrypts and decrypts; None for plain bytes."""
    peer: "Side" = field(init=False, repr=False)
    backlog: Bytes = b""
    """Bytes that the kernel did not accept yet; while there are any, the peer is not read."""
    paused: bool = False
    """Whether reading is suspended, by a disturbance or for a handshake."""
    finished: bool = False
    """Whether everything that it will ever send has been read."""
    broken: bool = False
    """Whether it accepts no more bytes; what it sent before may still be read."""
    awaited: tuple[bool, bool] = (False, False)
    """Whether it is watched for reading, and for writing."""

    def __post_init__(self) -> None:
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def readable(self) -> bool:
        """Whether more should be read from it now."""
        return not (self.finished or self.paused or self.peer.backlog or self.peer.broken)

    def write(self, raw: Bytes) -> None:
        """Send `raw` unchanged, now or when the kernel has room."""
        try:
            sent = 0 if self.backlog else self.socket.send(raw)
        except BlockingIOError:
            sent = 0
        if sent < len(raw):
            self.backlog = b"".join((self.backlog, raw[sent:]))

    def say_farewell(self) -> None:
        """Send the closing notification of TLS, once and after the backlog; without TLS do nothing."""
        if self.tls is not None and (last := self.tls.farewell()):
            with contextlib.suppress(OSError):  # a peer that is gone needs none
                self.write(last)

    def close(self, *, reset: bool) -> None:
        """Close the socket, in an orderly way or by a TCP reset."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        else:
            self.say_farewell()
        self.socket.close()
