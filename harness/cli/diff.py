"""`harness diff`: show the differences between two runs."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.cli import put
from harness.report import difference_html
from harness.report.difference import Difference, compare
from harness.report.difference_text import as_json, as_markdown, as_text
from harness.report.load import load

FORMATS: dict[str, Callable[[Difference, Path | None], str]] = {
    "text": lambda found, _: as_text(found),
    "markdown": lambda found, _: as_markdown(found),
    "json": lambda found, _: as_json(found),
    "html": lambda found, output: difference_html.render(
        found, output.parent if output else Path()
    ),
}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="harness diff",
        description="Show what is worse, better, new, missing or slower in the later of two runs.",
        epilog="Exit code: 0 if nothing got worse, 1 if anything did, 2 if a run cannot be read.",
    )
    add = parser.add_argument
    latest = Path("runs/latest")
    add("before", type=Path, metavar="RUN", help="the folder of the earlier run")
    later = "the folder of the later run (default: runs/latest)"
    add("after", type=Path, metavar="RUN", nargs="?", default=latest, help=later)
    add("--format", choices=FORMATS, default="text", help="the output format (default: text)")
    output = "write to FILE instead of stdout; links in an HTML page are relative to it"
    add("-o", "--output", type=Path, metavar="FILE", help=output)
    return parser


def main(argv: Sequence[str]) -> int:
    """Print the differences between two run folders; return 1 if anything got worse."""
    given = make_parser().parse_args(argv)
    difference = compare(load(given.before), load(given.after))
    put(FORMATS[given.format](difference, given.output), given.output)
    return int(difference.got_worse)
