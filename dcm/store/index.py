"""A local index: what the DICOM files of a folder hold, in an SQLite file beside them.

    with Index("/data/studies") as index:
        index.update()
        for study in index.find({"PatientName": "Mul*", "StudyDescription": ""}, Level.STUDY):
            ...

It answers queries as an archive does (PS3.4 C.2.2). Any number of threads and processes may use it at the
same time. Nothing in it is the only copy of anything: an index that is lost or damaged is made anew.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple, Self

from dcm.data.header import Header, scan
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.store.catalogue import Found
from dcm.store.index_database import Database, UnusableIndex
from dcm.store.index_folder import Comparison
from dcm.store.index_problems import (
    SUMMARY,
    OddFile,
    Shared,
    Verified,
    odd_files,
    shared_uids,
    verify,
)
from dcm.store.index_query import FILES_OF_UID, Asked, answer, matching, page, uid_values
from dcm.store.index_rows import WANTED, Entry, Rows, rows_of
from dcm.store.index_scan import Scanned, folder_number, scanned
from dcm.store.index_tables import write
from dcm.store.index_writer import Addition, IndexWriter, Key

FILE: Final = ".dcm-index.sqlite"
"""The name of an index in the folder that it is about."""
_TOGETHER: Final = 3000
"""Files in one transaction."""


class Updated(NamedTuple):
    """What a comparison of a folder with its index has met.

    files: in the folder. scanned: those that were new or not as they were. removed: those that were gone.
    unreadable: folders that could not be read, with the reason.
    """

    files: int
    scanned: int
    removed: int
    unreadable: tuple[tuple[str, str], ...] = ()


class Summary(NamedTuple):
    """How much an index knows. damaged: files with damage, also of instances that are found."""

    patients: int
    studies: int
    series: int
    instances: int
    not_dicom: int
    damaged: int


class Index:
    """The index of a folder, or of entries that are added to it one by one.

    path: the folder. file: the SQLite file, by default `.dcm-index.sqlite` in the folder; empty: the index is
    in memory, and gone when it is closed, as is that of a folder that cannot be written to.
    recurse: whether files in folders below it count. extension: the extension of the files that count, in
    upper or lower case; empty: all do.
    remarks: what was odd about the file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        file: str | os.PathLike[str] | None = None,
        *,
        recurse: bool = True,
        extension: str = "",
    ) -> None:
        self.path: Final = os.path.abspath(os.fspath(path))
        self.file: Final = f"{self.path}/{FILE}" if file is None else os.fspath(file)
        self._database: Final = self._opened(given=file is not None)
        self._writer: Final = IndexWriter(self._database)
        self._recurse: Final = recurse
        self._extension: Final = extension
        self._updating: Final = threading.Lock()
        self.remarks: Final = self._database.remarks

    def _opened(self, *, given: bool) -> Database:
        """Return the database; in memory if none can be written where it is kept by default."""
        try:
            return Database(self.file)
        except UnusableIndex as error:
            if given or error.damaged:
                raise
            database = Database("")
            database.remarks.append(f"{error}; the index is kept in memory")
            return database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._writer.close()
        self._database.close()

    def update(self, progress: Callable[[int], object] | None = None) -> Updated:
        """Compare the folder with the index, and scan the files that are new or not as they were.

        A file is taken for unchanged if its size and its time of modification are. `progress` is called with
        the number of files that were scanned so far.
        """
        with self._updating:
            self._writer.flush()
            if self._database.damaged:
                self._database.rebuild()
            try:
                return self._update(progress)
            except UnusableIndex as error:
                if not error.damaged:
                    raise
            self._database.rebuild()
            return self._update(progress)

    def _update(self, progress: Callable[[int], object] | None) -> Updated:
        own = os.fsencode(os.path.basename(self.file or FILE))
        root = os.fsencode(self.path)
        comparison = Comparison(
            root, self._database, own, recurse=self._recurse, extension=self._extension
        )
        count, waiting, some = 0, list[Scanned](), 0
        for each in scanned(root, comparison.changed()):
            waiting.append(each)
            some += each.files
            count += each.files
            if some >= _TOGETHER:
                self._write(waiting)
                waiting, some = [], 0
            if progress is not None:
                progress(count)
        self._write(waiting)
        unreadable = [(os.fsdecode(path), words) for path, words in comparison.unreadable]
        return Updated(comparison.files, count, comparison.removed, tuple(unreadable))

    def find(
        self, query: Attributes, level: Level, *, limit: int | None = None, offset: int = 0
    ) -> Iterator[Attributes]:
        """Yield the answers to a query; see `dcm.store.catalogue.Catalogue`.

        An entity matches if one of its instances does, and is answered with the values of that one. One whose
        unique key is empty, at this level or at one between it and the patient, is left out.
        """
        self._writer.flush()
        asked = Asked.of(query, level)
        with self._database.reading() as connection:
            for each in page(connection, self.path, asked, limit, offset):
                yield answer(asked, each)

    def count(self, query: Attributes, level: Level) -> int:
        """Return how many entities match."""
        self._writer.flush()
        asked = Asked.of(query, level)
        with self._database.reading() as connection:
            return sum(1 for _ in matching(connection, self.path, asked, asked.deepest, level))

    def instances(self, query: Attributes) -> Iterator[Found]:
        """Yield the instances that match keys of any level, in the order of their entities.

        Of several files with one SOP Instance UID each is yielded.
        """
        self._writer.flush()
        asked = Asked.of(query, Level.IMAGE)
        with self._database.reading() as connection:
            for each in matching(connection, self.path, asked, Level.IMAGE, None):
                yield each.found()

    def files(self, sop_instance_uid: str) -> list[str]:
        """Return the paths of all files with a SOP Instance UID, also of those that were just added."""
        found = {
            os.fsdecode(b"/".join(filter(None, key))): None
            for key in self._writer.files(sop_instance_uid)
        }
        for key in self._database.rows(FILES_OF_UID, uid_values(sop_instance_uid)):
            found[os.fsdecode(b"/".join(filter(None, key)))] = None
        return [f"{self.path}/{each}" for each in found]

    def add(self, file: str, header: Header | None = None, checksum: bytes | None = None) -> None:
        """Add a file of the folder that was just stored, or that has changed.

        header: with the elements `dcm.store.index_rows.WANTED`, else it is read. checksum: the SHA-256 digest
        of the data set. It is written by a thread, together with others; all methods know of it at once.
        Raises `OSError` and `dcm.data.header.NotDicom`.
        """
        status = os.stat(file)
        folder, name = self._key(file)
        found = scan(file, WANTED) if header is None else header
        entry = Entry(name, status.st_size, status.st_mtime_ns)
        if found.sop_instance_uid and found.sop_class_uid:
            rows = rows_of(folder_number(folder), entry, found, checksum)
            self._writer.put((folder, name), Addition(found.sop_instance_uid, rows))

    def remove(self, file: str) -> None:
        """Forget a file of the folder."""
        self._writer.put(self._key(file), None)

    def summary(self) -> Summary:
        """Count what the index knows."""
        self._writer.flush()
        return Summary(*self._database.rows(SUMMARY, ())[0])

    def odd_files(self, *, damaged: bool) -> Iterator[OddFile]:
        """Yield the files that are damaged, or those that are not DICOM, as far as that was seen."""
        return odd_files(self._database, self.path, damaged=damaged)

    def shared_uids(self) -> Iterator[Shared]:
        """Yield what has one SOP Instance UID in several files: duplicates and conflicts.

        The data sets of these are read, unless they were before.
        """
        self._writer.flush()
        return shared_uids(self._database, self.path)

    def verify(self, progress: Callable[[int], object] | None = None) -> Verified:
        """Read all files that the index knows to their end, and compare the checksums of their data sets.

        `progress` is called with the number of files that were read so far.
        """
        self._writer.flush()
        return verify(self._database, self.path, progress)

    def _key(self, file: str) -> Key:
        """Return folder and name relative to the path."""
        start = f"{self.path}/"
        if not file.startswith(start):
            file = os.path.abspath(file)
        folder, _, name = os.fsencode(file.removeprefix(start)).rpartition(b"/")
        return folder, name

    def add_entries(self, entries: Iterable[tuple[str, int, int, Header]]) -> None:
        """Add instances by name relative to the path, size, time of modification in ns, and header."""
        iterator = iter(entries)
        while some := list(islice(iterator, _TOGETHER)):
            rows, folders = Rows.none(), dict[bytes, None]()
            for path, size, mtime_ns, header in some:
                folder, _, name = os.fsencode(path).rpartition(b"/")
                folders[folder] = None
                entry = Entry(name, size, mtime_ns)
                rows.add(*rows_of(folder_number(folder), entry, header))
            self._write([Scanned(len(some), [*folders], rows)])

    def _write(self, some: Iterable[Scanned]) -> None:
        with self._database.writing() as connection:
            for each in some:
                write(connection, each)
