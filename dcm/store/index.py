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
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from dcm.data.header import Header
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.store.catalogue import Found
from dcm.store.index_database import Database
from dcm.store.index_folder import Comparison
from dcm.store.index_query import Asked, answer, matching
from dcm.store.index_rows import Entry, Rows
from dcm.store.index_scan import Scanned, folder_number, scanned
from dcm.store.index_schema import SEARCHED, TABLES

if TYPE_CHECKING:
    from sqlite3 import Connection

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


class Index:
    """The index of a folder, or of entries that are added to it one by one.

    path: the folder. file: the SQLite file, by default `.dcm-index.sqlite` in the folder; empty: the index is
    in memory, and gone when it is closed. remarks: what was odd about the file.
    """

    def __init__(
        self, path: str | os.PathLike[str], file: str | os.PathLike[str] | None = None
    ) -> None:
        self.path: Final = os.path.abspath(os.fspath(path))
        self.file: Final = f"{self.path}/{FILE}" if file is None else os.fspath(file)
        self._database: Final = Database(self.file)
        self._updating: Final = threading.Lock()
        self.remarks: Final = self._database.remarks

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, and close the file."""
        self._database.close()

    def update(self, progress: Callable[[int], object] | None = None) -> Updated:
        """Compare the folder with the index, and scan the files that are new or not as they were.

        A file is taken for unchanged if its size and its time of modification are. `progress` is called with
        the number of files that were scanned so far.
        """
        with self._updating:
            root = os.fsencode(self.path)
            comparison = Comparison(
                root, self._database, os.fsencode(os.path.basename(self.file or FILE))
            )
            count = 0
            waiting: list[Scanned] = []
            some = 0
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
        asked = Asked.of(query, level)
        with self._database.reading() as connection:
            found = matching(connection, self.path, asked, asked.deepest, level)
            for each in islice(found, offset, None if limit is None else offset + limit):
                yield answer(asked, each)

    def count(self, query: Attributes, level: Level) -> int:
        """Return how many entities match."""
        asked = Asked.of(query, level)
        with self._database.reading() as connection:
            return sum(1 for _ in matching(connection, self.path, asked, asked.deepest, level))

    def instances(self, query: Attributes) -> Iterator[Found]:
        """Yield the instances that match keys of any level, in the order of their entities.

        Of several files with one SOP Instance UID each is yielded.
        """
        asked = Asked.of(query, Level.IMAGE)
        with self._database.reading() as connection:
            for each in matching(connection, self.path, asked, Level.IMAGE, None):
                yield each.found()

    def add_entries(self, entries: Iterable[tuple[str, int, int, Header]]) -> None:
        """Add instances by name relative to the path, size, time of modification in ns, and header."""
        iterator = iter(entries)
        while some := list(islice(iterator, _TOGETHER)):
            rows, folders = Rows.none(), dict[bytes, None]()
            for path, size, mtime_ns, header in some:
                folder, _, name = os.fsencode(path).rpartition(b"/")
                folders[folder] = None
                rows.add(folder_number(folder), Entry(name, size, mtime_ns), header)
            self._write([Scanned(len(some), [*folders], rows)])

    def _write(self, some: Iterable[Scanned]) -> None:
        with self._database.writing() as connection:
            for each in some:
                write(connection, each)


def write(connection: "Connection", what: Scanned) -> None:
    """Write rows; those of files that were known before are replaced."""
    rows = what.rows
    known = [row[:2] for row in rows.files]
    connection.executemany("DELETE FROM file WHERE folder = ? AND name = ?", known)
    numbers = [(folder_number(folder), folder) for folder in what.folders]
    connection.executemany("INSERT OR IGNORE INTO folder VALUES (?, ?)", numbers)
    for level, above in enumerate(rows.above):
        marks = ",".join("?" * (4 + len(SEARCHED[level])))
        connection.executemany(f"INSERT OR IGNORE INTO {TABLES[level]} VALUES ({marks})", above)
    marks = ",".join("?" * (12 + len(SEARCHED[Level.IMAGE])))
    connection.executemany(f"INSERT INTO file VALUES (NULL,{marks})", rows.files)
