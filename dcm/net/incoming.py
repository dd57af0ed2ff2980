"""Instances that arrive: written fragment by fragment to a file that gets its name once it is complete."""

import asyncio
import contextlib
import os
import re
import struct
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from itertools import count
from pathlib import Path
from typing import Final, Protocol, Self

from dcm.frozen import Frozen, fields, replace
from dcm.net.association import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    Association,
)
from dcm.net.transport import behind
from dcm.wire import Buffer, Command, CStoreRQ, CStoreRSP, prepare

OUT_OF_RESOURCES: Final = 0xA700
_WRONG_CLASS: Final = 0xA900
_SAFE_NAME: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.]{0,63}")
_PREFIX: Final = bytes(128) + b"DICM" + struct.pack("<HH2sH", 2, 0, b"UL", 4)
"""What stands before the length of the file meta information."""
_RESPONSE: Final = fields(CStoreRSP)
_WRITTEN: Final = 1 << 16
"""Bytes in one write: longer ones were never seen to be faster, and on ext4 at times much slower."""
_PART_PREFIX: Final = os.urandom(8).hex()
_PART_NUMBERS: Final = count()


class ReceivedInstance(Frozen):
    """An instance that lies complete in `file`, its data set as it was sent."""

    file: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    remote: str

    @cached_property
    def path(self) -> Path:
        """The file."""
        return Path(self.file)


class Gate(Protocol):
    """Decides what comes into a folder."""

    def refusal(self, request: CStoreRQ) -> tuple[int, str] | None:
        """Return the status and comment that refuse an instance; None if it is to be received."""

    def keep(self, part: str, file: str) -> None:
        """Give a received file its name. Raises `OSError` if it cannot have it."""


class Folder(Frozen):
    """Where instances are put; `sync`: flush file and directory to disk (fsync) before responding.

    gate: what decides about each instance; None: everything is taken.
    """

    path: Path
    sync: bool = False
    gate: Gate | None = None

    @cached_property
    def _text(self) -> str:
        return os.fspath(self.path)

    def place(self, sop_instance_uid: str) -> str:
        """Say where an instance belongs: a UID that is no safe name is replaced by its hash."""
        name = sop_instance_uid
        if not _SAFE_NAME.fullmatch(name):
            import hashlib  # noqa: PLC0415 - rarely needed

            name = "uid-" + hashlib.sha256(name.encode()).hexdigest()
        return f"{self._text}/{name}.dcm"

    @cached_property
    def _parts(self) -> str:
        return f"{self._text}/.{_PART_PREFIX}-{os.getpid()}-"

    def part(self) -> str:
        """Give the name of a file that is not complete yet; nobody else has or will have it."""
        return f"{self._parts}{next(_PART_NUMBERS)}.part"


async def receive(
    association: Association, command: Command, folder: Folder
) -> tuple[CStoreRSP, ReceivedInstance | None]:
    """Take the instance that a C-STORE request brings; give the response that is now to be sent.

    The instance is safe by then; None: it could not be kept, and the response says why.
    """
    request = command.message
    if not isinstance(request, CStoreRQ):
        raise association.broken(f"{request.NAME} where C-STORE-RQ is due")
    if not request.has_data_set:
        raise association.broken("C-STORE-RQ without a data set")
    context = association.context_by_id(command.context_id)
    response = _success(request)
    if request.affected_sop_class_uid != context.abstract_syntax:
        await _drain(association)
        comment = "not the SOP class of its context"
        return replace(response, status=_WRONG_CLASS, error_comment=comment), None
    refused = None if folder.gate is None else folder.gate.refusal(request)
    if refused is not None:
        await _drain(association)
        return replace(response, status=refused[0], error_comment=refused[1]), None
    file = folder.place(request.affected_sop_instance_uid)
    uids = (
        request.affected_sop_class_uid,
        request.affected_sop_instance_uid,
        context.transfer_syntax,
    )
    calling = association.request_pdu.calling_ae_title
    prepare(response)  # while the data set is on its way: later the peer would wait for it
    try:
        await _keep(association, folder, file, _file_meta(*uids, calling))
    except _NotKept as error:
        comment = str(error)[:64]
        return replace(response, status=OUT_OF_RESOURCES, error_comment=comment), None
    return response, ReceivedInstance(file, *uids, association.remote)


def _success(request: CStoreRQ) -> CStoreRSP:
    """Answer with what the request says, which was checked when it was read."""
    return CStoreRSP.unchecked(
        {
            **_RESPONSE,
            "message_id_being_responded_to": request.message_id,
            "status": 0,
            "affected_sop_class_uid": request.affected_sop_class_uid,
            "affected_sop_instance_uid": request.affected_sop_instance_uid,
        }
    )


class _NotKept(Exception):  # noqa: N818 - internal
    """The file system did not take it; the rest of the data set was read and dropped."""


async def _keep(association: Association, folder: Folder, file: str, meta: bytes) -> None:
    last = False
    try:
        with _PartFile(folder.part()) as part:
            head = [meta]
            while not last:
                fragments, last = await association.fragments()
                part.write([*head, *fragments])
                head = []
            if folder.sync:
                await asyncio.to_thread(part.sync)
            part.complete(file, os.replace if folder.gate is None else folder.gate.keep)
            if folder.sync:
                await asyncio.to_thread(_sync_folder, folder.path)
    except OSError as error:
        if not last:
            await _drain(association)
        raise _NotKept(os.strerror(error.errno or 0)) from error


async def _drain(association: Association) -> None:
    """Read a data set that nobody wants."""
    while not (await association.fragments())[1]:
        pass


class _PartFile:
    """A file under a name of its own until it is complete; removed if it never is."""

    def __init__(self, part: str) -> None:
        self._part: Final = part
        self._descriptor = -1

    def __enter__(self) -> Self:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(self._part, flags, 0o666)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._remove()

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Write all buffers, not too much with each system call."""
        waiting = list(buffers)
        while waiting:
            some, waiting = _cut(waiting, _WRITTEN)
            while some:
                some = behind(some, os.writev(self._descriptor, some))

    def sync(self) -> None:
        """Bring the content to the disk."""
        os.fsync(self._descriptor)

    def complete(self, name: str, keep: Callable[[str, str], None]) -> None:
        """Give the file its name, by `keep`."""
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.close(descriptor)  # may be where a network file system tells that it is full
            keep(self._part, name)
        except OSError:
            self._remove()
            raise

    def _remove(self) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self._part)  # noqa: PTH108


def _cut(buffers: list[Buffer], count: int) -> tuple[list[Buffer], list[Buffer]]:
    """Part buffers behind `count` bytes."""
    for place, buffer in enumerate(buffers):
        if count <= len(buffer):
            whole = memoryview(buffer)
            rest = [whole[count:]] if count < len(buffer) else []
            return [*buffers[:place], whole[:count]], [*rest, *buffers[place + 1 :]]
        count -= len(buffer)
    return buffers, []


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file_meta(sop_class: str, sop_instance: str, syntax: str, calling_ae_title: str) -> bytes:
    """Encode preamble, prefix and file meta information (PS3.10 7.1)."""
    before, behind_it = _around_instance(sop_class, syntax, calling_ae_title)
    instance = _element(0x03, b"UI", sop_instance)
    group_length = len(before) + len(instance) + len(behind_it)
    return b"".join((_PREFIX, group_length.to_bytes(4, "little"), before, instance, behind_it))


@lru_cache(maxsize=64)
def _around_instance(sop_class: str, syntax: str, calling_ae_title: str) -> tuple[bytes, bytes]:
    """Encode what is the same for all instances of a kind, before and behind the instance's UID."""
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
