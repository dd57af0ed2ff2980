"""Headers of many files, as rows of an index: read here, or by other processes if there are many.

A process that scans is a Python program of its own, which reads lists of files from its stdin and writes rows
to its stdout. It imports nothing of the program that started it, so that any program can start it.
"""

import contextlib
import marshal
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Final, NamedTuple, Self, TypeAlias

from dcm.data.header import NotDicom, scan
from dcm.store.index_rows import WANTED, Entry, Rows, rows_of
from dcm.store.index_values import digest, number_of

Chunk: TypeAlias = list[tuple[bytes, list[Entry]]]
"""Files by the folder that they are in, whose path is relative to the root."""

_FEW: Final = 1000
"""Up to so many files are scanned by this process: to start others takes as long."""
_CHUNK: Final = 300
_MOST: Final = 8
_YOUNG: Final = 50_000_000
"""Nanoseconds after which a file that is written again has another time of modification for sure."""
AGAIN: Final = -1
"""The time of modification of a file that is to be scanned again whatever its own is."""
_MEDIA_DIRECTORY: Final = "1.2.840.10008.1.3.10"
_PROGRAM: Final = "import sys; sys.path[:] = {}; from dcm.store.index_scan import serve; serve()"


class Scanned(NamedTuple):
    """Rows of some files, and how many these were."""

    files: int
    folders: list[bytes]
    rows: Rows


def scanned(root: bytes, files: Iterable[tuple[bytes, Entry]]) -> Iterator[Scanned]:
    """Yield the rows of files, given by folder and entry, in chunks. Few files wait at any time."""
    chunks = _chunks(files)
    first: list[Chunk] = []
    for chunk in chunks:
        first.append(chunk)
        if len(first) * _CHUNK > _FEW:
            break
    else:
        yield from (scan_chunk(root, chunk) for chunk in first)
        return
    with _Scanners(root) as scanners:
        yield from scanners.scan(first, chunks)


def scan_chunk(root: bytes, chunk: Chunk) -> Scanned:
    """Return the rows of some files."""
    rows = Rows.none()
    for folder, entries in chunk:
        number = folder_number(folder)
        for entry in entries:
            _scan(rows, number, os.path.join(root, folder, entry.name), entry)
    return Scanned(sum(len(entries) for _, entries in chunk), [folder for folder, _ in chunk], rows)


def folder_number(folder: bytes) -> int:
    """Return the number by which the tables know a folder."""
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
        entry = entry._replace(mtime_ns=AGAIN)  # it may be readable the next time
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


class _Scanners:
    """Processes that scan, each with a thread that feeds it."""

    def __init__(self, root: bytes) -> None:
        self._root: Final = root
        self._count: Final = max(1, min(_MOST, len(os.sched_getaffinity(0))))
        self._processes: Final[deque[subprocess.Popen[bytes]]] = deque()
        self._ended: Final[list[subprocess.Popen[bytes]]] = []
        self._threads: Final = ThreadPoolExecutor(self._count, "dcm-scan")

    def __enter__(self) -> Self:
        program = _PROGRAM.format(repr(sys.path))
        for _ in range(self._count):
            try:
                process = subprocess.Popen(
                    [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            except OSError:  # this process scans alone then
                break
            self._processes.append(process)
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)
        processes = [*self._processes, *self._ended]
        for each in processes:
            for stream in (each.stdin, each.stdout):
                with contextlib.suppress(OSError):  # one that has ended takes nothing any more
                    if stream:
                        stream.close()
        for each in processes:
            each.wait()

    def scan(self, first: list[Chunk], others: Iterator[Chunk]) -> Iterator[Scanned]:
        waiting: deque[Future[Scanned]] = deque(
            self._threads.submit(self._scan, chunk) for chunk in first
        )
        for chunk in others:
            waiting.append(self._threads.submit(self._scan, chunk))
            if len(waiting) > 2 * self._count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _scan(self, chunk: Chunk) -> Scanned:
        try:
            process = self._processes.pop()
        except IndexError:  # all have ended
            return scan_chunk(self._root, chunk)
        assert process.stdin is not None
        assert process.stdout is not None
        plain = [(folder, [tuple(each) for each in entries]) for folder, entries in chunk]
        try:
            marshal.dump((self._root, plain), process.stdin)
            process.stdin.flush()
            files, folders, (above, rows) = marshal.load(process.stdout)  # noqa: S302 - our own
        except (OSError, EOFError, ValueError, TypeError):
            process.kill()
            self._ended.append(process)
            return scan_chunk(self._root, chunk)
        self._processes.append(process)
        return Scanned(files, folders, Rows(above, rows))


def serve() -> None:
    """Scan what stdin names, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this process ends it
    given, taken = sys.stdin.buffer, sys.stdout.buffer
    while work := _load(given):
        root, plain = work
        chunk = [(folder, [Entry(*each) for each in entries]) for folder, entries in plain]
        files, folders, rows = scan_chunk(root, chunk)
        marshal.dump((files, folders, tuple(rows)), taken)
        taken.flush()


def _load(
    stream: BinaryIO,
) -> tuple[bytes, list[tuple[bytes, list[tuple[bytes, int, int]]]]] | None:
    try:
        found: tuple[bytes, list[tuple[bytes, list[tuple[bytes, int, int]]]]] = marshal.load(stream)  # noqa: S302
    except EOFError:
        return None
    return found
