"""`dcm deidentify`: de-identify files by the profiles of the standard (PS3.15 Annex E).

Without options, this is the Basic Application Level Confidentiality Profile. The new files are named by their
new values. What cannot be de-identified is refused and not written, as are images in which text may be burned
in. docs/deidentify.md tells what each option does, and what it cannot do.
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
"""Files that are done before a Ctrl-C is heard."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options."""
    add_paths(parser)
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", required=True, help="write what results to FOLDER"
    )
    parser.add_argument(
        "--layout", metavar="TEMPLATE",
        help="the names of the files, made of the new values: {PatientID}/{SOPInstanceUID}.dcm",
    )  # fmt: skip
    add_profile(parser)
    parser.add_argument(
        "--report", metavar="FILE",
        help="write to FILE, as JSON, what was done to each attribute of each file; without values",
    )  # fmt: skip
    parser.add_argument(
        "--report-values", action="store_true",
        help="put the old values into the report, too: it identifies people then",
    )  # fmt: skip
    parser.add_argument("--no-progress", action="store_true", help="show no progress")


def add_profile(parser: ArgumentParser) -> None:
    """Add the options that say how objects are de-identified."""
    group = parser.add_argument_group("de-identification")
    group.add_argument(
        "--profile", metavar="OPTIONS", default="",
        help="options of the profile, with commas between them: retain-uids, retain-device,"
        " retain-institution, retain-patient, retain-safe-private, full-dates, modified-dates,"
        " clean-descriptors, clean-structured, clean-graphics, clean-pixels",
    )  # fmt: skip
    group.add_argument(
        "--key-file", metavar="FILE",
        help="the key of which new UIDs, dates and pseudonyms are made, so that they are the same in any run;"
        " made if it is missing: keep it secret",
    )  # fmt: skip
    group.add_argument(
        "--allow-burned-in", action="store_true",
        help="let images through in whose pixels there may be text or a face",
    )  # fmt: skip
    group.add_argument(
        "--blank", metavar="X,Y,W,H", action="append", default=[],
        help="make this region black in all images that no rule fits; may be repeated",
    )  # fmt: skip
    group.add_argument(
        "--blank-rules", metavar="FILE",
        help="regions to make black, by class, manufacturer, model and size (TOML)",
    )  # fmt: skip
    group.add_argument(
        "--safe-words", metavar="FILE",
        help="more words that clean-descriptors leaves in texts; it has those of anatomy and technique",
    )  # fmt: skip


def run(arguments: Namespace) -> int:
    """De-identify, and print how many files had which outcome."""
    if arguments.report_values and not arguments.report:
        raise UsageError("--report-values is for --report FILE")
    return run_async(_deidentify(arguments, read_profile(arguments)))


def read_profile(arguments: Namespace) -> "DeidentifyFilter":
    """Return the filter that the options ask for. Raises `UsageError`, `OSError` and what the filter does."""
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
        raise UsageError(f"{arguments.safe_words} is not text in UTF-8") from error


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
    with reporter(arguments, "files", profile=arguments.profile) as told:
        if not arguments.key_file:
            told.remark("without --key-file, another run makes other UIDs and pseudonyms")
        async with Progress("de-identifying", len(paths), shown=wanted(arguments)) as progress:
            for at in range(0, len(paths), _AT_ONCE):
                some = paths[at : at + _AT_ONCE]
                await asyncio.to_thread(_some, arguments, writer, some, told, total)
                progress.done += len(some)
        told.more.update(total.document())
        if not told.counts:
            told.trouble(f"there is nothing to de-identify in {', '.join(arguments.paths)}")
    print(told)
    return told.status


def _some(
    arguments: Namespace,
    writer: "FileDeidentifier",
    paths: Sequence[str],
    told: Reporter,
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
            told.entry("passed over" if good else "failed", path, error.reason, good=good)
        except CannotDeidentify as error:
            told.entry("refused", path, str(error), good=False)
        except DcmError as error:
            told.entry("failed", path, str(error), good=False)
        except OSError as error:
            where = f"{error.filename}: " if error.filename not in (None, path) else ""
            told.entry("failed", path, f"{where}{error.strerror}", good=False)
        else:
            outcome = "already there" if done.already_there else "de-identified"
            words = [*done.remarks, *(["another object has its name"] if done.beside else [])]
            more = {} if account is None else account.document()
            told.entry(
                outcome, path, "; ".join(words), good=True, file=done.file,
                sop_instance_uid=done.sop_instance_uid, **more,
            )  # fmt: skip
            if account is not None:
                total.include(account)


def _check_output(arguments: Namespace, paths: Sequence[str]) -> None:
    """Refuse an output among what is read. Raises `UsageError`."""
    output = os.path.join(os.path.realpath(arguments.output), "")
    if any(os.path.realpath(path).startswith(output) for path in paths):
        raise UsageError(
            f"{arguments.output} holds what is to be de-identified: give another folder"
        )
