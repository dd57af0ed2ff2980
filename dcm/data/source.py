"""Where encoded elements are read from: a file, bytes in memory, or a deflated data set."""

import os
import zlib
from typing import Protocol

VALUE_LIMIT = 16 * 2**20
INFLATED_LIMIT = 64 * 2**20
_INFLATE_STEP = 64 * 2**10


class Source(Protocol):
    """Bytes by position."""

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset` on; fewer only where the source ends."""

    def reaches(self, offset: int) -> bool:
        """Return whether there are at least `offset` bytes."""


class FileSource:
    """An open file, by its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, size: int) -> bytes:
        """Read without moving any position."""
        return os.pread(self._descriptor, size, offset)

    def reaches(self, offset: int) -> bool:
        """Ask the file system for the size."""
        return os.fstat(self._descriptor).st_size >= offset


class MemorySource:
    """Bytes that are already here."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, offset: int, size: int) -> bytes:
        """Return a slice."""
        return self._data[offset : offset + size]

    def reaches(self, offset: int) -> bool:
        """Compare with the length."""
        return len(self._data) >= offset


class InflatedSource:
    """What a deflated data set holds (PS3.5 A.5), inflated only as far as it is read.

    Raises `zlib.error` for bytes that are not deflated, and `ValueError` beyond 64 MiB: a header is
    never that long, a bomb is.
    """

    def __init__(self, source: Source, offset: int) -> None:
        self._source = source
        self._offset = offset
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._inflated = bytearray()

    def read(self, offset: int, size: int) -> bytes:
        """Inflate as far as needed, and give a slice."""
        self._inflate(offset + size)
        return bytes(self._inflated[offset : offset + size])

    def reaches(self, offset: int) -> bool:
        """Inflate as far as needed to know."""
        self._inflate(offset)
        return len(self._inflated) >= offset

    def _inflate(self, wanted: int) -> None:
        while len(self._inflated) < wanted and not self._inflater.eof:
            if len(self._inflated) > INFLATED_LIMIT:
                raise ValueError(f"more than {INFLATED_LIMIT >> 20} MiB before what was asked for")
            packed = self._inflater.unconsumed_tail
            if not packed:
                packed = self._source.read(self._offset, _INFLATE_STEP)
                self._offset += len(packed)
            if not packed:
                return
            self._inflated += self._inflater.decompress(packed, _INFLATE_STEP)


class SourceFile:
    """A source in the form of a file, as far as pydicom needs one."""

    def __init__(self, source: Source, position: int) -> None:
        self._source = source
        self._position = position

    def read(self, size: int) -> bytes:
        """Read on from the position; raises `ValueError` for more than a header can need."""
        if size > VALUE_LIMIT:
            raise ValueError(f"an element claims {size} bytes")
        data = self._source.read(self._position, size)
        self._position += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position; raises `ValueError` for the end, which is not known."""
        if whence == os.SEEK_END:
            raise ValueError("the end of the data set is not known")
        self._position = offset if whence == os.SEEK_SET else self._position + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position
