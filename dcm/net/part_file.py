"""Files that get their name once they are complete, so that no half of one is ever taken for a whole."""

import contextlib
import errno
import os
from collections.abc import Sequence
from typing import Final, Self

from dcm.net.transport import behind
from dcm.wire import Buffer

_WRITTEN: Final = 1 << 16
"""Bytes in one write: longer ones were never seen to be faster, and on ext4 at times much slower."""
_NO_LINKS: Final = frozenset(
    (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL)
)
"""How file systems without hard links refuse one."""


class PartFile:
    """A file under a temporary name; leaving the block removes it unless it was given its final name."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._descriptor = -1

    def __enter__(self) -> Self:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(self._part, flags, 0o666)
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        if self._part:
            with contextlib.suppress(OSError):
                os.unlink(self._part)  # noqa: PTH108 - for each instance, and quicker

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Write all buffers, in system calls of moderate size."""
        waiting = list(buffers)
        while waiting:
            some, waiting = _cut(waiting, _WRITTEN)
            while some:
                some = behind(some, os.writev(self._descriptor, some))

    def sync(self) -> None:
        """Flush the content to disk (fsync)."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file. A network file system may report only now that it is full."""
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def name(self, name: str) -> bool:
        """Give the closed file its final name unless that is taken; return whether it was free."""
        if not _named(self._part, name):
            return False
        self._part = ""
        return True

    def replace(self, name: str) -> None:
        """Give the closed file its final name, in place of the file that has it."""
        os.replace(self._part, name)  # noqa: PTH105
        self._part = ""

    @property
    def path(self) -> str:
        """The temporary name."""
        return self._part


def _named(part: str, name: str) -> bool:
    """Link and unlink: unlike `rename`, that never takes a name from another file."""
    try:
        os.link(part, name)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(name):
            return False
        os.rename(part, name)  # noqa: PTH104
        return True
    os.unlink(part)  # noqa: PTH108
    return True


def _cut(buffers: list[Buffer], count: int) -> tuple[list[Buffer], list[Buffer]]:
    """Split a list of buffers after `count` bytes."""
    for place, buffer in enumerate(buffers):
        if count <= len(buffer):
            whole = memoryview(buffer)
            rest = [whole[count:]] if count < len(buffer) else []
            return [*buffers[:place], whole[:count]], [*rest, *buffers[place + 1 :]]
        count -= len(buffer)
    return buffers, []


def sync_path(path: str | os.PathLike[str]) -> None:
    """Flush a file or folder to disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
