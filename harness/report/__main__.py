"""`python -m harness.report RUNFOLDER`: make the reports of a run again, and print its summary."""

import argparse
import shutil
import sys
from pathlib import Path

from harness.errors import ConfigError
from harness.report import write_reports
from harness.report.terminal import lines


def main(arguments: list[str] | None = None) -> int:
    """Make the reports of the named run; exit status 2 if it cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m harness.report", description=__doc__)
    parser.add_argument("folder", metavar="RUNFOLDER", type=Path, help="a run, such as runs/latest")
    folder = parser.parse_args(arguments).folder
    try:
        run = write_reports(folder)
    except ConfigError as trouble:
        sys.stderr.write(f"{trouble}\n")
        return 2
    width = shutil.get_terminal_size((100, 24)).columns
    sys.stdout.write("\n".join(lines(run, width, sys.stdout.isatty())) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
