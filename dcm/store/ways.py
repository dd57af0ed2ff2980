"""Direct ways to bring a file from one folder into another: links, copies and moves."""

import errno
import os
from enum import Enum
from typing import Final

from dcm.part_file import PartFile

_NO_LINKS: Final = frozenset(
    (
        errno.EXDEV,
        errno.EPERM,
        errno.EACCES,
        errno.ENOSYS,
        errno.EOPNOTSUPP,
        errno.EMLINK,
        errno.EINVAL,
    )
)
_BLOCK: Final = 1 << 20


class Way(Enum):
    """How a file gets into another folder.

    LINK: as one file with two names, or as a copy if that is not possible. SYMLINK: as a symbolic
    link.
    COPY: as a copy. MOVE: as LINK, after which the first name is removed.
    """

    LINK = "link"
    SYMLINK = "symlink"
    COPY = "copy"
    MOVE = "move"


class Link:
    """A file of another folder that gets a name here. An incomplete file never has a name."""

    def __init__(self, source: str, folder: str, way: Way = Way.LINK) -> None:
        self.path: Final = source
        self._folder: Final = folder
        self._way: Final = way
        self._copy: PartFile | None = None

    def name(self, name: str) -> bool:
        """Give it a name unless the name is taken; return whether it was free. Raises `OSError`."""
        if self._copy is None and self._way is not Way.COPY:
            try:
                if self._way is Way.SYMLINK:
                    os.symlink(os.path.realpath(self.path), name)  # noqa: PTH211 - for each, and quicker
                else:
                    os.link(self.path, name, follow_symlinks=True)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
            else:
                return True
        if self._copy is None:
            self._copy = self._copied()
        return self._copy.name(name)

    def replace(self, name: str) -> None:
        """Give it a name, replacing an existing file. Raises `OSError`."""
        if self._copy is None:
            self._copy = self._copied()
        self._copy.replace(name)

    def discard(self) -> None:
        """Remove the unnamed copy, if there is one."""
        if self._copy is not None:
            self._copy.discard()

    def remove_source(self, placed: str) -> None:
        """Remove the source of the file now stored as `placed`, unless both are the same name."""
        is_link = os.path.islink(self.path)  # noqa: PTH114 - as below
        if is_link or os.path.realpath(self.path) != os.path.realpath(placed):
            os.unlink(self.path)  # noqa: PTH108 - for each instance, and quicker

    def _copied(self) -> PartFile:
        part = PartFile(self._folder)
        try:
            with open(self.path, "rb") as file:  # noqa: PTH123 - as above
                while block := file.read(_BLOCK):
                    part.write([block])
            if self._way is Way.MOVE:  # else a power failure could lose both
                part.sync()
        except BaseException:
            part.discard()
            raise
        return part
