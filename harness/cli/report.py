"""`harness report`: the reports of a run folder, made again."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.report import terminal, write_reports


def main(argv: Sequence[str]) -> int:
    """Make report.html and junit.xml of a run folder again, and print the summary."""
    parser = argparse.ArgumentParser(prog="harness report", description=main.__doc__)
    latest = Path("runs/latest")
    parser.add_argument("run", type=Path, nargs="?", default=latest, help="(default: runs/latest)")
    run = write_reports(parser.parse_args(argv).run)
    width = shutil.get_terminal_size().columns
    print("\n".join(terminal.lines(run, width, sys.stdout.isatty())))
    return 0
