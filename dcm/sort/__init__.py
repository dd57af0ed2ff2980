"""Sorting: folders of DICOM files are reorganized by a path template.

from dcm.sort import Method, sort, undo

report = sort(["scans"], "sorted", "{PatientID}/{StudyDate}/{SOPInstanceUID}.dcm", Method.MOVE)
undo(report.journal)
"""

import os
from collections.abc import Sequence

from dcm.sort.execute import execute, remove_empty
from dcm.sort.journal import Entry, Journal, head, new_name, read, unfinished
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
    """Give all DICOM files in folders a place below `target`, as the layout says.

    Everything is checked first, and nothing is touched if something is missing. What is no DICOM file is
    left; of two files with one place and the same data set one is sorted, and the other left; with different
    ones, both are, with names of their own. What is at a place already is never replaced. A move that was
    interrupted at any moment goes on when this is called again.

    dry_run: find out what would be done. remove_empty_folders: those in the sources, after a move.

    Raises `SortError` and `LayoutError` if it cannot begin, and `OSError`.
    """
    layout = Layout(layout) if isinstance(layout, str) else layout
    folders = [os.path.abspath(os.fspath(each)) for each in sources]
    into = os.path.abspath(os.fspath(target))
    for folder in folders:
        if not os.path.isdir(folder):
            raise SortError(f"there is no folder {folder}")
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
        report.journal = begun[0] if begun else new_name(into)
        with Journal(report.journal, write=True) as journal:
            journal.begin(asked)
            done = [*execute(plan, journal, on_progress)]
            report.results.extend(done)
            if all(each.good for each in done):
                journal.end()
    if remove_empty_folders and method is Method.MOVE:
        for _ in remove_empty(folders, into):
            pass
    return report


def _left_out(folders: Sequence[str], into: str) -> str:
    """Return the target if it is within a folder that is sorted, as files in it are sorted already."""
    inside = any(into.startswith(f"{each.rstrip('/')}/") for each in folders)
    return into if inside and into not in folders else ""
