"""The queue of a spool: which objects there are, and which of them still has to go where (SQLite).

A file of SQLite with a write-ahead log: what was committed survives the end of the process, however it ends.
All methods are quick, and run in the thread that has opened it; other processes may read, and add objects.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Final, NamedTuple, Self

from dcm.errors import DcmError

_PAGES: Final = 8000
"""Pages of the write-ahead log that are gathered before they are moved to the database, which is flushed."""
_REMEMBERED: Final = 50_000
"""Deliveries that are remembered, to say so when the same is to be delivered once more."""
_PRUNED: Final = 1000
_BUSY: Final = 10.0
"""Seconds to wait for another process that writes."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY, file TEXT NOT NULL, uid TEXT NOT NULL, sop_class TEXT NOT NULL,
    syntax TEXT NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL, received REAL NOT NULL,
    calling TEXT NOT NULL, called TEXT NOT NULL, remote TEXT NOT NULL, left INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS objects_by_uid ON objects (uid);
CREATE TABLE IF NOT EXISTS deliveries (
    destination TEXT NOT NULL, object INTEGER NOT NULL, doubt INTEGER NOT NULL,
    PRIMARY KEY (destination, object)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (n INTEGER PRIMARY KEY, uid TEXT NOT NULL, destination TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS history_by_uid ON history (uid);
CREATE TABLE IF NOT EXISTS decisions (
    route TEXT NOT NULL, entity TEXT NOT NULL, destinations TEXT NOT NULL, made REAL NOT NULL,
    PRIMARY KEY (route, entity)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trouble (destination TEXT PRIMARY KEY, words TEXT NOT NULL, since REAL NOT NULL);
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_VERSION: Final = "1"
_COLUMNS: Final = (
    "id, file, uid, sop_class, syntax, offset, size, received, calling, called, remote"
)


class SpoolError(DcmError):
    """A spool that cannot be used."""


class Doubt(IntEnum):
    """Whether an object may have been delivered before.

    ASK: it was handed over, and the answer is not known. AGAIN: it was delivered, and has come once more.
    """

    NONE = 0
    ASK = 1
    AGAIN = 2


class Entry(NamedTuple):
    """An object in the spool: its file, what it is, and from whom it came.

    offset: where its data set begins. size: of the file, in bytes. received: when it came (POSIX time).
    """

    id: int
    file: str
    uid: str
    sop_class: str
    syntax: str
    offset: int
    size: int
    received: float
    calling: str
    called: str
    remote: str


class Waiting(NamedTuple):
    """What waits for a destination: how many objects, of how many bytes, and since when."""

    objects: int
    size: int
    oldest: float


class Queue:
    """The queue in a file; its block has it open. read_only: only look at it."""

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self.path: Final = path
        mode = "ro" if read_only else "rwc"
        quoted = path.replace("?", "%3f").replace("#", "%23")
        try:
            self._db: Final = sqlite3.connect(
                f"file:{quoted}?mode={mode}", uri=True, isolation_level=None, timeout=_BUSY,
                check_same_thread=False,
            )  # fmt: skip
            if not read_only:
                self._prepare()
            [(version,)] = self._db.execute("SELECT value FROM about WHERE key = 'version'")
        except (sqlite3.Error, ValueError) as error:
            raise SpoolError(f"the queue {path} cannot be used: {error}") from error
        if version != _VERSION:
            raise SpoolError(f"the queue {path} is of version {version}, and not {_VERSION}")
        self._since_pruned = 0

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA wal_autocheckpoint = {_PAGES}")
        self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        self._db.execute("INSERT OR IGNORE INTO about VALUES ('version', ?)", (_VERSION,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self._db.close()

    @property
    def log(self) -> str:
        """The file of the write-ahead log, which holds what was committed."""
        return f"{self.path}-wal"

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all that the block does, or nothing. Raises `sqlite3.Error`."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def began(self, boot: str) -> None:
        """Note that it is in use since this boot of the system.

        After a power failure the last commits may be missing: all that is there may have been delivered.
        """
        with self.transaction():
            found = dict(self._db.execute("SELECT key, value FROM about"))
            if found.get("boot", "") not in ("", boot):
                self._db.execute("UPDATE deliveries SET doubt = 1 WHERE doubt = 0")
            self._about("boot", boot)

    def ended(self) -> None:
        """Note that it is not in use, and that nothing is missing."""
        self._about("boot", "")

    def _about(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, value))

    # Objects.

    def add(self, entry: Entry, destinations: Sequence[str]) -> int:
        """Add an object for some destinations; return its number. Raises `sqlite3.Error`."""
        with self.transaction():
            self._db.execute(
                f"INSERT INTO objects ({_COLUMNS}, left) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                (None, *entry[1:], len(destinations)),
            )
            [(number,)] = self._db.execute("SELECT last_insert_rowid()")
            for name in destinations:
                self._deliver(name, number, entry.uid)
        return int(number)

    def also(self, entry: Entry, destinations: Iterable[str]) -> list[str]:
        """Add destinations to an object that is there; return those for which it does not wait already."""
        added = []
        with self.transaction():
            for name in destinations:
                waits = self._db.execute(
                    "SELECT 1 FROM deliveries WHERE destination = ? AND object = ?",
                    (name, entry.id),
                ).fetchone()
                if not waits:
                    self._deliver(name, entry.id, entry.uid)
                    added.append(name)
            self._db.execute(
                "UPDATE objects SET left = left + ? WHERE id = ?", (len(added), entry.id)
            )
        return added

    def _deliver(self, destination: str, number: int, uid: str) -> None:
        before = self._db.execute(
            "SELECT 1 FROM history WHERE uid = ? AND destination = ?", (uid, destination)
        ).fetchone()
        doubt = Doubt.AGAIN if before else Doubt.NONE
        self._db.execute("INSERT INTO deliveries VALUES (?, ?, ?)", (destination, number, doubt))

    def with_uid(self, uid: str) -> list[Entry]:
        """Return the objects that are there under a SOP Instance UID, the latest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM objects WHERE uid = ? ORDER BY id DESC", (uid,)
        )
        return [Entry(*row) for row in rows]

    def files(self) -> set[str]:
        """Return the names of all files that objects have."""
        return {file for (file,) in self._db.execute("SELECT file FROM objects")}

    # Deliveries.

    def next(self, destination: str, limit: int, after: int = 0) -> list[tuple[Entry, Doubt]]:
        """Return what waits longest for a destination, in the order in which it came."""
        columns = ", ".join(f"objects.{each.strip()}" for each in _COLUMNS.split(","))
        rows = self._db.execute(
            f"SELECT {columns}, doubt FROM deliveries JOIN objects ON objects.id = deliveries.object"
            " WHERE destination = ? AND object > ? ORDER BY object LIMIT ?",
            (destination, after, limit),
        )
        return [(Entry(*row[:-1]), Doubt(row[-1])) for row in rows]

    def handed_over(self, destination: str, numbers: Iterable[int]) -> None:
        """Note that objects are handed over now: until they are settled, they may have been delivered."""
        with self.transaction():
            self._hand_over(destination, numbers)

    def _hand_over(self, destination: str, numbers: Iterable[int]) -> None:
        self._db.executemany(
            "UPDATE deliveries SET doubt = 1 WHERE destination = ? AND object = ? AND doubt = 0",
            [(destination, number) for number in numbers],
        )

    def not_delivered(self, destination: str, number: int) -> None:
        """Note that an object that was handed over was certainly not delivered."""
        self._db.execute(
            "UPDATE deliveries SET doubt = 0 WHERE destination = ? AND object = ? AND doubt = 1",
            (destination, number),
        )

    def settle(
        self, destination: str, done: Sequence[Entry], *, delivered: bool, begun: Iterable[int] = ()
    ) -> list[str]:
        """Take objects off the list of a destination; return the files that nobody waits for any more.

        delivered: whether they were delivered. begun: objects that are handed over at the same time.
        """
        free = []
        with self.transaction():
            for each in done:
                gone = self._db.execute(
                    "DELETE FROM deliveries WHERE destination = ? AND object = ?",
                    (destination, each.id),
                )
                if not gone.rowcount:
                    continue
                last = self._db.execute("DELETE FROM objects WHERE id = ? AND left = 1", (each.id,))
                if last.rowcount:
                    free.append(each.file)
                else:
                    self._db.execute("UPDATE objects SET left = left - 1 WHERE id = ?", (each.id,))
                if delivered:
                    self._db.execute(
                        "INSERT INTO history VALUES (NULL, ?, ?)", (each.uid, destination)
                    )
            if begun:
                self._hand_over(destination, begun)
            self._since_pruned += len(done)
            if self._since_pruned >= _PRUNED:
                self._since_pruned = 0
                self._db.execute(
                    "DELETE FROM history WHERE n <= (SELECT MAX(n) FROM history) - ?",
                    (_REMEMBERED,),
                )
        return free

    def waiting(self) -> dict[str, Waiting]:
        """Return what waits for each destination."""
        rows = self._db.execute(
            "SELECT destination, COUNT(*), SUM(size), MIN(received) FROM deliveries"
            " JOIN objects ON objects.id = deliveries.object GROUP BY destination"
        )
        return {name: Waiting(*more) for name, *more in rows}

    def destinations(self) -> list[str]:
        """Return the destinations for which something waits."""
        return [name for (name,) in self._db.execute("SELECT DISTINCT destination FROM deliveries")]

    # What is remembered.

    def trouble(self, destination: str, words: str) -> None:
        """Note what is wrong with a destination; an empty text: nothing."""
        with contextlib.suppress(sqlite3.Error):  # it is only for people
            if words:
                self._db.execute(
                    "INSERT INTO trouble VALUES (?, ?, ?) ON CONFLICT (destination)"
                    " DO UPDATE SET words = excluded.words",
                    (destination, words, time.time()),
                )
            else:
                self._db.execute("DELETE FROM trouble WHERE destination = ?", (destination,))

    def troubles(self) -> dict[str, tuple[str, float]]:
        """Return what is wrong with destinations, and since when (POSIX time)."""
        rows = self._db.execute("SELECT destination, words, since FROM trouble")
        return {name: (words, since) for name, words, since in rows}

    def decision(self, route: str, entity: str) -> list[str] | None:
        """Return the destinations that a route has chosen for an entity; None: it has not."""
        found = self._db.execute(
            "SELECT destinations FROM decisions WHERE route = ? AND entity = ?", (route, entity)
        ).fetchone()
        return None if found is None else [each for each in found[0].split("\n") if each]

    def decide(self, route: str, entity: str, destinations: Iterable[str]) -> None:
        """Remember the destinations that a route has chosen for an entity."""
        self._db.execute(
            "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?)",
            (route, entity, "\n".join(destinations), time.time()),
        )

    def forget_decisions(self, before: float) -> None:
        """Forget decisions that were made before a time."""
        self._db.execute("DELETE FROM decisions WHERE made < ?", (before,))


def exists(folder: str) -> bool:
    """Return whether a folder has a queue."""
    return os.path.isfile(queue_path(folder))


def queue_path(folder: str) -> str:
    """Return where the queue of a spool is."""
    return os.path.join(folder, "queue.sqlite")
