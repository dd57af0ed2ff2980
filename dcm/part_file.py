"""Files that get their name when they are complete, so an incomplete one is never mistaken for the whole."""

import contextlib
import errno
import os
from collections.abc import Sequence
from itertools import count
from typing import Final, Self

_WRITTEN: Final = 1 << 16
"""Bytes in one write: longer writes were never faster in tests, and on ext4 sometimes much slower."""
_GATHERED: Final = 1024  # buffers in one write: the IOV_MAX of Linux
_NO_LINKS: Final = frozenset(
    (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL)
)
"""The errors of file systems that do not support hard links."""
_NAMELESS: Final = os.O_WRONLY | os.O_CLOEXEC | getattr(os, "O_TMPFILE", 0)
_NAMED: Final = os.O_WRONLY | os.O_CLOEXEC | os.O_CREAT | os.O_EXCL
_NO_NAMELESS: Final = frozenset((errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL))
"""The errors of file systems that do not support files without a name."""
_PREFIX: Final = os.urandom(8).hex()
_NUMBERS: Final = count()
_only_named: set[str] = set()
"""Folders in which a file must have a name; all of them without O_TMPFILE or /proc."""


class PartFile:
    """A file that is being written in a folder, without a name if possible.

    Leaving its block removes it unless it has its final name. Raises `OSError`, as do all its methods.
    """

    def __init__(self, folder: str) -> None:
        self._folder: Final = folder
        self._part = ""
        """Its temporary name, if it has one."""
        self._descriptor = -1
        if folder not in _only_named:
            try:
                self._descriptor = os.open(folder, _NAMELESS, 0o666)
            except OSError as error:
                if error.errno not in _NO_NAMELESS:
                    raise
        if self._descriptor < 0:
            part = self._new_name()
            self._descriptor = os.open(part, _NAMED, 0o666)
            self._part = part
            _only_named.add(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def discard(self) -> None:
        """Remove it unless it has its final name."""
        self._close()
        if self._part:
            with contextlib.suppress(OSError):
                os.unlink(self._part)  # noqa: PTH108 - for each instance, and quicker

    @property
    def path(self) -> str:
        """The path from which its contents can be read until it has its final name."""
        return self._part or f"/proc/self/fd/{self._descriptor}"

    def write(self, buffers: Sequence[bytes | bytearray | memoryview]) -> None:
        """Write all buffers, in system calls of moderate size."""
        some: list[bytes | bytearray | memoryview] = []
        size = 0
        for buffer in buffers:
            some.append(buffer)
            size += len(buffer)
            if size >= _WRITTEN or len(some) == _GATHERED:
                self._write(some, size)
                some, size = [], 0
        if some:
            self._write(some, size)

    def _write(self, buffers: list[bytes | bytearray | memoryview], size: int) -> None:
        written = os.writev(self._descriptor, buffers)
        while written < size:  # rare: the disk may be full
            written += os.write(self._descriptor, b"".join(buffers)[written:])

    def sync(self) -> None:
        """Flush the contents to disk (fsync)."""
        os.fsync(self._descriptor)

    def name(self, name: str) -> bool:
        """Close it and give it its final name unless that is taken; return whether it was free."""
        if not self._part:
            try:
                # Without a folder descriptor, Python would not follow the link.
                os.link(self.path, name, src_dir_fd=self._descriptor, follow_symlinks=True)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                self._take_name()
            else:
                self._close()
                return True
        self._close()  # a network file system may report a full disk only now
        if not _named(self._part, name):
            return False
        self._part = ""
        return True

    def replace(self, name: str) -> None:
        """Give the file its final name, replacing the file that has it."""
        if not self._part:
            part = self._new_name()
            self.name(part)  # without copying, if possible
            self._part = part
        self._close()
        os.replace(self._part, name)  # noqa: PTH105
        self._part = ""

    def _take_name(self) -> None:
        """Copy it to a file with a temporary name."""
        import shutil  # noqa: PLC0415 - hardly ever needed

        part = self._new_name()
        shutil.copyfile(self.path, part)
        self._part = part
        _only_named.add(self._folder)

    def _new_name(self) -> str:
        """Return a unique name."""
        return f"{self._folder}/.{_PREFIX}-{os.getpid()}-{next(_NUMBERS)}.part"

    def _close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def _named(part: str, name: str) -> bool:
    """Link and unlink: unlike `rename`, this never replaces another file."""
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


def sync_path(path: str | os.PathLike[str]) -> None:
    """Flush a file or folder to disk (fsync)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
