"""Moves files until it is killed: `killed.py SOURCE TARGET`, or `killed.py --undo JOURNAL`.

Prints a line just before files are touched.
"""

import sys

from dcm.sort import Method, sort, undo

LAYOUT = "{PatientID}/{SOPInstanceUID}.dcm"


def tell(what: str, done: int, total: int | None) -> None:
    """Print the line when the last preparation has begun."""
    if (what, done) in (("checked", 100), ("undone", 100)):
        sys.stdout.write("begun\n")
        sys.stdout.flush()


if __name__ == "__main__":
    first, second = sys.argv[1:]
    if first == "--undo":
        report = undo(second, on_progress=tell)
    else:
        report = sort([first], second, LAYOUT, Method.MOVE, on_progress=tell)
    sys.exit(0 if report.complete else 1)
