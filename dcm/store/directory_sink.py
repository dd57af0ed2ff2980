"""Stores instances in an indexed folder: the complete file first, then its name, then its row.

If the process is killed at any moment, no incomplete file has a name, and the next comparison of
the folder with its index (`Index.update`) finds files that are not indexed yet.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from dcm.data.dictionary import Key, tag_of
from dcm.data.header import Header, NotDicom, scan, scan_bytes
from dcm.frozen import Frozen
from dcm.part_file import PartFile, sync_path
from dcm.sinks import Folder, Head, Part, ReceivedInstance, Refused, file_meta, remark_on_length
from dcm.store.index import Index
from dcm.store.index_rows import WANTED
from dcm.store.ways import Link
from dcm.wire import Buffer

Layout = Callable[[Header], str]
"""Returns the path of a file, relative to the folder, from its header."""

_KEPT: Final = 1 << 16
"""Files up to this size stay in memory until committed, so their headers need not be read again."""
_FLAT: Final = Folder(Path())
_PROCESSING_FAILURE: Final = 0x0110


def flat(header: Header) -> str:
    """Return a file name made from the SOP Instance UID; all files are in one folder."""
    return os.path.basename(_FLAT.place(header.sop_instance_uid))


class Placed(NamedTuple):
    """The place of a file. already_there: the same data set was there before, and is kept."""

    file: str
    already_there: bool = False
    remark: str = ""


class DirectorySink(Frozen):
    """A folder with an index and a layout, as a sink.

    needs: the elements that the layout reads. folder: the limits, and whether files are flushed to
    disk.
    checksums: whether to index a checksum of each data set, which costs 0.6 ms per MB.
    """

    folder: Folder
    index: Index
    layout: Layout = flat
    needs: Sequence[Key] = ()
    checksums: bool = True

    def begin(self, head: Head) -> Part:
        """Begin a file."""
        return _Incoming(self, head)

    def holds(self, sop_instance_uid: str) -> bool:
        """Return whether an instance is stored here completely."""
        from dcm.held import holds  # noqa: PLC0415 - mostly nothing is there

        return any(holds(file, sop_instance_uid) for file in self.index.files(sop_instance_uid))

    def place(self, sop_instance_uid: str) -> str:
        """Return the file of a stored instance, else "": a new name depends on the header."""
        return next(iter(self.index.files(sop_instance_uid)), "")

    @cached_property
    def wanted(self) -> tuple[Key, ...]:
        """The elements that are read from headers."""
        return (*WANTED, *map(tag_of, self.needs))

    def file_for(self, header: Header) -> str:
        """Return the path given by the layout. Raises `Refused` if it is outside the folder."""
        relative = self.layout(header)
        parts = relative.split("/")
        if not relative or {"", ".", ".."} & set(parts) or "\0" in relative:
            raise Refused(_PROCESSING_FAILURE, f"the layout gives the name {relative!r}")
        return f"{self.folder.text}/{relative}"

    async def take(
        self,
        part: "PartFile | Link",
        header: Header,
        checksum: bytes | None = None,
        *,
        readable: bool = True,
    ) -> Placed:
        """Name a complete file and add it to the index. Raises `OSError` and `Refused`.

        readable: whether `header` was read from the file. If not, the file is indexed by the next
        comparison with the folder.
        """
        file = self.file_for(header)
        twins = [each for each in self.index.files(header.sop_instance_uid) if each != file]
        if twins:
            same = await asyncio.to_thread(_same, part.path, twins)
            if same:
                part.discard()
                await self._sync(same, contents=True)
                return Placed(same, already_there=True)
        placed = Placed(file)
        if not _named(part, file):
            placed = await asyncio.to_thread(_settled, part, file)
        if twins and not placed.already_there:
            placed = placed._replace(
                remark=f"another object has the same SOP Instance UID, in {twins[0]}: both are kept"
            )
        await self._sync(placed.file, contents=placed.already_there)
        if not readable:
            return placed
        if not placed.already_there:
            self.index.add(placed.file, header, checksum)
        elif placed.file not in self.index.files(header.sop_instance_uid):
            await asyncio.to_thread(self.index.add, placed.file)
        return placed

    async def _sync(self, file: str, *, contents: bool) -> None:
        """Flush the folders above a file, and its contents on request, if `folder.sync` is set."""
        if self.folder.sync:
            await asyncio.to_thread(_sync, self.folder.text, file, contents=contents)


class _Incoming:
    """An instance being stored in a folder."""

    def __init__(self, sink: DirectorySink, head: Head) -> None:
        self._sink: Final = sink
        self._head: Final = head
        self._part: Final = PartFile(sink.folder.text)
        self._length = 0
        self._kept: bytearray | None = bytearray()
        self._digest: Final = hashlib.sha256() if sink.checksums else None

    @property
    def path(self) -> str:
        return self._part.path

    def write(self, buffers: Sequence[Buffer]) -> None:
        size = sum(map(len, buffers))
        room = self._sink.folder.room
        if room.limited:
            room.take(size, self._length)
        given = buffers if self._length else [file_meta(self._head), *buffers]
        self._part.write(given)
        if self._digest is not None:
            for each in buffers:
                self._digest.update(each)
        if self._kept is not None:
            if len(self._kept) + size > _KEPT:
                self._kept = None
            else:
                self._kept += b"".join(given)
        self._length += size

    async def commit(self) -> ReceivedInstance:
        sink, head = self._sink, self._head
        request, syntax = head.request, head.transfer_syntax_uid
        if sink.folder.sync:
            await asyncio.to_thread(self._part.sync)
        header, remark = self._header()
        checksum = self._digest.digest() if self._digest is not None else None
        placed = await sink.take(self._part, header, checksum, readable=not remark)
        remarks = (remark, placed.remark, remark_on_length(self._length, syntax))
        return ReceivedInstance(
            placed.file, request.affected_sop_class_uid, request.affected_sop_instance_uid, syntax,
            *head[2:], placed.already_there, "; ".join(filter(None, remarks)),
        )  # fmt: skip

    def _header(self) -> tuple[Header, str]:
        """Return the header, and a remark if it is unreadable; the instance is stored anyway."""
        wanted = self._sink.wanted
        try:
            if self._kept is not None and self._length:
                return scan_bytes(bytes(self._kept), wanted), ""
            return scan(self._part.path, wanted), ""
        except NotDicom as error:
            meta = file_meta(self._head)
            return scan_bytes(meta, ()), f"its data set cannot be read: {error.reason}"

    def discard(self) -> None:
        self._part.discard()


def _named(part: "PartFile | Link", file: str) -> bool:
    try:
        return part.name(file)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(file), exist_ok=True)
    return part.name(file)


def _sync(root: str, file: str, *, contents: bool) -> None:
    if contents:  # may not have been flushed when it was stored
        sync_path(file)
    while file != root:
        file = os.path.dirname(file)
        sync_path(file)


def _same(here: str, files: Sequence[str]) -> str:
    """Return the first of some files with the same data set, or an empty string."""
    from dcm.held import Settled, relation  # noqa: PLC0415 - rarely needed

    for each in files:
        with contextlib.suppress(OSError):  # deleted since it was indexed
            if relation(each, here) is Settled.SAME:
                return each
    return ""


def _settled(part: "PartFile | Link", file: str) -> Placed:
    """Find a place for a file whose name is taken, without losing the existing file."""
    from dcm.held import Settled, settle  # noqa: PLC0415 - rarely needed

    name, how = settle(part, file)
    if how is Settled.SAME:
        part.discard()
        return Placed(name, already_there=True)
    if how is Settled.REPLACED:
        return Placed(name, remark="it replaces an empty or truncated file")
    return Placed(
        name, remark=f"another object already has this name: both are kept, this one in {name}"
    )
