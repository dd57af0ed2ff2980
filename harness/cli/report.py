"""`harness report`: print the summary of a run, and rebuild its reports if asked to."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.report import terminal, write_reports
from harness.report.load import load


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="harness report", description=main.__doc__)
    latest = Path("runs/latest")
    parser.add_argument(
        "run", type=Path, nargs="?", default=latest, help="the run folder (default: runs/latest)"
    )
    again = "rebuild report.html and junit.xml in the run folder"
    parser.add_argument("--write", action="store_true", help=again)
    return parser


def main(argv: Sequence[str]) -> int:
    """Print the summary of a run; with --write, also rebuild its report.html and junit.xml."""
    given = make_parser().parse_args(argv)
    run = write_reports(given.run) if given.write else load(given.run)
    colour = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if colour else None
    print("\n".join(terminal.lines(run, width, colour)))
    return 0
