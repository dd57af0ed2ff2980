"""Puts files in their places, by each method. No other file is overwritten, and none is lost.

All functions raise `OSError`, and `FileExistsError` if the name is taken.
"""

import contextlib
import errno
import os
import shutil
from typing import Final

from dcm.part_file import PartFile, sync_path
from dcm.sort.outcome import Method

_BLOCK: Final = 1 << 20
_NO_LINKS: Final = frozenset(
    (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL)
)
FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS))
"""Errors that all further files would cause as well."""


class ChangedError(OSError):
    """A file changed while it was copied."""


def put(method: Method, source: str, target: str) -> None:
    """Put a file in its place; the folder must exist."""
    if method is Method.COPY:
        copy(source, target)
    elif method is Method.MOVE:
        move(source, target)
    elif method is Method.LINK:
        os.link(os.path.realpath(source) if os.path.islink(source) else source, target)
    else:
        os.symlink(os.path.realpath(source), target)


def move(source: str, target: str) -> None:
    """Move a file: it briefly has both names. Across file systems, it is copied, then removed."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.EXDEV:
            _move_far(source, target)
            return
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from None
        os.rename(source, target)
        return
    try:
        os.unlink(source)
    except OSError:
        os.unlink(target)
        raise


def _move_far(source: str, target: str) -> None:
    copy(source, target, sync=True)
    try:
        os.unlink(source)
    except OSError:
        os.unlink(target)
        raise


def copy(source: str, target: str, *, sync: bool = False) -> None:
    """Copy a file with its permissions and times; an incomplete copy never gets the name.

    sync: whether to flush file and folder to disk.
    """
    folder = os.path.dirname(target)
    with open(source, "rb", buffering=0) as file, PartFile(folder) as part:
        before = os.fstat(file.fileno())
        while block := file.read(_BLOCK):
            part.write([block])
        with contextlib.suppress(PermissionError):  # on some network drives
            shutil.copymode(source, part.path)
        os.utime(part.path, ns=(before.st_atime_ns, before.st_mtime_ns))
        now = os.fstat(file.fileno())
        written = os.stat(part.path).st_size
        if written != now.st_size or now.st_mtime_ns != before.st_mtime_ns:
            raise ChangedError(errno.EBUSY, "it changed while it was copied", source)
        if sync:
            part.sync()
        if not part.name(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    if sync:
        sync_path(folder)


def words(error: OSError) -> str:
    """Return the message of an error, with the file that it concerns."""
    said = error.strerror or str(error)
    names = [os.fsdecode(each) for each in (error.filename2 or error.filename,) if each is not None]
    return f"{names[0]}: {said}" if names else said
