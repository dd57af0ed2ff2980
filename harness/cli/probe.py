"""`harness probe`: compare what a server claims to support with what it does."""

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.cli import put
from harness.cli.run import values
from harness.errors import ConfigError
from harness.report.abilities import as_json, as_text
from harness.report.load import Run, load
from harness.report.statement import as_markdown, render, statement
from harness.suites import suites_folder

FORMATS: dict[str, Callable[[Run], str]] = {
    "text": lambda run: as_text(run, min(100, shutil.get_terminal_size((100, 24)).columns)),
    "json": lambda run: json.dumps(as_json(run), indent=2, ensure_ascii=False),
    "md": lambda run: as_markdown(statement(run)),
    "html": lambda run: render(statement(run)),
}
ENDINGS = {".json": "json", ".md": "md", ".html": "html", ".txt": "text"}
RUNS_ALREADY = re.compile(r"(?!image:|orthanc:)([^:]+):([^:]+):([0-9]+)")
EPILOG = """\
SERVER is one of these: a server to start, named as for `harness run --remote` (orthanc, orthanc:trixie,
dcmqrscp, qrscp, ./FILE.py); a server that is already running (host:ae_title:port); or a run folder. Options
of `harness run`, such as --rest or --case-limit, are accepted too. Evidence is kept in a run folder.

Exit code: 0 after a complete probe, whatever it found; 1 if the run was interrupted; 2 if it could not start.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="harness probe",
        description="Compare what a server claims to support with what it does.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "server",
        nargs="?",
        default="orthanc",
        metavar="SERVER",
        help="the server, see below (default: orthanc)",
    )
    add(
        "--format",
        choices=FORMATS,
        help="the output format; md and html are an observed conformance statement (default: text)",
    )
    add(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write to FILE; its extension selects the format",
    )
    add("--read-only", action="store_true", help="only request associations, and store nothing")
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the cases that show what a server supports, and print the result."""
    given, others = make_parser().parse_known_args(argv)
    ending = given.output.suffix if given.output else ""
    if Path(given.server).is_dir():
        run = load(Path(given.server))
    else:
        run = _run(given.server, others, read_only=given.read_only)
    text = FORMATS[given.format or ENDINGS.get(ending, "text")](run)
    put(text.rstrip("\n"), given.output)
    return int(run.interrupted)


def _run(server: str, others: Sequence[str], *, read_only: bool) -> Run:
    """Run the cases, and return the run. Raises ConfigError if it did not start."""
    running = RUNS_ALREADY.fullmatch(server)
    if running is None:
        where = ["--remote", server]
    else:
        host, title, port = running.groups()
        where = ["--server", host, "--aet", title, "--dicom", port]
    runs = Path((values(others, "--runs") or ["runs"])[-1])
    before = _latest(runs)
    chosen = "shows and read_only" if read_only else "shows"
    command = [sys.executable, "-m", "pytest", str(suites_folder()), "-m", chosen, "-q", *where]
    code = subprocess.run([*command, *others], stdout=sys.stderr, check=False).returncode
    after = _latest(runs)
    if after is None or after == before:
        raise ConfigError(f"nothing was probed: pytest exited with {code}")
    return load(after)


def _latest(runs: Path) -> Path | None:
    link = runs / "latest"
    return link.resolve() if link.exists() else None
