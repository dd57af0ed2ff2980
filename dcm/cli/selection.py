"""The selection for `query` and `get`: keys, dates, and the result of an earlier query."""

import os
import stat
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

from dcm.cli.dates import study_dates
from dcm.cli.keys import Keys, read_keys
from dcm.cli.logs import LOG
from dcm.cli.usage import UsageError
from dcm.data.levels import Level
from dcm.data.match import limiting
from dcm.data.query_result import QueryResult
from dcm.errors import AnswerError
from dcm.frozen import Frozen


class Selection(Frozen):
    """Keys, a level if one was given, and the result of an earlier query to start from."""

    keys: Keys
    level: Level | None
    within: QueryResult | None

    def asked(self) -> dict[str, Any]:
        """Return the query, for a report."""
        asked: dict[str, Any] = {"keys": self.keys}
        if self.level is not None:
            asked["level"] = self.level.name
        if self.within is not None:
            asked["within"] = f"{len(self.within)} {self.within.level.entities}"
        return asked


def add_selection(parser: ArgumentParser) -> None:
    """Add the arguments that limit a query."""
    parser.add_argument(
        "keys", metavar="KEY=VALUE", nargs="*",
        help="what must match: a keyword or a tag (gggg,eeee), and a value, in which * and ? are wildcards,"
        r" A-B is a range and A\B means A or B",
    )  # fmt: skip
    add_limits(parser)


def add_limits(parser: ArgumentParser) -> None:
    """Add the options that limit a query, in addition to its keys."""
    parser.add_argument(
        "--level", type=_level, help="patient, study, series or image; by default that of the keys"
    )
    parser.add_argument(
        "--since", metavar="DAY", help="only studies on or after this day: 2020-10-31, 3 days ago"
    )
    parser.add_argument("--before", metavar="DAY", help="only studies before this day")
    parser.add_argument(
        "--query-res", metavar="FILE",
        help="only what an earlier `dcm query` has found, whose JSON output is in FILE; - is stdin, which is"
        " also read by default if it is a pipe or file and nothing else limits the query",
    )  # fmt: skip
    parser.add_argument(
        "-y", "--assume-yes", action="store_true",
        help="do not ask for confirmation if nothing limits the query",
    )  # fmt: skip


def read_selection(arguments: Namespace, *, batch: bool = False, piped: bool = True) -> Selection:
    """Read the selection; if it limits nothing, ask for confirmation, unless a batch limits it.

    piped: whether stdin may limit it.

    Raises `UsageError` and `UnknownElement`.
    """
    keys = read_keys(arguments.keys)
    days = study_dates(arguments.since, arguments.before)
    if days:
        if "StudyDate" in keys:
            raise UsageError("StudyDate cannot be used with --since or --before")
        keys["StudyDate"] = days
    within: QueryResult | None = None
    if arguments.query_res is not None:
        within = read_result(arguments.query_res)
    elif not limiting(keys) and not (batch or arguments.assume_yes):
        if piped and stdin_holds_something():
            within = read_result("-")
        else:
            _confirm(arguments)
    return Selection(keys, arguments.level, within)


def read_result(name: str) -> QueryResult:
    """Read the JSON of an earlier query; - is stdin. Raises `UsageError` and `OSError`."""
    path = "standard input" if name == "-" else name
    LOG.info("reading the result of an earlier query from %s", path)
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
        return QueryResult.from_json(text)
    except (AnswerError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not JSON output of `dcm query`: {error}") from error


def stdin_holds_something() -> bool:
    """Return whether stdin is a pipe or a file; under a scheduler it is neither."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # closed, or not a real file
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)


def _confirm(arguments: Namespace) -> None:
    """Ask on a terminal whether to query everything; without one, raise `UsageError`."""
    asked = getattr(arguments, "remote", None) or ", ".join(arguments.sources)
    everything = f"nothing limits this query, so it would return everything on {asked}"
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{everything}; give KEY=VALUE, or use --assume-yes")
    print(
        f"dcm {arguments.command}: {everything}. Continue? [y/N] ",
        end="",
        file=sys.stderr,
        flush=True,
    )
    if not sys.stdin.readline().strip().lower().startswith("y"):
        raise UsageError("no query was sent")


def _level(text: str) -> Level:
    try:
        return Level.named(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
