"""Where received instances go: a `Sink` takes each of them in parts, and has it whole or not at all.

    part = sink.begin(head)
    part.write(buffers)
    received = await part.commit()  # or part.discard()

Each of these raises `Refused` or `OSError` to refuse the instance. Of its data set nothing is known before
the first part: a sink that sorts by what is in it looks into `part.path` when it commits.
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
"""What stands before the length of the file meta information."""
_LOOKED_AT: Final = 1 << 24
"""Bytes that are written before the free space is looked at again."""


class Refused(DcmError):  # noqa: N818 - reads as the sentence it is
    """Raised to answer C-STORE with a status of failure and an error comment."""

    def __init__(self, status: int, words: str) -> None:
        if status_class(status) is not StatusClass.FAILURE:
            raise LocalProtocolError(f"{status:04X}H is not the status of a failure")
        super().__init__(words)
        self.status = status


class Head(NamedTuple):
    """What is known of an instance before its data set.

    remote: the address of the sender. calling_ae_title: the AE title of the sender. called_ae_title: the one
    by which it knows us.
    """

    request: CStoreRQ
    transfer_syntax_uid: str
    remote: str
    calling_ae_title: str
    called_ae_title: str


class ReceivedInstance(NamedTuple):
    """An instance that is complete in `file`, its data set as it was sent; see also `Head`.

    already_there: the file with the same data set was there before. remark: what is odd about it, in words.
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
    """An instance that was sent and not kept, and why."""

    sop_instance_uid: str
    words: str


class Part(Protocol):
    """An instance on its way into a sink."""

    @property
    def path(self) -> str:
        """The file in which all of it can be read before it is committed."""

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Take what comes next of the data set."""

    async def commit(self) -> ReceivedInstance:
        """Take the instance, which is complete."""

    def discard(self) -> None:
        """Leave nothing of it behind; does nothing once it was committed."""


class Sink(Protocol):
    """Where instances go."""

    def begin(self, head: Head) -> Part:
        """Begin to take an instance."""


class Holder(Sink, Protocol):
    """A sink that knows what it holds."""

    def holds(self, sop_instance_uid: str) -> bool:
        """Return whether an instance is here already, whole."""

    def place(self, sop_instance_uid: str) -> str:
        """Return the file of an instance that is here, or is to come; empty if that is not known."""


class Folder(Frozen):
    """A folder with a file for each instance, named by its SOP Instance UID.

    sync: flush file and folder to disk (fsync) before responding.
    max_instance: the longest instance that is accepted, in bytes; 0: any.
    min_free: how many bytes stay free in the file system; what does not fit is refused.
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
        """Return whether an instance is here, and not only an empty or truncated file of its name."""
        file = self.place(sop_instance_uid)
        if not os.path.isfile(file):  # noqa: PTH113 - for each instance, and quicker
            return False
        from dcm.held import holds  # noqa: PLC0415 - mostly nothing is there

        return holds(file, sop_instance_uid)

    def begin(self, head: Head) -> Part:
        """Begin a file."""
        return _InFolder(self, head)

    @cached_property
    def room(self) -> "_Room":
        """The room that is left, for all instances that arrive at the same time."""
        return _Room(self)


class _Room:
    """How much may still be written into a folder."""

    def __init__(self, folder: Folder) -> None:
        self.limited: Final = bool(folder.max_instance or folder.min_free)
        self._folder: Final = folder
        self._granted = 0
        """Bytes that may be written before the file system is asked again."""

    def take(self, size: int, written: int) -> None:
        """Allow `size` more bytes of an instance of which `written` are here. Raises `Refused`."""
        longest, floor = self._folder.max_instance, self._folder.min_free
        if longest and written + size > longest:
            raise Refused(OUT_OF_RESOURCES, f"more than the {longest} bytes that are accepted")
        if not floor:
            return
        if size > self._granted:
            status = os.statvfs(self._folder.path)
            left = status.f_bavail * status.f_frsize - floor
            if size > left:
                raise Refused(
                    OUT_OF_RESOURCES, f"fewer than {floor} bytes would stay free on the disk"
                )
            self._granted = min(left, max(size, _LOOKED_AT))
        self._granted -= size


class _InFolder:
    """An instance on its way into a folder."""

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
    """Return what is odd about the length of a data set; empty if nothing is."""
    if length % 2 and transfer_syntax_uid not in DEFLATED:
        return f"its data set has an odd length, {length} bytes"
    return ""


def _settled(part: PartFile, file: str) -> tuple[str, bool, str]:
    """Find a place for an instance whose name is taken, without the loss of what is there.

    Returns it, whether the same is there already, and a remark.
    """
    from dcm.held import Settled, settle  # noqa: PLC0415 - rarely needed

    name, how = settle(part, file)
    remark = ""
    if how is Settled.BESIDE:
        remark = f"another object has the same SOP Instance UID: both are kept, this one in {name}"
    elif how is Settled.REPLACED:
        remark = "it replaces a file that was empty or cut off"
    else:
        part.discard()
    return name, how is Settled.SAME, remark


def _sync(file: str, folder: Path) -> None:
    if file:  # it may not have been flushed when it came
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
    """Encode what all instances of a kind have in common, before and after the instance's UID."""
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
