"""The command `dcm`: a module for each of its commands.

Results go to stdout, all else to stderr. Exit status: 0, everything was done; 1, something was lost or
failed; 2, usage error, and nothing was done; 130, interrupted. Modules are imported when they are needed, so
that a command starts fast.

`main` may be called from any program. `dcm.__main__` is for a process of its own, which it may tune.
"""

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from dcm.cli.options import command_parser, main_parser

COMMANDS: Final = {
    "echo": "ask whether a node or service answers",
    "query": "ask what there is",
    "get": "bring instances into a folder",
    "store": "send files and folders",
    "sync": "copy what destinations lack",
    "listen": "put what others send into a folder",
    "forward": "receive, and send on to other places",
    "serve": "make an archive of a folder: DICOMweb and DICOM services",
    "index": "index a folder, and find what is wrong with its files",
    "dump": "show what is in files",
    "diff": "tell what differs between files or folders",
    "view": "make a page or picture of images",
    "edit": "set and delete elements of files, or replace their UIDs",
    "deidentify": "take out of files what identifies people",
    "sort": "put files into folders by what is in them",
    "conf": "edit or show the configuration",
    "version": "show the version",
}

WRONG_USE: Final = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status. Raises `SystemExit` for help and for wrong options."""
    arguments = parse(sys.argv[1:] if argv is None else argv)
    return WRONG_USE if arguments is None else load(arguments)()


def parse(words: Sequence[str]) -> Namespace | None:
    """Parse the options up to the command's name. Without arguments, print the help and return None."""
    parser = main_parser(COMMANDS)
    if not words:
        parser.print_help()
        return None
    return parser.parse_args(words)


def load(arguments: Namespace) -> Callable[[], int]:
    """Import a command and parse the rest of the words; the result runs it."""
    command = import_module(f"dcm.cli.{arguments.command}")
    parser = command_parser(arguments.command, command.__doc__ or "")
    command.add_arguments(parser)
    parser.parse_intermixed_args(arguments.rest, arguments)

    from dcm.cli.running import run  # noqa: PLC0415 - not for --help

    return lambda: run(command.run, arguments)
