"""An HTTP/1.1 client (RFC 9112) without I/O: the head of a request, and the reader of its response.

Only what services need: no upgrades, no trailers, no pipelining. The body of a response is passed
on as views of the input. This replaces httpx, whose layers took half of the time of a retrieval.
"""

import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from dcm.errors import LocalProtocolError, RemoteProtocolError

MAX_HEAD: Final = 1 << 16
"""The longest head of a response, in bytes."""
_STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: [^\r\n]*)?")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?")
_LINE: Final = 1 << 12
_WITHOUT_END: Final = -1


class BadHttp(RemoteProtocolError):  # noqa: N818 - reads as the sentence it is
    """A response is not HTTP/1.1, or is incomplete."""


class ResponseHead(NamedTuple):
    """Status, and headers by lower-case name; values of the same name are joined with commas."""

    status: int
    headers: Mapping[str, str]


def request_head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """Encode the head of a request. Raises `LocalProtocolError` if a value would end it early."""
    lines = [
        f"{method} {target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    for line in lines:
        if "\r" in line or "\n" in line or "\0" in line:
            raise LocalProtocolError("the URL or a header has characters that cannot be sent")
    if not target.isascii() or " " in target:
        raise LocalProtocolError("the URL has characters that must be encoded")
    return "\r\n".join((*lines, "", "")).encode("latin-1", "replace")


class ResponseReader:
    """Reads one response in chunks of any size. method: the method of the request.

    head: the head, or None until it is complete. ended: whether the body is complete.
    """

    def __init__(self, method: str) -> None:
        self.head: ResponseHead | None = None
        self.ended = False
        self._method: Final = method
        self._held = b""
        self._left = 0
        """Remaining bytes of the body, or of its current chunk."""
        self._chunked = self._behind_chunk = False
        self._last_size = 1
        """Size of the last announced chunk; 0: only trailers follow."""
        self._stays = True

    @property
    def can_stay(self) -> bool:
        """Whether the connection can be reused."""
        return self.ended and self._stays and not self._held

    def feed(self, data: memoryview) -> list[memoryview]:
        """Process received data, empty at the end of the connection; return body parts in it.

        Raises `BadHttp`.
        """
        if not data:
            self._close()
            return []
        if self.head is None:
            self._held += data
            rest = self._heads()
            if rest is None:
                return []
            data = memoryview(rest)
        if self.ended:
            self._held += bytes(data[:1])  # unexpected data
            return []
        if self._chunked:
            return self._chunks(data)
        if self._left == _WITHOUT_END:
            return [data] if data else []
        body = data[: self._left]
        self._left -= len(body)
        self.ended = not self._left
        if len(data) > len(body):
            self._held = bytes(data[len(body) : len(body) + 1])
        return [body] if body else []

    def _heads(self) -> bytes | None:
        """Read the head, skipping those of interim responses; return the data after it."""
        while True:
            end = self._held.find(b"\r\n\r\n")
            if end < 0 or end > MAX_HEAD:
                if len(self._held) > MAX_HEAD:
                    raise BadHttp(f"the head of the response is longer than {MAX_HEAD} bytes")
                return None
            head, rest = self._held[:end], self._held[end + 4 :]
            self._held = b""
            if self._read_head(head):
                return rest
            self._held = rest

    def _read_head(self, head: bytes) -> bool:
        """Read a head; return False for an interim response (RFC 9110 15.2)."""
        first, *lines = head.split(b"\r\n")
        found = _STATUS.fullmatch(first)
        if found is None:
            raise BadHttp(f"the response does not begin like HTTP/1.1: {first[:60]!r}")
        status = int(found[2])
        if status < 200:
            if status == 101:
                raise BadHttp("the service changes to another protocol")
            return False
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or _NAME.fullmatch(name) is None:
                raise BadHttp(f"the response has a header without a name: {line[:60]!r}")
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        connection = headers.get("connection", "").lower()
        self._stays = "keep-alive" in connection if found[1] == b"0" else "close" not in connection
        self._frame(status, headers)
        self.head = ResponseHead(status, headers)
        return True

    def _frame(self, status: int, headers: Mapping[str, str]) -> None:
        """Determine the length of the body (RFC 9112 6.3)."""
        coding, length = headers.get("transfer-encoding", "").lower(), headers.get("content-length")
        if status in (204, 304) or self._method in ("HEAD", "CONNECT"):
            self.ended = True
        elif coding:
            if coding != "chunked":
                raise BadHttp(f"the Transfer-Encoding {coding[:60]!r} is not supported")
            self._chunked = True
        elif length is not None:
            values = {each.strip() for each in length.split(",")}
            value = values.pop()
            if values or not (value.isascii() and value.isdecimal() and len(value) < 20):
                raise BadHttp(f"the Content-Length is {length[:60]!r}")
            self._left = int(value)
            self.ended = not self._left
        else:
            self._left, self._stays = _WITHOUT_END, False

    def _chunks(self, data: memoryview) -> list[memoryview]:
        """Read chunks (RFC 9112 7.1); incomplete lines are kept for the next call."""
        found: list[memoryview] = []
        at = 0
        while at < len(data) and not self.ended:
            if self._left:
                piece = data[at : at + self._left]
                found.append(piece)
                self._left -= len(piece)
                at += len(piece)
                self._behind_chunk = not self._left
                continue
            at = self._chunk_line(data, at)
        if at < len(data):
            self._held = bytes(data[at : at + 1])
        return found

    def _chunk_line(self, data: memoryview, at: int) -> int:
        """Read the line before or after a chunk; return where it ends."""
        start = bytes(data[at : at + _LINE])
        end = start.find(b"\n")
        line = self._held + (start if end < 0 else start[: end + 1])
        if len(line) > _LINE:
            raise BadHttp("the size of a chunk is invalid")
        if end < 0:
            self._held = line
            return at + len(start)
        self._held = b""
        text = line.rstrip(b"\r\n")
        if self._behind_chunk:
            self._behind_chunk = False
            if text:
                raise BadHttp("a chunk is longer than its size")
        elif not self._last_size:
            self.ended = not text  # after the trailers, which are not needed
        else:
            size = _SIZE.fullmatch(text)
            if size is None:
                raise BadHttp(f"the size of a chunk is invalid: {text[:60]!r}")
            self._left = self._last_size = int(size[1], 16)
        return at + end + 1

    def _close(self) -> None:
        """Handle the end of the connection."""
        self._stays = False
        if self.ended:
            return
        if self.head is None:
            raise BadHttp("it closed the connection without a response")
        if self._left != _WITHOUT_END:
            raise BadHttp("it closed the connection in the middle of its response")
        self.ended = True


class Decoder:
    """Decodes Content-Encoding (RFC 9110 8.4.1). Raises `BadHttp` for undecodable data."""

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise BadHttp(f"the Content-Encoding {encoding[:60]!r} is not supported")
        self._decoder = zlib.decompressobj(47) if name not in ("", "identity") else None

    def decode(self, data: memoryview) -> Iterator[memoryview]:
        """Iterate over the decoded content of a piece of the body, in pieces of bounded size."""
        if self._decoder is None:
            yield data
            return
        try:
            while data and not self._decoder.eof:
                yield memoryview(self._decoder.decompress(data, 1 << 20))
                data = memoryview(self._decoder.unconsumed_tail)
        except zlib.error as error:
            raise BadHttp(
                f"the body is not encoded as its Content-Encoding says: {error}"
            ) from None

    def close(self) -> None:
        """Check that the body is complete."""
        if self._decoder is not None and not self._decoder.eof:
            raise BadHttp("the compressed body is truncated")
