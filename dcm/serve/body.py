"""Streamed bodies: the next part is read while the previous one is being sent.

A slow or disconnected client delays only the reading: at most two parts are in memory.
"""

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

SLICE: Final = 1 << 18
_ENOUGH: Final = 1 << 16
"""The number of bytes that is worth sending separately."""


class Streamed(Response):
    """A response whose body is iterated over in threads.

    length: of the body, if known, so that the receiver can detect missing data.
    """

    def __init__(
        self, parts: Iterable[bytes], headers: Mapping[str, str], length: int | None = None
    ) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        stated = {} if length is None else {"Content-Length": str(length)}
        self.raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in {**headers, **stated}.items()
        ]
        self._parts: Final = iter(parts)
        self._first: bytes | None = None

    async def prepared(self) -> "Streamed":
        """Read the first part, so that an error in it can still be answered with a status."""
        self._first = await asyncio.to_thread(_next, self._parts)
        return self

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Send the response; end early if the client has disconnected."""
        await send(
            {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
        )
        part, self._first = self._first, None
        if scope["method"] == "HEAD":
            part = None
        elif part is None:
            part = await asyncio.to_thread(_next, self._parts)
        gone = asyncio.create_task(_gone(receive))
        try:
            while part is not None and not gone.done():
                coming = asyncio.create_task(asyncio.to_thread(_next, self._parts))
                try:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
                finally:
                    part = await coming
        finally:
            gone.cancel()
            close = getattr(self._parts, "close", None)
            if close is not None:
                close()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def file_slices(path: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """Yield a file, or a range of it, in slices. Raises `OSError`, also if it is shorter than expected."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        left = os.fstat(descriptor).st_size - start if length is None else length
        while left:
            data = os.pread(descriptor, min(left, SLICE), start)
            if not data:
                raise OSError(f"{path} was truncated while it was sent")
            start, left = start + len(data), left - len(data)
            yield data
    finally:
        os.close(descriptor)


async def _gone(receive: "Receive") -> None:
    """Wait until the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _next(parts: Iterator[bytes]) -> bytes | None:
    """Return the next part; small ones are joined, as each needs a thread switch."""
    some: list[bytes] = []
    size = 0
    for part in parts:
        some.append(part)
        size += len(part)
        if size >= _ENOUGH:
            break
    return b"".join(some) if some else None
