"""The files of a folder and its subfolders, compared with the contents of an index."""

import os
import stat
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final

from dcm.store.index_rows import Entry
from dcm.store.index_scan import folder_number

if TYPE_CHECKING:
    from dcm.store.index_database import Database

_SOME: Final = 1000
_GONE: Final = (FileNotFoundError, NotADirectoryError)


class Comparison:
    """One comparison of a folder with its index, with counts.

    unreadable: folders that could not be read, with the reason; their files stay in the index.
    """

    def __init__(
        self,
        root: bytes,
        database: "Database",
        index_file: bytes,
        *,
        recurse: bool = True,
        extension: str = "",
    ) -> None:
        self._root: Final = root
        self._database: Final = database
        self._index_file: Final = index_file
        self._recurse: Final = recurse
        self._suffix: Final = os.fsencode(f".{extension.lstrip('.').lower()}") if extension else b""
        self.files = self.removed = 0
        self.unreadable: Final[list[tuple[bytes, str]]] = []

    def changed(self) -> Iterator[tuple[bytes, Entry]]:
        """Yield new and changed files, and remove from the index those that are gone."""
        with self._database.writing() as connection:
            connection.execute("CREATE TEMP TABLE IF NOT EXISTS seen (folder INTEGER PRIMARY KEY)")
            connection.execute("DELETE FROM seen")
        visited: list[tuple[int]] = []
        for folder in self._folders():
            yield from self._changed_in(*folder)
            visited.append((folder_number(folder[0]),))
            if len(visited) == _SOME:
                self._remember(visited)
                visited.clear()
        self._remember(visited)
        self._remove_folders()

    def _folders(self) -> Iterator[tuple[bytes, Iterator[os.DirEntry[bytes]]]]:
        """Yield each folder once, with its entries, even if links lead to it again."""
        seen: set[tuple[int, int]] = set()
        self._waiting: list[bytes] = [b""]
        while self._waiting:
            folder = self._waiting.pop()
            path = os.path.join(self._root, folder)
            try:
                status = os.stat(path)
                place = status.st_dev, status.st_ino
                if place in seen:
                    continue
                seen.add(place)
                with os.scandir(path) as entries:
                    yield folder, entries
            except OSError as error:
                self.unreadable.append((path, error.strerror or str(error)))

    def _changed_in(
        self, folder: bytes, entries: Iterator[os.DirEntry[bytes]]
    ) -> Iterator[tuple[bytes, Entry]]:
        number = folder_number(folder)
        known_before = self._count(number)
        found = 0
        folders: list[bytes] = []
        files = self._files(folder, entries, folders)
        while some := list(islice(files, _SOME)):
            self.files += len(some)
            known = self._known(number, some) if known_before else {}
            found += len(known)
            yield from (
                (folder, each)
                for each in some
                if known.get(each.name) != (each.size, each.mtime_ns)
            )
        self._waiting += sorted(folders, reverse=True)
        if found < known_before:
            self._remove_files(number, folder)

    def _files(
        self, folder: bytes, entries: Iterator[os.DirEntry[bytes]], folders: list[bytes]
    ) -> Iterator[Entry]:
        for entry in entries:
            try:
                status = entry.stat()
            except OSError:  # deleted, or a broken link
                continue
            if stat.S_ISDIR(status.st_mode):
                if self._recurse:
                    folders.append(os.path.join(folder, entry.name))
            elif stat.S_ISREG(status.st_mode) and not self._is_left_out(entry.name):
                yield Entry(entry.name, status.st_size, status.st_mtime_ns)

    def _is_left_out(self, name: bytes) -> bool:
        """Return whether to skip a file: the index, or a file being written (`dcm.part_file`)."""
        if self._suffix and not name.lower().endswith(self._suffix):
            return True
        return name.startswith(self._index_file) or (
            name.startswith(b".") and name.endswith(b".part")
        )

    def _count(self, number: int) -> int:
        with self._database.reading() as connection:
            sql = "SELECT COUNT(*) FROM file WHERE folder = ?"
            (count,) = connection.execute(sql, (number,)).fetchone()
        return int(count)

    def _known(self, number: int, some: list[Entry]) -> dict[bytes, tuple[int, int]]:
        names = [each.name for each in some]
        sql = (
            "SELECT name, size, mtime_ns FROM file WHERE folder = ?"
            f" AND name IN ({'?,' * (len(names) - 1)}?)"
        )
        with self._database.reading() as connection:
            rows = connection.execute(sql, (number, *names))
            return {name: (size, mtime_ns) for name, size, mtime_ns in rows}

    def _remember(self, visited: list[tuple[int]]) -> None:
        with self._database.writing() as connection:
            connection.executemany("INSERT OR IGNORE INTO seen VALUES (?)", visited)

    def _remove_folders(self) -> None:
        """Remove the contents of folders that no longer exist from the index."""
        sql = "SELECT id, path FROM folder WHERE id > ? AND id NOT IN seen ORDER BY id LIMIT 1000"
        last = -(2**63)
        while True:
            with self._database.writing() as connection:
                some = connection.execute(sql, (last,)).fetchall()
            if not some:
                return
            for number, folder in some:
                self._remove_files(number, folder)
                last = number

    def _remove_files(self, number: int, folder: bytes) -> None:
        """Remove deleted files of a folder from the index."""
        sql = "SELECT id, name FROM file WHERE folder = ? AND name > ? ORDER BY name LIMIT 1000"
        last = b""
        while True:
            # No other process writes during this transaction: a file that reappears is added
            # afterwards.
            with self._database.writing() as connection:
                some = connection.execute(sql, (number, last)).fetchall()
                gone = [
                    (row,) for row, name in some if _is_gone(os.path.join(self._root, folder, name))
                ]
                connection.executemany("DELETE FROM file WHERE id = ?", gone)
                self.removed += len(gone)
                if not some:
                    connection.execute(
                        "DELETE FROM folder WHERE id = ?1"
                        " AND NOT EXISTS (SELECT 1 FROM file WHERE folder = ?1)",
                        (number,),
                    )
                    return
            last = some[-1][1]


def _is_gone(path: bytes) -> bool:
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except _GONE:
        return True
    except OSError:
        return False
