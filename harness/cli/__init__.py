"""The command `harness`, with a module for each of its commands."""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import dcm
from harness.errors import HarnessError

COMMANDS = {
    "run": "run the suites, or some cases, and write a report",
    "cases": "list the cases without running them",
    "matrix": "run the same cases on several servers, and make one page of them",
    "report": "make the report of a run folder again, and print its summary",
    "probe": "find out what a server can do, and where it breaks the standard",
    "diff": "tell what is different between two runs",
    "bisect": "tell between which versions of a server a case began to fail",
    "known": "list a failure as known, print or check the lists",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is pytest's where pytest runs, 2 for wrong use."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    listed = (f"  {name:8}{text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Integration tests for DICOM servers.",
        epilog="\n".join(["commands:", *listed, "", "`harness COMMAND --help` tells more."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dicom-harness {dcm.__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    if not arguments:
        parser.print_help()
        return 2
    known = parser.parse_args(arguments[:1])
    # Imported now, so that --help does not wait for pytest.
    module = importlib.import_module(f"harness.cli.{known.command}")
    try:
        status: int = module.main(arguments[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # `harness cases | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE  # as shells have it
    except HarnessError as error:
        print(f"harness {known.command}: {error}", file=sys.stderr)
        return 2
    return status


def put(text: str, file: Path | None) -> None:
    """Print a text, or write it to `file`. Raises HarnessError where that cannot be."""
    if file is None:
        print(text)
        return
    try:
        file.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"{file} cannot be written: {error.strerror}") from error
