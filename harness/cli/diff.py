"""`harness diff`: what is different between two runs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.report import difference_html
from harness.report.difference import Difference, compare
from harness.report.difference_text import as_json, as_markdown, as_text
from harness.report.load import load

FORMATS = ("text", "markdown", "json", "html")


def main(argv: Sequence[str]) -> int:
    """Print what is different between two run folders; 1 if anything got worse."""
    parser = argparse.ArgumentParser(
        prog="harness diff",
        description="Tell what got worse, better, new, gone or slower from one run to another.",
        epilog="The exit code is 1 if anything got worse, 2 if a run cannot be read, else 0.",
    )
    parser.add_argument("before", type=Path, metavar="RUN", help="the folder of the earlier run")
    parser.add_argument(
        "after", type=Path, metavar="RUN", nargs="?", default=Path("runs/latest"),
        help="that of the later one (default: runs/latest)",
    )  # fmt: skip
    parser.add_argument("--format", choices=FORMATS, default="text", help="(default: text)")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write to FILE; an HTML page links from there",
    )
    given = parser.parse_args(argv)
    difference = compare(load(given.before), load(given.after))
    text = _written(difference, given.format, given.output)
    if given.output is None:
        print(text)
    else:
        _write(given.output, text)
    return int(difference.got_worse)


def _written(difference: Difference, form: str, output: Path | None) -> str:
    if form == "html":
        return difference_html.render(difference, Path() if output is None else output.parent)
    writers = {"text": as_text, "markdown": as_markdown, "json": as_json}
    return writers[form](difference)


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise HarnessError(f"{file} cannot be written: {error.strerror}") from error
