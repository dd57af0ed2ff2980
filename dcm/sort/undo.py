"""Undoes what a journal lists, except for files that were changed since."""

import filecmp
import os
import stat
from typing import Final

from dcm.sort.files import move, words
from dcm.sort.journal import Entry, Journal, read
from dcm.sort.outcome import Fate, Method, Sorted, SortReport
from dcm.sort.plan import OnProgress

_COARSE: Final = 2_000_000_000
"""The deviation in ns of times on file systems without fractions of seconds."""


def undo(path: str, *, on_progress: OnProgress | None = None) -> SortReport:
    """Undo what a journal lists. Raises `SortError` if it is not a journal, and `OSError`.

    Moved files are moved back; copies and links are removed if their original file still exists.
    Files that were changed since are kept, and then the journal is kept, too; otherwise it is
    removed.
    """
    report = SortReport()
    with Journal(path, write=False):
        found = read(path)
        for count, entry in enumerate(reversed(found.entries), 1):
            result = _undone(found.method, entry)
            if result is not None:
                report.results.append(result)
            if on_progress and count % 100 == 0:
                on_progress("undone", count, len(found.entries))
        for folder in reversed(found.folders):
            _remove(folder)
        if report.complete:
            os.unlink(path)
        else:
            report.journal = path
    return report


def _remove(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:  # not empty, or gone
        return


def _undone(method: Method, entry: Entry) -> Sorted | None:
    """Undo what was done to a file; return None if nothing was done."""
    try:
        now = os.lstat(entry.target)
    except (FileNotFoundError, NotADirectoryError):
        there = os.path.lexists(entry.source)
        return None if there else _refused(entry, "it is in neither place")
    except OSError as error:
        return Sorted(entry.source, entry.target, Fate.FAILED, words(error))
    try:
        refusal = _UNDO[method](entry, now)
    except OSError as error:
        return Sorted(entry.target, entry.source, Fate.FAILED, words(error))
    if refusal:
        return _refused(entry, refusal)
    if method is Method.MOVE:
        return Sorted(entry.target, entry.source, Fate.PUT_BACK)
    return Sorted(entry.target, "", Fate.REMOVED)


def _refused(entry: Entry, why: str) -> Sorted:
    return Sorted(entry.target, entry.source, Fate.REFUSED, why)


def _is_same(now: os.stat_result, entry: Entry) -> bool:
    """Return whether a file still has its size and modification time."""
    if not stat.S_ISREG(now.st_mode) or now.st_size != entry.size:
        return False
    difference = abs(now.st_mtime_ns - entry.mtime_ns)
    coarse = now.st_mtime_ns % 1_000_000_000 == 0
    return difference < 1000 or (coarse and difference < _COARSE)


def _undo_move(entry: Entry, now: os.stat_result) -> str:
    source = _status(entry.source)
    if source is None:
        if not _is_same(now, entry):
            return "it was changed since"
        os.makedirs(os.path.dirname(entry.source), exist_ok=True)
        move(entry.target, entry.source)
        return ""
    if os.path.samestat(source, now):  # an interrupted move
        if now.st_nlink < 2:
            return f"it is {entry.source} by another way"
    elif not (_is_same(now, entry) and filecmp.cmp(entry.source, entry.target, shallow=False)):
        return f"{entry.source} already exists"
    os.unlink(entry.target)
    return ""


def _undo_copy(entry: Entry, now: os.stat_result) -> str:
    source = _status(entry.source)
    if source is None or not _is_same(source, entry):
        return f"{entry.source} is gone, or has changed since"
    if not _is_same(now, entry) or os.path.samestat(source, now):
        return "it was changed since"
    os.unlink(entry.target)
    return ""


def _undo_link(entry: Entry, now: os.stat_result) -> str:
    source = _status(entry.source)
    if source is None or not os.path.samestat(source, now) or now.st_nlink < 2:
        return f"it is no longer the same file as {entry.source}"
    os.unlink(entry.target)
    return ""


def _undo_symlink(entry: Entry, now: os.stat_result) -> str:
    link = stat.S_ISLNK(now.st_mode) and os.readlink(entry.target)
    if link != os.path.realpath(entry.source):
        return f"it is no longer a link to {entry.source}"
    os.unlink(entry.target)
    return ""


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


_UNDO: Final = {
    Method.MOVE: _undo_move,
    Method.COPY: _undo_copy,
    Method.LINK: _undo_link,
    Method.SYMLINK: _undo_symlink,
}
