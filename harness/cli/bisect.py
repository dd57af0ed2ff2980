"""`harness bisect`: find the version in which a case began to fail."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.bisect import Tried, bisect, in_order, judged
from harness.fuzz.conversation import Conversation
from harness.fuzz.differing import Differing, save
from harness.fuzz.recorded import file_of
from harness.matrix.running import Asked, run_all
from harness.report.difference import compare
from harness.report.difference_text import as_text


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="harness bisect",
        description="Find the version of a server in which a case began to fail.",
        epilog="SPEC names a server as for `harness run --remote`. Between two Debian releases "
        "(orthanc:bookworm, orthanc:testing), the releases available here are tried without --via.",
    )
    add = parser.add_argument
    add("case", metavar="CASE", help="the id of the case, with or without parameters")
    add("--good", required=True, metavar="SPEC", help="a server on which the case passes")
    add("--bad", required=True, metavar="SPEC", help="a server on which the case fails")
    via = "a server between these two, in order; may be repeated"
    add("--via", action="append", default=[], metavar="SPEC", help=via)
    add(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="where run folders are written (default: runs)",
    )
    add(
        "--suites", metavar="DIR", help="the folder with the suites (default: those of the harness)"
    )
    shrink = "then find the smallest input that the two servers answer differently"
    add("--shrink", action="store_true", help=shrink)
    limit = "the longest that --shrink may take (default: 120)"
    add("--shrink-for", type=float, default=120.0, metavar="SECONDS", help=limit)
    return parser


def main(argv: Sequence[str]) -> int:
    """Print the last server on which a case passes and the first on which it fails."""
    given = make_parser().parse_args(argv)
    with tempfile.TemporaryDirectory() as said:
        return _bisect(given, Path(said))


def _bisect(given: argparse.Namespace, said: Path) -> int:
    """Bisect, and shrink if requested; `said` is a folder for the recorded conversations."""
    runs: Path = given.runs.absolute()
    said_to: dict[str, Path] = {}

    def attempt(spec: str) -> Tried:
        words = [given.suites] if given.suites else []
        said_to[spec] = said / str(len(said_to))
        options = ["--remote", spec, "--runs", str(runs), "--case", given.case, "-n", "0"]
        if given.shrink:
            options += ["--keep-conversations", str(said_to[spec])]
        (ended,), interrupted = run_all([Asked(spec, [*words, *options])], 1)
        if interrupted:
            raise KeyboardInterrupt
        tried = judged(spec, ended.run, ended.trouble)
        print(f"{tried.verdict:8} {spec}  {tried.said}", flush=True)
        return tried

    good, bad = bisect(in_order(given.good, given.bad, given.via), attempt)
    print(f"\n{given.case} passes on {good.spec}, and fails on the next, {bad.spec}")
    if good.run is not None and bad.run is not None:
        print(as_text(compare(good.run, bad.run)))
    if given.shrink:
        # The conversation with a good server is longer, because the case does not fail early.
        return _shrink(given, good.spec, bad, [said_to[each.spec] for each in (bad, good)])
    return 0


def _shrink(given: argparse.Namespace, good: str, bad: Tried, said: Sequence[Path]) -> int:
    """Print the smallest input to which the servers respond differently; return the exit code."""
    assert bad.run is not None
    key = next(case.full_id for case in bad.run.cases if case.outcome in ("failed", "known"))
    kept = [file for folder in said if (file := file_of(folder, key)).exists()]
    if not kept:
        print(f"\nnothing to shrink: {key} sends nothing to the server, or too much to be kept")
        return 1
    with Differing(good, bad.spec) as servers:
        found = next(
            filter(None, (servers.shrink(_read(file), given.shrink_for) for file in kept)), None
        )
    if found is None:
        print(f"\nnothing to shrink: both servers answer alike when {key} is sent again")
        return 1
    smallest, difference = found
    folder = given.runs.absolute() / f"bisect-{kept[0].stem}"
    save(folder, smallest, difference, good, bad.spec)
    messages, size = smallest.size
    print(f"\nsmallest input that shows it: {messages} messages, {size} bytes, in {folder}")
    print(f"  {good} answers: {difference.good}")
    print(f"  {bad.spec} answers: {difference.bad}")
    return 0


def _read(file: Path) -> Conversation:
    return Conversation.loads(file.read_text())
