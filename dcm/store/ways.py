"""Ways of a file from one folder into another that do not lead through us: links, copies and moves."""

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

    LINK: as one file with two names, or as a copy where that is not possible. SYMLINK: by a symbolic link.
    COPY: as a copy. MOVE: as LINK, and then its first name is removed.
    """

    LINK = "link"
    SYMLINK = "symlink"
    COPY = "copy"
    MOVE = "move"


class Link:
    """A file of another folder that gets a name here. At no moment does half of a file have a name."""

    def __init__(self, source: str, folder: str, way: Way = Way.LINK) -> None:
        self.path: Final = source
        self._folder: Final = folder
        self._way: Final = way
        self._copy: PartFile | None = None

    def name(self, name: str) -> bool:
        """Give it a name unless that is taken; return whether it was free. Raises `OSError`."""
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
        """Give it a name, replacing the file that has it. Raises `OSError`."""
        if self._copy is None:
            self._copy = self._copied()
        self._copy.replace(name)

    def discard(self) -> None:
        """Leave nothing behind that has no name."""
        if self._copy is not None:
            self._copy.discard()

    def remove_source(self, placed: str) -> None:
        """Remove the first name of what is in the file `placed` now, unless that is the same name."""
        is_link = os.path.islink(self.path)  # noqa: PTH114 - as below
        if is_link or os.path.realpath(self.path) != os.path.realpath(placed):
            os.unlink(self.path)  # noqa: PTH108 - for each instance, and quicker

    def _copied(self) -> PartFile:
        part = PartFile(self._folder)
        try:
            with open(self.path, "rb") as file:  # noqa: PTH123 - as above
                while block := file.read(_BLOCK):
                    part.write([block])
            if self._way is Way.MOVE:  # the source is removed: a loss of power must not lose both
                part.sync()
        except BaseException:
            part.discard()
            raise
        return part
