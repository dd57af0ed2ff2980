"""`dcm diff`: tell what differs between two files, or between all files of two folders.

Files in folders belong together if they have the same SOP Instance UID, else if they have the same name.
Exit status 0 if nothing differs, 1 if something does, 2 if something could not be compared.
"""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from typing import Final

from dcm.cli.diff_output import OUTCOMES, Compared, Json, Lines
from dcm.cli.dump_files import in_words, is_other, listed
from dcm.cli.dump_output import output
from dcm.cli.logs import LOG
from dcm.cli.terminal import has_colours, width
from dcm.cli.usage import UsageError
from dcm.data.content import opened
from dcm.data.difference import DifferenceRules, Ignored, differences
from dcm.data.header import NotDicom, scan
from dcm.data.pairing import Held, paired
from dcm.data.pixel_difference import CannotCompare
from dcm.errors import DcmError

_SAME, _DIFFERENT, _TROUBLE = 0, 1, 2
_BLOCK: Final = 1 << 20


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: what to compare, and what counts."""
    parser.add_argument("left", metavar="LEFT", help="a file or a folder")
    parser.add_argument("right", metavar="RIGHT", help="a file or a folder")
    parser.add_argument(
        "--ignore", metavar="PATTERN", action="append", default=[],
        help="a keyword or tag, also in sequences, with wildcards: '*Date'; a group: 0010; a path: "
        "Sequence[*].Keyword; or private; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--tolerance", metavar="NUMBER", type=float, help="numbers may differ by that much"
    )
    parser.add_argument(
        "--ignore-order", action="store_true",
        help="items of sequences, and several values of an element, may be in another order",
    )  # fmt: skip
    parser.add_argument(
        "--ignore-encoding", action="store_true",
        help="only what values mean counts: not transfer syntax, VR, character set, group lengths, "
        "nor how a number is written",
    )  # fmt: skip
    parser.add_argument("--meta", action="store_true", help="compare file meta information, too")
    parser.add_argument(
        "--pixels", action="store_true", help="decode pixels, and compare them sample by sample"
    )
    parser.add_argument(
        "--out-format", choices=("text", "json"), default="text", help="text by default"
    )
    parser.add_argument(
        "--in-file-ext", metavar="EXT", help="in folders, take only files with this extension: dcm"
    )


def run(arguments: Namespace) -> int:
    """Compare, and print what differs."""
    try:
        return _run(arguments)
    except BrokenPipeError:
        raise
    except (DcmError, OSError) as error:
        LOG.error("%s", in_words(error, "") if isinstance(error, OSError) else error)
        return _TROUBLE


def _run(arguments: Namespace) -> int:
    rules = _rules(arguments)
    sides = (
        _Side(arguments.left, arguments.in_file_ext),
        _Side(arguments.right, arguments.in_file_ext),
    )
    counts = dict.fromkeys(OUTCOMES, 0)
    is_json = arguments.out_format == "json"
    with output(None, json=is_json) as out:
        several = sides[0].is_folder and sides[1].is_folder
        printer = (
            Json(out, arguments.left, arguments.right)
            if is_json
            else Lines(out, several=several, width=width(), colours=has_colours())
        )
        for left, right in _pairs(*sides):
            compared = _compared(left, right, rules)
            if compared.trouble:
                LOG.error("%s", compared.trouble)
            counts[compared.outcome] += 1
            printer.add(compared)
        problems = [words for side in sides for words in side.problems]
        printer.end({outcome: count for outcome, count in counts.items() if count}, problems)
    if problems or counts["not compared"]:
        return _TROUBLE
    if not any(counts.values()):
        LOG.error("there is nothing to compare in %s and %s", arguments.left, arguments.right)
        return _TROUBLE
    return _SAME if sum(counts.values()) == counts["same"] else _DIFFERENT


class _Side:
    """The instances of a file or a folder. problems: the files that could not be read, and why."""

    def __init__(self, path: str, extension: str | None) -> None:
        os.stat(path)  # raises if it is not there
        self.path: Final = path
        self.is_folder: Final = os.path.isdir(path)
        self.problems: Final[list[str]] = []
        self._extension: Final = extension

    def __iter__(self) -> Iterator[Held]:
        for path in listed([self.path], self._extension):
            name = os.path.relpath(path, self.path) if self.is_folder else os.path.basename(path)
            try:
                uid = scan(path, ()).sop_instance_uid
            except (OSError, NotDicom) as error:
                if is_other(path, frozenset((self.path,)), error):
                    LOG.warning("%s: passed over: it is not a DICOM file", path)
                    continue
                self.problems.append(in_words(error, path))
                LOG.error("%s", self.problems[-1])
            else:
                yield Held(uid, name, path)


def _pairs(left: _Side, right: _Side) -> Iterable[tuple[Held | None, Held | None]]:
    """Return what is compared; two files whatever their UIDs, and a file with what belongs to it."""
    if left.is_folder and right.is_folder:
        return paired(left, right)
    if not (left.is_folder or right.is_folder):
        ours, others = [*left], [*right]
        return zip(ours, others, strict=False)
    pairs = paired(left, right)
    file = right if left.is_folder else left
    return [pair for pair in pairs if pair[0 if file is left else 1] is not None]


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
    except (OSError, DcmError, ValueError) as error:
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


def _rules(arguments: Namespace) -> DifferenceRules:
    tolerance: float | None = arguments.tolerance
    if tolerance is not None and not 0 <= tolerance < float("inf"):
        raise UsageError(f"--tolerance {tolerance:g}: a number of 0 or more is allowed")
    return DifferenceRules(
        tuple(map(Ignored.of, arguments.ignore)),
        tolerance,
        arguments.ignore_order,
        arguments.ignore_encoding,
        arguments.meta,
        arguments.pixels,
    )
