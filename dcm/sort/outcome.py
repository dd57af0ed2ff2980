"""How files are sorted, and what became of each."""

from collections import Counter
from enum import Enum
from typing import Final, NamedTuple

from dcm.errors import DcmError


class SortError(DcmError):
    """Sorting cannot begin as it was asked for; nothing was touched."""


class Method(Enum):
    """What is done to a file."""

    COPY = "copy"
    MOVE = "move"
    LINK = "link"
    SYMLINK = "symlink"


class Fate(Enum):
    """What became of a file; the value says it in words."""

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
    """The fate of a file. target: its new place, empty if it has none. words: why, or what is odd."""

    source: str
    target: str
    fate: Fate
    words: str = ""

    @property
    def good(self) -> bool:
        """Whether nothing is missing."""
        return self.fate not in _BAD


class SortReport:
    """What became of all files.

    problems: why nothing, or not everything, was done. journal: the file by which it can be undone; empty if
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
