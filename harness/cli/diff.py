"""`harness diff`: what is different between two runs."""

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


def main(argv: Sequence[str]) -> int:
    """Print what is different between two run folders; 1 if anything got worse."""
    parser = argparse.ArgumentParser(
        prog="harness diff",
        description="Tell what got worse, better, new, gone or slower from one run to another.",
        epilog="The exit code is 1 if anything got worse, 2 if a run cannot be read, else 0.",
    )
    add = parser.add_argument
    latest = Path("runs/latest")
    add("before", type=Path, metavar="RUN", help="the folder of the earlier run")
    later = "that of the later one (default: runs/latest)"
    add("after", type=Path, metavar="RUN", nargs="?", default=latest, help=later)
    add("--format", choices=FORMATS, default="text", help="(default: text)")
    output = "write to FILE; an HTML page links from there"
    add("-o", "--output", type=Path, metavar="FILE", help=output)
    given = parser.parse_args(argv)
    difference = compare(load(given.before), load(given.after))
    put(FORMATS[given.format](difference, given.output), given.output)
    return int(difference.got_worse)
