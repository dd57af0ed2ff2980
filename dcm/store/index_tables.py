"""Writes rows into the tables of an index."""

from typing import TYPE_CHECKING

from dcm.data.levels import Level
from dcm.store.index_scan import Scanned, folder_number
from dcm.store.index_schema import SEARCHED, TABLES

if TYPE_CHECKING:
    from sqlite3 import Connection


def write(connection: "Connection", what: Scanned) -> None:
    """Write rows, replacing those of files that are already in the index."""
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
