"""`dcm index`: index a folder for queries, and check its files.

Scans the headers of new and changed files, and prints a summary of the folder. --verify reads all files
completely. Exit status 1 if a folder or file cannot be read, or if an option that looks for damage, changes
or conflicts finds some.
"""

import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from dcm.cli.logs import LOG
from dcm.cli.output import print_json, print_text
from dcm.cli.progress import Progress, in_thread, wanted
from dcm.cli.running import run_async
from dcm.cli.usage import UsageError
from dcm.data.levels import Level
from dcm.store.index import Index, Updated
from dcm.store.index_problems import OddFile, Shared, Verified

_Result = TypeVar("_Result")
_LOGGED: Final = 20


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: which folder, and what to look for."""
    parser.add_argument("folder", metavar="DIR", help="the folder, including its subfolders")
    parser.add_argument(
        "--index", metavar="FILE", help="the file with the index; DIR/.dcm-index.sqlite by default"
    )
    parser.add_argument(
        "--verify", action="store_true",
        help="read all files completely, and compare the checksums of data sets with the recorded ones",
    )  # fmt: skip
    parser.add_argument(
        "--duplicates", action="store_true", help="list objects that are in several files"
    )
    parser.add_argument(
        "--conflicts", action="store_true",
        help="list different objects with the same SOP Instance UID",
    )  # fmt: skip
    parser.add_argument(
        "--damaged", action="store_true", help="list damaged files, and what is wrong with them"
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--no-progress", action="store_true", help="show no progress")


def run(arguments: Namespace) -> int:
    """Update the index, run the checks, and print the result."""
    if not os.path.isdir(arguments.folder):
        raise UsageError(f"{arguments.folder} is not a folder")
    return run_async(_run(arguments))


async def _run(arguments: Namespace) -> int:
    verified: Verified | None = None
    with Index(arguments.folder, arguments.index) as index:
        async with Progress("scanned", shown=wanted(arguments)) as progress:
            updated = await _counted(index.update, progress)
        if arguments.verify:
            async with Progress("read", shown=wanted(arguments)) as progress:
                verified = await _counted(index.verify, progress)
        report = _report(index, arguments, updated, verified)
    for path, words in updated.unreadable[:_LOGGED]:
        LOG.error("%s: %s", path, words)
    if arguments.json:
        print_json(json.dumps(report, separators=(",", ":")))
    else:
        _print(report)
    bad = ("unreadable", "changed", "damaged", "conflicts")
    return int(any(isinstance(report.get(name), list) and report[name] for name in bad))


async def _counted(
    work: Callable[[Callable[[int], object]], _Result], progress: Progress
) -> _Result:
    def begin(alive: Callable[[], None]) -> _Result:
        def tell(done: int) -> None:
            alive()
            progress.done = done

        return work(tell)

    return await in_thread(begin)


def _report(
    index: Index, arguments: Namespace, updated: Updated, verified: Verified | None
) -> dict[str, Any]:
    report: dict[str, Any] = {
        "folder": index.path,
        "files": updated.files,
        "scanned": updated.scanned,
        "removed": updated.removed,
        "counts": index.summary()._asdict(),
        "remarks": index.remarks,
        "unreadable": [{"path": path, "words": words} for path, words in updated.unreadable],
    }
    if verified is not None:
        report |= {"verified": verified.files, "changed": _odd(verified.changed)}
    if arguments.damaged or verified is not None:
        report["damaged"] = _odd(index.odd_files(damaged=True))
    if arguments.duplicates or arguments.conflicts:
        shared = [*index.shared_uids()]
        if arguments.duplicates:
            report["duplicates"] = _shared(each for each in shared if each.has_duplicates)
        if arguments.conflicts:
            report["conflicts"] = _shared(each for each in shared if each.is_conflict)
    return report


def _odd(files: Iterable[OddFile]) -> list[dict[str, str]]:
    return [each._asdict() for each in files]


def _shared(found: Iterable[Shared]) -> list[dict[str, Any]]:
    return [
        {"sop_instance_uid": each.sop_instance_uid, "same": [list(group) for group in each.groups]}
        for each in found
    ]


def _print(report: dict[str, Any]) -> None:
    """Print the report as text: a summary of the folder, then the problems, one line for each file."""
    read = f"{report['files']} files, {report['scanned']} scanned, {report['removed']} gone"
    if "verified" in report:
        read += f", {report['verified']} read to their end"
    counts = report["counts"]
    held = ", ".join(f"{counts[each.entities]} {each.entities}" for each in reversed(Level))
    odd = f"{counts['not_dicom']} not DICOM, {counts['damaged']} damaged"
    print_text(f"{report['folder']}: {read}\n{held}; {odd}")
    for name in ("changed", "damaged"):
        for each in report.get(name, ()):
            print_text(f"{name}: {each['path']}: {each['words']}")
    for name in ("duplicates", "conflicts"):
        for each in report.get(name, ()):
            between = "; " if name == "conflicts" else " "
            groups = between.join(" = ".join(group) for group in each["same"])
            print_text(f"{name}: {each['sop_instance_uid']}: {groups}")
