"""The files of folders, and their places in a layout; headers are read by several processes."""

import os
import stat
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, islice
from typing import Final, NamedTuple

from dcm.data.header import NotDicom, scan
from dcm.processes import Processes
from dcm.store.layout import Layout

_CHUNK: Final = 300
_FEW: Final = 1000
"""Up to this number of files are scanned by this process, as starting others takes as long."""
_MEDIA_DIRECTORY: Final = "1.2.840.10008.1.3.10"
JOURNAL_NAME: Final = (".dcm-sort-", ".journal")


class Scanned(NamedTuple):
    """A file. place: by the layout, relative to the target; if empty, `words` has the reason.

    bad: whether it seems to be DICOM, or is unreadable. The last four are values from `os.stat`.
    """

    path: str
    place: str
    words: str
    bad: bool
    size: int
    mtime_ns: int
    device: int
    inode: int


def files(folders: Sequence[str], without: str, *, links: bool) -> Iterator[str | Scanned]:
    """Yield all files below folders in order of name, and unreadable entries as `Scanned`.

    without: a folder to leave out. links: whether to follow symbolic links, instead of leaving
    them. A folder that was entered before is skipped.
    """
    seen: set[tuple[int, int]] = set()
    waiting = list(folders[::-1])
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen or folder == without:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            yield _left(folder, error.strerror or str(error), bad=True)
            continue
        below = []
        for entry in entries:
            if entry.is_symlink() and not links:
                yield _left(entry.path, "a symbolic link")
            elif entry.is_dir():
                below.append(entry.path)
            elif not _is_ours(entry.name):
                yield entry.path
        waiting += below[::-1]


def _is_ours(name: str) -> bool:
    """Return whether a file is a journal, an index, or being written (see `dcm.part_file`)."""
    return name.startswith(".") and (
        name.startswith((JOURNAL_NAME[0], ".dcm-index.sqlite")) or name.endswith(".part")
    )


def scanned_files(found: Iterator[str | Scanned], layout: Layout) -> Iterator[Scanned]:
    """Yield all files with their places."""
    first = list(islice(found, _FEW))
    if len(first) < _FEW:
        yield from (each if isinstance(each, Scanned) else _scanned(each, layout) for each in first)
        return
    every = chain(first, found)
    chunks = iter(lambda: list(islice(every, _CHUNK)), [])
    work = (
        (layout.template, [each if isinstance(each, str) else tuple(each) for each in chunk])
        for chunk in chunks
    )
    with Processes("dcm.sort.scan:scan_chunk") as processes:
        for some in processes.map(work):
            yield from map(Scanned._make, some)


def scan_chunk(work: tuple[str, list[str | tuple[object, ...]]]) -> list[tuple[object, ...]]:
    """Scan some files, for `dcm.processes`."""
    layout = _layout(work[0])
    return [
        tuple(_scanned(each, layout)) if isinstance(each, str) else tuple(each) for each in work[1]
    ]


@lru_cache(maxsize=4)
def _layout(template: str) -> Layout:
    return Layout(template)


def _scanned(path: str, layout: Layout) -> Scanned:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return _left(path, "not a file")
        header = scan(path, layout.needs)
    except NotDicom as error:
        return _left(path, error.reason, bad=_looks_like_dicom(path))
    except OSError as error:
        return _left(path, error.strerror or str(error), bad=True)
    if header.sop_class_uid == _MEDIA_DIRECTORY:
        return _left(path, "a directory of media (DICOMDIR)")
    return Scanned(
        path, layout.path(header), "", False, status.st_size, status.st_mtime_ns, status.st_dev,
        status.st_ino,
    )  # fmt: skip


def _left(path: str, words: str, *, bad: bool = False) -> Scanned:
    return Scanned(path, "", words, bad, 0, 0, 0, 0)


def _looks_like_dicom(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return True
