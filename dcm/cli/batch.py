"""Queries in a CSV file: the first line names the keys, each row is a query.

    PatientID,StudyDate
    1234,20200101-20201231
    1235,

The delimiter of the first line is used: comma, semicolon, tab or vertical bar. A file with a single column
needs none.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from dcm.cli.keys import Keys, add_key
from dcm.cli.usage import UsageError
from dcm.data.dictionary import UnknownElement

_DELIMITERS: Final = ",;\t|"
_NONE: Final = "\x1f"  # does not occur in text


class Row(NamedTuple):
    """The query in one row; `number` is its line in the file."""

    number: int
    keys: Keys


def read_rows(path: Path) -> list[Row]:
    """Read all queries in a file. Raises `UsageError`, with the line number, and `OSError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text") from error
    lines = text.splitlines(keepends=True)
    if not lines or not lines[0].strip():
        raise UsageError(f"{path}: the first line must name the keys, as in PatientID,StudyDate")
    try:
        rows = list(_rows(path, lines))
    except csv.Error as error:
        raise UsageError(f"{path} is not CSV: {error}") from error
    if not rows:
        raise UsageError(f"{path} has no rows below the keys")
    return rows


def _rows(path: Path, lines: Sequence[str]) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=_delimiter(path, lines[0]), strict=True)
    names = [name.strip() for name in next(reader)]
    for cells in reader:
        if not any(map(str.strip, cells)):
            continue  # an empty line
        where = f"{path}, line {reader.line_num}"
        if len(cells) != len(names):
            raise UsageError(f"{where}: {len(cells)} values for {len(names)} keys")
        keys: Keys = {}
        for name, value in zip(names, cells, strict=True):
            try:
                add_key(keys, name, value.strip())
            except (UsageError, UnknownElement) as error:
                raise UsageError(f"{where}: {error}") from error
        yield Row(reader.line_num, keys)


def _delimiter(path: Path, header: str) -> str:
    """Return the delimiter that separates the keys in the first line."""
    reasons: list[str] = []
    for delimiter in [*filter(header.__contains__, _DELIMITERS), _NONE]:
        try:
            for name in next(csv.reader([header], delimiter=delimiter)):
                add_key({}, name, "")
        except (UsageError, UnknownElement, csv.Error) as error:
            reasons.append(str(error))
        else:
            return delimiter
    raise UsageError(f"{path}: the first line must name the keys: {reasons[0]}")
