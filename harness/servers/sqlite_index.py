"""An index in SQLite, emptied from outside: the servers that keep one have no door for that."""

import contextlib
import sqlite3
from collections.abc import Collection
from pathlib import Path

PATIENCE = 5.0  # seconds for a transaction of the server's own to end


def empty_index(file: Path, keep: Collection[str] = ()) -> None:
    """Delete the rows of all tables but those in `keep`."""
    with contextlib.closing(sqlite3.connect(file, timeout=PATIENCE)) as index, index:
        found = index.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in found:
            if table not in keep:
                index.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a name that SQLite gave
