"""Carries out a plan, with a journal of what is about to be done."""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from dcm.sort.files import FULL, put, words
from dcm.sort.journal import Entry, Journal
from dcm.sort.outcome import DONE, Fate, Method, Sorted
from dcm.sort.plan import OnProgress, Operation, Plan, Step

_BATCH: Final = 500
"""The number of files written to the journal before they are touched, with one flush to disk."""


def execute(plan: Plan, journal: Journal, on_progress: OnProgress | None) -> Iterator[Sorted]:
    """Yield the fate of each file. If the disk is full, the rest is not tried."""
    known: set[str] = set()
    waiting = iter(plan.operations)
    done = 0
    stopped = ""
    while some := list(islice(waiting, _BATCH)):
        if not stopped:
            try:
                journal.add(_missing(some, known), _entries(some))
            except OSError as error:
                if error.errno not in FULL:
                    raise
                stopped = words(error)
        for each in some:
            result = _one(plan.method, each, stopped, known)
            if isinstance(result, OSError):
                stopped = words(result) if result.errno in FULL else ""
                result = Sorted(each.file.path, each.target, Fate.FAILED, words(result))
            yield result
        done += len(some)
        if on_progress:
            on_progress("sorted", done, len(plan.operations))


def _missing(some: Sequence[Operation], known: set[str]) -> list[str]:
    """Return the folders that must be created for files; existing ones are added to `known`."""
    folders: dict[str, None] = {}
    for each in some:
        folder = os.path.dirname(each.target)
        missing = []
        while folder not in known and folder not in folders:
            if os.path.isdir(folder):
                known.add(folder)
                break
            missing.append(folder)
            folder = os.path.dirname(folder)
        folders.update(dict.fromkeys(missing[::-1]))
    return [*folders]


def _entries(some: Sequence[Operation]) -> list[Entry]:
    return [Entry(each.file.path, each.target, each.file.size, each.file.mtime_ns) for each in some]


def _one(method: Method, each: Operation, stopped: str, known: set[str]) -> Sorted | OSError:
    source, target = each.file.path, each.target
    if stopped:
        return Sorted(source, target, Fate.NOT_TRIED, stopped)
    try:
        if each.step is Step.FINISH:
            os.unlink(source)
        else:
            folder = os.path.dirname(target)
            if folder not in known:
                _make(folder, known)
            put(method, source, target)
    except OSError as error:
        return error
    return Sorted(source, target, DONE[method], each.words)


def _make(folder: str, known: set[str]) -> None:
    """Create a folder, and those above it."""
    above = os.path.dirname(folder)
    if above not in known and above != folder:
        _make(above, known)
    try:
        os.mkdir(folder)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise
    known.add(folder)


def remove_empty(folders: Sequence[str], without: str) -> Iterator[str]:
    """Remove the empty folders below folders, except one and those above it; yield them."""
    for top in folders:
        for folder, _, _ in os.walk(top, topdown=False):
            if folder == top or f"{without}/".startswith(f"{folder}/"):
                continue
            try:
                os.rmdir(folder)
            except OSError:  # not empty
                continue
            yield folder
