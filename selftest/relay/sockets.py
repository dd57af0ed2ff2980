"""Small servers and clients on plain sockets, for the tests of the relay."""

import socket
import struct
from collections.abc import Callable

from harness.model import Endpoint
from harness.relay import Relay

Handler = Callable[[socket.socket], None]
Serve = Callable[[Handler], Endpoint]
Connect = Callable[[Relay], socket.socket]

LIMIT = 10.0


def echo(sock: socket.socket) -> None:
    """Send received bytes back until the client has ended."""
    while data := sock.recv(65536):
        sock.sendall(data)


def read_all(sock: socket.socket) -> bytes:
    """Read until the peer has closed."""
    parts = []
    while data := sock.recv(65536):
        parts.append(data)
    return b"".join(parts)


def read_until_reset(sock: socket.socket) -> bytes:
    """Read until the peer has reset the connection."""
    parts = []
    try:
        while data := sock.recv(65536):
            parts.append(data)
    except ConnectionResetError:
        return b"".join(parts)
    raise AssertionError("the connection was closed, and not reset")


def reset(sock: socket.socket) -> None:
    """Close with a TCP reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
