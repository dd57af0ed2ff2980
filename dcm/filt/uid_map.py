"""Which UID was replaced by which: in memory, or in a file."""

import os
import threading
from collections.abc import Mapping
from typing import Final, Protocol, Self

from dcm.data.plan import CannotEdit


class UidMap(Protocol):
    """Keeps which UID was replaced by which. May be used from several threads."""

    def get(self, old: str) -> str | None:
        """Return the new UID of an old one, if it is known."""

    def put(self, pairs: Mapping[str, str]) -> None:
        """Keep new UIDs by old ones; they are safe when this returns.

        Raises `CannotEdit` if an old one has another new one by now.
        """

    def old(self, new: str) -> str | None:
        """Return the old UID of a new one, if it is known."""


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
    """A map in a SQLite file, which several processes may use. Its block closes it.

    Pairs are on the disk before an instance is written that needs them: however this ends, nothing is without
    its way back. Raises `OSError` for a file that cannot be used, as its methods do.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import sqlite3  # noqa: PLC0415 - only where it is used

        self._lock: Final = threading.Lock()
        self._path: Final = os.fspath(path)
        self._error: Final = sqlite3.Error
        try:
            self._file: Final = sqlite3.connect(
                self._path, timeout=60, isolation_level=None, check_same_thread=False
            )
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = FULL")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS uids (old TEXT PRIMARY KEY, new TEXT NOT NULL UNIQUE)"
                " WITHOUT ROWID"
            )
        except sqlite3.Error as error:
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
        return OSError(0, f"the map of UIDs cannot be used: {error}", self._path)


def _taken(old: str) -> CannotEdit:
    return CannotEdit(
        f"{old} was given another new UID at the same time, with another key: use the same key file"
    )
