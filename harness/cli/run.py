"""`harness run`: pytest on the suites, in parallel, with cases named the short way."""

import itertools
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.cli.counting import count
from harness.suites import suites_folder

_ID = re.compile(r"[A-Z][A-Z0-9]*-\d{3}")
MOST_WORKERS = 4  # each has two servers of its own
FEW = 12  # cases that one process runs before a second one would have started
USAGE = """harness run [CASE ...] [pytest arguments]

Without a CASE, all suites run in parallel, each worker with a remote and a local server of its own.
A CASE comes first: an id (CFIND-014), a pattern ('CFIND-*'), or the name of a test, with or without its class
(test_findscu_counters, Orthanc.test_findscu_counters). A few cases run in one process.

examples:
  harness run
  harness run CFIND-014
  harness run -k findscu_counters
  harness run --server 192.0.2.7 --config IntegrationTestsConfiguration.json
  harness run --remote dcmqrscp
  harness run --image orthancteam/orthanc:25.8.1
  harness run -n 0 -x

Options are those of pytest; `harness run --help` lists them, those of the harness under "DICOM servers
under test". --remote says which server is started, Orthanc if you say nothing.
"""


def main(argv: Sequence[str]) -> int:
    """Run the suites and give pytest's exit code."""
    if list(argv) in (["-h"], ["--help"]):
        print(USAGE)
        return _pytest([str(suites_folder()), "--help"])
    words = list(itertools.takewhile(lambda each: not each.startswith("-"), argv))
    rest = list(argv[len(words) :])
    paths = [each for each in words if Path(each.partition("::")[0]).exists()]
    names = [each for each in words if each not in paths]
    cases = [f"--case={each}" for each in names]
    arguments = [*(paths or files_that_name(names)), *cases, *rest]
    if not chosen(rest, "-n", "--numprocesses", "--dist"):
        arguments += ["-n", str(_workers(names, rest))]
    return _pytest(arguments)


def files_that_name(cases: Sequence[str]) -> list[str]:
    """Return the files of the suites in which `cases` may be, for to import all of them takes seconds.

    That is the whole folder where a case is a pattern, or where a name is found nowhere: pytest then tells
    the nearest ones.
    """
    folder = suites_folder()
    texts = {path: path.read_text() for path in folder.rglob("test_*.py")}
    files: dict[str, None] = {}
    for each in cases:
        word = _ID.match(each)
        name = word[0] if word else each.rpartition(".")[2].removeprefix("test_")
        found = [str(path) for path, text in texts.items() if name in text]
        if not found or set("*?[") & set(name):
            return [str(folder)]
        files |= dict.fromkeys(sorted(found))
    return list(files) or [str(folder)]


def _pytest(arguments: Sequence[str]) -> int:
    """Become pytest: it wants to see the harness's modules before they are imported."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])  # noqa: S606


def _workers(names: Sequence[str], rest: Sequence[str]) -> int:
    """Return as many workers as there are processors, but none for a selection of a few cases.

    A worker starts in two seconds, with its servers; one process runs a few cases sooner.
    """
    if chosen(rest, "--pdb", "--collect-only", "--co"):
        return 0
    patterns = [*names, *values(rest, "--case")]
    keywords = values(rest, "-k")
    if (patterns or keywords) and count(
        suites_folder(), patterns, keywords[-1] if keywords else None
    ) < FEW:
        return 0
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)))


def values(arguments: Sequence[str], option: str) -> list[str]:
    """Return what stands behind an option, each time that it is given: `-k X`, `-kX`, `--case=X`."""
    equals = f"{option}=" if option.startswith("--") else option
    found = [
        each.removeprefix(equals)
        for each in arguments
        if each.startswith(equals) and each != option
    ]
    return found + [value for each, value in itertools.pairwise(arguments) if each == option]


def chosen(arguments: Sequence[str], *options: str) -> bool:
    """Return whether one of `options` stands among the arguments, with its value behind it or not."""
    return any(
        each == option or each.startswith(f"{option}=" if option.startswith("--") else option)
        for each in arguments
        for option in options
    )
