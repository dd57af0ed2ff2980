"""`harness matrix`: run the same cases on several servers, and compare the results on one page."""

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

DESCRIPTION = """Run the same cases on several servers, and write one page with a table of cases and servers,
differences first. Existing run folders are added to the table as they are."""
EPILOG = """All other arguments are passed to `harness run`, the same for each server: first CASE (an id, a
pattern, the name of a test), then options such as -k, --profile, -n.

{listing}

examples:
  harness matrix --server orthanc:bookworm --server orthanc:trixie --server dcmqrscp
  harness matrix 'CFIND-*' --server orthanc --server qrscp
  harness matrix runs/latest --server image:orthancteam/orthanc:25.8.1
  harness matrix runs/20261122-094103-orthanc-1.10.1 runs/20261123-101500-orthanc-1.12.6

Exit code: 0 if no case failed, 1 if a case failed or a server did not run, 2 for a usage error or after an
interruption."""


def main(argv: Sequence[str]) -> int:
    """Run the cases, write matrix.html and matrix.json; return 1 if anything failed."""
    words = list(itertools.takewhile(lambda each: not each.startswith("-"), argv))
    given, rest = make_parser().parse_known_args(list(argv[len(words) :]))
    runs = [word for word in words if Path(word, "run.json").is_file()]
    cases = [word for word in words if word not in runs]
    if not given.server and (rest or cases or not runs):
        wrong = [*cases, *rest]
        raise ConfigError(
            f"{' '.join(wrong)}: not a run folder; name the servers to test, as in --server orthanc"
            if wrong
            else "name servers (--server orthanc --server qrscp) or run folders; see --help"
        )
    path = given.output or given.runs / "matrix.html"
    if path.suffix == ".json":
        raise ConfigError(
            f"-o {path}: this name is needed for the JSON file; call the page {path.stem}.html"
        )
    earlier = [Ended(None, load(Path(each)), None) for each in runs]
    for spec in given.server:
        product(spec.partition(":")[0])  # report an unknown name before anything runs
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
            f"{path} cannot be written: {error.strerror}; choose another file with -o"
        ) from error
    for column in matrix.columns:
        print(f"{column.letter}  {_line(column)}")
    print(f"{matrix.verdict}\npage  {shown_path(path)}")
    return 2 if interrupted else int(matrix.judgement != "good")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="harness matrix",
        usage="harness matrix [RUN ...] [CASE ...] [--server SPEC ...] [options] [pytest arguments]",
        description=DESCRIPTION,
        epilog=EPILOG.format(listing=listing().replace("--remote", "--server")),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    server = "a server to test, named as for `harness run --remote`; may be repeated"
    add("--server", action="append", default=[], metavar="SPEC", help=server)
    runs = "where run folders are written (default: runs)"
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help=runs)
    page = "the page to write, with a JSON file beside it (default: matrix.html in --runs)"
    add("-o", "--output", type=Path, metavar="PAGE", help=page)
    jobs = "test N servers at a time (default: as many as cores and memory allow)"
    add("--jobs", type=_number, metavar="N", help=jobs)
    return parser


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of 1 or more")
    return int(text)


def _run(
    given: argparse.Namespace, cases: Sequence[str], rest: Sequence[str]
) -> tuple[list[Ended], bool]:
    """Run the cases on each server."""
    cores = len(os.sched_getaffinity(0))
    jobs, workers = share(len(given.server), given.jobs, cores, free_memory())
    options = ["--runs", str(given.runs)]
    if not chosen(rest, "-n", "--numprocesses", "--dist"):
        # A single worker or a selection of cases does not need its own process.
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
