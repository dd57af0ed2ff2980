"""Problems with indexed files: damage, not DICOM, duplicates, one UID for several objects."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

from dcm.data.header import NotDicom, scan
from dcm.data.source import FileSource
from dcm.data.whole import NotWhole, checked
from dcm.store.index_scan import AGAIN

if TYPE_CHECKING:
    from dcm.store.index_database import Database

_SOME: Final = 500
_BLOCK: Final = 1 << 20
_ROWS: Final = (
    "SELECT file.id, folder.path, file.name, file.size, file.mtime_ns, file.checksum, file.damaged,"
    " file.words, file.attributes FROM file JOIN folder ON folder.id = file.folder"
)

SUMMARY: Final = """
    SELECT (SELECT COUNT(DISTINCT entity) FROM patient), (SELECT COUNT(DISTINCT entity) FROM study),
    (SELECT COUNT(DISTINCT entity) FROM series), (SELECT COUNT(DISTINCT entity) FROM file),
    (SELECT COUNT(*) FROM file WHERE damaged = 0 AND words <> '' AND entity IS NULL),
    (SELECT COUNT(*) FROM file WHERE damaged = 1 AND words <> '')
    """
"""Counts the entities, files that are not DICOM, and damaged files."""


class OddFile(NamedTuple):
    """A file with a problem, and its description."""

    path: str
    words: str


class Shared(NamedTuple):
    """Files with the same SOP Instance UID, grouped by their data sets.

    groups: the paths; files of one group have the same data set.
    """

    sop_instance_uid: str
    groups: tuple[tuple[str, ...], ...]

    @property
    def is_conflict(self) -> bool:
        """Whether there are several objects, though a UID identifies one (PS3.5 9)."""
        return len(self.groups) > 1

    @property
    def has_duplicates(self) -> bool:
        """Whether there are several copies of an object."""
        return any(len(group) > 1 for group in self.groups)


class Verified(NamedTuple):
    """The result of reading all files.

    files: how many were read. changed: those whose data set has changed, though size and
    modification time have not. damaged: those that cannot be read completely.
    """

    files: int
    changed: tuple[OddFile, ...]
    damaged: tuple[OddFile, ...]


class _File(NamedTuple):
    row: int
    path: str
    size: int
    mtime_ns: int
    checksum: bytes | None
    damaged: int
    words: str
    attributes: str


def odd_files(database: "Database", root: str, *, damaged: bool) -> Iterator[OddFile]:
    """Yield files that are damaged, or those that are not DICOM."""
    condition = "words <> '' AND damaged = 1" if damaged else "damaged = 0 AND entity IS NULL"
    for each in _files(database, root, f"{condition} AND words <> ''"):
        yield OddFile(each.path, each.words)


def shared_uids(database: "Database", root: str) -> Iterator[Shared]:
    """Yield the SOP Instance UIDs that are in several files, reading data sets if necessary."""
    sql = (
        "SELECT SOPInstanceUID FROM file WHERE entity IS NOT NULL AND SOPInstanceUID > ?"
        " AND SOPInstanceUID <> '' GROUP BY SOPInstanceUID HAVING COUNT(*) > 1"
        f" ORDER BY SOPInstanceUID LIMIT {_SOME}"
    )
    last = -(2**63) - 1.0
    while True:
        with database.reading() as connection:
            some = [number for (number,) in connection.execute(sql, (last,))]
        for number in some:
            yield from _shared(database, root, number)
        if len(some) < _SOME:
            return
        last = some[-1]


def verify(
    database: "Database", root: str, progress: Callable[[int], object] | None = None
) -> Verified:
    """Read all files completely, and store the checksums of their data sets."""
    changed: list[OddFile] = []
    damaged: list[OddFile] = []
    count = 0
    files = _files(database, root, "entity IS NOT NULL")
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)), "dcm-verify") as threads:
        while some := [each for _, each in zip(range(_SOME), files, strict=False)]:
            read = list(threads.map(_read, some))
            for each, (checksum, words) in zip(some, read, strict=True):
                count += 1
                if words:
                    damaged.append(OddFile(each.path, words))
                if each.checksum and checksum and each.checksum != checksum:
                    what = "its data set has changed, although size and modification time have not"
                    changed.append(OddFile(each.path, what))
            _keep(database, zip(some, read, strict=True))
            if progress is not None:
                progress(count)
    return Verified(count, tuple(changed), tuple(damaged))


def checksum_of(path: str) -> bytes:
    """Return the SHA-256 digest of a file's encoded data set. Raises `OSError` and `NotDicom`."""
    offset = scan(path, ()).data_set_offset
    digest, block = hashlib.sha256(), bytearray(_BLOCK)
    view = memoryview(block)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.lseek(descriptor, offset, os.SEEK_SET)
        while count := os.readv(descriptor, [block]):
            digest.update(view[:count])
    finally:
        os.close(descriptor)
    return digest.digest()


def _read(file: _File) -> tuple[bytes | None, str]:
    """Return the checksum of a file, and what is wrong with it."""
    try:
        status = os.stat(file.path)
        if status.st_size != file.size or file.mtime_ns not in (status.st_mtime_ns, AGAIN):
            return None, ""  # the next comparison scans it
        checksum = checksum_of(file.path)
        header = scan(file.path, ())
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            end = os.fstat(descriptor).st_size
            source = FileSource(descriptor)
            checked(source, header.data_set_offset, end, header.transfer_syntax_uid)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return None, ""
    except NotWhole as error:
        return checksum, str(error)
    except NotDicom as error:
        return None, error.reason
    except OSError as error:
        return None, error.strerror or str(error)
    return checksum, ""


def _keep(database: "Database", read: Iterable[tuple[_File, tuple[bytes | None, str]]]) -> None:
    """Store new checksums and damage; a checksum that no longer matches is kept as evidence."""
    sql = (
        "UPDATE file SET checksum = COALESCE(checksum, ?), damaged = ?, words = ?"
        " WHERE id = ? AND size = ? AND mtime_ns = ?"
    )
    rows = [
        (
            checksum,
            int(bool(words)),
            words or ("" if each.damaged else each.words),
            *(each.row, each.size, each.mtime_ns),
        )
        for each, (checksum, words) in read
        if checksum != each.checksum or bool(words) != bool(each.damaged)
    ]
    if rows:
        with database.writing() as connection:
            connection.executemany(sql, rows)


def _shared(database: "Database", root: str, number: int) -> Iterator[Shared]:
    by_uid: dict[str, list[_File]] = {}
    for each in _files(database, root, "SOPInstanceUID = ? AND entity IS NOT NULL", number):
        uid = str(json.loads(each.attributes)[0]).strip(" \0")
        by_uid.setdefault(uid, []).append(each)
    for uid, files in by_uid.items():
        groups: dict[bytes, list[str]] = {}
        read = []
        for each in files:
            checksum = each.checksum
            if checksum is None:
                checksum, words = _read(each)
                read.append((each, (checksum, words)))
            groups.setdefault(checksum or os.fsencode(each.path), []).append(each.path)
        _keep(database, read)
        if len(files) > 1:
            yield Shared(uid, tuple(tuple(sorted(paths)) for paths in groups.values()))


def _files(database: "Database", root: str, condition: str, *values: object) -> Iterator[_File]:
    """Yield files in batches; no statement is left open between them."""
    sql = f"{_ROWS} WHERE {condition} AND file.id > ? ORDER BY file.id LIMIT {_SOME}"
    last = 0
    while True:
        with database.reading() as connection:
            some = connection.execute(sql, (*values, last)).fetchall()
        for row, folder, name, *others in some:
            path = os.path.join(root, os.fsdecode(folder), os.fsdecode(name))
            yield _File(row, path, *others)
        if len(some) < _SOME:
            return
        last = some[-1][0]
