"""`dcm sort`: sort DICOM files into folders, with paths made from their contents by a template.

Everything is checked before any file is touched. Files are never silently replaced or merged, other files
than DICOM are left alone, and everything can be undone from a journal. Exit status 0 only if every DICOM file
was sorted.
"""

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable
from typing import Final

from dcm.cli.logs import LOG
from dcm.cli.output import print_text
from dcm.cli.progress import Progress, in_thread, wanted
from dcm.cli.report import Reporter
from dcm.cli.running import run_async
from dcm.cli.usage import UsageError
from dcm.sort import Fate, Method, Sorted, SortError, SortReport, sort, undo
from dcm.store.layout import DEFAULT
from dcm.wire.status import readable

_MOST: Final = 20


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: what to sort, where, and how."""
    parser.add_argument(
        "folders", metavar="DIR", nargs="*", help="a folder, including its subfolders"
    )
    parser.add_argument(
        "-o", "--output", metavar="TARGET", help="the folder in which the new folders are created"
    )
    parser.add_argument(
        "--dir-format", metavar="TEMPLATE", default=DEFAULT.template,
        help="the path of a file below TARGET, such as {PatientID}/{StudyDate:%%Y}/{SOPInstanceUID}.dcm;"
        " by default patient, study, series and instance",
    )  # fmt: skip
    parser.add_argument(
        "--method", choices=[each.value for each in Method], default=Method.COPY.value,
        help="copy (the default), move, link (hard links) or symlink",
    )  # fmt: skip
    parser.add_argument(
        "-n", "--dry-run", action="store_true", help="only print what would be done"
    )
    parser.add_argument(
        "--remove-empty", action="store_true", help="after moving, remove empty folders in DIR"
    )
    parser.add_argument(
        "--undo", metavar="JOURNAL",
        help="undo the sort that left the file JOURNAL in TARGET, except for files that have changed since",
    )  # fmt: skip
    parser.add_argument(
        "--report", metavar="FILE", help="write a report of all outcomes to FILE, as JSON"
    )
    parser.add_argument("--no-progress", action="store_true", help="show no progress")


def run(arguments: Namespace) -> int:
    """Sort or undo, and print the number of files for each outcome."""
    if arguments.undo is not None:
        if arguments.folders or arguments.output:
            raise UsageError("--undo cannot be used with DIR or --output: JOURNAL contains them")
    elif not arguments.folders or arguments.output is None:
        raise UsageError("give the folders to sort, and the destination with --output")
    return run_async(_run(arguments))


async def _run(arguments: Namespace) -> int:
    names = "folders", "output", "dir_format", "method", "undo", "dry_run"
    asked = {name: getattr(arguments, name) for name in names}
    with Reporter("sort", asked, arguments.report, "files") as summary:
        try:
            first = "scanned" if arguments.undo is None else "undone"
            async with Progress(first, shown=wanted(arguments)) as progress:
                report = await _work(arguments, progress)
        except (SortError, OSError) as error:
            words = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
            summary.trouble(words + (getattr(error, "strerror", None) or str(error)))
            return 1
        _tell(report, summary, dry_run=arguments.dry_run)
    print_text(str(summary))
    if report.journal and arguments.undo is None:
        LOG.warning("to undo this, run: dcm sort --undo %s", readable(report.journal))
    return summary.status


async def _work(arguments: Namespace, progress: Progress) -> SortReport:
    further = ("checked", "sorted") if arguments.undo is None else ()
    stages = {progress.what: progress, **{name: progress.stage(name) for name in further}}

    def work(alive: Callable[[], None]) -> SortReport:
        def tell(what: str, done: int, total: int | None) -> None:
            alive()
            stages[what].done, stages[what].total = done, total

        if arguments.undo is not None:
            return undo(arguments.undo, on_progress=tell)
        return sort(
            arguments.folders, arguments.output, arguments.dir_format, Method(arguments.method),
            dry_run=arguments.dry_run, remove_empty_folders=arguments.remove_empty, on_progress=tell,
        )  # fmt: skip

    return await in_thread(work)


def _tell(report: SortReport, summary: Reporter, *, dry_run: bool) -> None:
    """Log oddities, and add everything to the report; print a dry run."""
    logged: Counter[Fate] = Counter()
    for each in report.results:
        summary.add(
            each.fate.value,
            good=each.good,
            source=each.source,
            target=each.target,
            words=each.words,
        )
        if each.fate is Fate.TO_DO and dry_run:
            print_text(f"{readable(each.source)} -> {readable(each.target)}")
        if each.words or not each.good:
            logged[each.fate] += 1
            if logged[each.fate] <= _MOST:
                _log(each)
    for fate, count in logged.items():
        if count > _MOST:
            LOG.warning("%s: and %d more; use --report FILE to list all", fate.value, count - _MOST)
    for problem in report.problems:
        summary.trouble(problem)


def _log(each: Sorted) -> None:
    line = f"{readable(each.source)}: {each.fate.value}" + (f": {each.words}" if each.words else "")
    (LOG.warning if each.good else LOG.error)("%s", line)
