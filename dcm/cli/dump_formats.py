"""The output formats of `dcm dump`.

All classes can be sent to another process, which then produces its part of the output.
"""

import csv
import io
import zlib
from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from dcm.cli.dump_files import in_words, is_other
from dcm.data.chosen import Choice
from dcm.data.content import Content, Entry
from dcm.data.dump import Style, lines, printable
from dcm.data.header import NotDicom
from dcm.data.table import Table
from dcm.errors import DcmError
from dcm.frozen import Frozen

Part = TypeVar("Part")


class Made(NamedTuple, Generic[Part]):
    """The output for a file.

    part: its part of the output, or None if it is unreadable. problem: an error message, or empty.
    passed_over: the problem is not a failure, since the file is not DICOM.
    """

    part: Part | None
    problem: str = ""
    passed_over: bool = False


class Format(Frozen, Generic[Part]):
    """Produces parts of the output. named: the files that were given on the command line."""

    choice: Choice
    named: frozenset[str]

    def made(self, path: str) -> Made[Part]:
        """Return the output for a file, even if it cannot be read completely."""
        part, problem = None, ""
        found: list[Entry] = []
        try:
            with self.choice.reading(path) as (content, entries):
                try:
                    found.extend(entries)
                except NotDicom as error:
                    problem = in_words(error, path)
                part = self.part(content, found, path)
        except (OSError, DcmError, ValueError, zlib.error) as error:
            if is_other(path, self.named, error):
                return Made(None, f"{path}: passed over: it is not a DICOM file", passed_over=True)
            problem = in_words(error, path)
        return Made(part, problem)

    def part(self, content: Content, entries: Sequence[Entry], path: str) -> Part:
        """Return the output for the selected elements of a file."""
        raise NotImplementedError


class Plain(Format[str]):
    """Plain lines. headings: whether a line names the file before its elements."""

    style: Style
    headings: bool

    def part(self, content: Content, entries: Sequence[Entry], path: str) -> str:
        """Return the lines."""
        text = "".join(f"{line}\n" for line in lines(content, entries, self.style, file=path))
        if not self.headings:
            return text
        heading = f"# {printable(path)}"
        return f"\x1b[1m{heading}\x1b[0m\n{text}" if self.style.colours else f"{heading}\n{text}"


class Json(Format[str]):
    """A DICOM JSON object. bulk: whether it contains bulk data."""

    bulk: bool

    def part(self, content: Content, entries: Sequence[Entry], path: str) -> str:
        """Return the object."""
        from dcm.data.dump_json import file_uri, json_text  # noqa: PLC0415 - for this format only

        return json_text(content, entries, bulk=None if self.bulk else file_uri(path))


class Csv(Format[str]):
    """A row of a table."""

    table: Table

    def part(self, content: Content, entries: Sequence[Entry], path: str) -> str:
        """Return the row."""
        return csv_row([path, *(cell or "" for cell in self.table.row(content, entries))])


class Row(Format[list[str | None]]):
    """A row of a table, as a list."""

    table: Table

    def part(self, content: Content, entries: Sequence[Entry], path: str) -> list[str | None]:
        """Return the row."""
        return [path, *self.table.row(content, entries)]


def csv_row(cells: Sequence[str]) -> str:
    """Return a line of CSV."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
