"""`dcm diff`: show the differences between two files, two folders, or a folder and a node.

Files in two folders are matched by SOP Instance UID, or else by name. Exit status: 0 if there are no
differences, 1 if there are some, 2 if something could not be compared.
"""

from argparse import ArgumentParser, Namespace
from typing import Final

from dcm.cli.diff_output import Json, Lines
from dcm.cli.diff_sides import Comparison, pairs, side_of
from dcm.cli.dump_files import in_words
from dcm.cli.dump_output import output
from dcm.cli.logs import LOG
from dcm.cli.terminal import has_colours, width
from dcm.cli.usage import UsageError
from dcm.data.difference import DifferenceRules, Ignored
from dcm.errors import DcmError

_SAME: Final = 0
_DIFFERENT: Final = 1
_TROUBLE: Final = 2


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options: what to compare, and what to ignore."""
    for side in ("left", "right"):
        parser.add_argument(
            side, metavar=side.upper(),
            help="a file or a folder; one of the two may be a node or a DICOMweb service, given by its name "
            "in the configuration or its address: the studies of the other side are retrieved from it",
        )  # fmt: skip
    parser.add_argument(
        "--ignore", metavar="PATTERN", action="append", default=[],
        help="ignore these elements: a keyword or tag, at any depth, with wildcards ('*Date'), a group "
        "(0010), a path (Sequence[*].Keyword) or `private`; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--tolerance", metavar="NUMBER", type=float, help="ignore differences of numbers up to this"
    )
    parser.add_argument(
        "--ignore-order", action="store_true",
        help="ignore the order of sequence items and of multiple values",
    )  # fmt: skip
    parser.add_argument(
        "--ignore-encoding", action="store_true",
        help="compare only the meaning of values, not transfer syntax, VR, character set, group lengths "
        "or the notation of numbers",
    )  # fmt: skip
    parser.add_argument("--meta", action="store_true", help="compare file meta information, too")
    parser.add_argument(
        "--pixels", action="store_true", help="decode pixels, and compare them sample by sample"
    )
    parser.add_argument(
        "--out-format",
        choices=("text", "json"),
        default="text",
        help="the output format; text by default",
    )
    parser.add_argument(
        "--local", metavar="NODE", help="our own node, if a node is compared: as for `dcm get`"
    )
    parser.add_argument(
        "--allow-plaintext", action="store_true", help="if a node is compared: as for `dcm get`"
    )
    parser.add_argument(
        "--in-file-ext", metavar="EXT", help="in folders, take only files with this extension: dcm"
    )


def run(arguments: Namespace) -> int:
    """Compare, and print the differences."""
    try:
        return _run(arguments)
    except BrokenPipeError:
        raise
    except (DcmError, OSError) as error:
        LOG.error("%s", in_words(error, "") if isinstance(error, OSError) else error)
        return _TROUBLE


def _run(arguments: Namespace) -> int:
    rules, extension = _rules(arguments), arguments.in_file_ext
    left, right = (side_of(path, extension) for path in (arguments.left, arguments.right))
    is_json = arguments.out_format == "json"
    with output(None, json=is_json) as out:
        several = all(side is None or side.is_folder for side in (left, right))
        printer = (
            Json(out, arguments.left, arguments.right)
            if is_json
            else Lines(out, several=several, width=width(), colours=has_colours())
        )
        comparison = Comparison(rules, printer)
        if left is not None and right is not None:
            for pair in pairs(left, right):
                comparison.take(*pair)
            comparison.problems.extend([*left.problems, *right.problems])
        else:
            from dcm.cli.diff_place import compare_with_place  # noqa: PLC0415 - not for files

            compare_with_place(arguments, left, right, comparison)
        counts = comparison.counted()
        printer.end(counts, comparison.problems)
    if comparison.problems or "not compared" in counts:
        return _TROUBLE
    if not counts:
        LOG.error("nothing to compare in %s and %s", arguments.left, arguments.right)
        return _TROUBLE
    return _SAME if counts.keys() == {"same"} else _DIFFERENT


def _rules(arguments: Namespace) -> DifferenceRules:
    tolerance: float | None = arguments.tolerance
    if tolerance is not None and not 0 <= tolerance < float("inf"):
        raise UsageError(f"--tolerance {tolerance:g}: must be 0 or more")
    return DifferenceRules(
        tuple(map(Ignored.of, arguments.ignore)),
        tolerance,
        arguments.ignore_order,
        arguments.ignore_encoding,
        arguments.meta,
        arguments.pixels,
    )
