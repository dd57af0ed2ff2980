"""How files are sorted, and the outcome of each."""

from collections import Counter
from enum import Enum
from typing import Final, NamedTuple

from dcm.errors import DcmError


class SortError(DcmError):
    """Sorting cannot begin as requested; nothing was changed."""


class Method(Enum):
    """What is done to a file."""

    COPY = "copy"
    MOVE = "move"
    LINK = "link"
    SYMLINK = "symlink"


class Fate(Enum):
    """The outcome for a file; the value is its description."""

    COPIED = "copied"
    MOVED = "moved"
    LINKED = "linked"
    TO_DO = "to be sorted"
    ALREADY_THERE = "already there"
    SAME = "the same as another"
    LEFT = "left: not DICOM"
    PUT_BACK = "put back"
    REMOVED = "removed again"
    REFUSED = "left: changed since"
    FAILED = "failed"
    NOT_TRIED = "not tried"


DONE: Final = {
    Method.COPY: Fate.COPIED,
    Method.MOVE: Fate.MOVED,
    Method.LINK: Fate.LINKED,
    Method.SYMLINK: Fate.LINKED,
}
_BAD: Final = frozenset((Fate.FAILED, Fate.NOT_TRIED, Fate.REFUSED))


class Sorted(NamedTuple):
    """The fate of a file. target: its new path, or empty. words: the reason, or an oddity."""

    source: str
    target: str
    fate: Fate
    words: str = ""

    @property
    def good(self) -> bool:
        """Whether there was no failure."""
        return self.fate not in _BAD


class SortReport:
    """The outcome for all files.

    problems: why nothing, or not everything, was done. journal: the file needed to undo it; empty if
    nothing was done.
    """

    def __init__(self) -> None:
        self.results: Final[list[Sorted]] = []
        self.problems: Final[list[str]] = []
        self.journal = ""

    @property
    def complete(self) -> bool:
        """Whether nothing failed."""
        return not self.problems and all(each.good for each in self.results)

    def counts(self) -> Counter[Fate]:
        """Count the files by fate."""
        return Counter(each.fate for each in self.results)

    def __repr__(self) -> str:
        counted = {fate.value: count for fate, count in self.counts().items()}
        return f"<SortReport: {counted}; {self.problems}>"
