"""The SQLite file of an index, shared by processes and threads, and recreated if unusable."""

import contextlib
import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from dcm.errors import DcmError
from dcm.store.index_schema import APPLICATION_ID, SCHEMA, VERSION

_LOG: Final = logging.getLogger(__name__)
_PATIENCE: Final = 60.0
"""Seconds for which a writer waits while another process writes."""
_CACHE: Final = 64 << 10  # KiB


class UnusableIndex(DcmError):  # noqa: N818 - reads as the sentence it is
    """An unreadable or unwritable index. damaged: whether to recreate it, as `update` does."""

    def __init__(self, words: str, *, damaged: bool = False) -> None:
        super().__init__(f"{words}; recreate it with `dcm index`" if damaged else words)
        self.damaged = damaged


class _Unusable(Exception):  # noqa: N818 - internal
    """Not an index of this version. keep: whether the file is data of another program."""

    def __init__(self, words: str, *, keep: bool) -> None:
        super().__init__(words)
        self.keep = keep


class Database:
    """Connections to one file, or to a database in memory if there is no file.

    remarks: oddities of the file, seen when it was opened.
    """

    def __init__(self, file: str) -> None:
        self._file: Final = file
        self._idle: Final[list[sqlite3.Connection]] = []
        self._writing: Final = threading.RLock()
        self._lock: Final = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self.remarks: Final[list[str]] = []
        self._closed = False
        self.damaged = False
        """Whether damage was found since it was opened."""
        self._open()

    def close(self) -> None:
        """Close all connections; those in use are closed when they are released."""
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        with self._writing, self._lock:
            for each in [*self._idle, *([self._writer] if self._writer else [])]:
                each.close()
            self._idle.clear()
            self._writer = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Provide a connection that sees one state of the index while the block runs."""
        if not self._file:
            yield self._connection()
            return
        with self._lock:
            idle = self._idle.pop() if self._idle else None
        connection: sqlite3.Connection | None = None
        try:
            connection = idle or self._connect()
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            raise self._explained(error) from error
        finally:
            if connection is not None:
                self._give_back(connection)

    def rows(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Return the rows that a statement selects."""
        if not self._file:
            return self._connection().execute(sql, values).fetchall()
        with self._lock:
            idle = self._idle.pop() if self._idle else None
        connection = idle or self._connect()
        try:
            return connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._explained(error) from error
        finally:
            self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.rollback()
        except sqlite3.Error:
            connection.close()
            return
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Provide a transaction, which is committed if the block does not raise. One at a time."""
        with self._writing:
            try:
                connection = self._connection()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise self._explained(error) from error

    def rebuild(self) -> None:
        """Set the file aside and create an empty one."""
        with self._writing:
            self._drop()
            with _locked(self._file):
                self._set_aside(_Unusable("it is damaged", keep=True))
                self._connection()
            self.damaged = False

    def _explained(self, error: sqlite3.Error) -> UnusableIndex:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        self.damaged = self.damaged or damaged
        return UnusableIndex(f"the index {self._file or 'in memory'}: {error}", damaged=damaged)

    def _open(self) -> None:
        if not self._file:
            self._connection()
            return
        with _locked(self._file):
            try:
                if os.path.exists(self._file) and not os.access(self._file, os.W_OK):
                    raise UnusableIndex(f"the index {self._file} cannot be written to")
                self._check()
            except _Unusable as error:
                self._drop()
                self._set_aside(error)
            except sqlite3.Error as error:
                self._drop()
                found = self._explained(error)
                if not found.damaged:
                    raise found from error
                self._set_aside(_Unusable(str(error), keep=True))
                self.damaged = False
            self._connection()

    def _set_aside(self, why: _Unusable) -> None:
        if why.keep:
            names = (f"{self._file}.set-aside-{number}" for number in count(1))
            name = next(each for each in names if not os.path.lexists(each))
            os.rename(self._file, name)
            words = f"{self._file}: {why}; it was renamed to {name}, and the index is recreated"
        else:
            os.unlink(self._file)
            words = f"{self._file}: {why}; the index is recreated"
        for suffix in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._file + suffix)
        self.remarks.append(words)
        _LOG.warning("%s", words)

    def _check(self) -> None:
        """Raise `_Unusable` if the file is not an index of this version."""
        connection = self._connection()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            raise _Unusable("it is another database", keep=True)
        if version != VERSION:
            raise _Unusable(f"its version is {version}, not {VERSION}", keep=False)
        connection.execute("SELECT COUNT(*) FROM folder").fetchone()

    def _connection(self) -> sqlite3.Connection:
        """Return the connection for writing; create the tables in a new file."""
        if self._writer is None:
            connection = self._connect()
            self._writer = connection
            (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
            if not tables:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(
                    f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
                    f"PRAGMA user_version = {VERSION}; COMMIT;"
                )
        return self._writer

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._file or ":memory:",
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            # Joins use the existing indexes.
            connection.execute("PRAGMA automatic_index = OFF")
            connection.execute(f"PRAGMA cache_size = -{_CACHE}")
        except BaseException:
            connection.close()
            raise
        return connection


@contextlib.contextmanager
def _locked(file: str) -> Iterator[None]:
    """Keep other processes from creating or replacing the same file while the block runs."""
    descriptor = os.open(os.path.dirname(file) or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
