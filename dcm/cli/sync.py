"""`dcm sync`: copy the instances that sources have and destinations lack.

Sources and destinations are compared level by level. Each instance is fetched once, and sent on to all
destinations that lack it while others are still arriving. Run an interrupted command again to continue it.
Exit status 0 only if every destination has everything at the end.
"""

import os
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING, Final, NamedTuple

from dcm.cli.edits import add_edits, read_edits
from dcm.cli.logs import LOG
from dcm.cli.options import PLACE, add_connection, add_network_options, size
from dcm.cli.output import print_text
from dcm.cli.progress import Progress, wanted
from dcm.cli.report import Reporter
from dcm.cli.running import run_async
from dcm.cli.selection import Selection, add_limits, read_selection
from dcm.cli.session import opener, reporter
from dcm.cli.usage import UsageError
from dcm.data.levels import Level
from dcm.sync.check import make_basic_validator
from dcm.sync.compare import Comparison
from dcm.sync.journal import Journal
from dcm.sync.manager import Method, SyncManager
from dcm.sync.pace import BadHours, Hours, Pace
from dcm.sync.page import page
from dcm.sync.rates import bytes_text
from dcm.sync.report import Copied, Transfer

if TYPE_CHECKING:
    from dcm.opening import Opener
    from dcm.store.layout import Layout
    from dcm.store.place import Place
    from dcm.sync.cluster import Cluster

_METHODS: Final = ("proxy", "remote-copy", "local-copy", "link", "symlink", "move")
_MOST_FOR_A_WORKER: Final = 200
"""The number of instances in one task for a worker; a study is never split."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: sources, destinations, what to copy, and how."""
    parser.add_argument(
        "destinations", metavar="DEST", nargs="+",
        help=f"{PLACE}; a folder is created if it does not exist",
    )  # fmt: skip
    parser.add_argument(
        "-s", "--source", metavar="SOURCE", dest="sources", action="append", default=[],
        help="same as for DEST; may be repeated; by default the source of the query result that is read",
    )  # fmt: skip
    parser.add_argument(
        "-q", "--query", metavar="KEY=VALUE", dest="keys", action="append", default=[],
        help="copy only what matches, see `dcm query --help`; may be repeated",
    )  # fmt: skip
    add_limits(parser)
    parser.add_argument(
        "--dir-format", metavar="TEMPLATE",
        help="the paths of new files in folders: {PatientID}/{StudyDate:%%Y}/{SOPInstanceUID}.dcm",
    )  # fmt: skip
    parser.add_argument(
        "--trust-level", type=_level, default=Level.IMAGE, metavar="LEVEL",
        help="patient, study, series or image (the default): at this level, treat entities with equal numbers"
        " of instances as equal",
    )  # fmt: skip
    parser.add_argument(
        "-f", "--force-all", action="store_true",
        help="copy everything, even what the destinations already have",
    )  # fmt: skip
    parser.add_argument(
        "-m", "--method", dest="how", choices=_METHODS, default="proxy",
        help="proxy: through this computer; remote-copy: the sources send directly to DEST (C-MOVE), whose AE"
        " title they must know; between folders: local-copy, link, symlink, or move, which removes from the"
        " source what DEST has at the end",
    )  # fmt: skip
    parser.add_argument(
        "--recurse", action=BooleanOptionalAction, default=True,
        help="include the subfolders of source folders (the default)",
    )  # fmt: skip
    parser.add_argument(
        "--in-file-ext", metavar="EXT",
        help="in source folders, read only files with this extension: dcm",
    )  # fmt: skip
    parser.add_argument(
        "--out-file-ext", metavar="EXT",
        help="give new files this extension instead of the one in the template; empty for none",
    )  # fmt: skip
    parser.add_argument(
        "--keep-errors", action="store_true",
        help="copy instances even if they do not belong to the patient, study and series that the source"
        " reported; by default, this is a failure",
    )  # fmt: skip
    parser.add_argument(
        "--quarantine", metavar="FOLDER",
        help="put such instances into FOLDER",
    )  # fmt: skip
    parser.add_argument(
        "--no-report",
        action="store_true",
        help="do not print the counts; failures are still logged",
    )
    parser.add_argument(
        "--verify", action="store_true",
        help="afterwards, read back what was stored, and compare the contents",
    )  # fmt: skip
    parser.add_argument(
        "--journal", metavar="FILE",
        help="record in FILE what was sent to a DEST that cannot be queried, and do not send it again;"
        " by default, this is remembered until everything has been copied",
    )  # fmt: skip
    parser.add_argument(
        "--report-html",
        metavar="FILE",
        help="write an HTML report to FILE, with a plot of the transfer rate",
    )
    parser.add_argument(
        "--bandwidth",
        metavar="BYTES",
        type=size,
        help="copy at most this many bytes per second: 500K, 20M",
    )
    parser.add_argument(
        "--only-between", metavar="HH:MM-HH:MM", type=_hours,
        help="copy only between these times of day, otherwise wait: 22:00-06:00",
    )  # fmt: skip
    parser.add_argument(
        "--workers", metavar="dask://HOST:PORT",
        help="distribute the studies to the workers of this Dask scheduler",
    )  # fmt: skip
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="only print what would be copied"
    )
    add_edits(parser, on_the_way=True)
    add_connection(parser, "a node")
    add_network_options(parser)


def run(arguments: Namespace) -> int:
    """Compare and copy, and print the number of instances for each outcome at each destination."""
    opens = opener(
        arguments, layout=_layout(arguments), recurse=arguments.recurse,
        in_file_ext=arguments.in_file_ext,
    )  # fmt: skip
    selection = read_selection(arguments, piped=not arguments.sources)
    names = arguments.sources
    if not names and selection.within is None:
        raise UsageError("no source: give --source, or the JSON output of `dcm query`")
    sources = [opens.place(name) for name in names]
    if selection.within is not None and not names:
        sources = [opens.of_result(selection.within.source)]
    destinations = [opens.place(name, to_write=True) for name in arguments.destinations]
    cluster = None
    if arguments.workers is not None:
        if arguments.how != "proxy":
            raise UsageError("--workers cannot be used with --method")
        limited = [*opens.paces([*sources, *destinations])]
        if arguments.bandwidth or arguments.only_between or limited:
            of = f" (of {', '.join(limited)})" if limited else ""
            raise UsageError(f"limits of bandwidth or hours{of} cannot be used with --workers")
        from dcm.sync.cluster import Cluster, Options  # noqa: PLC0415 - seldom used

        comparison = Comparison(arguments.trust_level, arguments.force_all)
        options = Options(comparison, arguments.verify)
        cluster = Cluster(arguments.workers.replace("dask://", "tcp://", 1), opens, options)
    with ExitStack() as stack:
        through = read_edits(arguments, stack)
        if through is not None and (cluster or arguments.how != "proxy"):
            raise UsageError(
                f"edits need the method proxy: they cannot be used with {arguments.how} or --workers"
            )
        comparison = Comparison(arguments.trust_level, arguments.force_all, through)
        asked = _Asked(selection, sources, destinations, comparison, cluster, opens)
        return run_async(_sync(arguments, asked))


class _Asked(NamedTuple):
    """What to copy, between which places, and how."""

    selection: Selection
    sources: "Sequence[Place]"
    destinations: "Sequence[Place]"
    comparison: Comparison
    cluster: "Cluster | None"
    opens: "Opener"


async def _sync(arguments: Namespace, asked: _Asked) -> int:
    selection, sources, destinations, comparison, cluster, opens = asked
    names = {"sources": [place.name for place in sources], "destinations": arguments.destinations}
    journal = Journal(arguments.journal or _journal_of(names, selection))
    with reporter(arguments, **names, **selection.asked()) as summary:
        shown, lines = wanted(arguments), not (arguments.no_progress or arguments.quiet)
        async with Progress("copying", 0, shown=shown, lines=lines) as progress:
            checked = arguments.how == "proxy" and not cluster
            manager = SyncManager(
                sources, destinations,
                comparison=comparison, most=_MOST_FOR_A_WORKER if cluster else 500,
                method=Method(arguments.how), journal=journal, verify=arguments.verify and not cluster,
                pace=Pace(arguments.bandwidth, arguments.only_between),
                paces=opens.paces([*sources, *destinations]),
                validators=[make_basic_validator()] if checked else [],
                keep_errors=arguments.keep_errors, quarantine=arguments.quarantine or "",
            )  # fmt: skip
            _connect(manager, summary, progress)
            with journal:
                async with manager, cluster or nullcontext():
                    if arguments.dry_run:
                        return await _dry_run(manager, selection)
                    report = await manager.sync(
                        selection.keys,
                        level=selection.level,
                        within=selection.within,
                        executor=cluster,
                    )
                if report.complete and not arguments.journal:
                    journal.forget()
        for remark in report.remarks:
            summary.remark(remark)
        for problem in report.problems:
            summary.trouble(problem)
    if arguments.report_html:
        _write_page(arguments.report_html, page(report, manager.rates, names["sources"]))
    if not arguments.no_report:
        print_text(str(report))
    return summary.status


def _layout(arguments: Namespace) -> "Layout | None":
    """Return the layout of new files, with the given extension; None: the configured one."""
    template, extension = arguments.dir_format, arguments.out_file_ext
    if template is None and extension is None:
        return None
    from dcm.store.layout import DEFAULT, Layout  # noqa: PLC0415 - slow, and seldom used

    if extension is not None:
        extension = f".{extension.lstrip('.')}" if extension else ""
        stem = (template or str(DEFAULT)).removesuffix(".dcm")
        return Layout(stem + extension)
    return Layout(template)


def _connect(manager: SyncManager, summary: Reporter, progress: Progress) -> None:
    """Connect the events of the sync to the report and the progress."""
    rates = manager.rates

    def found(transfer: Transfer) -> None:
        progress.expect(len(transfer.to) * (transfer.what.count(Level.IMAGE) or 0))

    def copied(each: Copied) -> None:
        progress.done += 1
        progress.note = f"{bytes_text(rates.bytes)}, {bytes_text(rates.lately())}/s"
        summary.tell(each.result, source=each.source, destination=each.destination)

    manager.on_found, manager.on_copied = found, copied


def _write_page(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


async def _dry_run(manager: SyncManager, selection: Selection) -> int:
    """Print what would be copied as trees."""
    transfers = manager.gen_transfers(
        selection.keys, level=selection.level, within=selection.within
    )
    async for transfer in transfers:
        to = ", ".join(manager.destinations[number].name for number in transfer.to)
        print_text(f"from {transfer.source.name} to {to}:\n{transfer.what.to_tree()}")
    for problem in manager.report.problems:
        LOG.error("%s", problem)
    return 1 if manager.report.problems else 0


def _journal_of(names: dict[str, list[str]], selection: Selection) -> str:
    """Return the journal that the same command finds when it is run again."""
    import hashlib  # noqa: PLC0415 - for this alone
    import json  # noqa: PLC0415

    asked = json.dumps([names, selection.asked()], sort_keys=True, default=str)
    folder = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    if folder.startswith("~"):  # there is no home directory
        import tempfile  # noqa: PLC0415 - hardly ever needed

        folder = os.path.join(tempfile.gettempdir(), f"dcm-{os.getuid()}")
    return os.path.join(
        folder, "dcm", "sync", f"{hashlib.sha256(asked.encode()).hexdigest()[:16]}.sqlite"
    )


def _hours(text: str) -> Hours:
    try:
        return Hours.parse(text)
    except BadHours as error:
        raise ArgumentTypeError(str(error)) from error


def _level(text: str) -> Level:
    try:
        return Level.named(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
