"""`dcm sync`: copy what destinations lack of what sources have, and nothing else.

Sources and destinations are compared level by level; each instance is fetched once, and sent on to all
destinations that lack it while others arrive. What was interrupted goes on when the same command is given
again. Exit status 0 only if every destination has everything afterwards.
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
"""Instances in one task for a worker, though a study is never divided."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: from where, to where, what and how."""
    parser.add_argument(
        "destinations", metavar="DEST", nargs="+",
        help=f"{PLACE}; a folder is made if it is missing",
    )  # fmt: skip
    parser.add_argument(
        "-s", "--source", metavar="SOURCE", dest="sources", action="append", default=[],
        help="as DEST; may be repeated. Without it, the source of the query result that is read",
    )  # fmt: skip
    parser.add_argument(
        "-q", "--query", metavar="KEY=VALUE", dest="keys", action="append", default=[],
        help="copy only what matches; may be repeated. See `dcm query --help`",
    )  # fmt: skip
    add_limits(parser)
    parser.add_argument(
        "--dir-format", metavar="TEMPLATE",
        help="where new files go in folders: {PatientID}/{StudyDate:%%Y}/{SOPInstanceUID}.dcm",
    )  # fmt: skip
    parser.add_argument(
        "--trust-level", type=_level, default=Level.IMAGE, metavar="LEVEL",
        help="patient, study, series or image (the default): from this level on, equal numbers of instances"
        " count as equal",
    )  # fmt: skip
    parser.add_argument(
        "-f", "--force-all", action="store_true",
        help="copy everything, whatever the destinations have",
    )  # fmt: skip
    parser.add_argument(
        "-m", "--method", dest="how", choices=_METHODS, default="proxy",
        help="proxy: through us; remote-copy: have sources send to DEST themselves (C-MOVE), which they must"
        " know by its AE title; between folders local-copy, link, symlink, or move: what DEST has in the end"
        " is removed from the source",
    )  # fmt: skip
    parser.add_argument(
        "--recurse", action=BooleanOptionalAction, default=True,
        help="read folders below source folders, too (the default)",
    )  # fmt: skip
    parser.add_argument(
        "--in-file-ext", metavar="EXT",
        help="of source folders, read only files with this extension: dcm",
    )  # fmt: skip
    parser.add_argument(
        "--out-file-ext", metavar="EXT",
        help="give new files this extension in place of that of their template; empty: none",
    )  # fmt: skip
    parser.add_argument(
        "--keep-errors", action="store_true",
        help="copy an instance, too, that is not of the patient, study and series that the source has named;"
        " without this option, it is a failure",
    )  # fmt: skip
    parser.add_argument(
        "--quarantine", metavar="FOLDER",
        help="keep such an instance in FOLDER",
    )  # fmt: skip
    parser.add_argument(
        "--no-report", action="store_true", help="print no counts; failures are still logged"
    )
    parser.add_argument(
        "--verify", action="store_true",
        help="afterwards read back what was stored, and compare its content",
    )  # fmt: skip
    parser.add_argument(
        "--journal", metavar="FILE",
        help="remember in FILE what was given to a DEST that cannot be asked, and do not give it again;"
        " without this option, that is remembered until everything was copied",
    )  # fmt: skip
    parser.add_argument(
        "--report-html",
        metavar="FILE",
        help="write a page about it to FILE, with a plot of the rate",
    )
    parser.add_argument(
        "--bandwidth",
        metavar="BYTES",
        type=size,
        help="copy at most so many bytes a second: 500K, 20M",
    )
    parser.add_argument(
        "--only-between", metavar="HH:MM-HH:MM", type=_hours,
        help="copy only during these hours of the day, and wait for them: 22:00-06:00",
    )  # fmt: skip
    parser.add_argument(
        "--workers", metavar="dask://HOST:PORT",
        help="spread the copying over the workers of this Dask scheduler, study by study",
    )  # fmt: skip
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="only print what would be copied"
    )
    add_edits(parser, on_the_way=True)
    add_connection(parser, "a node")
    add_network_options(parser)


def run(arguments: Namespace) -> int:
    """Compare and copy, and print how many had which outcome at each destination."""
    opens = opener(
        arguments, layout=_layout(arguments), recurse=arguments.recurse,
        in_file_ext=arguments.in_file_ext,
    )  # fmt: skip
    selection = read_selection(arguments, piped=not arguments.sources)
    names = arguments.sources
    if not names and selection.within is None:
        raise UsageError("nothing says where from: give a --source, or the JSON of `dcm query`")
    sources = [opens.place(name) for name in names]
    if selection.within is not None and not names:
        sources = [opens.of_result(selection.within.source)]
    destinations = [opens.place(name, to_write=True) for name in arguments.destinations]
    cluster = None
    if arguments.workers is not None:
        if arguments.how != "proxy":
            raise UsageError("--workers excludes --method")
        limited = [*opens.paces([*sources, *destinations])]
        if arguments.bandwidth or arguments.only_between or limited:
            of = f" (of {', '.join(limited)})" if limited else ""
            raise UsageError(
                f"workers know nothing of a bandwidth or of hours{of}: not with --workers"
            )
        from dcm.sync.cluster import Cluster, Options  # noqa: PLC0415 - seldom used

        comparison = Comparison(arguments.trust_level, arguments.force_all)
        options = Options(comparison, arguments.verify)
        cluster = Cluster(arguments.workers.replace("dask://", "tcp://", 1), opens, options)
    with ExitStack() as stack:
        through = read_edits(arguments, stack)
        if through is not None and (cluster or arguments.how != "proxy"):
            raise UsageError(
                f"edits are made on the way through us: not with {arguments.how}, nor with --workers"
            )
        comparison = Comparison(arguments.trust_level, arguments.force_all, through)
        asked = _Asked(selection, sources, destinations, comparison, cluster, opens)
        return run_async(_sync(arguments, asked))


class _Asked(NamedTuple):
    """What is to be copied, between which places, and how."""

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
    with reporter(arguments, **names, **selection.asked()) as told:
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
            _connect(manager, told, progress)
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
            told.remark(remark)
        for problem in report.problems:
            told.trouble(problem)
    if arguments.report_html:
        _write_page(arguments.report_html, page(report, manager.rates, names["sources"]))
    if not arguments.no_report:
        print_text(str(report))
    return told.status


def _layout(arguments: Namespace) -> "Layout | None":
    """Return where new files go, with the extension that is asked for; None: as the configuration says."""
    template, extension = arguments.dir_format, arguments.out_file_ext
    if template is None and extension is None:
        return None
    from dcm.store.layout import DEFAULT, Layout  # noqa: PLC0415 - slow, and seldom used

    if extension is not None:
        extension = f".{extension.lstrip('.')}" if extension else ""
        stem = (template or str(DEFAULT)).removesuffix(".dcm")
        return Layout(stem + extension)
    return Layout(template)


def _connect(manager: SyncManager, told: Reporter, progress: Progress) -> None:
    """Have everything that happens reported and shown."""
    rates = manager.rates

    def found(transfer: Transfer) -> None:
        progress.expect(len(transfer.to) * (transfer.what.count(Level.IMAGE) or 0))

    def copied(each: Copied) -> None:
        progress.done += 1
        progress.note = f"{bytes_text(rates.bytes)}, {bytes_text(rates.lately())}/s"
        told.tell(each.result, source=each.source, destination=each.destination)

    manager.on_found, manager.on_copied = found, copied


def _write_page(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


async def _dry_run(manager: SyncManager, selection: Selection) -> int:
    """Print what would be copied, as trees."""
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
    """Return the file that this command finds again when it is given again."""
    import hashlib  # noqa: PLC0415 - for this alone
    import json  # noqa: PLC0415

    asked = json.dumps([names, selection.asked()], sort_keys=True, default=str)
    folder = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    if folder.startswith("~"):  # no home
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
