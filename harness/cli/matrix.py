"""`harness matrix`: the same cases on several servers, and one page of them."""

import argparse
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.cli.run import chosen, is_path
from harness.errors import ConfigError
from harness.matrix import page, record
from harness.matrix.model import Column, Ended, columns, make_matrix
from harness.matrix.running import Asked, free_memory, run_all, share
from harness.report.load import load
from harness.report.terminal import shown_path
from harness.report.text import seconds
from harness.servers.registry import listing, product

DESCRIPTION = """Run the same cases on several servers, some at once, and make one page of what came of it:
cases x servers, differences first. Run folders that exist become columns of the page as they are."""
EPILOG = """What is no option of this command goes to `harness run`, for each server the same: CASE comes
first (an id, a pattern, a test's name), then pytest's arguments, such as -k, --profile, -n.

{listing}

examples:
  harness matrix --server orthanc:bookworm --server orthanc:trixie --server dcmqrscp
  harness matrix 'CFIND-*' --server orthanc --server qrscp
  harness matrix runs/latest --server image:orthancteam/orthanc:25.8.1
  harness matrix runs/20261122-094103-orthanc-1.10.1 runs/20261123-101500-orthanc-1.12.6

The exit code is 0 when all is well, 1 when a server did not run or a case failed, 2 for wrong use and
after an interruption."""


def main(argv: Sequence[str]) -> int:
    """Run what is to be run, write matrix.html and matrix.json; 1 if anything failed."""
    words = list(itertools.takewhile(lambda each: not each.startswith("-"), argv))
    given, rest = _parser().parse_known_args(list(argv[len(words) :]))
    runs = [word for word in words if Path(word, "run.json").is_file()]
    cases = [word for word in words if word not in runs]
    if not given.server and (rest or cases or not runs):
        wrong = [*cases, *rest]
        raise ConfigError(
            f"{' '.join(wrong)}: no run folder; name servers to run cases on, as in --server orthanc"
            if wrong
            else "name servers (--server orthanc --server qrscp) or run folders; --help tells more"
        )
    path = given.output or given.runs / "matrix.html"
    if path.suffix == ".json":
        raise ConfigError(f"-o {path}: the JSON has that name; call the page {path.stem}.html")
    earlier = [Ended(None, load(Path(each)), None) for each in runs]
    for spec in given.server:
        product(spec.partition(":")[0])  # a name that is no server's is wrong use, and costs no run
    ended, interrupted = _run(given, cases, rest) if given.server else ([], False)
    if given.server and all(each.run is None for each in ended):
        for each in ended:
            print(f"{each.asked}: {each.trouble}", file=sys.stderr)
        return 2
    matrix = make_matrix(columns([*earlier, *ended]))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        page.write(matrix, path)
        record.write(matrix, path.with_suffix(".json"))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}; name another with -o"
        ) from error
    for column in matrix.columns:
        print(f"{column.letter}  {_line(column)}")
    print(f"{matrix.verdict}\npage  {shown_path(path)}")
    return 2 if interrupted else int(matrix.judgement != "good")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness matrix",
        usage="harness matrix [RUN ...] [CASE ...] [--server SPEC ...] [options] [pytest arguments]",
        description=DESCRIPTION,
        epilog=EPILOG.format(listing=listing().replace("--remote", "--server")),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    server = "a server to run the cases on, as --remote of `harness run` has it; repeatable"
    add("--server", action="append", default=[], metavar="SPEC", help=server)
    runs = "where run folders are written (default: runs)"
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help=runs)
    page = "the page (default: matrix.html where run folders are); its JSON stands beside it"
    add("-o", "--output", type=Path, metavar="PAGE", help=page)
    jobs = "so many servers at once (default: as many as cores and memory allow)"
    add("--jobs", type=_number, metavar="N", help=jobs)
    return parser


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of runs: 1 or more")
    return int(text)


def _run(
    given: argparse.Namespace, cases: Sequence[str], rest: Sequence[str]
) -> tuple[list[Ended], bool]:
    """Run the cases on each server."""
    cores = len(os.sched_getaffinity(0))
    jobs, workers = share(len(given.server), given.jobs, cores, free_memory())
    options = ["--runs", str(given.runs)]
    if not chosen(rest, "-n", "--numprocesses", "--dist"):
        # One worker alone, or a selection of cases, needs no process of its own.
        named = any(not is_path(each) for each in cases) or chosen(rest, "-k", "--case")
        options += ["-n", "0" if workers == 1 or named else str(workers)]
    asked = [Asked(spec, [*cases, *rest, "--remote", spec, *options]) for spec in given.server]
    return run_all(asked, jobs)


def _line(column: Column) -> str:
    asked = f" ({column.asked_as})" if column.asked_as else ""
    if column.run is None or column.trouble:
        return f"{column.name}{asked}: {column.trouble}"
    counts = ", ".join(f"{number} {outcome}" for outcome, number in column.run.counts.items())
    ending = ", interrupted" if column.run.interrupted else ""
    return f"{column.name}{asked}: {counts or 'no case'}{ending}, in {seconds(column.run.duration)}"
