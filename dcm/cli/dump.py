"""`dcm dump`: show the contents of files, element by element.

For a folder, shows all files below it. Pixel data is read only with --with-bulk. Exit status 1 if a file
could not be read; the other files are shown nevertheless.
"""

import os
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

from dcm.cli.dump_files import listed
from dcm.cli.dump_formats import Csv, Format, Json, Made, Plain, Row, csv_row
from dcm.cli.dump_output import Output, output
from dcm.cli.dump_work import all_made, processes
from dcm.cli.logs import LOG
from dcm.cli.options import number
from dcm.cli.terminal import has_colours, width
from dcm.cli.usage import UsageError
from dcm.data.chosen import Choice
from dcm.data.dump import Style
from dcm.data.element_path import ElementPath
from dcm.data.header import COMMON
from dcm.data.table import Table
from dcm.data.template import Template

_TABLES: Final = ("csv", "parquet")


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: which files, which elements, and how to show them."""
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a file, or a folder with everything below it"
    )
    parser.add_argument(
        "-i", "--include", metavar="ELEMENT", action="append", default=[],
        help="show this element: a keyword, gggg,eeee or a path: Sequence[0].Keyword, "
        "Sequence[*].Keyword; may be repeated; takes precedence over the other filters",
    )  # fmt: skip
    parser.add_argument(
        "-e", "--exclude", metavar="ELEMENT", action="append", default=[],
        help="leave out this element, at any depth unless a path is given; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "-g", "--group", metavar="GROUP", action="append", default=[],
        help="show only this group, in hexadecimal: 0010 or 0x10; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--kw-regex", metavar="REGEX",
        help="show only elements whose keyword matches, at any depth: 'UID$'",
    )  # fmt: skip
    parser.add_argument(
        "--exclude-private", action="store_true", help="do not show private elements"
    )
    parser.add_argument(
        "--out-format", choices=("plain", "json", *_TABLES), default="plain",
        help="json: DICOM JSON, an array with all files; csv, parquet: one row for each file",
    )  # fmt: skip
    parser.add_argument(
        "--plain-fmt", metavar="TEMPLATE",
        help=r"what to print for each element: '{file}\t{keyword:32} {value:.60}'",
    )  # fmt: skip
    parser.add_argument(
        "--with-bulk", action="store_true", help="include pixel data and other bulk data"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write to FILE instead of stdout, in UTF-8"
    )
    parser.add_argument(
        "--in-file-ext", metavar="EXT", help="in folders, take only files with this extension: dcm"
    )
    parser.add_argument(
        "--jobs", metavar="N", type=number(1, 64),
        help="the number of processes for reading many files; one for each processor by default",
    )  # fmt: skip


def run(arguments: Namespace) -> int:
    """Show all files."""
    format_ = _format(arguments)
    paths = listed(arguments.paths, arguments.in_file_ext)
    made = all_made(
        format_.made,
        paths,
        arguments.jobs or processes(),
        at_once=1 if arguments.with_bulk else 100,
    )
    is_json = arguments.out_format == "json"
    with closing(made), output(arguments.output, json=is_json) as out:
        counted = _Counted(made)
        lost = _write(arguments.out_format, format_, counted, out)
    if not counted.files:
        LOG.error("nothing to read in %s", ", ".join(arguments.paths))
    return 0 if counted.files and not (counted.problems or lost) else 1


class _Counted:
    """The output for files, with a message on stderr about each that is incomplete."""

    def __init__(self, made: Iterator[Made[Any]]) -> None:
        self.files = self.problems = 0
        self._made = made

    def __iter__(self) -> Iterator[Any]:
        for each in self._made:
            if each.passed_over:
                LOG.warning("%s", each.problem)
                continue
            self.files += 1
            if each.problem:
                self.problems += 1
                LOG.error("%s", each.problem)
            if each.part is not None:
                yield each.part


def _write(name: str, format_: Format[Any], parts: _Counted, out: Output) -> int:
    """Write all parts, and return the number of lost values."""
    if name == "parquet":
        from dcm.cli.dump_parquet import ParquetWriter  # noqa: PLC0415 - needs an extra

        assert isinstance(format_, Row)
        writer = ParquetWriter(format_.table, out)
        for row in parts:
            writer.add(row)
        writer.close()
        return writer.lost
    if isinstance(format_, Csv):
        out.text(csv_row(["File", *format_.table.names]))
    if name != "json":
        separator = "\n" if isinstance(format_, Plain) and format_.headings else ""
        for place, part in enumerate(parts):
            out.text(separator + part if place else part)
        return 0
    separator = "[\n"
    for part in parts:
        out.text(separator + part)
        separator = ",\n"
    out.text("\n]\n" if separator[0] == "," else "[]\n")
    return 0


def _format(arguments: Namespace) -> Format[Any]:
    name, named = arguments.out_format, frozenset(arguments.paths)
    if arguments.plain_fmt is not None and name != "plain":
        raise UsageError(f"--plain-fmt applies only to plain output, not to {name}")
    if name in _TABLES:
        return _table_format(arguments, named)
    choice = Choice(
        tuple(map(ElementPath.of, arguments.include)),
        tuple(map(ElementPath.of, arguments.exclude)),
        frozenset(map(_group, arguments.group)),
        arguments.kw_regex and _regex(arguments.kw_regex),
        not arguments.exclude_private,
        name == "plain",
    )
    if name == "json":
        return Json(choice, named, arguments.with_bulk)
    several = len(arguments.paths) > 1 or os.path.isdir(arguments.paths[0])
    in_file = arguments.output is not None
    style = Style(
        None if in_file else width(),
        arguments.with_bulk,
        has_colours() and not in_file,
        arguments.plain_fmt and Template.of(arguments.plain_fmt),
    )
    return Plain(choice, named, style, several and arguments.plain_fmt is None)


def _table_format(arguments: Namespace, named: frozenset[str]) -> Format[Any]:
    for option in ("exclude", "group", "kw_regex", "exclude_private", "with_bulk"):
        if getattr(arguments, option):
            words = option.replace("_", "-")
            raise UsageError(f"--{words} cannot be used for a table: name each column with -i")
    if arguments.out_format == "parquet" and arguments.output is None and sys.stdout.isatty():
        raise UsageError("Parquet cannot be written to a terminal: use -o FILE")
    table = Table.of(arguments.include or [key for key in COMMON if key != "SpecificCharacterSet"])
    kind: Any = Csv if arguments.out_format == "csv" else Row
    made: Format[Any] = kind(table.choice, named, table)
    return made


def _group(text: str) -> int:
    digits = text.removeprefix("0x").removeprefix("0X")
    if not re.fullmatch("[0-9A-Fa-f]{1,4}", digits):
        raise UsageError(f"{text!r} is not a group: use hexadecimal digits, as in 0010 or 0x10")
    return int(digits, 16)


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"{text!r} is not a regular expression: {error}") from None
