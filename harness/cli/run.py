"""`harness run`: pytest on the suites, in parallel, with cases named the short way."""

import fnmatch
import itertools
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from _pytest.mark.expression import Expression

from harness.suites import suites_folder

_CASE = re.compile(
    r'^@(?:\w+\.)?case\(\s*"([A-Z][A-Z0-9]*-\d{3})"(.*?)^def (\w+)\(', re.MULTILINE | re.DOTALL
)
_COVERED = re.compile(r'"(\w+\.test_\w+)"')
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
    paths = [each for each in words if is_path(each)]
    names = [each for each in words if not is_path(each)]
    cases = [f"--case={each}" for each in names]
    arguments = [*(paths or files_that_name(names)), *cases, *rest]
    if not chosen(rest, "-n", "--numprocesses", "--dist"):
        arguments += ["-n", str(_workers(names, rest))]
    return _pytest(arguments)


def is_path(word: str) -> bool:
    """Return whether a word names a file or a folder of suites, and no case."""
    return Path(word.partition("::")[0]).exists()


@dataclass(frozen=True)
class Source:
    """A test function that is a case, as its file has it: below the suites, with every name that finds it."""

    path: Path
    names: frozenset[str]

    def is_called(self, pattern: str) -> bool:
        """Return whether one of its names fits a pattern, as `--case` takes it."""
        return any(fnmatch.fnmatchcase(name, pattern) for name in self.names)

    def fits(self, expression: Expression) -> bool:
        """Return whether pytest's `-k` takes it."""
        words = [name.lower() for name in (*self.names, *self.path.parts)]
        return expression.evaluate(lambda word, /, **_: any(word.lower() in each for each in words))


@cache
def sources() -> tuple[Source, ...]:
    """Find the cases of the suites in their files, for to import all of them takes seconds."""
    folder = suites_folder()
    found = []
    for path in sorted(folder.rglob("test_*.py")):
        for case_id, decorators, function in _CASE.findall(path.read_text()):
            covered = _COVERED.findall(decorators)
            names = {case_id, function, *covered, *(each.partition(".")[2] for each in covered)}
            names |= {name.removeprefix("test_") for name in names}
            found.append(Source(path.relative_to(folder), frozenset(names)))
    return tuple(found)


def files_that_name(cases: Sequence[str]) -> list[str]:
    """Return the files of the suites in which `cases` are.

    That is the whole folder where a case is a pattern, or where a name is found nowhere: pytest then tells
    the nearest ones.
    """
    files: dict[str, None] = {}
    for each in cases:
        word = _ID.match(each)
        name = word[0] if word else each
        found = [str(suites_folder() / case.path) for case in sources() if name in case.names]
        if not found:
            return [str(suites_folder())]
        files |= dict.fromkeys(found)
    return list(files) or [str(suites_folder())]


def _pytest(arguments: Sequence[str]) -> int:
    """Become pytest: it wants to see the harness's modules before they are imported."""
    sys.stdout.flush()
    command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", *arguments]
    os.execv(sys.executable, command)  # noqa: S606


def _workers(names: Sequence[str], rest: Sequence[str]) -> int:
    """Return as many workers as there are processors, but none for a selection of a few cases.

    A worker starts in two seconds, with its servers; one process runs a few cases sooner.
    """
    if chosen(rest, "--pdb", "--collect-only", "--co"):
        return 0
    patterns = [*names, *values(rest, "--case")]
    keywords = values(rest, "-k")
    if (patterns or keywords) and _count(patterns, keywords) < FEW:
        return 0
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)))


def _count(patterns: Sequence[str], keywords: Sequence[str]) -> int:
    """Count the cases that one of `patterns` names (any, without one) and that fit `-k`.

    Parameters are not looked at. An expression that pytest will refuse takes none.
    """
    try:
        expressions = [Expression.compile(each) for each in keywords[-1:]]
    except SyntaxError:
        return 0
    return sum(
        (not patterns or any(map(each.is_called, patterns))) and all(map(each.fits, expressions))
        for each in sources()
    )


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
