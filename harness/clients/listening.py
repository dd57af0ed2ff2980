"""The end of a listener of pynetdicom, without the wait for its next look."""

import contextlib
import socket

from pynetdicom.transport import ThreadedAssociationServer


def end_listening(server: ThreadedAssociationServer) -> None:
    """Stop accepting connections, at once.

    `shutdown` alone waits until the loop of the server looks for it, every half second. A listening socket
    that is shut down wakes the loop.
    """
    if server.socket is not None:
        with contextlib.suppress(OSError):  # it was closed already
            server.socket.shutdown(socket.SHUT_RDWR)
    server.shutdown()
