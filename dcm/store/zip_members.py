"""Files in a zip archive, read in place: nothing is extracted, and nothing is longer than declared.

    for member in members("archive.zip"):
        header = member.header(wanted)

The central directory at the end of the archive lists the positions of the members. Stored members
are read directly from the archive; deflated members are inflated as far as needed.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from dcm.data.dictionary import Key
from dcm.data.header import Header, scan_source
from dcm.data.source import FileSource, InflatedSource, MemorySource, Source
from dcm.errors import DcmError
from dcm.instances import Kind, MemoryInstance, Slices, UnusableInstance, sliced

if TYPE_CHECKING:
    from zipfile import ZipInfo

_STEP: Final = 1 << 18
_IN_MEMORY: Final = 1 << 24
"""Members up to this size are held in memory while they are sent; longer ones are read twice."""
_BEHIND: Final = 1 << 16
_MOST: Final = 1040
"""The highest credible compression ratio; a deflated byte expands to at most 1032."""
_ENCRYPTED: Final = 0x2041  # encryption, strong encryption, encrypted central directory
_STORED, _DEFLATED = 0, 8
_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")


class UnusableArchive(DcmError):  # noqa: N818 - reads as the sentence it is
    """A file that is not a zip archive, or one whose list of members cannot be read."""


class BadMember(NamedTuple):
    """A member that cannot be read, and why."""

    archive: str
    name: str
    words: str


class Member(NamedTuple):
    """A member of an archive.

    start, packed: position and length of its compressed data. size, crc: of its uncompressed data.
    """

    archive: str
    name: str
    start: int
    packed: int
    size: int
    crc: int
    deflated: bool
    mtime: float

    @property
    def path(self) -> str:
        """The path of the archive, followed by the member's path within it."""
        return f"{self.archive}/{self.name}"

    def header(self, wanted: Sequence[Key]) -> Header:
        """Read its header. Raises `NotDicom` and `OSError`."""
        with self._opened() as window:
            return scan_source(InflatedSource(window, 0) if self.deflated else window, wanted)

    def head(self) -> bytes:
        """Return its first 132 bytes, or fewer if not all are readable. Raises `OSError`."""
        with self._opened() as window:
            try:
                return (InflatedSource(window, 0) if self.deflated else window).read(0, 132)
            except zlib.error:
                return b""

    def instance(self, kind: Kind, sop_instance_uid: str, offset: int) -> "ZipInstance":
        """Return the instance in the member, whose data set begins at `offset`."""
        return ZipInstance(kind, sop_instance_uid, self, offset)

    @contextmanager
    def checked(self) -> Iterator[Source]:
        """Provide the whole member after verifying its checksum; a short one is held in memory.

        Raises `OSError`, and `UnusableInstance` if the contents do not match the archive's
        directory.
        """
        with self._opened() as window:
            parts, crc, size = [], 0, 0
            for part in _parts(window, deflated=self.deflated):
                size += len(part)
                crc = zlib.crc32(part, crc)
                if size > self.size:
                    break
                if self.size <= _IN_MEMORY:
                    parts.append(part)
            if size != self.size or crc != self.crc:
                which = "length" if size != self.size else "checksum"
                raise UnusableInstance(
                    f"it is damaged: its {which} differs from the archive's directory"
                )
            if self.size <= _IN_MEMORY:
                yield MemorySource(b"".join(parts))
            else:
                yield _Inflating(window) if self.deflated else window

    @contextmanager
    def _opened(self) -> Iterator["_Window"]:
        descriptor = os.open(self.archive, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield _Window(descriptor, self.start, self.packed)
        finally:
            os.close(descriptor)


class ZipInstance(NamedTuple):
    """An instance in a zip archive. Its data set is verified before any of it is sent."""

    kind: Kind
    sop_instance_uid: str
    member: Member
    offset: int

    @property
    def path(self) -> str:
        """The path of the archive, followed by the member's path within it."""
        return self.member.path

    def slices(self, memory: bytearray, remarks: list[str]) -> Slices:
        """Iterate over the data set; see `Instance.slices`."""
        member = self.member
        with member.checked() as source:
            if isinstance(source, MemorySource):
                data = source.read(self.offset, member.size)
                whole = MemoryInstance(self.kind, self.sop_instance_uid, data)
                yield from whole.slices(memory, remarks)
            else:
                yield from sliced(
                    source, self.offset, member.size, self.kind[1], memory=memory, remarks=remarks
                )


def members(path: str) -> Iterator[Member | BadMember]:
    """Yield the members of an archive except folders, in the order of the central directory.

    Raises `OSError` and `UnusableArchive`.
    """
    from zipfile import BadZipFile, ZipFile  # noqa: PLC0415 - slow, and few read archives

    try:
        with ZipFile(path) as archive:
            listed = archive.infolist()
    except (BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise UnusableArchive(f"{path} is not a readable zip archive: {error}") from None
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        ends = _ends(listed, os.fstat(descriptor).st_size)
        seen: set[int] = set()
        for each in listed:
            if each.header_offset in seen:
                yield BadMember(path, each.filename, "it is damaged: it is listed twice")
            elif not each.is_dir():
                yield _member(path, descriptor, each, ends[each.header_offset])
            seen.add(each.header_offset)
    finally:
        os.close(descriptor)


def _ends(listed: "list[ZipInfo]", end: int) -> dict[int, int]:
    """Return the end of each member by its beginning: the next member begins there."""
    starts = sorted({each.header_offset for each in listed})
    return dict(zip(starts, [*starts[1:], end], strict=True))


def _member(path: str, descriptor: int, listed: "ZipInfo", end: int) -> Member | BadMember:
    packed, size, name = listed.compress_size, listed.file_size, listed.filename

    def bad(words: str) -> BadMember:
        return BadMember(path, name, words)

    if listed.flag_bits & _ENCRYPTED:
        return bad("it is encrypted")
    if listed.compress_type not in (_STORED, _DEFLATED):
        return bad(f"it is compressed by method {listed.compress_type}, which is not supported")
    deflated = listed.compress_type == _DEFLATED
    if size > packed * _MOST or (not deflated and size != packed):
        return bad(f"it is damaged: {packed} bytes cannot expand to {size}")
    head = os.pread(descriptor, _LOCAL_HEADER.size, listed.header_offset)
    if len(head) < _LOCAL_HEADER.size or head[:4] != b"PK\3\4":
        return bad("it is damaged: it is not where the archive's directory says")
    _, name_length, extra_length = _LOCAL_HEADER.unpack(head)
    start = listed.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    if start + packed > end:
        return bad("it is damaged: it overlaps with another member, or with the end of the archive")
    return Member(path, name, start, packed, size, listed.CRC, deflated, _seconds(listed.date_time))


def _seconds(moment: tuple[int, int, int, int, int, int]) -> float:
    """Convert a local time, as archives store it, to seconds since 1970, or 0 if it is invalid."""
    from datetime import datetime  # noqa: PLC0415 - few read archives

    try:
        return datetime(*moment).timestamp()  # noqa: DTZ001 - local time
    except (ValueError, OverflowError, OSError):
        return 0.0


class _Window(FileSource):
    """A part of a file."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        super().__init__(descriptor)
        self._start: Final = start
        self._size: Final = size

    def read(self, offset: int, size: int) -> bytes:
        """Read from the part."""
        return super().read(self._start + offset, min(size, max(0, self._size - offset)))


def _parts(source: Source, *, deflated: bool) -> Iterator[bytes]:
    """Yield the uncompressed data in parts. Raises `UnusableInstance` if it is damaged."""
    at = 0
    if not deflated:
        while part := source.read(at, _STEP):
            at += len(part)
            yield part
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while not inflater.eof:
            packed = inflater.unconsumed_tail
            if not packed:
                packed = source.read(at, _STEP)
                at += len(packed)
            part = inflater.decompress(packed, _STEP)
            if not (packed or part):
                raise UnusableInstance("it is damaged: its end is missing")
            yield part
    except zlib.error as error:
        raise UnusableInstance(f"it is damaged: {error}") from None


class _Inflating:
    """The inflated data of a member, of which only a part is kept; seeking far back starts over."""

    def __init__(self, window: Source) -> None:
        self._window: Final = window
        self._begin()

    def _begin(self) -> None:
        self._parts = _parts(self._window, deflated=True)
        self._kept = bytearray()
        self._start = 0

    def read(self, offset: int, size: int) -> bytes:
        """Inflate as far as needed, and return a slice."""
        if offset < self._start:
            self._begin()
        for part in self._parts if self._start + len(self._kept) < offset + size else ():
            self._kept += part
            done = min(offset - _BEHIND - self._start, len(self._kept))
            if done > 0:
                del self._kept[:done]
                self._start += done
            if self._start + len(self._kept) >= offset + size:
                break
        at = offset - self._start
        return bytes(self._kept[at : at + size])
