"""Destinations for received instances: a `Sink` takes each in parts, and keeps it completely or not at all.

    part = sink.begin(head)
    part.write(buffers)
    received = await part.commit()  # or part.discard()

Each of these raises `Refused` or `OSError` to reject the instance. Nothing is known about its data set before
the first part: a sink that depends on its contents reads `part.path` when it commits.
"""

import asyncio
import os
import re
import struct
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from dcm.data.encoding import DEFLATED
from dcm.errors import DcmError, LocalProtocolError
from dcm.frozen import Frozen
from dcm.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dcm.part_file import PartFile, sync_path
from dcm.wire import Buffer, CStoreRQ, StatusClass, status_class

OUT_OF_RESOURCES: Final = 0xA700
_SAFE_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.]{0,63}")
_PREFIX: Final = bytes(128) + b"DICM" + struct.pack("<HH2sH", 2, 0, b"UL", 4)
"""What precedes the length of the file meta information."""
_LOOKED_AT: Final = 1 << 24
"""The number of bytes written before the free space is checked again."""


class Refused(DcmError):  # noqa: N818 - reads as the sentence it is
    """Raised to answer C-STORE with a failure status and an error comment."""

    def __init__(self, status: int, words: str) -> None:
        if status_class(status) is not StatusClass.FAILURE:
            raise LocalProtocolError(f"{status:04X}H is not a failure status")
        super().__init__(words)
        self.status = status


class Head(NamedTuple):
    """What is known about an instance before its data set arrives.

    remote: the address of the sender. calling_ae_title: its AE title. called_ae_title: the AE title by which
    it addresses us.
    """

    request: CStoreRQ
    transfer_syntax_uid: str
    remote: str
    calling_ae_title: str
    called_ae_title: str


class ReceivedInstance(NamedTuple):
    """An instance that is complete in `file`, with its data set as it was sent; see also `Head`.

    already_there: a file with the same data set existed before. remark: anything odd about it, in words.
    """

    file: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    remote: str
    calling_ae_title: str = ""
    called_ae_title: str = ""
    already_there: bool = False
    remark: str = ""

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.file)


class NotKept(NamedTuple):
    """An instance that was received but not kept, and why."""

    sop_instance_uid: str
    words: str


class Part(Protocol):
    """An instance that is being written to a sink."""

    @property
    def path(self) -> str:
        """The file from which all of it can be read before it is committed."""

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Write the next part of the data set."""

    async def commit(self) -> ReceivedInstance:
        """Finish: the instance is complete."""

    def discard(self) -> None:
        """Remove all traces of it; does nothing if it was committed."""


class Sink(Protocol):
    """A destination for instances."""

    def begin(self, head: Head) -> Part:
        """Begin an instance."""


class Holder(Sink, Protocol):
    """A sink that knows what it contains."""

    def holds(self, sop_instance_uid: str) -> bool:
        """Return whether it already contains a complete instance."""

    def place(self, sop_instance_uid: str) -> str:
        """Return the file of an existing or expected instance; empty if it is not known."""


class Folder(Frozen):
    """A folder with a file for each instance, named after its SOP Instance UID.

    sync: flush file and folder to disk (fsync) before responding.
    max_instance: the largest accepted instance, in bytes; 0: no limit.
    min_free: the number of bytes to keep free in the file system; instances that do not fit are rejected.
    """

    path: Path
    sync: bool = False
    max_instance: int = 0
    min_free: int = 0

    @cached_property
    def text(self) -> str:
        """The path."""
        return os.fspath(self.path)

    def place(self, sop_instance_uid: str) -> str:
        """Return the file for an instance. A UID that is not a safe file name is replaced by its hash."""
        name = sop_instance_uid
        if not _SAFE_NAME.fullmatch(name):
            import hashlib  # noqa: PLC0415 - rarely needed

            name = "uid-" + hashlib.sha256(name.encode()).hexdigest()
        return f"{self.text}/{name}.dcm"

    def holds(self, sop_instance_uid: str) -> bool:
        """Return whether an instance exists, and not only an empty or truncated file of its name."""
        file = self.place(sop_instance_uid)
        if not os.path.isfile(file):  # noqa: PTH113 - for each instance, and quicker
            return False
        from dcm.held import holds  # noqa: PLC0415 - usually no file exists

        return holds(file, sop_instance_uid)

    def begin(self, head: Head) -> Part:
        """Begin a file."""
        return _InFolder(self, head)

    @cached_property
    def room(self) -> "_Room":
        """The room left for all instances that arrive at the same time."""
        return _Room(self)


class _Room:
    """How much may still be written to a folder."""

    def __init__(self, folder: Folder) -> None:
        self.limited: Final = bool(folder.max_instance or folder.min_free)
        self._folder: Final = folder
        self._granted = 0
        """The number of bytes that may be written before the file system is checked again."""

    def take(self, size: int, written: int) -> None:
        """Allow `size` more bytes of an instance, after `written` bytes. Raises `Refused`."""
        longest, floor = self._folder.max_instance, self._folder.min_free
        if longest and written + size > longest:
            raise Refused(OUT_OF_RESOURCES, f"larger than the limit of {longest} bytes")
        if not floor:
            return
        if size > self._granted:
            status = os.statvfs(self._folder.path)
            left = status.f_bavail * status.f_frsize - floor
            if size > left:
                raise Refused(
                    OUT_OF_RESOURCES, f"less than {floor} bytes of disk space would be left"
                )
            self._granted = min(left, max(size, _LOOKED_AT))
        self._granted -= size


class _InFolder:
    """An instance that is being written to a folder."""

    def __init__(self, folder: Folder, head: Head) -> None:
        self._folder: Final = folder
        self._head: Final = head
        self._part: Final = PartFile(folder.text)
        self._length = 0

    @property
    def path(self) -> str:
        return self._part.path

    def write(self, buffers: Sequence[Buffer]) -> None:
        size = sum(map(len, buffers))
        if self._folder.room.limited:
            self._folder.room.take(size, self._length)
        self._part.write(buffers if self._length else [file_meta(self._head), *buffers])
        self._length += size

    async def commit(self) -> ReceivedInstance:
        part, head = self._part, self._head
        request, syntax = head.request, head.transfer_syntax_uid
        uid = request.affected_sop_instance_uid
        file, already_there, remark = self._folder.place(uid), False, ""
        if self._folder.sync:
            await asyncio.to_thread(part.sync)
        if not part.name(file):
            file, already_there, remark = await asyncio.to_thread(_settled, part, file)
        if self._folder.sync:
            await asyncio.to_thread(_sync, file if already_there else "", self._folder.path)
        remark = "; ".join(filter(None, (remark, remark_on_length(self._length, syntax))))
        return ReceivedInstance(
            file, request.affected_sop_class_uid, uid, syntax, *head[2:], already_there, remark
        )

    def discard(self) -> None:
        self._part.discard()


def remark_on_length(length: int, transfer_syntax_uid: str) -> str:
    """Return a remark if the length of a data set is odd; otherwise an empty text."""
    if length % 2 and transfer_syntax_uid not in DEFLATED:
        return f"its data set has an odd length, {length} bytes"
    return ""


def _settled(part: PartFile, file: str) -> tuple[str, bool, str]:
    """Find a place for an instance whose name is taken, without losing the existing file.

    Returns the place, whether the same instance was there before, and a remark.
    """
    from dcm.held import Settled, settle  # noqa: PLC0415 - rarely needed

    name, how = settle(part, file)
    remark = ""
    if how is Settled.BESIDE:
        remark = f"another object has the same SOP Instance UID: both are kept, this one in {name}"
    elif how is Settled.REPLACED:
        remark = "it replaces an empty or truncated file"
    else:
        part.discard()
    return name, how is Settled.SAME, remark


def _sync(file: str, folder: Path) -> None:
    if file:  # it may not have been flushed when it was received
        sync_path(file)
    sync_path(folder)


def file_meta(head: Head) -> bytes:
    """Encode preamble, prefix and file meta information (PS3.10 7.1)."""
    request = head.request
    before, behind = _around_instance(
        request.affected_sop_class_uid, head.transfer_syntax_uid, head.calling_ae_title
    )
    instance = _element(0x03, b"UI", request.affected_sop_instance_uid)
    group_length = len(before) + len(instance) + len(behind)
    return b"".join((_PREFIX, group_length.to_bytes(4, "little"), before, instance, behind))


@lru_cache(maxsize=64)
def _around_instance(sop_class: str, syntax: str, calling_ae_title: str) -> tuple[bytes, bytes]:
    """Encode what is the same for all instances of a kind, before and after the UID of the instance."""
    before = (
        struct.pack("<HH2s2xI", 2, 1, b"OB", 2) + b"\0\1",
        _element(0x02, b"UI", sop_class),
    )
    behind = (
        _element(0x10, b"UI", syntax),
        _element(0x12, b"UI", IMPLEMENTATION_CLASS_UID),
        _element(0x13, b"SH", IMPLEMENTATION_VERSION_NAME),
        _element(0x16, b"AE", calling_ae_title),
    )
    return b"".join(before), b"".join(behind)


def _element(number: int, vr: bytes, text: str) -> bytes:
    value = text.encode()
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value
