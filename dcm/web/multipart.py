"""Multipart messages (PS3.18 8.6.1, RFC 2046 5.1, RFC 2387), read and written without I/O.

    parser = Parser.of('multipart/related; type="application/dicom"; boundary=xyz')
    for chunk in body:
        for event in parser.feed(chunk):
            ...  # PartBegun, any number of PartData, PartEnded
    parser.close()

The content of parts is passed on as views of each chunk: it is never collected. A chunk that is not
`bytes` is copied first.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple, Self, TypeAlias

from dcm.errors import RemoteProtocolError
from dcm.web.media import MediaType

MAX_HEADER: Final = 1 << 14
"""The limit for the header of one part, and for the padding after a boundary, in bytes."""
_BOUNDARY_LENGTH: Final = 200
"""The longest boundary that is accepted; RFC 2046 allows 70 characters."""

Buffer: TypeAlias = "bytes | bytearray | memoryview"


class MalformedMultipart(RemoteProtocolError):  # noqa: N818 - reads as the sentence it is
    """A message that is not multipart, or is cut off."""


class PartBegun(NamedTuple):
    """A part begins. headers: by lower-case name; of several with the same name, the first."""

    headers: Mapping[str, str]


class PartData(NamedTuple):
    """The next content of the part; the view is valid until the input is changed."""

    data: memoryview


class PartEnded(NamedTuple):
    """A part is complete. length: of its content, in bytes. stated: its Content-Length, or None."""

    length: int
    stated: int | None


Event: TypeAlias = "PartBegun | PartData | PartEnded"


class Parser:
    """Reads a multipart message in chunks of any size. Data before and after the parts is ignored.

    boundary: the parameter of the media type. max_header: the longest header of a part, in bytes.
    """

    def __init__(self, boundary: str, *, max_header: int = MAX_HEADER) -> None:
        if not 0 < len(boundary) <= _BOUNDARY_LENGTH or "\r" in boundary or "\n" in boundary:
            raise MalformedMultipart(f"the boundary {boundary[:80]!r} cannot be used")
        self.parts = 0
        """The number of complete parts."""
        self._delimiter: Final = b"\r\n--" + boundary.encode("utf-8", "replace")
        self._max_header: Final = max_header
        self._held = b"\r\n"  # the first boundary may be at the very beginning
        self._step: Callable[[bytes, int, list[Event]], int | None] = self._preamble
        self._length = 0
        self._stated: int | None = None
        self._skip = 0
        """Length of the line break before the content, part of the boundary if there is none."""

    @classmethod
    def of(cls, content_type: str, *, max_header: int = MAX_HEADER) -> Self:
        """Return the parser for a Content-Type. Raises `MalformedMultipart` without a boundary."""
        try:
            media = MediaType.parse(content_type)
        except ValueError as error:
            raise MalformedMultipart(str(error)) from error
        if not media.name.startswith("multipart/"):
            raise MalformedMultipart(f"{media.name} is not multipart")
        return cls(media.parameters.get("boundary", ""), max_header=max_header)

    @property
    def ended(self) -> bool:
        """Whether the closing boundary was received."""
        return self._step == self._epilogue

    def feed(self, chunk: Buffer) -> list[Event]:
        """Process the next chunk of the message; return its events. Raises `MalformedMultipart`."""
        data = self._held + chunk if self._held else bytes(chunk)
        self._held = b""
        events: list[Event] = []
        at: int | None = 0
        while at is not None and at < len(data):
            at = self._step(data, at, events)
        return events

    def close(self) -> None:
        """Check that the message is complete. Raises `MalformedMultipart` if it is not."""
        if self.ended:
            return
        if self._step == self._preamble:
            raise MalformedMultipart("the multipart message has no boundary")
        if self._step == self._after_boundary:
            raise MalformedMultipart(f"the multipart message ends after part {self.parts}")
        raise MalformedMultipart(
            f"the multipart message ends in the middle of part {self.parts + 1}"
        )

    def _preamble(self, data: bytes, at: int, _: list[Event]) -> int | None:
        found, end = self._find(data, at)
        if found:
            return self._begin_boundary(end)
        self._held = data[end:]
        return None

    def _content(self, data: bytes, at: int, events: list[Event]) -> int | None:
        found, end = self._find(data, at)
        if end > at:
            at, self._skip = at + self._skip, 0
            if end > at:
                events.append(PartData(memoryview(data)[at:end]))
                self._length += end - at
        if not found:
            self._held = data[end:]
            return None
        events.append(PartEnded(self._length, self._stated))
        self.parts += 1
        return self._begin_boundary(end)

    def _begin_boundary(self, at: int) -> int:
        self._step = self._after_boundary
        return at + len(self._delimiter)

    def _find(self, data: bytes, at: int) -> tuple[bool, int]:
        """Return whether there is a boundary, and up to where there certainly is none."""
        delimiter, search = self._delimiter, at
        while (found := data.find(delimiter, search)) >= 0:
            behind = data[found + len(delimiter) : found + len(delimiter) + 2]
            if behind == b"--" or behind[:1] in (b"\r", b" ", b"\t"):
                return True, found
            if len(behind) < 2 and behind in (b"", b"-"):
                return False, found
            search = found + 2  # the line only starts like a boundary
        # The end of the data may be the beginning of a boundary.
        start = max(at, len(data) - len(delimiter) + 1)
        while (start := data.find(b"\r", start)) >= 0:
            if delimiter.startswith(data[start:]):
                return False, start
            start += 1
        return False, len(data)

    def _after_boundary(self, data: bytes, at: int, _: list[Event]) -> int | None:
        if data.startswith(b"--", at):
            self._step = self._epilogue
            return None
        end = data.find(b"\r\n", at)
        if data[at : len(data) if end < 0 else end].strip(b" \t\r"):
            raise MalformedMultipart("a boundary is not followed by a new line")
        if end < 0:
            self._hold(data, at, "boundary")
            return None
        self._step = self._header
        return end  # the header starts with this line break, as it may be empty

    def _header(self, data: bytes, at: int, events: list[Event]) -> int | None:
        end = data.find(b"\r\n\r\n", at)
        if end < 0:
            self._hold(data, at, "header")
            return None
        if end - at > self._max_header:
            raise self._too_long("header")
        headers = _headers(data[at + 2 : end])
        length = headers.get("content-length", "").strip()
        self._stated = int(length) if length.isascii() and length.isdecimal() else None
        self._length = 0
        events.append(PartBegun(headers))
        self._step, self._skip = self._content, 2
        return end + 2

    def _epilogue(self, _data: bytes, _at: int, _events: list[Event]) -> int | None:
        return None

    def _hold(self, data: bytes, at: int, what: str) -> None:
        if len(data) - at > self._max_header:
            raise self._too_long(what)
        self._held = data[at:]

    def _too_long(self, what: str) -> MalformedMultipart:
        return MalformedMultipart(
            f"the {what} of part {self.parts + 1} is longer than {self._max_header} bytes"
        )


def _headers(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    last = ""
    for line in data.decode("utf-8", "replace").split("\r\n"):
        if line[:1] in (" ", "\t") and last:  # continued (RFC 5322 2.2.3)
            found[last] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        if not colon:
            if line.strip():
                raise MalformedMultipart(f"a part has a header without a name: {line[:60]!r}")
            continue
        last = name.strip().lower()
        found.setdefault(last, value.strip())
    return found


class MultipartWriter:
    """Writes a multipart message: `begin` before each part, `end` after the last one.

    media_type: of the parts. boundary: must not occur in their content; by default, a random one.
    """

    def __init__(self, media_type: str, boundary: str = "") -> None:
        self.boundary: Final = boundary or secrets.token_hex(20)
        self.content_type: Final = (
            f'multipart/related; type="{media_type}"; boundary={self.boundary}'
        )
        self._media_type: Final = media_type
        self._between = f"--{self.boundary}\r\n"

    def begin(self, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the bytes before a part's content. headers: Content-Type if not `media_type`.

        With a Content-Length, a receiver can check that the part is complete.
        """
        lines = {"Content-Type": self._media_type, **(headers or {})}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        between, self._between = self._between, f"\r\n--{self.boundary}\r\n"
        return f"{between}{text}\r\n".encode()

    def part(
        self, slices: Iterable[Buffer], headers: Mapping[str, str] | None = None
    ) -> Iterator[Buffer]:
        """Iterate over a complete part: its head, and the slices of its content unchanged."""
        yield self.begin(headers)
        yield from slices

    def end(self) -> bytes:
        """Return the bytes after the last part."""
        return self._between.encode()[:-2] + b"--\r\n"
