"""The options for edits and the filter made from them, for all commands that edit objects."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from dcm.cli.session import configuration
from dcm.cli.usage import UsageError

if TYPE_CHECKING:
    from dcm.filt.base import Filter


def add_edits(parser: ArgumentParser, *, on_the_way: bool = False) -> None:
    """Add the options; with `on_the_way`, for commands that pass objects on, also --deidentify."""
    edits = parser.add_argument_group("edits")
    edits.add_argument(
        "-e", "--edit", metavar="KEY=VALUE", action="append", default=[],
        help=r"set an element; A\B sets two values, KEY= an empty one",
    )  # fmt: skip
    edits.add_argument(
        "--edit-present", metavar="KEY=VALUE", action="append", default=[],
        help="set an element only if it exists",
    )  # fmt: skip
    edits.add_argument(
        "--delete", metavar="KEY", action="append", default=[], help="delete an element"
    )
    edits.add_argument(
        "--edit-json", metavar="FILE",
        help='a JSON file with edits: {"set": {KEY: VALUE}, "set_if_present": {}, "delete": [KEY]}, or'
        " {KEY: VALUE}, where null deletes; -e overrides it",
    )  # fmt: skip
    edits.add_argument(
        "--remap-uids", action="store_true",
        help="replace all UIDs consistently by new ones; UIDs that are set by other edits are kept",
    )  # fmt: skip
    edits.add_argument(
        "--key-file", metavar="FILE",
        help="derive new UIDs from the key in FILE, which makes them the same in every run; FILE is"
        " created if it does not exist: keep it secret",
    )  # fmt: skip
    edits.add_argument(
        "--uid-map",
        metavar="FILE",
        help="record old and new UIDs in FILE (SQLite), for --restore-uids",
    )
    edits.add_argument(
        "--restore-uids", action="store_true", help="restore the old UIDs from --uid-map"
    )
    if on_the_way:
        edits.add_argument(
            "--deidentify", metavar="OPTIONS", nargs="?", const="",
            help="remove what identifies people, before any element is set; OPTIONS as for `dcm deidentify"
            " --profile`; with --key-file, new UIDs, dates and pseudonyms are the same in every run",
        )  # fmt: skip
        edits.add_argument(
            "--allow-burned-in", action="store_true",
            help="with --deidentify, accept images whose pixels may show text or a face",
        )  # fmt: skip
    parser.add_argument(
        "--only", metavar="SELECTOR",
        help='process only matching objects: "Modality in CT, MR", or a selector from the configuration',
    )  # fmt: skip


def read_edits(arguments: Namespace, stack: ExitStack) -> "Filter | None":
    """Return the filter for the options, or None without any. `stack` closes opened files.

    UIDs are remapped before elements are set, so UIDs that are set are kept. Raises `UsageError`
    and the errors of the filters.
    """
    from dcm.filt.base import MultiFilter  # noqa: PLC0415 - not for --help

    parts: list[Filter] = []
    if arguments.only is not None:
        from dcm.filt.reject import RejectFilter  # noqa: PLC0415
        from dcm.filt.selectors import Combination  # noqa: PLC0415

        selector = configuration(arguments).selector(arguments.only)
        parts.append(RejectFilter(Combination(none_of=(selector,))))
    if getattr(arguments, "deidentify", None) is not None:
        parts.append(_deidentifying(arguments))
    else:
        parts += _uid_filters(arguments, stack)
    edits = _edits(arguments)
    if any(edits.values()):
        from dcm.filt.edits import read_edits as filter_of  # noqa: PLC0415

        parts.append(filter_of(edits))
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else MultiFilter(parts)


def _deidentifying(arguments: Namespace) -> "Filter":
    from dcm.deidentify.filter import make_deidentify_filter  # noqa: PLC0415
    from dcm.deidentify.options import BadOption, Options  # noqa: PLC0415
    from dcm.filt.uids import read_key  # noqa: PLC0415

    if arguments.remap_uids or arguments.restore_uids or arguments.uid_map:
        raise UsageError(
            "--deidentify creates new UIDs itself: it excludes --remap-uids, --restore-uids and --uid-map"
        )
    try:
        options = Options.of(arguments.deidentify)
    except BadOption as error:
        raise UsageError(str(error)) from error
    key = read_key(arguments.key_file) if arguments.key_file else None
    return make_deidentify_filter(options, key=key, allow_burned_in=arguments.allow_burned_in)


def _uid_filters(arguments: Namespace, stack: ExitStack) -> "Sequence[Filter]":
    if not (arguments.remap_uids or arguments.restore_uids):
        if arguments.key_file or arguments.uid_map:
            raise UsageError("--key-file and --uid-map need --remap-uids or --restore-uids")
        return []
    if arguments.remap_uids and arguments.restore_uids:
        raise UsageError("--remap-uids and --restore-uids cannot be used together")
    if arguments.restore_uids and not (arguments.uid_map and os.path.exists(arguments.uid_map)):
        raise UsageError("--restore-uids needs the --uid-map of an earlier --remap-uids")
    from dcm.filt.uid_map import SqliteUids  # noqa: PLC0415
    from dcm.filt.uids import UidFilter, read_key  # noqa: PLC0415

    uids = stack.enter_context(SqliteUids(arguments.uid_map)) if arguments.uid_map else None
    remap = UidFilter(read_key(arguments.key_file) if arguments.key_file else None, uids)
    return [remap.inverse() if arguments.restore_uids else remap]


def _edits(arguments: Namespace) -> dict[str, Any]:
    """Return all edits in the form of --edit-json; the command line overrides the file."""
    from dcm.data.target import Target  # noqa: PLC0415
    from dcm.filt.edits import read_assignment, structured  # noqa: PLC0415

    edits = structured(_read_json(arguments.edit_json) if arguments.edit_json else {})
    given: set[str] = set()
    for kind, words in (("set", arguments.edit), ("set_if_present", arguments.edit_present)):
        for word in words:
            key, value = read_assignment(word)
            _once(key, given, edits)
            edits[kind][key] = value
    for word in arguments.delete:
        key = str(Target.of(word))
        _once(key, given, edits)
        edits["delete"].append(key)
    return edits


def _once(key: str, given: set[str], edits: dict[str, Any]) -> None:
    """Record that a key was given, and drop the file's edit of it."""
    if key in given:
        raise UsageError(rf"{key} is given twice; for several values, write {key}=FIRST\SECOND")
    given.add(key)
    edits["set"].pop(key, None)
    edits["set_if_present"].pop(key, None)
    if key in edits["delete"]:
        edits["delete"].remove(key)


def _read_json(path: str) -> object:
    import json  # noqa: PLC0415

    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}") from error
