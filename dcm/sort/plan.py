"""Plans what has to be done to sort files, and checks that it is possible before any change."""

import os
import shutil
import stat
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final, NamedTuple

from dcm.held import Settled, beside, relation
from dcm.sort.outcome import Fate, Method, Sorted, SortError
from dcm.sort.scan import Scanned

OnProgress = Callable[[str, int, int | None], object]
"""Called with what is counted, the number so far, and the total if it is known."""


class Step(Enum):
    """What is done to a file."""

    PUT = "put"
    """Put it in its new place."""
    FINISH = "finish"
    """Remove its old name: a move was interrupted after it got its new place."""


class Operation(NamedTuple):
    """A file that will be put in its place."""

    file: Scanned
    target: str
    words: str = ""
    step: Step = Step.PUT


class Plan:
    """The operations, in order. results: the fates of files that need no operation."""

    def __init__(self, target: str, method: Method) -> None:
        self.target: Final = target
        self.method: Final = method
        self.operations: list[Operation] = []
        self.results: Final[list[Sorted]] = []


class Planner:
    """Makes a plan. resumed: targets by sources of interrupted moves, from their journals."""

    def __init__(self, target: str, method: Method, resumed: dict[str, str]) -> None:
        self._plan: Final = Plan(target, method)
        self._resumed: Final = resumed
        self._taken: Final[dict[str, Scanned]] = {}
        """The file that gets a place, by target."""
        self._folders: Final[dict[str, bool]] = {}
        """Whether a folder exists now."""

    def plan(self, found: Iterable[Scanned], on_progress: OnProgress | None) -> Plan:
        """Find a place for each file. Raises `SortError` if that is impossible."""
        files = []
        for count, file in enumerate(found, 1):
            if file.place:
                files.append(file)
            else:
                fate = Fate.FAILED if file.bad else Fate.LEFT
                self._plan.results.append(Sorted(file.path, "", fate, file.words))
            if on_progress and count % 100 == 0:
                on_progress("scanned", count, None)
        leaving = {}
        if self._plan.method is Method.MOVE:
            leaving = {file.path: file for file in files if self._target(file.place) != file.path}
        for count, file in enumerate(files, 1):
            self._place(file, leaving)
            if on_progress and count % 100 == 0:
                on_progress("checked", count, len(files))
        self._order(leaving)
        self._check_folders()
        _check(self._plan)
        return self._plan

    def _target(self, place: str) -> str:
        return f"{self._plan.target}/{place}"

    def _place(self, file: Scanned, leaving: dict[str, Scanned]) -> None:
        """Decide what to do with a file."""
        target, words = self._target(file.place), ""
        while True:
            other = self._taken.get(target)
            there = other.path if other else target
            if other is None and (not self._is_taken(target) or target in leaving):
                break
            if other is None and self._settle_there(file, target):
                return
            how = self._relation(there, file, other)
            if how is None:
                return
            if how is Settled.SAME:
                fate = Fate.SAME if other else Fate.ALREADY_THERE
                self._add(file, target, fate, f"the same data set as {there}" if other else "")
                return
            words = f"it has the same path as {there}, another object: both are kept"
            further = beside(self._target(file.place), file.path)
            if further == target:
                self._add(file, "", Fate.FAILED, f"{target} is another object")
                return
            target = further
        self._taken[target] = file
        self._plan.operations.append(Operation(file, target, words))

    def _add(self, file: Scanned, target: str, fate: Fate, words: str) -> None:
        self._plan.results.append(Sorted(file.path, target, fate, words))

    def _is_taken(self, target: str) -> bool:
        return self._is_there(os.path.dirname(target)) and os.path.lexists(target)

    def _is_there(self, folder: str) -> bool:
        """Return whether a folder exists, without a system call if the folder above does not."""
        there = self._folders.get(folder)
        if there is None:
            above = os.path.dirname(folder)
            there = (above == folder or self._is_there(above)) and os.path.isdir(folder)
            self._folders[folder] = there
        return there

    def _check_folders(self) -> None:
        """Raise `SortError` if folders cannot be created or written to."""
        bases = set()
        made = set()
        for folder in {os.path.dirname(each.target) for each in self._plan.operations}:
            at = folder
            while not self._is_there(at):
                above = os.path.dirname(at)
                if self._is_there(above):
                    made.add(at)
                at = above
            bases.add(at)
        for folder in sorted(made):
            if os.path.lexists(folder):
                raise SortError(f"{folder} is a file, but should be a folder: nothing was changed")
        for folder in sorted(bases):
            _writable(folder)

    def _settle_there(self, file: Scanned, target: str) -> bool:
        """Settle a file whose content is already at its place; return whether this is so."""
        now = os.lstat(target)
        if (now.st_dev, now.st_ino) == (file.device, file.inode):
            if self._plan.method is Method.MOVE and not _same_entry(file.path, target):
                self._plan.operations.append(Operation(file, target, "", Step.FINISH))
            else:
                self._add(file, target, Fate.ALREADY_THERE, "")
            return True
        if self._resumed.get(file.path) == target and _same_bytes(file.path, target, now):
            self._plan.operations.append(Operation(file, target, "", Step.FINISH))
            return True
        return False

    def _relation(self, there: str, file: Scanned, other: Scanned | None) -> Settled | None:
        """Compare a file with the one in its place; on failure, record it and return None."""
        if other is not None and (other.device, other.inode) == (file.device, file.inode):
            return Settled.SAME
        try:
            if not os.path.isfile(there):
                self._add(file, "", Fate.FAILED, f"{there} already exists, and is not a file")
                return None
            return relation(there, file.path)
        except OSError as error:
            self._add(file, "", Fate.FAILED, f"{there} cannot be compared: {error.strerror}")
            return None

    def _order(self, leaving: dict[str, Scanned]) -> None:
        """Order operations so that a place is left before it is taken; those in a circle fail."""
        by_source = {each.file.path: each for each in self._plan.operations}
        ordered: dict[str, Operation] = {}
        for each in self._plan.operations:
            chain: dict[str, Operation] = {}
            at: Operation | None = each
            while at and at.file.path not in ordered and at.file.path not in chain:
                chain[at.file.path] = at
                if at.step is Step.FINISH or at.target not in leaving:
                    at = None
                elif at.target not in by_source:  # it stays, as a duplicate of another file
                    self._fail(chain, f"{at.target} already exists, and is not moved")
                    chain, at = {}, None
                else:
                    at = by_source[at.target]
            if at is not None and at.file.path in chain:
                self._fail(chain, "files would swap places in a circle: sort into another folder")
            else:
                ordered |= dict(reversed(chain.items()))
        failed = {each.source for each in self._plan.results if each.fate is Fate.FAILED}
        self._plan.operations = [each for path, each in ordered.items() if path not in failed]

    def _fail(self, chain: dict[str, Operation], words: str) -> None:
        for path, each in chain.items():
            self._plan.results.append(Sorted(path, each.target, Fate.FAILED, words))


def _same_entry(one: str, other: str) -> bool:
    """Return whether two paths name the same entry of the same folder."""
    folder, name = os.path.split(one)
    other_folder, other_name = os.path.split(other)
    return name.casefold() == other_name.casefold() and os.path.samefile(
        folder or ".", other_folder or "."
    )


def _same_bytes(one: str, other: str, status: os.stat_result) -> bool:
    import filecmp  # noqa: PLC0415 - rarely needed

    try:
        return stat.S_ISREG(status.st_mode) and filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False


def _check(plan: Plan) -> None:
    """Raise `SortError` if space is insufficient, or if files cannot be removed from folders."""
    device = os.stat(_existing(plan.target)).st_dev
    elsewhere = [each for each in plan.operations if each.file.device != device]
    if plan.method is Method.MOVE:
        for folder in sorted({os.path.dirname(each.file.path) for each in plan.operations}):
            _writable(folder)
    elif plan.method is Method.LINK and elsewhere:
        raise SortError(
            f"{elsewhere[0].file.path} and {plan.target} are on different file systems, so hard links are not"
            " possible; use copy, move or symlink"
        )
    copied = plan.operations if plan.method is Method.COPY else elsewhere
    if copied and plan.method in (Method.COPY, Method.MOVE):
        needed, free = (
            sum(each.file.size for each in copied),
            shutil.disk_usage(_existing(plan.target)).free,
        )
        if needed > free:
            raise SortError(
                f"{needed:,} bytes would be copied, but {plan.target} has only {free:,} left:"
                " nothing was changed"
            )


def _existing(folder: str) -> str:
    """Return the folder, or the nearest existing one above it."""
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return folder


def _writable(folder: str) -> None:
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise SortError(f"{folder} is not writable: nothing was changed")
