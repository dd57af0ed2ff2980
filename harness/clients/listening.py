"""A base class for acceptors in cases, based on pynetdicom."""

import abc
import contextlib
import socket
from typing import Any, Self

from pynetdicom import AE

from harness.model import Endpoint


class Listener(abc.ABC):
    """Listens on a port of its own; a context manager."""

    @abc.abstractmethod
    def _entity(self) -> AE:
        """Make the application entity, with the contexts that it accepts."""

    @abc.abstractmethod
    def _handlers(self) -> list[tuple[Any, ...]]:
        """Return the event handlers in the form that pynetdicom expects."""

    @property
    def endpoint(self) -> Endpoint:
        """The address on which it listens."""
        host, port = self._server.server_address
        return Endpoint(host, port)

    def __enter__(self) -> Self:
        self._server = self._entity().start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=self._handlers()
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Stop accepting connections, at once.

        `shutdown` alone waits until the server's loop checks for it, every half second. Shutting
        down the listening socket wakes the loop.
        """
        if self._server.socket is not None:
            with contextlib.suppress(OSError):  # it was closed already
                self._server.socket.shutdown(socket.SHUT_RDWR)
        self._server.shutdown()
