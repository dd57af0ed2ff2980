"""`harness bisect`: between which versions a case began to fail."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness.bisect import Tried, bisect, in_order, judged
from harness.matrix.running import Asked, run_all
from harness.report.difference import compare
from harness.report.difference_text import as_text


def main(argv: Sequence[str]) -> int:
    """Print the last server on which a case is good and the first on which it is bad."""
    parser = argparse.ArgumentParser(
        prog="harness bisect",
        description="Tell between which versions of a server a case began to fail.",
        epilog="SPEC is what --remote of `harness run` takes. Between two releases of Debian "
        "(orthanc:bookworm, orthanc:testing) those that are at hand are tried without being named.",
    )
    add = parser.add_argument
    add("case", metavar="CASE", help="an id, with or without parameters")
    add("--good", required=True, metavar="SPEC", help="a server on which it passes")
    add("--bad", required=True, metavar="SPEC", help="one on which it fails")
    via = "one between them, in order; repeatable"
    add("--via", action="append", default=[], metavar="SPEC", help=via)
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="(default: runs)")
    add("--suites", metavar="DIR", help="a folder of suites (default: our own)")
    given = parser.parse_args(argv)
    runs: Path = given.runs.absolute()

    def attempt(spec: str) -> Tried:
        words = [given.suites] if given.suites else []
        options = ["--remote", spec, "--runs", str(runs), "--case", given.case, "-n", "0"]
        (ended,), interrupted = run_all([Asked(spec, [*words, *options])], 1)
        if interrupted:
            raise KeyboardInterrupt
        tried = judged(spec, ended.run, ended.trouble)
        print(f"{tried.verdict:8} {spec}  {tried.said}", flush=True)
        return tried

    good, bad = bisect(in_order(given.good, given.bad, given.via), attempt)
    print(f"\n{given.case} is good with {good.spec}, and bad with the next, {bad.spec}")
    if good.run is not None and bad.run is not None:
        print(as_text(compare(good.run, bad.run)))
    return 0
