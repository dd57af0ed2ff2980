"""A local index of the DICOM files in a folder, in an SQLite file next to them.

    with Index("/data/studies") as index:
        index.update()
        for study in index.find({"PatientName": "Mul*", "StudyDescription": ""}, Level.STUDY):
            ...

It answers queries like an archive (PS3.4 C.2.2). Any number of threads and processes may use it at
the same time. It contains only copies of data: a lost or damaged index is recreated.
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
"""The name of an index in the folder that it describes."""
_TOGETHER: Final = 3000
"""The number of files in one transaction."""


class Updated(NamedTuple):
    """The result of comparing a folder with its index.

    files: the number in the folder. scanned: those that are new or have changed. removed: those
    that are gone.
    unreadable: folders that could not be read, with the reason.
    """

    files: int
    scanned: int
    removed: int
    unreadable: tuple[tuple[str, str], ...] = ()


class Summary(NamedTuple):
    """The contents of an index. damaged: the number of damaged files, including known instances."""

    patients: int
    studies: int
    series: int
    instances: int
    not_dicom: int
    damaged: int


class Index:
    """The index of a folder, or of entries that are added one by one.

    path: the folder. file: the SQLite file, by default `.dcm-index.sqlite` in the folder; if empty,
    the index is in memory and lost when closed, as for a folder that is not writable.
    recurse: whether to include subfolders. extension: the extension of files to include, in upper
    or lower case; empty for all files.
    remarks: oddities of the file.
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
        """Return the database, in memory if the default file cannot be written."""
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
        """Write pending data, and close the file."""
        self._writer.close()
        self._database.close()

    def update(self, progress: Callable[[int], object] | None = None) -> Updated:
        """Compare the folder with the index, and scan new and changed files.

        A file counts as unchanged if its size and modification time are unchanged. `progress` is
        called with the number of files scanned so far.
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

        An entity matches if one of its instances does; the answer has the values of that instance.
        Entities with an empty unique key, at this level or at one between it and the patient, are
        left out.
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

        All files with the same SOP Instance UID are yielded.
        """
        self._writer.flush()
        asked = Asked.of(query, Level.IMAGE)
        with self._database.reading() as connection:
            for each in matching(connection, self.path, asked, Level.IMAGE, None):
                yield each.found()

    def files(self, sop_instance_uid: str) -> list[str]:
        """Return the paths of all files with a SOP Instance UID, including pending ones."""
        found = {
            os.fsdecode(b"/".join(filter(None, key))): None
            for key in self._writer.files(sop_instance_uid)
        }
        for key in self._database.rows(FILES_OF_UID, uid_values(sop_instance_uid)):
            found[os.fsdecode(b"/".join(filter(None, key)))] = None
        return [f"{self.path}/{each}" for each in found]

    def add(self, file: str, header: Header | None = None, checksum: bytes | None = None) -> None:
        """Add a file of the folder that was just stored, or that has changed.

        header: with the elements `dcm.store.index_rows.WANTED`; by default, it is read. checksum:
        the SHA-256 digest of the data set. A thread writes it together with others; all methods see
        it immediately. Raises `OSError` and `dcm.data.header.NotDicom`.
        """
        status = os.stat(file)
        folder, name = self._key(file)
        found = scan(file, WANTED) if header is None else header
        entry = Entry(name, status.st_size, status.st_mtime_ns)
        if found.sop_instance_uid and found.sop_class_uid:
            rows = rows_of(folder_number(folder), entry, found, checksum)
            self._writer.put((folder, name), Addition(found.sop_instance_uid, rows))

    def remove(self, file: str) -> None:
        """Remove a file of the folder from the index."""
        self._writer.put(self._key(file), None)

    def summary(self) -> Summary:
        """Count the contents of the index."""
        self._writer.flush()
        return Summary(*self._database.rows(SUMMARY, ())[0])

    def odd_files(self, *, damaged: bool) -> Iterator[OddFile]:
        """Yield the files known to be damaged, or those that are not DICOM."""
        return odd_files(self._database, self.path, damaged=damaged)

    def shared_uids(self) -> Iterator[Shared]:
        """Yield the SOP Instance UIDs that are in several files: duplicates and conflicts.

        The data sets of these files are read, unless their checksums are known.
        """
        self._writer.flush()
        return shared_uids(self._database, self.path)

    def verify(self, progress: Callable[[int], object] | None = None) -> Verified:
        """Read all indexed files completely, and compare the checksums of their data sets.

        `progress` is called with the number of files read so far.
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
        """Add instances by name relative to the path, size, modification time in ns, and header."""
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
