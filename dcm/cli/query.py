"""`dcm query`: search a node, service or folder (C-FIND).

Prints a tree on a terminal and JSON into a pipe, for `dcm query a ... | dcm get b`. The level is that of the
most detailed key. Exit status 0 even if nothing matches, 1 if the answer is incomplete.
"""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from dcm.cli.asking import ask
from dcm.cli.batch import Row, read_rows
from dcm.cli.formats import FORMATS
from dcm.cli.keys import Keys
from dcm.cli.logs import LOG
from dcm.cli.options import add_network_options, add_remote
from dcm.cli.output import print_json, print_text
from dcm.cli.progress import Progress, wanted
from dcm.cli.running import run_async
from dcm.cli.selection import Selection, add_selection, read_selection
from dcm.cli.session import place, reporter
from dcm.cli.usage import UsageError
from dcm.data.match import limiting
from dcm.data.query_result import QueryResult
from dcm.net.errors import NotAllFound, OperationFailed

if TYPE_CHECKING:
    from dcm.store.place import Place


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: which node to query, for what, and how to print the result."""
    add_remote(parser)
    add_selection(parser)
    parser.add_argument(
        "--batch-csv", metavar="FILE", type=Path,
        help="send a query for each row of FILE, whose first line names the keys",
    )  # fmt: skip
    parser.add_argument(
        "--out-format", choices=FORMATS, help="default: tree on a terminal, else json"
    )
    add_network_options(parser)


def run(arguments: Namespace) -> int:
    """Send the queries, and print the results."""
    asked_place = place(arguments)
    selection = read_selection(arguments, batch=arguments.batch_csv is not None)
    rows = _rows(arguments.batch_csv, selection) if arguments.batch_csv else None
    return run_async(_query(arguments, asked_place, selection, rows))


async def _query(
    arguments: Namespace,
    asked_place: "Place",
    selection: Selection,
    rows: list[Row] | None,
) -> int:
    found: QueryResult | None = None
    with reporter(arguments, of="queries", **selection.asked()) as summary:
        async with Progress("found", shown=wanted(arguments)) as progress:
            for row in rows or [Row(0, selection.keys)]:
                asked = Selection(row.keys, selection.level, selection.within)
                where = {"line": row.number, "keys": row.keys} if rows else {}
                try:
                    answered, account = await ask(asked_place, asked, progress)
                except (OperationFailed, NotAllFound) as error:
                    if rows is None:
                        raise
                    LOG.error("%s, line %d: %s", arguments.batch_csv, row.number, error)
                    summary.add("failed", good=False, **where, words=str(error))
                    continue
                summary.add(
                    "answered in part" if answered.incomplete else "answered",
                    good=not answered.incomplete,
                    **where,
                    found=len(answered),
                    answers=account.as_dict(),
                    words=[*account.problems(), *account.notes()] or [answered.incomplete],
                )
                if found is None:
                    found = answered
                else:
                    found |= answered
    if found is not None:
        name = arguments.out_format or ("tree" if sys.stdout.isatty() else "json")
        (print_json if name == "json" else print_text)(FORMATS[name](found))
    return summary.status


def _rows(path: Path, selection: Selection) -> list[Row]:
    """Return the queries of a batch, with the common keys added to each."""
    rows = []
    for row in read_rows(path):
        twice = [name for name in row.keys if name in selection.keys]
        if twice:
            raise UsageError(f"{path}: {twice[0]} is also given on the command line")
        keys: Keys = {**selection.keys, **row.keys}
        if not limiting(keys) and selection.within is None:
            raise UsageError(f"{path}, line {row.number}: nothing limits this query")
        rows.append(Row(row.number, keys))
    return rows
