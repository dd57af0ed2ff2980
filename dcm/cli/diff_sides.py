"""The two sides of `dcm diff`, and the comparison of their instances."""

import os
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from dcm.cli.diff_output import OUTCOMES, Compared, Json, Lines
from dcm.cli.dump_files import in_words, is_other, listed
from dcm.cli.logs import LOG
from dcm.data.content import opened
from dcm.data.difference import DifferenceRules, differences
from dcm.data.header import NotDicom, scan
from dcm.data.pairing import Held, paired
from dcm.data.pixel_difference import CannotCompare
from dcm.errors import DcmError

_BLOCK: Final = 1 << 20
_STUDY: Final = "StudyInstanceUID"


class Side:
    """The instances of a file or folder. problems: files that could not be read, and why."""

    def __init__(self, path: str, extension: str | None) -> None:
        os.stat(path)  # raises if it does not exist
        self.path: Final = path
        self.is_folder: Final = os.path.isdir(path)
        self.problems: Final[list[str]] = []
        self._extension: Final = extension

    def __iter__(self) -> Iterator[Held]:
        for path in listed([self.path], self._extension):
            name = os.path.relpath(path, self.path) if self.is_folder else os.path.basename(path)
            try:
                header = scan(path, (_STUDY,))
            except (OSError, NotDicom) as error:
                if is_other(path, frozenset((self.path,)), error):
                    LOG.warning("%s: passed over: it is not a DICOM file", path)
                    continue
                self.problems.append(in_words(error, path))
                LOG.error("%s", self.problems[-1])
            else:
                yield Held(header.sop_instance_uid, name, path, header.text(_STUDY))


def side_of(path: str, extension: str | None) -> Side | None:
    """Return the side for a path; None if it can only name a node. Raises `OSError`."""
    if os.path.exists(path) or (os.sep in path and "://" not in path):
        return Side(path, extension)
    return None


def pairs(left: Side, right: Side) -> Iterable[tuple[Held | None, Held | None]]:
    """Yield the pairs to compare: two files whatever their UIDs, otherwise instances that match."""
    if left.is_folder and right.is_folder:
        return paired(left, right)
    if not (left.is_folder or right.is_folder):
        ours, others = [*left], [*right]
        return zip(ours, others, strict=False)
    place = 1 if left.is_folder else 0
    return [pair for pair in paired(left, right) if pair[place] is not None]


class Comparison:
    """Compares instances, prints and counts differences. problems: other things that went wrong."""

    def __init__(self, rules: DifferenceRules, printer: Lines | Json) -> None:
        self.problems: Final[list[str]] = []
        self._rules: Final = rules
        self._printer: Final = printer
        self._counts: Final = dict.fromkeys(OUTCOMES, 0)

    def take(self, left: Held | None, right: Held | None) -> None:
        """Compare two instances; one of them may be missing."""
        compared = _compared(left, right, self._rules)
        if compared.trouble:
            LOG.error("%s", compared.trouble)
        self._counts[compared.outcome] += 1
        self._printer.add(compared)

    def trouble(self, words: str) -> None:
        """Log a problem, and add it to the list."""
        LOG.error("%s", words)
        self.problems.append(words)

    def counted(self) -> dict[str, int]:
        """Return the number of instances for each outcome."""
        return {outcome: count for outcome, count in self._counts.items() if count}


def _compared(left: Held | None, right: Held | None, rules: DifferenceRules) -> Compared:
    if left is None or right is None:
        return Compared(left, right)
    try:
        if _are_identical(left.path, right.path):
            return Compared(left, right)
        with opened(left.path) as one, opened(right.path) as other:
            return Compared(left, right, [*differences(one, other, rules)])
    except CannotCompare as error:
        return Compared(left, right, trouble=str(error))
    except (OSError, DcmError, ValueError, zlib.error) as error:
        return Compared(left, right, trouble=in_words(error, left.path))


def _are_identical(left: str, right: str) -> bool:
    """Return whether two files have the same bytes."""
    with open(left, "rb", buffering=0) as one, open(right, "rb", buffering=0) as other:
        if os.fstat(one.fileno()).st_size != os.fstat(other.fileno()).st_size:
            return False
        while block := one.read(_BLOCK):
            if other.read(_BLOCK) != block:
                return False
    return True
