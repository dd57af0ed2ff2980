"""The parts of the command line that commands share."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from dcm import __version__

DEBUG_LINES: Final = ("performed_queries", "query_responses")
PLACE: Final = (
    "a name of the configuration, HOST:AE_TITLE:PORT, the URL of a DICOMweb service, a folder, a zip archive"
    " or a DICOMDIR"
)
_UNITS: Final = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_LEVELS: Final = ("debug", "info", "warning", "error")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def __init__(self, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog, description=description, epilog=epilog, formatter_class=_Help, allow_abbrev=False
        )

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and how to get help, and exit with status 2."""
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help says more\n")


def main_parser(commands: Mapping[str, str]) -> Parser:
    """Return the parser for the options before the command."""
    listed = "\n".join(f"  {name:12}{does}" for name, does in commands.items())
    parser = Parser(
        "dcm",
        "Query, send, retrieve and receive DICOM objects.",
        f"commands:\n{listed}\n\n`dcm COMMAND --help` explains one.",
    )
    parser.usage = "dcm [OPTION ...] COMMAND ..."
    parser.add_argument("--version", action="version", version=f"dcm {__version__}")
    _add_common(parser)
    parser.add_argument("command", choices=commands, metavar="COMMAND", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def command_parser(command: str, documentation: str) -> Parser:
    """Return the parser for the words after the command; common options are allowed there too."""
    description = documentation.partition(": ")[2].strip()
    parser = Parser(f"dcm {command}", description[:1].upper() + description[1:])
    _add_common(parser)
    return parser


def add_network_options(parser: argparse.ArgumentParser, *, progress: bool = True) -> None:
    """Add the options of commands that use the network."""
    parser.add_argument(
        "--local", metavar="NODE",
        help="our own node: a local node of the configuration, or HOST:AE_TITLE:PORT",
    )  # fmt: skip
    parser.add_argument(
        "--report",
        metavar="FILE",
        help="write the outcome of everything to FILE, as JSON",
    )
    if progress:
        parser.add_argument("--no-progress", action="store_true", help="show no progress")


def add_remote(parser: argparse.ArgumentParser) -> None:
    """Add the remote node, and the options that concern only the connection to it."""
    parser.add_argument("remote", metavar="REMOTE", help=PLACE)
    add_connection(parser, "REMOTE")


def add_connection(parser: argparse.ArgumentParser, remote: str) -> None:
    """Add the options that concern only the connection to a remote node."""
    parser.add_argument(
        "--allow-plaintext", action="store_true",
        help=f"send the user and the password of {remote} also without TLS, where others can read them",
    )  # fmt: skip
    parser.add_argument(
        "--max-associations", metavar="N", type=number(1, 100),
        help=f"the most associations with {remote} at the same time; 4 by default, fewer if it refuses",
    )  # fmt: skip


def number(least: int, most: int) -> Callable[[str], int]:
    """Return a type of arguments: a whole number within bounds."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return read


def size(text: str) -> int:
    """Read an argument that is a number of bytes, with a unit or without: 500, 20M."""
    digits, unit = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "")
    if not (digits.isascii() and digits.isdecimal()) or unit not in _UNITS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size: a number of bytes, or with K, M, G or T"
        )
    return int(digits) * _UNITS[unit]


def seconds(text: str) -> float:
    """Read an argument that is a number of seconds."""
    try:
        found = float(text)
    except ValueError:
        found = 0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, more than 0")
    return found


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("options of all commands")
    group.add_argument(
        "--config", metavar="FILE",
        help="the configuration (else $DCM_CONFIG_PATH, else that of `dcm conf --path`)",
    )  # fmt: skip
    group.add_argument("--log-path", metavar="FILE", help="log to FILE too (else $DCM_LOG_PATH)")
    group.add_argument(
        "--file-log-level", choices=_LEVELS, type=str.lower, default="info",
        help="the level of that file; info by default",
    )  # fmt: skip
    group.add_argument("-v", "--verbose", action="store_true", help="log a line for each step")
    group.add_argument(
        "--debug", action="store_true",
        help="log everything that happens: addresses, TLS, negotiation, messages",
    )  # fmt: skip
    group.add_argument("--quiet", action="store_true", help="log only errors")
    group.add_argument(
        "--debug-filter", metavar="NAME", action="append", choices=DEBUG_LINES, default=[],
        help=f"leave out some lines of --debug: {' or '.join(DEBUG_LINES)}; may be repeated",
    )  # fmt: skip


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help as wide as the terminal; argparse would import much to ask for that."""

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
