"""Find out whether this process opened a connection, or another one such as a server."""

import contextlib
import os
import socket
import stat
from pathlib import Path
from typing import Any

DESCRIPTORS = Path("/proc/self/fd")


def is_ours(address: Any) -> bool:
    """Return whether a socket of this process has this address: the client's, as the relay sees it.

    It checks the sockets of this process, a few dozen, not the kernel's list of all connections.
    """
    host, port = str(address[0]).removeprefix("::ffff:"), address[1]
    numbers = os.listdir(DESCRIPTORS)  # noqa: PTH208 - asked for each connection: it is to be fast
    return any(_name(int(each)) == (host, port) for each in numbers)


def _name(descriptor: int) -> tuple[str, int] | None:
    """Return the host and port of a TCP socket; another thread may close it at any time."""
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=descriptor)
            try:
                name = found.getsockname()
            finally:
                found.detach()
            if isinstance(name, tuple):
                return str(name[0]).removeprefix("::ffff:"), int(name[1])
    return None
