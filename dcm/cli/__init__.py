"""The `dcm` command line, with one module for each command.

Results go to stdout, everything else to stderr. Exit status: 0, everything was done; 1, something failed or
was lost; 2, usage error, nothing was done; 130, interrupted. To start fast, modules are imported only when
they are needed.

`main` may be called from any program. `dcm.__main__` is for a separate process, whose settings it changes.
"""

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from dcm.cli.options import command_parser, main_parser

COMMANDS: Final = {
    "echo": "check that a node or service responds",
    "query": "search a node, service or folder",
    "get": "retrieve instances into a folder",
    "store": "send files and folders",
    "sync": "copy what is missing at the destinations",
    "listen": "receive instances into a folder",
    "forward": "receive instances, and send them on to other destinations",
    "serve": "serve a folder by DICOMweb and DICOM",
    "index": "index a folder, and check its files",
    "dump": "show the contents of files",
    "diff": "show the differences between files or folders",
    "view": "show images on an HTML page or in a picture",
    "edit": "set or delete elements in files, or replace UIDs",
    "deidentify": "remove what identifies people from files",
    "sort": "sort files into folders by their contents",
    "conf": "edit or show the configuration",
    "version": "show the version",
}

WRONG_USE: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status. Raises `SystemExit` for --help and for invalid options."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    return WRONG_USE if arguments is None else load(arguments)()


def parse(words: Sequence[str]) -> Namespace | None:
    """Parse the options before the command. Without arguments, print the help and return None."""
    parser = main_parser(COMMANDS)
    if not words:
        parser.print_help()
        return None
    return parser.parse_args(words)


def load(arguments: Namespace) -> Callable[[], int]:
    """Import a command and parse the remaining arguments; return a function that runs it."""
    command = import_module(f"dcm.cli.{arguments.command}")
    parser = command_parser(arguments.command, command.__doc__ or "")
    command.add_arguments(parser)
    parser.parse_intermixed_args(arguments.rest, arguments)

    from dcm.cli.running import run  # noqa: PLC0415 - not for --help

    return lambda: run(command.run, arguments)
