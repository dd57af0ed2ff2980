"""Headers of files as index rows, read by this process, or by several if there are many files."""

import os
import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

from dcm.data.header import NotDicom, scan
from dcm.processes import Processes
from dcm.store.index_rows import WANTED, Entry, Rows, rows_of
from dcm.store.index_values import digest, number_of

Chunk: TypeAlias = list[tuple[bytes, list[Entry]]]
"""Files by folder, whose path is relative to the root."""

_FEW: Final = 1000
"""Up to this number of files are scanned by this process, as starting others takes as long."""
_CHUNK: Final = 300
_YOUNG: Final = 50_000_000
"""Nanoseconds after which rewriting a file certainly changes its modification time."""
AGAIN: Final = -1
"""The modification time recorded for a file that must be scanned again in any case."""
_MEDIA_DIRECTORY: Final = "1.2.840.10008.1.3.10"


class Scanned(NamedTuple):
    """Rows of some files, and the number of files."""

    files: int
    folders: list[bytes]
    rows: Rows


def scanned(root: bytes, files: Iterable[tuple[bytes, Entry]]) -> Iterator[Scanned]:
    """Yield the rows of files, given by folder and entry, in chunks. Few files are queued."""
    chunks = _chunks(files)
    first: list[Chunk] = []
    for chunk in chunks:
        first.append(chunk)
        if len(first) * _CHUNK > _FEW:
            break
    else:
        yield from (scan_chunk(root, chunk) for chunk in first)
        return
    with Processes("dcm.store.index_scan:scan_plain") as processes:
        plain = (_plain(root, chunk) for chunk in chain(first, chunks))
        for count, folders, (above, rows) in processes.map(plain):
            yield Scanned(count, folders, Rows(above, rows))


def scan_chunk(root: bytes, chunk: Chunk) -> Scanned:
    """Return the rows of some files."""
    rows = Rows.none()
    for folder, entries in chunk:
        number = folder_number(folder)
        for entry in entries:
            _scan(rows, number, os.path.join(root, folder, entry.name), entry)
    return Scanned(sum(len(entries) for _, entries in chunk), [folder for folder, _ in chunk], rows)


def folder_number(folder: bytes) -> int:
    """Return the number that identifies a folder in the tables."""
    return number_of(digest(folder))


def _scan(rows: Rows, folder: int, path: bytes, entry: Entry) -> None:
    if time.time_ns() - entry.mtime_ns < _YOUNG:
        entry = entry._replace(mtime_ns=AGAIN)
    try:
        header = scan(path, WANTED)  # type: ignore[arg-type]
    except FileNotFoundError:
        return
    except NotDicom as error:
        rows.add_other(folder, entry, error.reason, damaged=_looks_like_dicom(path))
        return
    except OSError as error:
        entry = entry._replace(mtime_ns=AGAIN)  # it may be readable next time
        rows.add_other(folder, entry, error.strerror or str(error), damaged=True)
        return
    if header.sop_class_uid == _MEDIA_DIRECTORY:
        rows.add_other(folder, entry, "a directory of media (DICOMDIR)", damaged=False)
    elif not (header.sop_instance_uid and header.sop_class_uid):
        what = "Instance" if header.sop_class_uid else "Class"
        rows.add_other(folder, entry, f"it has no SOP {what} UID", damaged=True)
    else:
        rows.add(*rows_of(folder, entry, header))


def _looks_like_dicom(path: bytes) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(descriptor, 132)[128:] == b"DICM"
        finally:
            os.close(descriptor)
    except OSError:
        return False


def _chunks(files: Iterable[tuple[bytes, Entry]]) -> Iterator[Chunk]:
    chunk: Chunk = []
    count = 0
    for folder, entry in files:
        if not chunk or chunk[-1][0] != folder:
            chunk.append((folder, []))
        chunk[-1][1].append(entry)
        count += 1
        if count == _CHUNK:
            yield chunk
            chunk, count = [], 0
    if chunk:
        yield chunk


def scan_plain(work: tuple[bytes, list[tuple[bytes, list[tuple[bytes, int, int]]]]]) -> object:
    """Scan a chunk for `dcm.processes`, using only plain tuples and lists."""
    root, plain = work
    chunk = [(folder, [Entry(*each) for each in entries]) for folder, entries in plain]
    files, folders, rows = scan_chunk(root, chunk)
    return files, folders, tuple(rows)


def _plain(root: bytes, chunk: Chunk) -> object:
    return root, [(folder, [tuple(each) for each in entries]) for folder, entries in chunk]
