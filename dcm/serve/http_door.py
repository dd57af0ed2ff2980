"""The HTTP server: uvicorn on the running event loop, with sockets bound in advance."""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Final

from dcm.errors import DcmError

if TYPE_CHECKING:
    import ssl

    from dcm.net.tls import Tls

LOG: Final = logging.getLogger(__name__)
_BACKLOG: Final = 1024
_KEEP_ALIVE: Final = 30
"""Seconds for which an idle connection stays open."""


class CannotServe(DcmError):  # noqa: N818 - reads as the sentence it is
    """A service cannot start: a port is not available, or something it needs is not installed."""


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address; port 0 selects a free one. Raises `CannotServe`."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        hint = {
            errno.EADDRINUSE: "it is in use by another program: choose another --port, or 0 for any free one",
            errno.EACCES: "ports below 1024 need special rights: choose another --port",
            errno.EADDRNOTAVAIL: "this computer does not have that address: choose another --host",
        }.get(error.errno or 0, error.strerror or str(error))
        raise CannotServe(f"cannot listen on {host}:{port}: {hint}") from error
    made.setblocking(False)
    # asyncio leaves Nagle's algorithm on if a socket does not name its protocol: 40 ms per
    # response.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def url_of(listening: socket.socket, *, tls: bool) -> str:
    """Return the URL of a socket for use on this computer."""
    host, port = listening.getsockname()[:2]
    if ":" in host:
        host = f"[{host}]"
    return f"{'https' if tls else 'http'}://{host}:{port}"


@contextlib.asynccontextmanager
async def http_door(
    application: Any, listening: socket.socket, *, tls: "Tls | None" = None, drain: float = 8.0
) -> AsyncIterator[None]:
    """Serve an ASGI application while the block runs; then drain requests for `drain` seconds.

    Raises `CannotServe` and `UnusableTls`.
    """
    server = _server(application, drain, tls.to_listen() if tls is not None else None)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _server(application: Any, drain: float, context: "ssl.SSLContext | None") -> Any:
    try:
        import uvicorn  # noqa: PLC0415 - an extra
    except ImportError:
        raise CannotServe(
            "a web service needs starlette and uvicorn: pip install 'dicom-dcm[serve]'"
        ) from None

    class Server(uvicorn.Server):
        """A server that leaves signal handling to its caller."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        application, lifespan="off", access_log=False, log_config=None, server_header=False, ws="none",
        timeout_keep_alive=_KEEP_ALIVE, timeout_graceful_shutdown=max(1, round(drain)),
        ssl_context_factory=(lambda *_: context) if context else None,
    )  # fmt: skip
    return Server(config)
