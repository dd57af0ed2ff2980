"""`dcm deidentify`: de-identify files by the profiles of the standard (PS3.15 Annex E).

Without options, applies the Basic Application Level Confidentiality Profile. The new files are named after
their new values. Files that cannot be de-identified are not written, and neither are images that may contain
burned-in text. docs/deidentify.md explains what each option does, and what it cannot do.
"""

import asyncio
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dcm.cli.paths import add_paths, chosen, is_missed, listed
from dcm.cli.progress import Progress, wanted
from dcm.cli.report import Reporter
from dcm.cli.running import run_async
from dcm.cli.session import reporter
from dcm.cli.usage import UsageError
from dcm.data.header import NotDicom
from dcm.errors import DcmError

if TYPE_CHECKING:
    from dcm.deidentify.account import Account
    from dcm.deidentify.filter import DeidentifyFilter
    from dcm.deidentify.writing import FileDeidentifier

_AT_ONCE: Final = 20
"""The number of files processed between checks for Ctrl-C."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options."""
    add_paths(parser)
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", required=True, help="write the results to FOLDER"
    )
    parser.add_argument(
        "--layout", metavar="TEMPLATE",
        help="the paths of the new files, made from the new values: {PatientID}/{SOPInstanceUID}.dcm",
    )  # fmt: skip
    add_profile(parser)
    parser.add_argument(
        "--report", metavar="FILE",
        help="write what was done to each attribute of each file to FILE, as JSON, without values",
    )  # fmt: skip
    parser.add_argument(
        "--report-values", action="store_true",
        help="include the old values in the report, which then identifies people",
    )  # fmt: skip
    parser.add_argument("--no-progress", action="store_true", help="show no progress")


def add_profile(parser: ArgumentParser) -> None:
    """Add the options that control how objects are de-identified."""
    group = parser.add_argument_group("de-identification")
    group.add_argument(
        "--profile", metavar="OPTIONS", default="",
        help="options of the profile, separated by commas: retain-uids, retain-device,"
        " retain-institution, retain-patient, retain-safe-private, full-dates, modified-dates,"
        " clean-descriptors, clean-structured, clean-graphics, clean-pixels",
    )  # fmt: skip
    group.add_argument(
        "--key-file", metavar="FILE",
        help="derive new UIDs, dates and pseudonyms from the key in FILE, which makes them the same in"
        " every run; FILE is created if it does not exist: keep it secret",
    )  # fmt: skip
    group.add_argument(
        "--allow-burned-in", action="store_true",
        help="accept images whose pixels may show text or a face",
    )  # fmt: skip
    group.add_argument(
        "--blank", metavar="X,Y,W,H", action="append", default=[],
        help="black out this region in all images that no rule matches; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--blank-rules", metavar="FILE",
        help="regions to black out, by class, manufacturer, model and size (TOML)",
    )  # fmt: skip
    group.add_argument(
        "--safe-words", metavar="FILE",
        help="words that clean-descriptors keeps, in addition to those of anatomy and technique",
    )  # fmt: skip


def run(arguments: Namespace) -> int:
    """De-identify, and print the number of files for each outcome."""
    if arguments.report_values and not arguments.report:
        raise UsageError("--report-values needs --report FILE")
    return run_async(_deidentify(arguments, read_profile(arguments)))


def read_profile(arguments: Namespace) -> "DeidentifyFilter":
    """Return the filter for the options. Raises `UsageError`, `OSError` and the filter's errors."""
    from dcm.deidentify.filter import make_deidentify_filter  # noqa: PLC0415 - not for --help
    from dcm.deidentify.options import BadOption, Options  # noqa: PLC0415
    from dcm.deidentify.regions import BadRegion, read_region, read_rules  # noqa: PLC0415
    from dcm.deidentify.words import words_of  # noqa: PLC0415
    from dcm.filt.uids import read_key  # noqa: PLC0415

    try:
        options = Options.of(arguments.profile)
        blank = [read_region(each) for each in arguments.blank]
        rules = read_rules(arguments.blank_rules) if arguments.blank_rules else ()
        words: frozenset[str] = frozenset()
        if arguments.safe_words:
            with open(arguments.safe_words, encoding="utf-8-sig") as file:
                words = words_of(file)
        key = read_key(arguments.key_file) if arguments.key_file else None
        return make_deidentify_filter(
            options, key=key, blank=blank, rules=rules, words=words,
            allow_burned_in=arguments.allow_burned_in,
        )  # fmt: skip
    except (BadOption, BadRegion) as error:
        raise UsageError(str(error)) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{arguments.safe_words} is not UTF-8 text") from error


async def _deidentify(arguments: Namespace, through: "DeidentifyFilter") -> int:
    from dcm.deidentify.account import Account  # noqa: PLC0415 - not for --help
    from dcm.deidentify.writing import FileDeidentifier  # noqa: PLC0415
    from dcm.store.layout import DEFAULT, Layout, LayoutError  # noqa: PLC0415

    try:
        layout = Layout(arguments.layout) if arguments.layout else DEFAULT
    except LayoutError as error:
        raise UsageError(f"--layout: {error}") from error
    named = frozenset(arguments.paths)
    paths = await listed(chosen(arguments.paths, named, arguments.in_file_ext))
    _check_output(arguments, paths)
    writer = FileDeidentifier(through, arguments.output, layout)
    total = Account()
    with reporter(arguments, "files", profile=arguments.profile) as summary:
        if not arguments.key_file:
            summary.remark("without --key-file, another run produces different UIDs and pseudonyms")
        async with Progress("de-identifying", len(paths), shown=wanted(arguments)) as progress:
            for at in range(0, len(paths), _AT_ONCE):
                some = paths[at : at + _AT_ONCE]
                await asyncio.to_thread(_some, arguments, writer, some, summary, total)
                progress.done += len(some)
        summary.more.update(total.document())
        if not summary.counts:
            summary.trouble(f"nothing to de-identify in {', '.join(arguments.paths)}")
    print(summary)
    return summary.status


def _some(
    arguments: Namespace,
    writer: "FileDeidentifier",
    paths: Sequence[str],
    summary: Reporter,
    total: "Account",
) -> None:
    """De-identify files, each with an outcome."""
    from dcm.deidentify.account import Account  # noqa: PLC0415 - as above
    from dcm.deidentify.inspection import CannotDeidentify  # noqa: PLC0415

    for path in paths:
        account = Account(with_values=arguments.report_values) if arguments.report else None
        try:
            done = writer.write(path, account)
        except NotDicom as error:
            good = not is_missed(path, frozenset(arguments.paths))
            summary.entry("passed over" if good else "failed", path, error.reason, good=good)
        except CannotDeidentify as error:
            summary.entry("refused", path, str(error), good=False)
        except DcmError as error:
            summary.entry("failed", path, str(error), good=False)
        except OSError as error:
            where = f"{error.filename}: " if error.filename not in (None, path) else ""
            summary.entry("failed", path, f"{where}{error.strerror}", good=False)
        else:
            outcome = "already there" if done.already_there else "de-identified"
            words = [
                *done.remarks,
                *(["another object already has this name"] if done.beside else []),
            ]
            more = {} if account is None else account.document()
            summary.entry(
                outcome, path, "; ".join(words), good=True, file=done.file,
                sop_instance_uid=done.sop_instance_uid, **more,
            )  # fmt: skip
            if account is not None:
                total.include(account)


def _check_output(arguments: Namespace, paths: Sequence[str]) -> None:
    """Reject an output folder that is also read. Raises `UsageError`."""
    output = os.path.join(os.path.realpath(arguments.output), "")
    if any(os.path.realpath(path).startswith(output) for path in paths):
        raise UsageError(
            f"{arguments.output} contains the files to be de-identified: choose another folder"
        )
