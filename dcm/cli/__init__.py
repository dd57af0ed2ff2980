"""The command `dcm`: a module for each of its commands.

Results go to stdout, all else to stderr. Exit status: 0, all was done; 1, something was lost or failed;
2, it was not asked rightly, and nothing was done; 130, interrupted. Modules are imported when they are
needed: people wait for a command that they type.
"""

import gc
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Final

from dcm.cli.options import command_parser, main_parser

COMMANDS: Final = {
    "echo": "ask whether a node answers",
    "query": "ask a node what it has",
    "store": "send files and folders to a node",
    "get": "bring instances from a node into a folder",
    "listen": "put what others send into a folder",
    "conf": "edit or show the configuration",
    "version": "show the version",
}

_WRONG_USE: Final = 2
_GARBAGE: Final = (
    20_000  # objects before it is looked for: hardly anything of ours is ever in a circle
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and give the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = main_parser(COMMANDS)
    if not words:
        parser.print_help()
        return _WRONG_USE
    arguments = parser.parse_args(words)
    if argv is None:  # the process is ours
        gc.set_threshold(_GARBAGE)
        _import_asyncio()
    return _run(arguments)


def _run(arguments: Namespace) -> int:
    with _imports():
        command = import_module(f"dcm.cli.{arguments.command}")
        parser = command_parser(arguments.command, command.__doc__ or "")
        command.add_arguments(parser)
        parser.parse_intermixed_args(arguments.rest, arguments)

        from dcm.cli.running import run  # noqa: PLC0415 - not for --help

    return run(command.run, arguments)


def _import_asyncio() -> None:
    """Import asyncio as it is where Python has no OpenSSL: TLS of ours runs in memory and needs no more.

    OpenSSL costs a tenth of a start. Who needs it imports it afterwards.
    """
    if "asyncio" not in sys.modules and "ssl" not in sys.modules:
        sys.modules["ssl"] = None  # type: ignore[assignment]  # so that it cannot be imported
        try:
            with _imports():
                import asyncio  # noqa: F401, PLC0415
        finally:
            del sys.modules["ssl"]


@contextmanager
def _imports() -> Iterator[None]:
    """Import without the collector of garbage: there is none, and looking takes a tenth of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
