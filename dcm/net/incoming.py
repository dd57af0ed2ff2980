"""Received instances: written fragment by fragment to a file that gets its name once it is complete."""

import asyncio
import os
import re
import struct
from functools import cached_property, lru_cache
from itertools import count
from pathlib import Path
from typing import Final, Protocol

from dcm.data.encoding import DEFLATED
from dcm.frozen import Frozen, replace
from dcm.net.association import Association
from dcm.net.establish import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dcm.net.part_file import PartFile, sync_path
from dcm.wire import Command, CStoreRQ, CStoreRSP, store_response

OUT_OF_RESOURCES: Final = 0xA700
_WRONG_CLASS: Final = 0xA900
_NOT_UNDERSTOOD: Final = 0xC000
_SAFE_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.]{0,63}")
_PREFIX: Final = bytes(128) + b"DICM" + struct.pack("<HH2sH", 2, 0, b"UL", 4)
"""What stands before the length of the file meta information."""
_LOOKED_AT: Final = 1 << 24
"""Bytes that are written before the free space is looked at again."""
_PART_PREFIX: Final = os.urandom(8).hex()
_PART_NUMBERS: Final = count()


class ReceivedInstance(Frozen):
    """An instance that is complete in `file`, its data set as it was sent.

    ae_title: the AE title of the sender. already_there: the file with the same data set was there before.
    remark: what is odd about it, in words.
    """

    file: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    remote: str
    ae_title: str = ""
    already_there: bool = False
    remark: str = ""

    @cached_property
    def path(self) -> Path:
        """The file."""
        return Path(self.file)


class Gate(Protocol):
    """Decides what comes into a folder."""

    def refusal(self, request: CStoreRQ) -> tuple[int, str] | None:
        """Return the status and comment that refuse an instance; None if it is to be received."""

    def check(self, part: str, file: str) -> None:
        """Look at a file that was received and is to be called `file`. Raises `OSError` to refuse it."""


class Folder(Frozen):
    """Where instances are stored.

    sync: flush file and folder to disk (fsync) before responding.
    max_instance: the longest instance that is accepted, in bytes; 0: any.
    min_free: how many bytes stay free in the file system; what does not fit is refused.
    gate: what decides about each instance; None: everything is accepted.
    """

    path: Path
    sync: bool = False
    max_instance: int = 0
    min_free: int = 0
    gate: Gate | None = None

    @cached_property
    def _text(self) -> str:
        return os.fspath(self.path)

    def place(self, sop_instance_uid: str) -> str:
        """Return the file for an instance. A UID that is not a safe file name is replaced by its hash."""
        name = sop_instance_uid
        if not _SAFE_NAME.fullmatch(name):
            import hashlib  # noqa: PLC0415 - rarely needed

            name = "uid-" + hashlib.sha256(name.encode()).hexdigest()
        return f"{self._text}/{name}.dcm"

    @cached_property
    def _parts(self) -> str:
        return f"{self._text}/.{_PART_PREFIX}-{os.getpid()}-"

    def holds(self, sop_instance_uid: str) -> bool:
        """Return whether an instance is here, and not only an empty or truncated file of its name."""
        file = self.place(sop_instance_uid)
        if not os.path.isfile(file):  # noqa: PTH113 - for each instance, and quicker
            return False
        from dcm.net.held import holds  # noqa: PLC0415 - mostly nothing is there

        return holds(file, sop_instance_uid)

    @cached_property
    def room(self) -> "Room":
        """The room that is left, for all instances that arrive at the same time."""
        return Room(self)

    def part(self) -> str:
        """Return a name for a file that is not complete yet, never used before or again."""
        return f"{self._parts}{next(_PART_NUMBERS)}.part"


class Room:
    """How much may still be written into a folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder: Final = folder
        self._granted = 0
        """Bytes that may be written before the file system is asked again."""

    def take(self, size: int, written: int) -> None:
        """Allow `size` more bytes of an instance of which `written` are here. Raises `_NotKept`."""
        longest, floor = self._folder.max_instance, self._folder.min_free
        if longest and written + size > longest:
            raise _NotKept(f"more than the {longest} bytes that are accepted")
        if not floor:
            return
        if size > self._granted:
            status = os.statvfs(self._folder.path)
            left = status.f_bavail * status.f_frsize - floor
            if size > left:
                raise _NotKept(f"fewer than {floor} bytes would stay free on the disk")
            self._granted = min(left, max(size, _LOOKED_AT))
        self._granted -= size


async def receive(
    association: Association, command: Command, folder: Folder
) -> tuple[CStoreRSP, ReceivedInstance | None]:
    """Receive the instance of a C-STORE request; return the response to send, and the instance.

    The instance is stored by then. It is None if it could not be stored, and the response says why.
    """
    request = command.message
    if not isinstance(request, CStoreRQ):
        raise association.broken(f"{request.NAME} where C-STORE-RQ is due")
    context = association.context_by_id(command.context_id)
    response = store_response(request)  # encoded now: later the peer would wait for it
    if not request.has_data_set:
        return _failure(response, _NOT_UNDERSTOOD, "the data set is missing"), None
    if request.affected_sop_class_uid != context.abstract_syntax:
        await _drain(association)
        return _failure(response, _WRONG_CLASS, "not the SOP class of its context"), None
    refused = None if folder.gate is None else folder.gate.refusal(request)
    if refused is not None:
        await _drain(association)
        return _failure(response, *refused), None
    file = folder.place(request.affected_sop_instance_uid)
    uids = (
        request.affected_sop_class_uid,
        request.affected_sop_instance_uid,
        context.transfer_syntax,
    )
    sender = association.peer_ae_title
    try:
        kept = await _keep(association, folder, file, _file_meta(*uids, sender))
    except _NotKept as error:
        return _failure(response, OUT_OF_RESOURCES, str(error)), None
    if kept.length % 2 and context.transfer_syntax not in DEFLATED:
        kept.remarks.append(f"its data set has an odd length, {kept.length} bytes")
    remark = "; ".join(kept.remarks)
    received = ReceivedInstance(
        kept.file, *uids, association.remote, sender, kept.already_there, remark
    )
    return response, received


def comment(words: str) -> str:
    """Make an error comment of any text: 64 characters of ASCII (PS3.7 Annex C)."""
    return "".join(each if " " <= each <= "~" else "?" for each in words)[:64]


def _failure(response: CStoreRSP, status: int, words: str) -> CStoreRSP:
    return replace(response, status=status, error_comment=comment(words))


class _NotKept(Exception):  # noqa: N818 - internal
    """The instance was not stored; the rest of its data set was read and discarded."""


class _Kept:
    """What became of a data set: its file, its length in bytes, and what is odd."""

    def __init__(self, file: str, length: int) -> None:
        self.file = file
        self.length = length
        self.already_there = False
        self.remarks: list[str] = []


async def _keep(association: Association, folder: Folder, file: str, meta: bytes) -> _Kept:
    """Write a data set to its file, or to another one where that holds another object."""
    last, length, room = False, 0, folder.room
    try:
        with PartFile(folder.part()) as part:
            head = [meta]
            while not last:
                fragments, last = await association.fragments()
                size = sum(map(len, fragments))
                room.take(size, length)
                length += size
                part.write([*head, *fragments])
                head = []
            if folder.sync:
                await asyncio.to_thread(part.sync)
            part.close()
            kept = _Kept(file, length)
            if folder.gate is not None:
                folder.gate.check(part.path, file)
            if not part.name(file):
                await _settle(part, kept)
            if folder.sync:
                await asyncio.to_thread(_sync, kept, folder.path)
    except (OSError, _NotKept) as error:
        if not last:
            await _drain(association)
        if isinstance(error, _NotKept):
            raise
        raise _NotKept(os.strerror(error.errno or 0)) from error
    return kept


async def _settle(part: PartFile, kept: _Kept) -> None:
    """Find a place for an instance whose name is taken, without the loss of what is there."""
    from dcm.net.held import Settled, settle  # noqa: PLC0415 - rarely needed

    name, how = await asyncio.to_thread(settle, part, kept.file)
    if how is Settled.BESIDE:
        words = f"another object has the same SOP Instance UID: both are kept, this one in {name}"
        kept.remarks.append(words)
    elif how is Settled.REPLACED:
        kept.remarks.append("it replaces a file that was empty or cut off")
    kept.file, kept.already_there = name, how is Settled.SAME


def _sync(kept: _Kept, folder: Path) -> None:
    if kept.already_there:  # it may not have been flushed when it came
        sync_path(kept.file)
    sync_path(folder)


async def _drain(association: Association) -> None:
    """Read and discard a data set."""
    while not (await association.fragments())[1]:
        pass


def _file_meta(sop_class: str, sop_instance: str, syntax: str, calling_ae_title: str) -> bytes:
    """Encode preamble, prefix and file meta information (PS3.10 7.1)."""
    before, behind_it = _around_instance(sop_class, syntax, calling_ae_title)
    instance = _element(0x03, b"UI", sop_instance)
    group_length = len(before) + len(instance) + len(behind_it)
    return b"".join((_PREFIX, group_length.to_bytes(4, "little"), before, instance, behind_it))


@lru_cache(maxsize=64)
def _around_instance(sop_class: str, syntax: str, calling_ae_title: str) -> tuple[bytes, bytes]:
    """Encode what all instances of a kind have in common, before and after the instance's UID."""
    before = (
        struct.pack("<HH2s2xI", 2, 1, b"OB", 2) + b"\0\1",
        _element(0x02, b"UI", sop_class),
    )
    behind_it = (
        _element(0x10, b"UI", syntax),
        _element(0x12, b"UI", IMPLEMENTATION_CLASS_UID),
        _element(0x13, b"SH", IMPLEMENTATION_VERSION_NAME),
        _element(0x16, b"AE", calling_ae_title),
    )
    return b"".join(before), b"".join(behind_it)


def _element(number: int, vr: bytes, text: str) -> bytes:
    value = text.encode()
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value
