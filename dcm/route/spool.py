"""A spool: a folder that keeps objects safe until they are delivered.

    with Spool("/var/spool/dcm") as spool:
        async with Listener(local, spool.sink(router), limits):
            ...

An object is a file (PS3.10), complete before it has a name, and rows in a queue: one for itself,
and one for each destination that still needs it. Success is reported to the sender only after they
are committed. Files that a killed process leaves behind without rows were never acknowledged, and
are removed by the next process.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import sqlite3
import struct
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Final, Self, TypeAlias

from dcm.errors import DcmError
from dcm.instances import FileInstance
from dcm.part_file import PartFile, sync_path
from dcm.route.queue import Entry, Queue, SpoolError, queue_path
from dcm.sinks import (
    OUT_OF_RESOURCES,
    Folder,
    Head,
    Part,
    ReceivedInstance,
    Refused,
    file_meta,
    remark_on_length,
)
from dcm.wire import Buffer

Choose: TypeAlias = Callable[[FileInstance, Head], Awaitable[Sequence[str]]]
"""Chooses the destinations of a received object. Raises `Refused`."""

_LOG: Final = logging.getLogger(__name__)
_BOOT: Final = "/proc/sys/kernel/random/boot_id"
_NOT_UNDERSTOOD: Final = 0xC000
SOME: Final = 16
"""The number of objects handed over, or recorded as delivered, in one transaction."""
_SOON: Final = 0.05
"""Seconds until deliveries are recorded, even if there are few."""
_LOCK: Final = struct.Struct("hhqqi4x")
"""The structure flock of fcntl(2): type, whence, start, length, process."""
_WHOLE: Final = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


class SpoolInUse(SpoolError):  # noqa: N818 - reads as the sentence it is
    """A spool that another process has open."""

    def __init__(self, path: str, process: str) -> None:
        super().__init__(f"the spool {path} is in use by process {process}")
        self.process = process


class Spool:
    """A spool in a folder, which is created if necessary. Its block has exclusive use of it.

    sync: flush file and queue to disk (fsync) before the response, so that acknowledged objects
    also survive a power failure; otherwise, they only survive the end of the process, however it
    ends. max_instance, min_free: see `dcm.sinks.Folder`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        sync: bool = False,
        max_instance: int = 0,
        min_free: int = 0,
    ) -> None:
        self.path: Final = os.path.abspath(os.fspath(path))
        self.objects: Final = os.path.join(self.path, "objects")
        self.sync: Final = sync
        self.room: Final = Folder(Path(self.path), sync, max_instance, min_free).room
        self.added: Callable[[Sequence[str]], object] = lambda _: None
        """Called with the destinations for which an object was added."""
        self._names: Final = count()
        self._prefix: Final = f"{time.time_ns():x}"
        self._lock = -1
        self._log = -1
        self._queue: Queue | None = None
        self._unsettled: Final[dict[tuple[str, int], tuple[Entry, bool]]] = {}
        """Unrecorded outcomes, by destination and number: the object, and whether delivered."""
        self._timer: asyncio.TimerHandle | None = None

    def __str__(self) -> str:
        return self.path

    @property
    def queue(self) -> Queue:
        """The queue, while the block runs."""
        assert self._queue is not None, "the block of the spool was not entered"
        return self._queue

    def __enter__(self) -> Self:
        os.makedirs(self.objects, exist_ok=True)
        self._lock = _locked(self.path)
        try:
            self._queue = Queue(queue_path(self.path))
            self._queue.began(_boot())
            self._clean()
            self._log = os.open(self._queue.log, os.O_RDONLY | os.O_CLOEXEC) if self.sync else -1
        except BaseException as error:
            self._close()
            if isinstance(error, sqlite3.Error):
                raise SpoolError(f"the spool {self.path} cannot be used: {error}") from error
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.record()
            if not self._unsettled:
                self.queue.ended()
        except sqlite3.Error as error:
            _LOG.error("the spool %s could not be closed properly: %s", self.path, error)
        finally:
            self._close()

    def _close(self) -> None:
        if self._queue is not None:
            self._queue.close()
            self._queue = None
        for descriptor in (self._log, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._log = self._lock = -1

    def _clean(self) -> None:
        """Remove files without a row: they were not acknowledged, or were delivered everywhere."""
        known = self.queue.files()
        for each in os.scandir(self.objects):
            if each.name not in known:
                os.unlink(each.path)

    # Receiving.

    def sink(self, choose: Choose) -> "SpoolSink":
        """Return a sink that stores received objects here."""
        return SpoolSink(self, choose)

    def new_name(self) -> str:
        """Return the name of a new file."""
        return f"{self._prefix}-{next(self._names)}.dcm"

    def file(self, entry: Entry) -> str:
        """Return the path of an object."""
        return f"{self.objects}/{entry.file}"

    def instance(self, entry: Entry) -> FileInstance:
        """Return an object in a form that can be sent."""
        return FileInstance(
            (entry.sop_class, entry.syntax), entry.uid, self.file(entry), entry.offset
        )

    async def flush(self) -> None:
        """Flush committed data to disk, if `sync` is set."""
        if self.sync:
            await asyncio.to_thread(self._flush)

    def _flush(self) -> None:
        sync_path(self.objects)
        os.fsync(self._log)

    # Delivering.

    def settle(self, destination: str, entry: Entry, *, delivered: bool) -> None:
        """Remove an object from the list of a destination, and its file if it was the last one.

        Deliveries are soon recorded together. After a kill, unrecorded ones are in doubt, like all
        objects handed over. If the disk is full, they are recorded later.
        """
        self._unsettled[destination, entry.id] = (entry, delivered)
        if not delivered or len(self._unsettled) >= SOME:
            self.record()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SOON, self.record)

    def hand_over(self, destination: str, numbers: Iterable[int]) -> None:
        """Record that objects are handed over, and all settled ones. Raises `sqlite3.Error`."""
        with self.queue.transaction():
            free = self._record()
            self.queue.handed_over(destination, numbers)
        self._recorded(free)

    def record(self) -> None:
        """Record the settled objects."""
        self._cancel_timer()
        try:
            with self.queue.transaction():
                free = self._record()
        except sqlite3.Error as error:
            _LOG.error("deliveries cannot be recorded at the moment: %s", error)
        else:
            self._recorded(free)

    def _record(self) -> list[str]:
        return [
            entry.file
            for (destination, _), (entry, delivered) in self._unsettled.items()
            if self.queue.settle(destination, entry, delivered=delivered)
        ]

    def _recorded(self, free: Iterable[str]) -> None:
        """Forget recorded outcomes, and remove files that are no longer needed."""
        self._unsettled.clear()
        self._cancel_timer()
        for name in free:
            with contextlib.suppress(OSError):
                os.unlink(f"{self.objects}/{name}")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def settled_already(self, destination: str, entry: Entry) -> bool:
        """Return whether an object is settled, but not recorded yet."""
        return (destination, entry.id) in self._unsettled


class SpoolSink:
    """Stores received objects in a spool; see `dcm.sinks.Sink`."""

    def __init__(self, spool: Spool, choose: Choose) -> None:
        self._spool: Final = spool
        self.choose = choose

    def begin(self, head: Head) -> Part:
        """Begin to receive an object."""
        return _InSpool(self._spool, self, head)


class _InSpool:
    """An object being received into a spool."""

    def __init__(self, spool: Spool, sink: SpoolSink, head: Head) -> None:
        self._spool: Final = spool
        self._sink: Final = sink
        self._head: Final = head
        self._part: Final = PartFile(spool.objects)
        self._meta = b""
        self._length = 0

    @property
    def path(self) -> str:
        return self._part.path

    def write(self, buffers: Sequence[Buffer]) -> None:
        size = sum(map(len, buffers))
        if self._spool.room.limited:
            self._spool.room.take(size, self._length)
        if not self._length:
            self._meta = file_meta(self._head)
            buffers = [self._meta, *buffers]
        self._part.write(buffers)
        self._length += size

    async def commit(self) -> ReceivedInstance:
        head, spool = self._head, self._spool
        request, syntax = head.request, head.transfer_syntax_uid
        kind, uid = (request.affected_sop_class_uid, syntax), request.affected_sop_instance_uid
        instance = FileInstance(kind, uid, self._part.path, len(self._meta))
        destinations = await self._chosen(instance)
        name = spool.new_name()
        entry = Entry(
            0, name, uid, *kind, len(self._meta), len(self._meta) + self._length, time.time(),
            head.calling_ae_title.strip(), head.called_ae_title.strip(), head.remote,
        )  # fmt: skip
        try:
            known = await self._known(instance, uid)
            if known is not None:
                destinations = spool.queue.also(known, destinations)
                name = known.file
            elif destinations:
                if spool.sync:
                    await asyncio.to_thread(self._part.sync)
                self._keep(entry, destinations)
        except sqlite3.Error as error:
            raise Refused(OUT_OF_RESOURCES, f"the queue cannot be written: {error}") from error
        self._part.discard()  # no effect if it was kept
        await spool.flush()
        if destinations:
            spool.added(destinations)
        file = f"{spool.objects}/{name}" if known or destinations else ""
        remark = remark_on_length(self._length, syntax)
        return ReceivedInstance(file, kind[0], uid, syntax, *head[2:], known is not None, remark)

    async def _chosen(self, instance: FileInstance) -> Sequence[str]:
        """Return the destinations. Raises `Refused` if they cannot be determined."""
        try:
            return await self._sink.choose(instance, self._head)
        except Refused:
            raise
        except sqlite3.Error as error:
            raise Refused(OUT_OF_RESOURCES, f"the queue cannot be written: {error}") from error
        except DcmError as error:
            raise Refused(_NOT_UNDERSTOOD, str(error)) from error

    async def _known(self, instance: FileInstance, uid: str) -> Entry | None:
        """Return the same object if already queued, as when a sender got no response."""
        from dcm.held import Settled, relation  # noqa: PLC0415 - rarely needed

        for entry in self._spool.queue.with_uid(uid):
            path = self._spool.file(entry)
            try:
                same = await asyncio.to_thread(relation, path, instance.path) is Settled.SAME
            except OSError:
                continue
            if same and entry.syntax == instance.kind[1]:
                # It may have been delivered everywhere meanwhile.
                return entry if entry in self._spool.queue.with_uid(uid) else None
        return None

    def _keep(self, entry: Entry, destinations: Sequence[str]) -> None:
        """Give the file its name, and commit its rows."""
        path = f"{self._spool.objects}/{entry.file}"
        if not self._part.name(path):
            raise Refused(OUT_OF_RESOURCES, "the name of a new file is taken")
        try:
            self._spool.queue.add(entry, destinations)
        except BaseException:
            os.unlink(path)
            raise

    def discard(self) -> None:
        self._part.discard()


def _locked(folder: str) -> int:
    """Lock a spool; return the descriptor that holds the lock. Raises `SpoolInUse`."""
    path = os.path.join(folder, "lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE)
    except OSError:
        process = os.read(descriptor, 20).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise SpoolInUse(folder, process) from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def user_of(folder: str) -> str:
    """Return the ID of the process that has a spool open, or empty if none has.

    Queries the lock without taking it, so that other processes can still take it.
    """
    try:
        descriptor = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WHOLE)
        if _LOCK.unpack(answer)[0] == fcntl.F_UNLCK:
            return ""
        return os.read(descriptor, 20).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)


def _boot() -> str:
    """Return an identifier of this boot of the system, or empty if there is none."""
    with contextlib.suppress(OSError), open(_BOOT, encoding="ascii") as file:
        return file.read().strip()
    return ""
