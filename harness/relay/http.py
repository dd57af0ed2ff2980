"""HTTP messages as values, and readers that make them from bytes as they come."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import h11

Headers = tuple[tuple[str, str], ...]

MAX_HEAD: Final = 2**20
"""Bytes that the head of a message may take: far more than servers send, since we only watch."""


@dataclass(frozen=True)
class HttpRequest:
    """A request; `body` may be cut, `size` is what was sent."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""
    size: int = 0

    def header(self, name: str) -> str:
        """Return the value of a header, or an empty text."""
        return _header(self.headers, name)


@dataclass(frozen=True)
class HttpResponse:
    """A response; `body` may be cut, `size` is what was sent."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""
    size: int = 0

    def header(self, name: str) -> str:
        """Return the value of a header, or an empty text."""
        return _header(self.headers, name)

    def uncompressed(self) -> "HttpResponse":
        """Return it without the content coding, when that is gzip or deflate and the body is whole."""
        if self.header("Content-Encoding").lower() not in ("gzip", "deflate"):
            return self
        try:
            body = zlib.decompress(self.body, wbits=47)  # 32 + 15: gzip or zlib, as it says itself
        except zlib.error:
            return self
        kept = tuple(pair for pair in self.headers if pair[0].lower() != "content-encoding")
        return replace(self, headers=kept, body=body)

    def encode(self, method: str = "GET") -> bytes:
        """Return the bytes of it as the answer to a `method` request, with the right length."""
        dropped = (
            {"transfer-encoding"} if method == "HEAD" else {"transfer-encoding", "content-length"}
        )
        headers = [pair for pair in self.headers if pair[0].lower() not in dropped]
        if method != "HEAD" and self.status not in (204, 304):
            headers.append(("Content-Length", str(len(self.body))))
        lines = [
            f"HTTP/1.1 {self.status} {self.reason}",
            *(f"{a}: {b}" for a, b in headers),
            "",
            "",
        ]
        return "\r\n".join(lines).encode("latin-1") + (b"" if method == "HEAD" else self.body)


class MessageReader:
    """Reads one message; `keep` bounds the bytes of its body that are kept.

    `feed` and `end` raise `h11.RemoteProtocolError` for what is no HTTP.
    """

    def __init__(self, connection: h11.Connection, keep: int | None) -> None:
        self.head: h11.Request | h11.Response | None = None
        self.complete = False
        self.size = 0
        self._connection = connection
        self._body = bytearray()
        self._keep = keep

    def feed(self, data: bytes) -> bytes:
        """Take more bytes, and return those that belong to the message after this one."""
        self._connection.receive_data(data)
        return self._read()

    def end(self) -> None:
        """Learn that nothing more will come; a body without a length is complete now."""
        if self.head is not None and not self.complete:
            self._connection.receive_data(b"")
            self._read()

    def _read(self) -> bytes:
        while not self.complete:
            event = self._connection.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return b""
            if isinstance(event, (h11.Request, h11.Response)):
                self.head = event
            elif isinstance(event, h11.Data):
                self._take(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self.complete = True
        return self._connection.trailing_data[0]

    def _take(self, data: bytes) -> None:
        self.size += len(data)
        self._body += data if self._keep is None else data[: max(0, self._keep - len(self._body))]


class RequestReader(MessageReader):
    """Reads a request."""

    def __init__(self, keep: int | None = None) -> None:
        super().__init__(h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD), keep)

    @property
    def request(self) -> HttpRequest | None:
        """What has come of the request, once its head is there."""
        if not isinstance(self.head, h11.Request):
            return None
        method, target = self.head.method.decode("latin-1"), self.head.target.decode("latin-1")
        headers = _headers(self.head.headers.raw_items())
        return HttpRequest(method, target, headers, bytes(self._body), self.size)


class ResponseReader(MessageReader):
    """Reads the response to a request with `method`, which decides whether there is a body."""

    def __init__(self, method: str = "GET", keep: int | None = None) -> None:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        connection.send(h11.Request(method=method, target="/", headers=[("Host", "server")]))
        connection.send(h11.EndOfMessage())
        super().__init__(connection, keep)

    @property
    def response(self) -> HttpResponse | None:
        """What has come of the response, once its head is there."""
        if not isinstance(self.head, h11.Response):
            return None
        reason = self.head.reason.decode("latin-1")
        headers = _headers(self.head.headers.raw_items())
        return HttpResponse(self.head.status_code, reason, headers, bytes(self._body), self.size)


def _headers(items: Iterable[tuple[bytes, bytes]]) -> Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in items)


def _header(headers: Headers, name: str) -> str:
    return next((value for each, value in headers if each.lower() == name.lower()), "")
