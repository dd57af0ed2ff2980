"""HTTP messages as values, and readers that parse them incrementally."""

import zlib
from dataclasses import dataclass, replace
from typing import Final

import h11

Headers = tuple[tuple[str, str], ...]

MAX_HEAD: Final = 2**20
"""Most bytes of the head of a message: far more than servers send, as relays only observe."""


class _Message:
    headers: Headers

    def header(self, name: str) -> str:
        """Return the value of a header, or an empty text."""
        return next((value for each, value in self.headers if each.lower() == name.lower()), "")


@dataclass(frozen=True)
class HttpRequest(_Message):
    """A request; `body` may be truncated, `size` is the number of bytes that were sent."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""
    size: int = 0


@dataclass(frozen=True)
class HttpResponse(_Message):
    """A response; `body` may be truncated, `size` is the number of bytes that were sent."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""
    size: int = 0

    def uncompressed(self) -> "HttpResponse":
        """Return it without its content coding, if that is gzip or deflate and the body is complete."""
        if self.header("Content-Encoding").lower() not in ("gzip", "deflate"):
            return self
        try:
            body = zlib.decompress(self.body, wbits=47)  # 32 + 15: detect gzip or zlib by header
        except zlib.error:
            return self
        kept = tuple(pair for pair in self.headers if pair[0].lower() != "content-encoding")
        return replace(self, headers=kept, body=body)

    def encode(self, method: str = "GET") -> bytes:
        """Return its bytes as the response to a `method` request, with a correct Content-Length."""
        head_only = method == "HEAD"
        dropped = ("transfer-encoding", "" if head_only else "content-length")
        lines = [f"{name}: {value}" for name, value in self.headers if name.lower() not in dropped]
        if not head_only and self.status not in (204, 304):
            lines.append(f"Content-Length: {len(self.body)}")
        head = "\r\n".join((f"HTTP/1.1 {self.status} {self.reason}", *lines, "", ""))
        return head.encode("latin-1") + (b"" if head_only else self.body)


class MessageReader:
    """Reads one message; `keep` limits the bytes of its body that are kept.

    `feed` and `end` raise `h11.RemoteProtocolError` for bytes that are not HTTP.
    """

    def __init__(self, connection: h11.Connection, keep: int | None) -> None:
        self.head: h11.Request | h11.Response | None = None
        self.complete = False
        self.size = 0
        self._connection = connection
        self._body = bytearray()
        self._keep = keep

    def end(self) -> None:
        """Process the end of the stream; a body without a length is then complete."""
        if self.head is not None and not self.complete:
            self.feed(b"")

    def feed(self, data: bytes) -> bytes:
        """Process more bytes, and return those that belong to the next message."""
        self._connection.receive_data(data)
        while not self.complete:
            event = self._connection.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return b""
            if isinstance(event, (h11.Request, h11.Response)):
                self.head = event
            elif isinstance(event, h11.Data):
                self.size += len(event.data)
                left = None if self._keep is None else max(0, self._keep - len(self._body))
                self._body += event.data[:left]
            elif isinstance(event, h11.EndOfMessage):
                self.complete = True
        return self._connection.trailing_data[0]


class RequestReader(MessageReader):
    """Reads a request."""

    def __init__(self, keep: int | None = None) -> None:
        super().__init__(h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD), keep)

    @property
    def request(self) -> HttpRequest | None:
        """The request as received so far, or None until its head is complete."""
        if not isinstance(self.head, h11.Request):
            return None
        method, target = _text(self.head.method), _text(self.head.target)
        return HttpRequest(method, target, _headers(self.head), bytes(self._body), self.size)


class ResponseReader(MessageReader):
    """Reads the response to a request with `method`, which decides whether there is a body."""

    def __init__(self, method: str = "GET", keep: int | None = None) -> None:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
        connection.send(h11.Request(method=method, target="/", headers=[("Host", "server")]))
        connection.send(h11.EndOfMessage())
        super().__init__(connection, keep)

    @property
    def response(self) -> HttpResponse | None:
        """The response as received so far, or None until its head is complete."""
        if not isinstance(self.head, h11.Response):
            return None
        status, reason = self.head.status_code, _text(self.head.reason)
        return HttpResponse(status, reason, _headers(self.head), bytes(self._body), self.size)


def _headers(head: h11.Request | h11.Response) -> Headers:
    return tuple((_text(name), _text(value)) for name, value in head.headers.raw_items())


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")
