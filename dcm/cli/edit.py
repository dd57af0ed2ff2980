"""`dcm edit`: set or delete elements in files, or replace UIDs; all other bytes stay the same.

A KEY is a keyword or a tag. In sequences, it is a path: ReferencedStudySequence[0].StudyDate, or [*] for all
items. Private elements are written as (0019,"SIEMENS MR HEADER",08). **.PatientID stands for the element at
any depth, and **.PN for all elements of a VR. Setting an element adds it if it does not exist.
"""

import asyncio
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from logging import INFO
from typing import TYPE_CHECKING, Final

from dcm.cli.edits import add_edits, read_edits
from dcm.cli.paths import add_paths, chosen, is_missed, listed
from dcm.cli.progress import Progress, wanted
from dcm.cli.report import Reporter
from dcm.cli.running import run_async
from dcm.cli.session import reporter
from dcm.cli.usage import UsageError
from dcm.data.header import NotDicom
from dcm.errors import DcmError

if TYPE_CHECKING:
    from dcm.filt.base import Filter
    from dcm.filt.files import EditedFile, FileEditor

_AT_ONCE: Final = 20
"""The number of files processed between checks for Ctrl-C."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: what to edit, how, and where to."""
    add_paths(parser)
    add_edits(parser)
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("-o", "--output", metavar="FOLDER", help="write the results to FOLDER")
    target.add_argument("--in-place", action="store_true", help="replace the original files")
    parser.add_argument(
        "--report", metavar="FILE", help="write a report of all outcomes to FILE, as JSON"
    )
    parser.add_argument("--no-progress", action="store_true", help="show no progress")


def run(arguments: Namespace) -> int:
    """Edit, and print the number of files for each outcome."""
    with ExitStack() as stack:
        through = read_edits(arguments, stack)
        if through is None or not through.writes:
            raise UsageError(
                "no edits given: use -e KEY=VALUE, --delete, --edit-json or --remap-uids"
            )
        return run_async(_edit(arguments, through))


async def _edit(arguments: Namespace, through: "Filter") -> int:
    from dcm.filt.files import FileEditor  # noqa: PLC0415 - not for --help

    named = frozenset(arguments.paths)
    found = await listed(chosen(arguments.paths, named, arguments.in_file_ext))
    paths = _outside(arguments, found)
    editor = FileEditor(through)
    with reporter(arguments, "files", paths=arguments.paths) as summary:
        async with Progress("editing", len(paths), shown=wanted(arguments)) as progress:
            for at in range(0, len(paths), _AT_ONCE):
                some = paths[at : at + _AT_ONCE]
                await asyncio.to_thread(_edit_some, arguments, editor, some, summary)
                progress.done += len(some)
        if not summary.counts:
            summary.trouble(f"nothing to edit in {', '.join(arguments.paths)}")
    print(summary)
    return summary.status


def _edit_some(
    arguments: Namespace, editor: "FileEditor", paths: Iterable[str], summary: Reporter
) -> None:
    """Edit files, each with an outcome."""
    from dcm.filt.base import Rejected  # noqa: PLC0415 - as above

    for path in paths:
        try:
            if arguments.in_place:
                done = editor.in_place(path)
            else:
                done = editor.into(path, partial(_target, arguments, path))
        except Rejected:
            summary.entry("passed over", path, "it is not selected", good=True, level=INFO)
        except NotDicom as error:
            good = not is_missed(path, frozenset(arguments.paths))
            outcome = "passed over" if good else "failed"
            summary.entry(outcome, path, error.reason, good=good)
        except DcmError as error:
            summary.entry("failed", path, str(error), good=False)
        except OSError as error:
            where = f"{error.filename}: " if error.filename not in (None, path) else ""
            summary.entry("failed", path, f"{where}{error.strerror}", good=False)
        else:
            outcome = "edited" if done.changed else "unchanged"
            if done.already_there:
                outcome = "already there"
            summary.entry(
                outcome, path, "; ".join(done.remarks), good=True, file=done.file,
                sop_instance_uid=done.sop_instance_uid, before=done.before,
            )  # fmt: skip


def _target(arguments: Namespace, path: str, done: "EditedFile") -> str:
    """Return the path of the result: the path below the given folder is kept below the output.

    A UID that was replaced is also replaced in the name.
    """
    inside = [each for each in arguments.paths if each != path and _is_below(path, each)]
    name = os.path.relpath(path, max(inside, key=len)) if inside else os.path.basename(path)
    if done.before and done.before != done.sop_instance_uid:
        name = name.replace(done.before, done.sop_instance_uid)
    return os.path.join(arguments.output, name)


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))


def _outside(arguments: Namespace, paths: Sequence[str]) -> Sequence[str]:
    """Leave out the output folder if it is inside a folder that is read. Raises `UsageError`."""
    if arguments.output is None:
        return paths
    output = os.path.join(os.path.realpath(arguments.output), "")
    read = [os.path.join(os.path.realpath(path), "") for path in arguments.paths]
    if any(each.startswith(output) for each in read):
        raise UsageError(
            f"{arguments.output} contains the files to be edited: choose another folder, or use --in-place"
        )
    if not any(output.startswith(each) for each in read):
        return paths
    return [path for path in paths if not os.path.realpath(path).startswith(output)]
