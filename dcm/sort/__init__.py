"""Sorting: reorganizing folders of DICOM files by a path template.

from dcm.sort import Method, sort, undo

report = sort(["scans"], "sorted", "{PatientID}/{StudyDate}/{SOPInstanceUID}.dcm", Method.MOVE)
undo(report.journal)
"""

import contextlib
import os
from collections.abc import Sequence

from dcm.sort.execute import execute, remove_empty
from dcm.sort.journal import Entry, Journal, create, head, read, unfinished
from dcm.sort.outcome import Fate, Method, Sorted, SortError, SortReport
from dcm.sort.plan import OnProgress, Planner
from dcm.sort.scan import files, scanned_files
from dcm.sort.undo import undo
from dcm.store.layout import DEFAULT, Layout

__all__ = ["Fate", "Method", "OnProgress", "SortError", "SortReport", "Sorted", "sort", "undo"]

_Path = str | os.PathLike[str]


def sort(
    sources: Sequence[_Path],
    target: _Path,
    layout: Layout | str = DEFAULT,
    method: Method = Method.COPY,
    *,
    dry_run: bool = False,
    remove_empty_folders: bool = False,
    on_progress: OnProgress | None = None,
) -> SortReport:
    """Put all DICOM files of folders in their places below `target`, according to the layout.

    Everything is checked first, and nothing is changed if a requirement is not met. Files that are
    not DICOM are left. Of two files with the same place and the same data set, one is sorted and
    the other left; if the data sets differ, both are sorted under different names. Existing files
    are never replaced. A move that was interrupted at any moment continues when this is called
    again.

    dry_run: only determine what would be done. remove_empty_folders: remove those in the sources
    after a move.

    Raises `SortError` and `LayoutError` if it cannot begin, and `OSError`.
    """
    layout = Layout(layout) if isinstance(layout, str) else layout
    folders = [os.path.abspath(os.fspath(each)) for each in sources]
    into = os.path.abspath(os.fspath(target))
    for folder in folders:
        if not os.path.isdir(folder):
            raise SortError(f"{folder} is not a folder")
    asked = head(folders, into, layout.template, method)
    begun = [] if dry_run else [*unfinished(into, asked)]
    resumed: list[Entry] = [each for path in begun for each in read(path).entries]
    report = SortReport()
    before = {each.source: each.target for each in resumed}
    planner = Planner(into, method, before if method is Method.MOVE else {})
    found = files(folders, _left_out(folders, into), links=method is not Method.MOVE)
    plan = planner.plan(scanned_files(found, layout), on_progress)
    report.results.extend(plan.results)
    if dry_run:
        report.results.extend(
            Sorted(each.file.path, each.target, Fate.TO_DO, each.words) for each in plan.operations
        )
        return report
    if plan.operations or begun:
        os.makedirs(into, exist_ok=True)
        report.journal = begun[0] if begun else create(into, asked)
        with Journal(report.journal, write=True) as journal:
            done = [*execute(plan, journal, on_progress)]
            report.results.extend(done)
            if all(each.good for each in done):
                journal.end()
                _end(begun[1:])
    if remove_empty_folders and method is Method.MOVE:
        for _ in remove_empty(folders, into):
            pass
    return report


def _end(journals: Sequence[str]) -> None:
    """End other journals of the same command, whose files are done as well."""
    for path in journals:
        with (
            contextlib.suppress(SortError),
            Journal(path, write=True) as journal,
        ):  # in use: not ours
            journal.end()


def _left_out(folders: Sequence[str], into: str) -> str:
    """Return the target if it is inside a sorted folder, as its files are already sorted."""
    inside = any(into.startswith(f"{each.rstrip('/')}/") for each in folders)
    return into if inside and into not in folders else ""
