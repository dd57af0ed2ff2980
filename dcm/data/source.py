"""Sources of encoded elements: a file, bytes in memory, or a deflated data set."""

import os
import zlib
from typing import Protocol

VALUE_LIMIT = 16 * 2**20
INFLATED_LIMIT = 64 * 2**20
_INFLATE_STEP = 64 * 2**10


class Source(Protocol):
    """Bytes by position."""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end of the source."""


class FileSource:
    """An open file, given by its descriptor, whose position does not change."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, size: int) -> bytes:
        """Read from the file."""
        return os.pread(self._descriptor, size, offset)


class MemorySource:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, offset: int, size: int) -> bytes:
        """Return a slice."""
        return self._data[offset : offset + size]


class InflatedSource:
    """The contents of a deflated data set (PS3.5 A.5), inflated only as far as they are read.

    Raises `zlib.error` for bytes that are not deflated, and `ValueError` beyond 64 MiB: no header is that
    long, but a decompression bomb may be.
    """

    def __init__(self, source: Source, offset: int) -> None:
        self._source = source
        self._offset = offset
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._inflated = bytearray()

    def read(self, offset: int, size: int) -> bytes:
        """Inflate as far as needed, and return a slice."""
        while len(self._inflated) < offset + size and not self._inflater.eof:
            if len(self._inflated) > INFLATED_LIMIT:
                raise ValueError(
                    f"more than {INFLATED_LIMIT >> 20} MiB before the requested elements"
                )
            packed = self._inflater.unconsumed_tail
            if not packed:
                packed = self._source.read(self._offset, _INFLATE_STEP)
                self._offset += len(packed)
            if not packed:
                break
            self._inflated += self._inflater.decompress(packed, _INFLATE_STEP)
        return bytes(self._inflated[offset : offset + size])


def inflated(data: bytes, limit: int = INFLATED_LIMIT) -> bytes:
    """Inflate a whole deflated data set (PS3.5 A.5). Raises `ValueError`, also beyond `limit` bytes."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        found = inflater.decompress(data, limit)
    except zlib.error as error:
        raise ValueError(f"it claims to be deflated, but is not: {error}") from error
    if not inflater.eof:
        raise ValueError(f"its deflated data set is truncated, or larger than {limit} bytes")
    return found


def deflated(data: bytes) -> bytes:
    """Deflate a whole data set, padded to an even length (PS3.5 A.5)."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = deflater.compress(data) + deflater.flush()
    return packed + bytes(len(packed) % 2)
