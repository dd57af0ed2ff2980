"""Maps of old and new UIDs, in memory or in a file."""

import os
import threading
from collections.abc import Mapping
from typing import Final, Protocol, Self

from dcm.data.plan import CannotEdit


class UidMap(Protocol):
    """A map of old and new UIDs. May be used from several threads."""

    def get(self, old: str) -> str | None:
        """Return the new UID for an old one, or None."""

    def put(self, pairs: Mapping[str, str]) -> None:
        """Store new UIDs by old ones; they are safe when this returns.

        Raises `CannotEdit` if an old one already has a different new one.
        """

    def old(self, new: str) -> str | None:
        """Return the old UID for a new one, or None."""


class MemoryUids:
    """A map in memory."""

    def __init__(self) -> None:
        self._new: Final[dict[str, str]] = {}
        self._old: Final[dict[str, str]] = {}

    def get(self, old: str) -> str | None:
        """See `UidMap.get`."""
        return self._new.get(old)

    def put(self, pairs: Mapping[str, str]) -> None:
        """See `UidMap.put`."""
        for old, new in pairs.items():
            if self._new.setdefault(old, new) != new:
                raise _taken(old)
            self._old[new] = old

    def old(self, new: str) -> str | None:
        """See `UidMap.old`."""
        return self._old.get(new)


class SqliteUids:
    """A map in an SQLite file, which several processes may use. Leaving its block closes it.

    Pairs are flushed to disk before an instance that needs them is written, so every replacement can be
    reversed, even after a crash. Raises `OSError` for a file that cannot be used, as do its methods.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import sqlite3  # noqa: PLC0415 - rarely needed

        self._lock: Final = threading.Lock()
        self._path: Final = os.fspath(path)
        self._error: Final = sqlite3.Error
        try:
            self._file: Final = sqlite3.connect(
                self._path, timeout=60, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._failed(error) from error
        try:
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = FULL")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS uids (old TEXT PRIMARY KEY, new TEXT NOT NULL UNIQUE)"
                " WITHOUT ROWID"
            )
        except sqlite3.Error as error:
            self._file.close()
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def get(self, old: str) -> str | None:
        """See `UidMap.get`."""
        return self._one("SELECT new FROM uids WHERE old = ?", old)

    def put(self, pairs: Mapping[str, str]) -> None:
        """See `UidMap.put`."""
        try:
            with self._lock, self._file:
                self._file.execute("BEGIN IMMEDIATE")
                for old, new in pairs.items():
                    self._file.execute("INSERT OR IGNORE INTO uids VALUES (?, ?)", (old, new))
                    found = self._file.execute("SELECT new FROM uids WHERE old = ?", (old,))
                    if found.fetchone() != (new,):
                        raise _taken(old)
        except self._error as error:
            raise self._failed(error) from error

    def old(self, new: str) -> str | None:
        """See `UidMap.old`."""
        return self._one("SELECT old FROM uids WHERE new = ?", new)

    def _one(self, statement: str, value: str) -> str | None:
        try:
            with self._lock:
                row = self._file.execute(statement, (value,)).fetchone()
        except self._error as error:
            raise self._failed(error) from error
        return str(row[0]) if row else None

    def _failed(self, error: Exception) -> OSError:
        return OSError(0, f"the UID map cannot be used: {error}", self._path)


def _taken(old: str) -> CannotEdit:
    return CannotEdit(
        f"{old} was given a different new UID at the same time, with another key: use the same key file"
    )
