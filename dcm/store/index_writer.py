"""Writes added rows together, in a thread, so that callers do not wait for the disk."""

import logging
import threading
from typing import Final, NamedTuple, TypeAlias

from dcm.store.index_database import Database, UnusableIndex
from dcm.store.index_rows import Row, Rows
from dcm.store.index_scan import Scanned, folder_number
from dcm.store.index_tables import write

_LOG: Final = logging.getLogger(__name__)
_MOST: Final = 5000
"""The number of queued rows at which `put` blocks."""

_TOGETHER: Final = 500
"""The number of rows that are written without waiting for more."""
_MOMENT: Final = 0.05
"""Seconds for which a row waits for others: a transaction for each row would dominate the cost."""

Key: TypeAlias = tuple[bytes, bytes]
"""A file, by its folder relative to the root and its name."""


class Addition(NamedTuple):
    """An instance that was stored."""

    sop_instance_uid: str
    rows: tuple[Row, Row, Row, Row]


class IndexWriter:
    """Writes the latest addition of each file. The thread runs from the first `put` to `close`."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database
        lock = threading.Lock()
        self._work: Final = threading.Condition(lock)
        self._done: Final = threading.Condition(lock)
        self._waiting: dict[Key, Addition | None] = {}
        self._written: dict[Key, Addition | None] = {}
        """The rows being written."""
        self._by_uid: Final[dict[str, dict[Key, None]]] = {}
        self._thread: threading.Thread | None = None
        self._hurry = self._closed = False
        self._failure: Exception | None = None

    def put(self, key: Key, addition: Addition | None) -> None:
        """Add a file, or remove it if `addition` is None. Blocks only if the queue is full."""
        with self._work:
            while len(self._waiting) >= _MOST:
                self._done.wait()
            self._waiting[key] = addition
            if addition is not None:
                self._by_uid.setdefault(addition.sop_instance_uid, {})[key] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dcm-index", daemon=True)
                self._thread.start()
            if len(self._waiting) in (1, _TOGETHER):
                self._work.notify()

    def files(self, sop_instance_uid: str) -> list[Key]:
        """Return the files of an instance that have not been written yet."""
        with self._work:
            return [*self._by_uid.get(sop_instance_uid, ())]

    def flush(self) -> None:
        """Wait until everything is written. Raises `UnusableIndex` if that failed."""
        if self._thread is None:
            return
        with self._work:
            while self._waiting or self._written:
                self._hurry = True
                self._work.notify()
                self._done.wait()
            failure, self._failure = self._failure, None
        if failure is not None:
            raise UnusableIndex(f"stored files are missing from the index: {failure}") from failure

    def close(self) -> None:
        """Write what is queued, and end the thread."""
        with self._work:
            self._hurry = self._closed = True
            self._work.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while self._take():
            try:
                self._write(self._written)
            except (UnusableIndex, OSError) as error:
                _LOG.error("the index cannot be written: %s", error)
                self._failure = error
            with self._work:
                self._forget(self._written)
                self._written = {}
                self._done.notify_all()

    def _take(self) -> bool:
        """Wait for something to write, then briefly for more; return False at the end."""
        with self._work:
            self._work.wait_for(lambda: self._waiting or self._closed)
            self._work.wait_for(lambda: self._hurry or len(self._waiting) >= _TOGETHER, _MOMENT)
            self._hurry = self._closed
            self._written, self._waiting = self._waiting, {}
            return bool(self._written)

    def _write(self, some: dict[Key, Addition | None]) -> None:
        rows, folders = Rows.none(), dict[bytes, None]()
        gone: list[tuple[int, bytes]] = []
        for (folder, name), addition in some.items():
            if addition is None:
                gone.append((folder_number(folder), name))
                continue
            folders[folder] = None
            rows.add(*addition.rows)
        with self._database.writing() as connection:
            connection.executemany("DELETE FROM file WHERE folder = ? AND name = ?", gone)
            write(connection, Scanned(len(some), [*folders], rows))

    def _forget(self, some: dict[Key, Addition | None]) -> None:
        for key, addition in some.items():
            if addition is not None and self._waiting.get(key) is None:
                uid = addition.sop_instance_uid
                self._by_uid.get(uid, {}).pop(key, None)
                if not self._by_uid.get(uid, True):
                    del self._by_uid[uid]
