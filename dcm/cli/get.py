"""`dcm get`: retrieve instances from a node into a folder (C-GET, or C-MOVE to ourselves).

Each file is named after its SOP Instance UID. Instances that are already in the folder are not retrieved
again. Exit status 0 only if everything that matches is in the folder at the end.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from dcm.cli.asking import ask
from dcm.cli.logs import LOG
from dcm.cli.options import add_network_options, add_remote
from dcm.cli.progress import Progress, wanted
from dcm.cli.report import Reporter
from dcm.cli.running import run_async
from dcm.cli.selection import Selection, add_selection, read_selection
from dcm.cli.session import place, reporter
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.outcome import InstanceResult
from dcm.sinks import Folder

if TYPE_CHECKING:
    from dcm.store.place import Place


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: what to retrieve, from where, into which folder, and how."""
    add_remote(parser)
    add_selection(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FOLDER",
        type=Path,
        required=True,
        help="created if it does not exist",
    )
    parser.add_argument(
        "--method", choices=("auto", "get", "move"), default="auto",
        help="get: C-GET; move: C-MOVE to --local, which REMOTE must know; auto: C-MOVE if C-GET is rejected",
    )  # fmt: skip
    parser.add_argument(
        "--sync", action="store_true",
        help="flush each file to disk (fsync) before responding: slower but safer",
    )  # fmt: skip
    add_network_options(parser)


def run(arguments: Namespace) -> int:
    """Retrieve, and print the number of instances for each outcome."""
    source = place(arguments)
    selection = read_selection(arguments)
    arguments.output.mkdir(parents=True, exist_ok=True)
    return run_async(_get(arguments, source, selection))


async def _get(arguments: Namespace, source: "Place", selection: Selection) -> int:
    with reporter(arguments, folder=str(arguments.output), **selection.asked()) as summary:
        async with source:  # reuses the associations of the query
            found = selection.within
            if found is None or selection.keys or selection.level is not None:
                async with Progress("looking", shown=wanted(arguments)) as progress:
                    found = (await ask(source, selection, progress)).found
            if found:
                await _retrieve(arguments, source, found, summary)
            else:
                if found.incomplete:
                    summary.problems.append(found.incomplete)
                LOG.warning("nothing on %s matches", source)
    print(summary)
    return summary.status


async def _retrieve(
    arguments: Namespace, source: "Place", what: QueryResult, summary: Reporter
) -> None:
    total = what.count(Level.IMAGE)
    async with Progress("retrieving", total, shown=wanted(arguments)) as progress:

        def on_result(result: InstanceResult) -> None:
            progress.done += 1
            summary.tell(result)

        into = Folder(arguments.output, arguments.sync)
        report = await source.fetch(what, into, on_result=on_result)
    for remark in [*report.account.notes(), *report.remarks]:
        summary.remark(remark)
    if report.trouble:
        summary.trouble(report.trouble)
