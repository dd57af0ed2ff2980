"""Connections to web servers: TCP, TLS and proxies; a connection is reused while it is open.

async with connections.exchange("GET", url, headers) as response:
    async for piece in response.pieces():
        ...
"""

import asyncio
import os
import socket
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from dcm.net.dial import connect
from dcm.net.errors import ConnectionFailed, ConnectionLost, NetworkError, TimedOut
from dcm.net.limits import TimeLimits
from dcm.net.tls import Tls
from dcm.net.transport import Transport
from dcm.web.http import BadHttp, Decoder, ResponseHead, ResponseReader, request_head
from dcm.web.multipart import Buffer

if TYPE_CHECKING:
    import ssl

_KEPT: Final = 4.0
"""Seconds for which a connection may be reused: servers close theirs after 5 or more."""
_GATHERED: Final = 1 << 18
"""Small parts of a body are joined up to this number of bytes before they are written."""
_LAST_CHUNK: Final = b"0\r\n\r\n"

Content = AsyncGenerator[Buffer, None]
"""The body of a request; each part is valid until the next one."""


_Next = Callable[[], Awaitable[list[memoryview]]]


class Origin(NamedTuple):
    """The scheme, host and port of a URL (RFC 9110 4.3.1)."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        """Return the origin of an http or https URL."""
        parts = urlsplit(url)
        return cls(parts.scheme, parts.hostname or "", parts.port or _port(parts))

    @property
    def authority(self) -> str:
        """Host and port, for the header Host and for proxies."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        return host if self.port == usual else f"{host}:{self.port}"


def _port(parts: SplitResult) -> int:
    return 443 if parts.scheme == "https" else 80


class _Request(NamedTuple):
    """A request, and its description for errors."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: Content | None
    doing: str


class _Connection:
    """A connection, and whether it leads to a proxy that expects complete URLs."""

    def __init__(self, transport: Transport, proxy: str, proxy_secret: str) -> None:
        self.transport: Final = transport
        self.proxy: Final = proxy
        self.proxy_secret: Final = proxy_secret
        self.since = time.monotonic()


class Response:
    """A response whose body has not been read yet."""

    def __init__(
        self, head: ResponseHead, reader: ResponseReader, first: list[memoryview], next_piece: _Next
    ) -> None:
        self.status: Final = head.status
        self.headers: Final = head.headers
        self._reader: Final = reader
        self._first: Final = first
        self._next: Final = next_piece

    @property
    def is_success(self) -> bool:
        """Whether the status means success."""
        return 200 <= self.status < 300

    async def pieces(self) -> AsyncGenerator[memoryview, None]:
        """Yield the body, decoded; each piece is valid until the next one. Raises `BadHttp`."""
        decoder = Decoder(self.headers.get("content-encoding", ""))
        found = self._first
        while True:
            for piece in found:
                for decoded in decoder.decode(piece):
                    yield decoded
            if self._reader.ended:
                break
            found = await self._next()
        decoder.close()


class Connections:
    """Sends requests to one remote, and keeps connections for reuse. remote: its name in errors."""

    def __init__(
        self, remote: str, limits: TimeLimits, tls: Tls | None = None, proxy: str | None = None
    ) -> None:
        self._remote: Final = remote
        self._limits: Final = limits
        self._tls: Final = tls
        self._proxy: Final = proxy
        self._context: ssl.SSLContext | None = None
        self._idle: Final[dict[Origin, list[_Connection]]] = defaultdict(list)

    def close(self) -> None:
        """Close all connections."""
        for waiting in self._idle.values():
            while waiting:
                waiting.pop().transport.close()

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Content | None = None,
        *,
        doing: str,
    ) -> AsyncIterator[Response]:
        """Make a request; the block reads the response. Raises `NetworkError`."""
        origin, request = Origin.of(url), _Request(method, url, headers, content, doing)
        connection = await self._connection(origin, doing)
        try:
            reader, first = await self._ask(connection, request)
            assert reader.head is not None
            yield Response(
                reader.head, reader, first, lambda: self._more(connection, reader, doing)
            )
            if reader.can_stay:
                connection.since = time.monotonic()
                self._idle[origin].append(connection)
        finally:
            if connection not in self._idle[origin]:
                connection.transport.close()

    async def _ask(
        self, connection: _Connection, request: _Request
    ) -> tuple[ResponseReader, list[memoryview]]:
        """Send a request; return the reader of the response, and data that followed the head."""
        method, url, headers, content, doing = request
        origin, parts, reader = Origin.of(url), urlsplit(url), ResponseReader(method)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        more = {"Transfer-Encoding": "chunked"} if content is not None else {}
        if connection.proxy and origin.scheme == "http":
            target = f"http://{origin.authority}{target}"
            if connection.proxy_secret:
                more["Proxy-Authorization"] = connection.proxy_secret
        head = request_head(method, target, {"Host": origin.authority, **headers, **more})
        try:
            await self._send(connection.transport, head, content, doing)
        except (ConnectionLost, TimedOut):
            # It may have responded before reading everything, to report an error.
            if not await self._has_answered(connection, reader):
                raise
        first: list[memoryview] = []
        while reader.head is None:
            first = await self._more(connection, reader, doing)
        return reader, first

    async def _send(
        self, transport: Transport, head: bytes, content: Content | None, doing: str
    ) -> None:
        within = self._limits.response
        try:
            if content is None:
                await transport.send([head], within)
                return
            waiting: list[Buffer] = [head]
            async with aclosing(content):
                async for piece in content:
                    if not piece:
                        continue
                    waiting += (b"%x\r\n" % len(piece), piece, b"\r\n")
                    if type(piece) is not bytes or len(piece) > _GATHERED:
                        await transport.send(waiting, within)
                        waiting = []
            await transport.send([*waiting, _LAST_CHUNK], within)
        except TimeoutError:
            words = f"it accepted no data for {within:g} s"
            raise TimedOut(self._remote, doing, words) from None
        except OSError as error:
            raise ConnectionLost(self._remote, doing, _reason(error)) from None

    async def _has_answered(self, connection: _Connection, reader: ResponseReader) -> bool:
        try:
            while reader.head is None:
                reader.feed(await connection.transport.receive(1.0))
        except (OSError, TimeoutError, BadHttp, NetworkError):
            return False
        return True

    async def _more(
        self, connection: _Connection, reader: ResponseReader, doing: str
    ) -> list[memoryview]:
        """Receive data, and return the parts of the body in it."""
        within = self._limits.response
        try:
            return reader.feed(await connection.transport.receive(within))
        except TimeoutError:
            words = f"nothing was received for {within:g} s"
            advice = "increase the time limit time_limits.response"
            raise TimedOut(self._remote, doing, words, advice) from None
        except OSError as error:
            raise ConnectionLost(self._remote, doing, _reason(error)) from None
        except BadHttp as error:
            raise ConnectionLost(self._remote, doing, str(error)) from None

    # Connections.

    async def _connection(self, origin: Origin, doing: str) -> _Connection:
        """Return an idle open connection, or a new one."""
        waiting = self._idle[origin]
        while waiting:
            found = waiting.pop()
            if found.transport.is_quiet and time.monotonic() - found.since < _KEPT:
                return found
            found.transport.close()
        return await self._connect(origin, doing)

    async def _connect(self, origin: Origin, doing: str) -> _Connection:
        proxy = self._proxy_for(origin)
        if not proxy:
            connected = await self._dial(origin.host, origin.port, doing)
            return _Connection(await self._transport(connected, origin), "", "")
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        if parts.scheme != "http" or not parts.hostname:
            words = "only http proxies are supported"
            raise ConnectionFailed(self._remote, doing, words)
        secret = ""
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            secret = f"Basic {b64encode(pair).decode()}"
        connected = await self._dial(parts.hostname, parts.port or 80, f"{doing}: proxy")
        if origin.scheme == "http":
            return _Connection(Transport(connected), proxy, secret)
        try:
            await self._tunnel(connected, origin, secret, f"{doing}: proxy")
        except BaseException:
            connected.close()
            raise
        return _Connection(await self._transport(connected, origin), proxy, secret)

    async def _dial(self, host: str, port: int, doing: str) -> socket.socket:
        within = self._limits.connect
        try:
            async with asyncio.timeout(within):
                return await connect(host, port)
        except TimeoutError:
            raise TimedOut(self._remote, doing, f"no connection within {within:g} s") from None
        except OSError as error:
            raise ConnectionFailed(self._remote, doing, _reason(error)) from None

    async def _transport(self, connected: socket.socket, origin: Origin) -> Transport:
        if origin.scheme == "http":
            return Transport(connected)
        from dcm.net.tls_transport import secure  # noqa: PLC0415 - many URLs are without TLS

        if self._context is None:
            self._context = (self._tls or Tls()).to_connect()
        within = self._limits.connect
        return await secure(connected, self._context, self._remote, within, origin.host)

    async def _tunnel(
        self, connected: socket.socket, origin: Origin, secret: str, doing: str
    ) -> None:
        """Make a proxy open a tunnel (RFC 9110 9.3.6)."""
        loop, reader = asyncio.get_running_loop(), ResponseReader("CONNECT")
        host = f"[{origin.host}]" if ":" in origin.host else origin.host
        target = f"{host}:{origin.port}"
        headers = {"Host": target, **({"Proxy-Authorization": secret} if secret else {})}
        within = self._limits.connect
        try:
            async with asyncio.timeout(within):
                await loop.sock_sendall(connected, request_head("CONNECT", target, headers))
                while reader.head is None:
                    reader.feed(memoryview(await loop.sock_recv(connected, 1 << 12)))
        except TimeoutError:
            raise TimedOut(self._remote, doing, f"no answer within {within:g} s") from None
        except OSError as error:
            raise ConnectionFailed(self._remote, doing, _reason(error)) from None
        except BadHttp as error:
            raise ConnectionFailed(self._remote, doing, str(error)) from None
        if not 200 <= reader.head.status < 300:
            words = f"it answered {reader.head.status} to CONNECT"
            raise ConnectionFailed(self._remote, doing, words)

    def _proxy_for(self, origin: Origin) -> str:
        """Return the URL of the proxy, or empty if there is none."""
        if self._proxy is not None:
            return self._proxy
        if not any(name.lower().endswith("_proxy") for name in os.environ):
            return ""
        from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - slow to import

        found = getproxies()
        if proxy_bypass(origin.authority):
            return ""
        return found.get(origin.scheme) or found.get("all", "")


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
