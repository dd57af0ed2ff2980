"""A sink into a folder that is indexed: what it acknowledges is in both."""

import asyncio
import os
from collections.abc import Sequence
from typing import Final

from dcm.data.header import scan
from dcm.sinks import Folder, Head, Part, ReceivedInstance
from dcm.store.index import Index
from dcm.store.index_rows import WANTED
from dcm.wire import Buffer


class IndexedFolder:
    """A folder whose instances are in its index once they are committed."""

    def __init__(self, folder: Folder, index: Index) -> None:
        self._folder: Final = folder
        self._index: Final = index

    def begin(self, head: Head) -> Part:
        """Begin a file."""
        return _Part(self._folder.begin(head), self._index)


class _Part:
    """An instance on its way."""

    def __init__(self, part: Part, index: Index) -> None:
        self._part: Final = part
        self._index: Final = index

    @property
    def path(self) -> str:
        return self._part.path

    def write(self, buffers: Sequence[Buffer]) -> None:
        self._part.write(buffers)

    async def commit(self) -> ReceivedInstance:
        received = await self._part.commit()
        await asyncio.to_thread(_note, self._index, received.file)
        return received

    def discard(self) -> None:
        self._part.discard()


def _note(index: Index, file: str) -> None:
    status = os.stat(file)  # noqa: PTH116 - for each instance, and quicker
    name = os.path.relpath(file, index.path)
    index.add_entries([(name, status.st_size, status.st_mtime_ns, scan(file, WANTED))])
