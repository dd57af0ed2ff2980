"""Relays from a source to several destinations: each instance is received only once.

    async with Relay(places, on_result) as relay:
        report = await source.fetch(what, relay)

The source is slowed down to the pace of the slowest destination, as the bytes and the number of
instances in transit are limited. Small instances are passed on in memory, others in unnamed files,
which disappear when the process is killed.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeAlias

from dcm.data.digest import NoDigest, digest
from dcm.data.source import FileSource, MemorySource
from dcm.errors import DcmError
from dcm.filt.base import Filter, Rejected
from dcm.instances import FileInstance, Instance, MemoryInstance, UnusableInstance, data_of
from dcm.outcome import InstanceResult, Outcome
from dcm.part_file import PartFile
from dcm.sinks import Head, Part, ReceivedInstance
from dcm.store.place import Place
from dcm.sync.pace import Pace
from dcm.wire import Buffer
from dcm.writer import Writer

OnResultAt: TypeAlias = Callable[[int, InstanceResult], object]
"""Called with the position of a destination and the outcome of an instance there."""

Rejecting: TypeAlias = Callable[[Instance, str], Awaitable[bool]]
"""Called with an instance and what is wrong with it; returns whether to send it on anyway."""

Done: TypeAlias = Callable[[Instance, int, PartFile | None], Awaitable[None]]

_IN_MEMORY: Final = 1 << 20
"""Instances up to this size in bytes are kept in memory, others in a file."""
_UNDER_WAY: Final = 1 << 25
"""Bytes in transit above which the source has to wait."""
_FILES: Final = 100
"""Instances in transit above which the source has to wait: each may have an open file."""


class Relay:
    """A sink that passes each instance to the writers of several places.

    on_result: called with the position in `places` and each outcome there.
    through: a filter for each instance on the way.
    digests: filled with the digest of each data set as it is sent on, by its SOP Instance UID.
    paces: how fast instances may pass, and when. passed: called with the size of each instance, in
    bytes.
    check: returns what is wrong with an instance before it is filtered, or empty if nothing is.
    rejected: called with each instance that fails the check, and the reason; if it returns True,
    the instance is passed on anyway.
    received: the instances received before; new ones are added.
    """

    def __init__(
        self,
        places: Sequence[Place],
        on_result: OnResultAt,
        *,
        through: Filter | None = None,
        digests: dict[str, bytes] | None = None,
        paces: Sequence[Pace] = (),
        passed: Callable[[int], object] | None = None,
        check: Callable[[Instance], str] | None = None,
        rejected: Rejecting | None = None,
        received: set[str] | None = None,
        folder: str = "",
    ) -> None:
        self._places: Final = places
        self._on_result: Final = on_result
        self._through: Final = through
        self._digests: Final = digests
        self._paces: Final = paces
        self._passed: Final = passed
        self._folder: Final = folder or _temporary()
        self._writers: Final[list[Writer]] = []
        self._under_way: Final[dict[str, _UnderWay]] = {}
        self._check: Final = check
        self._rejected: Final = rejected
        self._received: Final[set[str]] = set() if received is None else received
        self._bytes = 0
        self._less: Final = asyncio.Event()
        self._stack: Final = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for number, place in enumerate(self._places):
            writer = place.writer(partial(self._settled, number))
            self._writers.append(await self._stack.enter_async_context(writer))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._stack.__aexit__(kind, error, traceback)
        finally:
            for each in self._under_way.values():
                each.close()

    def begin(self, head: Head) -> Part:
        """Begin to receive an instance."""
        return Assembly(head, self._send, self._folder)

    def holds(self, sop_instance_uid: str) -> bool:
        """Return whether an instance was received before; for repeated retrievals."""
        return sop_instance_uid in self._received

    def place(self, sop_instance_uid: str) -> str:  # noqa: ARG002 - as above
        """Return an empty string: there is no file."""
        return ""

    async def _send(self, instance: Instance, size: int, file: PartFile | None) -> None:
        """Pass a complete instance to all writers, and wait while too much is in transit."""
        under_way = _UnderWay(len(self._writers), size, file)
        received = instance.sop_instance_uid
        try:
            instance = await self._ready(instance)
            for pace in self._paces:
                await pace.take(size)
        except (DcmError, OSError) as error:
            under_way.close()
            self._received.add(received)  # it would fail again
            outcome = Outcome.PASSED_OVER if isinstance(error, Rejected) else Outcome.FAILED
            for number in range(len(self._writers)):
                self._on_result(number, InstanceResult("", received, outcome, str(error)))
            return
        except BaseException:
            under_way.close()
            raise
        self._received.add(received)
        self._under_way[instance.sop_instance_uid] = under_way
        self._bytes += size
        for writer in self._writers:
            writer.add(instance)
        if self._passed is not None:
            self._passed(size)
        while self._bytes > _UNDER_WAY or len(self._under_way) > _FILES:
            self._less.clear()
            await self._less.wait()

    async def _ready(self, instance: Instance) -> Instance:
        """Return an instance as it will be passed on. Raises the errors of filters."""
        words = "" if self._check is None else self._check(instance)
        if words and not (self._rejected and await self._rejected(instance, words)):
            raise UnusableInstance(words)
        if self._through is not None:
            instance = await asyncio.to_thread(self._through.apply, instance)
        uid = instance.sop_instance_uid
        if uid in self._under_way:
            raise UnusableInstance("another one with the same SOP Instance UID is being copied")
        if self._digests is not None:
            self._digests[uid] = await asyncio.to_thread(digest_of, instance)
        return instance

    def _settled(self, number: int, result: InstanceResult) -> None:
        each = self._under_way.get(result.sop_instance_uid)
        if each is not None:
            each.left -= 1
            if not each.left:
                del self._under_way[result.sop_instance_uid]
                self._bytes -= each.size
                each.close()
                self._less.set()
        self._on_result(number, result._replace(path=""))


def _temporary() -> str:
    import tempfile  # noqa: PLC0415 - slow, and only if something is copied

    return tempfile.gettempdir()


def digest_of(instance: Instance) -> bytes:
    """Return the digest of an instance as it is sent, or empty if its data set cannot be read."""
    try:
        if isinstance(instance, FileInstance):
            with open(instance.path, "rb") as file:
                source, end = FileSource(file.fileno()), os.fstat(file.fileno()).st_size
                return digest(source, instance.offset, end, instance.kind[1])
        data = data_of(instance)
        return digest(MemorySource(data), 0, len(data), instance.kind[1])
    except NoDigest:
        return b""


class _UnderWay:
    """An instance without an outcome from some destinations."""

    def __init__(self, left: int, size: int, file: PartFile | None) -> None:
        self.left = left
        self.size: Final = size
        self._file: Final = file

    def close(self) -> None:
        if self._file is not None:
            self._file.discard()


class Assembly:
    """An instance in transit: its data set, in memory or in an unnamed file.

    done: awaited with the complete instance, its size, and its file, if any, which has to be
    discarded afterwards.
    """

    def __init__(self, head: Head, done: Done, folder: str) -> None:
        self._head: Final = head
        self._done: Final = done
        self._folder: Final = folder
        self._memory = bytearray()
        self._file: PartFile | None = None
        self._size = 0

    @property
    def path(self) -> str:
        """The path of a file with all data received so far."""
        return self._in_file().path

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Add the next data."""
        self._size += sum(map(len, buffers))
        if self._file is None and self._size <= _IN_MEMORY:
            for buffer in buffers:
                self._memory += buffer
        else:
            self._in_file().write(buffers)

    def _in_file(self) -> PartFile:
        if self._file is None:
            self._file = PartFile(self._folder)
            self._file.write([self._memory])
            self._memory = bytearray()
        return self._file

    async def commit(self) -> ReceivedInstance:
        """Hand it over."""
        request, syntax = self._head.request, self._head.transfer_syntax_uid
        kind, uid = (request.affected_sop_class_uid, syntax), request.affected_sop_instance_uid
        instance: Instance
        if self._file is None:
            instance = MemoryInstance(kind, uid, bytes(self._memory))
        else:
            instance = FileInstance(kind, uid, self._file.path, 0)
        file, self._file = self._file, None
        await self._done(instance, self._size, file)
        return ReceivedInstance("", kind[0], uid, syntax, *self._head[2:])

    def discard(self) -> None:
        """Discard it completely."""
        if self._file is not None:
            self._file.discard()
