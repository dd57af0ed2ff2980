"""The `harness` command line, with one module for each command."""

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
    "run": "run all or some of the cases, and write a report",
    "cases": "list cases without running them",
    "matrix": "run the same cases on several servers, and compare the results on one page",
    "report": "print the summary of a run; --write also rebuilds its report",
    "replay": "resend the recorded requests of a case, and compare the responses",
    "probe": "find out what a server supports, and where it violates the standard",
    "diff": "show the differences between two runs",
    "bisect": "find the version of a server in which a case began to fail",
    "fuzz": "find out what a hostile or broken peer can do to a server",
    "known": "manage the lists of known issues",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: pytest's if pytest runs, 2 for a usage error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    listed = (f"  {name:8}{text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Integration tests for DICOM servers.",
        epilog="\n".join(["commands:", *listed, "", "Run `harness COMMAND --help` for details."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"dicom-harness {dcm.__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    if not arguments:
        parser.print_help()
        return 2
    known = parser.parse_args(arguments[:1])
    # Imported only here, because importing pytest would slow down --help.
    module = importlib.import_module(f"harness.cli.{known.command}")
    try:
        status: int = module.main(arguments[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # for example with `harness cases | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE  # the exit code that a shell reports
    except HarnessError as error:
        print(f"harness {known.command}: {error}", file=sys.stderr)
        return 2
    return status


def put(text: str, file: Path | None) -> None:
    """Print a text, or write it to `file`. Raises HarnessError if it cannot be written."""
    if file is None:
        print(text)
        return
    try:
        file.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"{file} cannot be written: {error.strerror}") from error
