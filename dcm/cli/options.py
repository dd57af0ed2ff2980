"""Command-line options that commands share."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from dcm import __version__

DEBUG_LINES: Final = ("performed_queries", "query_responses")
PLACE: Final = (
    "a name in the configuration, HOST:AE_TITLE:PORT, the URL of a DICOMweb service, a folder, a zip archive"
    " or a DICOMDIR"
)
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_LEVELS: Final = ("debug", "info", "warning", "error")


class Parser(argparse.ArgumentParser):
    """A parser that prints errors as one line."""

    def __init__(self, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog, description=description, epilog=epilog, formatter_class=_Help, allow_abbrev=False
        )

    def error(self, message: str) -> NoReturn:
        """Print the error and how to get help, and exit with status 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main_parser(commands: Mapping[str, str]) -> Parser:
    """Return the parser for the options before the command."""
    listed = "\n".join(f"  {name:12}{does}" for name, does in commands.items())
    parser = Parser(
        "dcm",
        "Query, send, retrieve and receive DICOM objects.",
        f"commands:\n{listed}\n\nRun `dcm COMMAND --help` for details.",
    )
    parser.usage = "dcm [OPTION ...] COMMAND ..."
    parser.add_argument("--version", action="version", version=f"dcm {__version__}")
    _add_common(parser)
    parser.add_argument("command", choices=commands, metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def command_parser(command: str, documentation: str) -> Parser:
    """Return the parser for the arguments after the command, which may include common options."""
    description = documentation.partition(": ")[2].strip()
    parser = Parser(f"dcm {command}", description[:1].upper() + description[1:])
    _add_common(parser)
    return parser


def add_network_options(parser: argparse.ArgumentParser, *, progress: bool = True) -> None:
    """Add the options of commands that use the network."""
    parser.add_argument(
        "--local", metavar="NODE",
        help="our own node: a local node in the configuration, or HOST:AE_TITLE:PORT",
    )  # fmt: skip
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="write a report of all outcomes to FILE, as JSON",
    )
    if progress:
        parser.add_argument("--no-progress", action="store_true", help="show no progress")


def add_remote(parser: argparse.ArgumentParser) -> None:
    """Add the remote node and the options for the connection to it."""
    parser.add_argument("remote", metavar="REMOTE", help=PLACE)
    add_connection(parser, "REMOTE")


def add_connection(parser: argparse.ArgumentParser, remote: str) -> None:
    """Add the options for the connection to a remote node."""
    parser.add_argument(
        "--allow-plaintext", action="store_true",
        help=f"send the user name and password for {remote} even without TLS, where others can read them",
    )  # fmt: skip
    parser.add_argument(
        "--max-associations", metavar="N", type=number(1, 100),
        help=f"open at most N associations to {remote} at a time; 4 by default, fewer if it rejects some",
    )  # fmt: skip


def number(least: int, most: int) -> Callable[[str], int]:
    """Return an argument type: an integer within bounds."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return read


def size(text: str) -> int:
    """Convert an argument that is a number of bytes, with or without a unit: 500, 20M."""
    digits, unit = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "")
    if not (digits.isascii() and digits.isdecimal()) or unit not in _UNITS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size: use a number of bytes, or K, M, G or T as in 20M"
        )
    return int(digits) * _UNITS[unit]


def seconds(text: str) -> float:
    """Convert an argument that is a number of seconds."""
    try:
        found = float(text)
    except ValueError:
        found = 0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds greater than 0")
    return found


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("common options")
    group.add_argument(
        "--config", metavar="FILE",
        help="the configuration file; by default $DCM_CONFIG_PATH, or else that of `dcm conf --path`",
    )  # fmt: skip
    group.add_argument(
        "--log-path", metavar="FILE", help="also log to FILE; by default $DCM_LOG_PATH"
    )
    group.add_argument(
        "--file-log-level", choices=_LEVELS, type=str.lower, default="info",
        help="the log level for FILE; info by default",
    )  # fmt: skip
    group.add_argument("-v", "--verbose", action="store_true", help="log each step")
    group.add_argument(
        "--debug", action="store_true",
        help="log all details: addresses, TLS, negotiation, messages",
    )  # fmt: skip
    group.add_argument("--quiet", action="store_true", help="log only errors")
    group.add_argument(
        "--debug-filter", metavar="NAME", action="append", choices=DEBUG_LINES, default=[],
        help=f"leave out some messages of --debug: {' or '.join(DEBUG_LINES)}; may be repeated",
    )  # fmt: skip


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal. For the width, argparse would import slow modules."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=_width())


def _width() -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return max(int(columns) - 2, 40)
    try:
        return min(os.get_terminal_size(sys.stdout.fileno()).columns - 2, 110)
    except (OSError, ValueError):
        return 98
