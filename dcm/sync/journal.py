"""Records what was delivered to places that cannot be queried, so a killed sync can resume.

    with Journal("sync.sqlite") as journal:
        journal.delivered("pacs:PACS:104", "1.2.3")

Places that answer queries need no journal. Deliveries that were not yet written when the process
was killed are repeated, never lost.
"""

import contextlib
import os
import time
from collections.abc import Collection
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from dcm.errors import DcmError

if TYPE_CHECKING:
    from sqlite3 import Connection

_WRITTEN: Final = 500
"""The number of entries that are written together."""
_SECONDS: Final = 0.5
"""The longest time in seconds that an entry waits while others are added."""
_ASKED: Final = 500
_TABLES: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS place (number INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS delivered (place INTEGER, uid TEXT, PRIMARY KEY (place, uid)) WITHOUT ROWID;
"""


class UnusableJournal(DcmError):  # noqa: N818 - reads as the sentence it is
    """A journal cannot be read or written."""


class Journal:
    """A record of what was delivered to each place, by SOP Instance UID. Raises `UnusableJournal`.

    The file and its folder are created when there is something to record.
    """

    def __init__(self, path: str) -> None:
        self.path: Final = path
        self._waiting: Final[list[tuple[int, str]]] = []
        self._written = time.monotonic()
        self._places: Final[dict[str, int]] = {}

    @cached_property
    def _database(self) -> "Connection":
        import sqlite3  # noqa: PLC0415 - mostly there is nothing to remember

        try:
            os.makedirs(os.path.dirname(self.path) or ".", exist_ok=True)
            found = sqlite3.connect(self.path, isolation_level=None, timeout=10)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        try:
            found.executescript(_TABLES)
        except sqlite3.Error as error:
            found.close()
            raise self._unusable(error) from error
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if "_database" in self.__dict__:
            try:
                self.write()
            finally:
                self._database.close()

    def forget(self) -> None:
        """Remove the file when everything is done: the next sync delivers everything again."""
        if "_database" in self.__dict__:
            self._waiting.clear()
            self._places.clear()
            self._database.close()
            del self._database
        for name in (self.path, f"{self.path}-wal", f"{self.path}-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def delivered(self, place: str, sop_instance_uid: str) -> None:
        """Record that a place has an instance."""
        self._waiting.append((self._number(place), sop_instance_uid))
        if len(self._waiting) >= _WRITTEN or time.monotonic() - self._written > _SECONDS:
            self.write()

    def has(self, place: str, sop_instance_uids: Collection[str]) -> set[str]:
        """Return those instances that were delivered to a place."""
        self.write()
        number, found, uids = self._number(place), set[str](), [*sop_instance_uids]
        for begin in range(0, len(uids), _ASKED):
            some = uids[begin : begin + _ASKED]
            marks = ",".join("?" * len(some))
            query = f"SELECT uid FROM delivered WHERE place = ? AND uid IN ({marks})"  # noqa: S608
            found |= {str(uid) for (uid,) in self._execute(query, (number, *some))}
        return found

    def write(self) -> None:
        """Write pending entries."""
        if self._waiting:
            self._execute("BEGIN")
            self._execute("INSERT OR IGNORE INTO delivered VALUES (?, ?)", *self._waiting)
            self._execute("COMMIT")
            self._waiting.clear()
        self._written = time.monotonic()

    def _number(self, place: str) -> int:
        if place not in self._places:
            self._execute("INSERT OR IGNORE INTO place (name) VALUES (?)", (place,))
            [row] = self._execute("SELECT number FROM place WHERE name = ?", (place,))
            self._places[place] = int(row[0])
        return self._places[place]

    def _execute(self, query: str, *values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        """Execute a statement, once for each tuple of values; return the rows of a single one."""
        database = self._database
        import sqlite3  # noqa: PLC0415 - as above

        try:
            if len(values) > 1:
                return database.executemany(query, values).fetchall()
            return database.execute(query, *values).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> UnusableJournal:
        return UnusableJournal(f"the journal {self.path} cannot be used: {error}")
