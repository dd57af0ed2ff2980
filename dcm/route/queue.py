"""The queue of a spool: its objects, and the destinations that still need them (SQLite).

An SQLite file with a write-ahead log: committed data survives the process, however it ends. All
methods are quick, and run in the thread that opened the queue; other processes may read, and add
objects.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Final, NamedTuple, Self
from urllib.parse import quote

from dcm.errors import DcmError

_PAGES: Final = 8000
"""The pages after which the write-ahead log is moved to the database, which is flushed."""
_REMEMBERED: Final = 50_000
"""The number of past deliveries kept to detect that the same object is delivered again."""
_PRUNED: Final = 1000
_BUSY: Final = 10.0
"""Seconds to wait for another process that is writing."""

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
    """An unusable spool."""


class Doubt(IntEnum):
    """Whether an object may have been delivered before.

    ASK: it was handed over, and the response is unknown. AGAIN: it was delivered, and then received
    again.
    """

    NONE = 0
    ASK = 1
    AGAIN = 2


class Entry(NamedTuple):
    """An object in the spool: its file, its identity, and its sender.

    offset: of its data set. size: of the file, in bytes. received: when it was received (POSIX
    time).
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
    """What is queued for a destination: the number of objects, their bytes, and the oldest time."""

    objects: int
    size: int
    oldest: float


class Queue:
    """The queue in a file; its block closes it. read_only: open it for reading only."""

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self.path: Final = path
        mode = "ro" if read_only else "rwc"
        quoted = quote(os.fsencode(path))
        try:
            self._db: Final = sqlite3.connect(
                f"file:{quoted}?mode={mode}", uri=True, isolation_level=None, timeout=_BUSY,
                check_same_thread=False,
            )  # fmt: skip
        except (sqlite3.Error, ValueError) as error:
            raise SpoolError(f"the queue {path} cannot be used: {error}") from error
        try:
            if not read_only:
                self._prepare()
            [(version,)] = self._db.execute("SELECT value FROM about WHERE key = 'version'")
        except (sqlite3.Error, ValueError) as error:
            self._db.close()
            raise SpoolError(f"the queue {path} cannot be used: {error}") from error
        if version != _VERSION:
            self._db.close()
            raise SpoolError(f"the queue {path} has version {version}, not {_VERSION}")
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
        """The file of the write-ahead log, which contains the committed data."""
        return f"{self.path}-wal"

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything that the block does, or nothing. Raises `sqlite3.Error`."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def began(self, boot: str) -> None:
        """Record that it is in use, and the current boot of the system.

        After a power failure the last commits may be missing, so all objects may have been
        delivered.
        """
        with self.transaction():
            found = dict(self._db.execute("SELECT key, value FROM about"))
            if found.get("boot", "") not in ("", boot):
                self._db.execute("UPDATE deliveries SET doubt = 1 WHERE doubt = 0")
            self._about("boot", boot)

    def ended(self) -> None:
        """Record that it is not in use, and that nothing is missing."""
        self._about("boot", "")

    def _about(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, value))

    # Objects.

    def add(self, entry: Entry, destinations: Sequence[str]) -> int:
        """Add an object for some destinations; return its number. Raises `sqlite3.Error`."""
        with self.transaction():
            added = self._db.execute(
                f"INSERT INTO objects ({_COLUMNS}, left) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                (None, *entry[1:], len(destinations)),
            )
            number = added.lastrowid or 0
            for name in destinations:
                self._deliver(name, number, entry.uid)
        return number

    def also(self, entry: Entry, destinations: Iterable[str]) -> list[str]:
        """Add destinations to an object; return those that were not waiting for it already."""
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
        self._db.execute(
            "INSERT INTO deliveries VALUES (?1, ?2, CASE WHEN EXISTS"
            " (SELECT 1 FROM history WHERE uid = ?3 AND destination = ?1) THEN ?4 ELSE 0 END)",
            (destination, number, uid, Doubt.AGAIN),
        )

    def with_uid(self, uid: str) -> list[Entry]:
        """Return the queued objects with a SOP Instance UID, the latest first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM objects WHERE uid = ? ORDER BY id DESC", (uid,)
        )
        return [Entry(*row) for row in rows]

    def files(self) -> set[str]:
        """Return the file names of all objects."""
        return {file for (file,) in self._db.execute("SELECT file FROM objects")}

    # Deliveries.

    def next(self, destination: str, limit: int, after: int = 0) -> list[tuple[Entry, Doubt]]:
        """Return the first objects queued for a destination, in the order of reception."""
        columns = ", ".join(f"objects.{each.strip()}" for each in _COLUMNS.split(","))
        rows = self._db.execute(
            f"SELECT {columns}, doubt FROM deliveries JOIN objects ON objects.id = deliveries.object"
            " WHERE destination = ? AND object > ? ORDER BY object LIMIT ?",
            (destination, after, limit),
        )
        return [(Entry(*row[:-1]), Doubt(row[-1])) for row in rows]

    def handed_over(self, destination: str, numbers: Iterable[int]) -> None:
        """Record that objects are handed over; until settled, they may have been delivered."""
        self._db.executemany(
            "UPDATE deliveries SET doubt = 1 WHERE destination = ? AND object = ? AND doubt = 0",
            [(destination, number) for number in numbers],
        )

    def not_delivered(self, destination: str, number: int) -> None:
        """Record that an object was not delivered after all."""
        self._db.execute(
            "UPDATE deliveries SET doubt = 0 WHERE destination = ? AND object = ? AND doubt = 1",
            (destination, number),
        )

    def settle(self, destination: str, entry: Entry, *, delivered: bool) -> bool:
        """Remove an object from a destination's list; return whether it was the last one.

        delivered: whether it was delivered.
        """
        gone = self._db.execute(
            "DELETE FROM deliveries WHERE destination = ? AND object = ?", (destination, entry.id)
        )
        if not gone.rowcount:
            return False
        if delivered:
            self._remember(entry.uid, destination)
        if self._db.execute("DELETE FROM objects WHERE id = ? AND left = 1", (entry.id,)).rowcount:
            return True
        self._db.execute("UPDATE objects SET left = left - 1 WHERE id = ?", (entry.id,))
        return False

    def _remember(self, uid: str, destination: str) -> None:
        self._db.execute("INSERT INTO history VALUES (NULL, ?, ?)", (uid, destination))
        self._since_pruned += 1
        if self._since_pruned >= _PRUNED:
            self._since_pruned = 0
            self._db.execute(
                "DELETE FROM history WHERE n <= (SELECT MAX(n) FROM history) - ?", (_REMEMBERED,)
            )

    def waiting(self) -> dict[str, Waiting]:
        """Return the state of each destination's queue."""
        rows = self._db.execute(
            "SELECT destination, COUNT(*), SUM(size), MIN(received) FROM deliveries"
            " JOIN objects ON objects.id = deliveries.object GROUP BY destination"
        )
        return {name: Waiting(*more) for name, *more in rows}

    def destinations(self) -> list[str]:
        """Return the destinations with queued objects."""
        return [name for (name,) in self._db.execute("SELECT DISTINCT destination FROM deliveries")]

    # Records.

    def trouble(self, destination: str, words: str) -> None:
        """Record the problem of a destination; an empty text means none."""
        with contextlib.suppress(sqlite3.Error):  # only for information
            if words:
                self._db.execute(
                    "INSERT INTO trouble VALUES (?, ?, ?) ON CONFLICT (destination)"
                    " DO UPDATE SET words = excluded.words",
                    (destination, words, time.time()),
                )
            else:
                self._db.execute("DELETE FROM trouble WHERE destination = ?", (destination,))

    def troubles(self) -> dict[str, tuple[str, float]]:
        """Return the problems of destinations, and since when they exist (POSIX time)."""
        rows = self._db.execute("SELECT destination, words, since FROM trouble")
        return {name: (words, since) for name, words, since in rows}

    def decision(self, route: str, entity: str) -> list[str] | None:
        """Return the destinations that a route chose for an entity, or None if undecided."""
        found = self._db.execute(
            "SELECT destinations FROM decisions WHERE route = ? AND entity = ?", (route, entity)
        ).fetchone()
        return None if found is None else [each for each in found[0].split("\n") if each]

    def decide(self, route: str, entity: str, destinations: Iterable[str]) -> None:
        """Record the destinations that a route chose for an entity."""
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
    """Return the path of a spool's queue."""
    return os.path.join(folder, "queue.sqlite")
