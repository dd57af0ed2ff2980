"""The instances of one Store request, as multipart content generated on the fly (PS3.18 10.5.1)."""

from collections import deque
from collections.abc import AsyncGenerator
from typing import Final, Protocol

from dcm import queued
from dcm.instances import Instance, Slices, UnusableInstance
from dcm.outcome import Outcome
from dcm.sinks import Head, file_meta
from dcm.web.incoming import DICOM
from dcm.web.multipart import Buffer, MultipartWriter
from dcm.wire import CStoreRQ

_COUNT: Final = 50
_SIZE: Final = 1 << 25
"""The number of instances, and of bytes, after which a batch ends."""


class Cut(Exception):  # noqa: N818 - internal
    """An instance could not be read completely; only closing the connection can end its part."""


class Item(queued.Item):
    """An instance in transit.

    alone: whether it is sent in a request of its own. suspect: whether it failed during other
    requests, which may be the cause. failures: the number of connections that broke while it was
    sent.
    refused: why it must be converted. remarks: what was changed in it.
    """

    __slots__ = ("alone", "failures", "refused", "remarks", "suspect")

    def __init__(self, number: int, instance: Instance) -> None:
        super().__init__(number, instance)
        self.alone = self.suspect = False
        self.failures = 0
        self.refused = ""
        self.remarks: list[str] = []


class _End(Protocol):
    def __call__(self, item: Item, outcome: Outcome, words: str, /) -> None:
        """Record the outcome of an instance."""


class Batch:
    """Takes instances from the queue until the request is long enough.

    memory: a buffer for their slices. end: records the outcome of instances that cannot be read.
    items: the instances taken.
    """

    def __init__(self, waiting: deque[Item], memory: bytearray, end: _End) -> None:
        self.items: Final[list[Item]] = []
        self.writer: Final = MultipartWriter(DICOM)
        self._waiting: Final = waiting
        self._memory: Final = memory
        self._end: Final = end

    def content(self) -> AsyncGenerator[Buffer, None] | None:
        """Return the content of the request, or None if no queued instance is readable."""
        first = self._next()
        return None if first is None else self._content(*first)

    async def _content(
        self, item: Item, slices: Slices, piece: memoryview
    ) -> AsyncGenerator[Buffer, None]:
        """Yield the content. Raises `Cut`."""
        size = 0
        while True:
            yield self.writer.begin() + file_meta(_head(item.instance))
            size += len(piece)
            yield piece
            try:
                for more, _ in slices:
                    size += len(more)
                    yield more
            except (OSError, UnusableInstance) as error:
                self.items.remove(item)
                self._end(item, Outcome.FAILED, _words(error))
                raise Cut from error
            if item.alone or len(self.items) >= _COUNT or size >= _SIZE:
                break
            found = self._next()
            if found is None:
                break
            item, slices, piece = found
        yield self.writer.end()

    def _next(self) -> tuple[Item, Slices, memoryview] | None:
        """Take the next instance whose first slice is readable, as most errors show there."""
        while self._waiting and not (self.items and self._waiting[0].alone):
            item = self._waiting.popleft()
            item.remarks.clear()
            try:
                slices = iter(item.instance.slices(self._memory, item.remarks))
                piece, _ = next(slices)
            except (OSError, UnusableInstance) as error:
                self._end(item, Outcome.FAILED, _words(error))
                continue
            self.items.append(item)
            return item, slices, piece
        return None


def _head(instance: Instance) -> Head:
    request = CStoreRQ(
        message_id=1,
        affected_sop_class_uid=instance.kind[0],
        affected_sop_instance_uid=instance.sop_instance_uid,
    )
    return Head(request, instance.kind[1], "", "", "")


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
