"""`harness run`: run pytest on the suites in parallel, with short names for cases."""

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

from harness.coverage import clauses_of
from harness.suites import suites_folder

_CASE = re.compile(
    r'^@(?:\w+\.)?case\(\s*"([A-Z][A-Z0-9]*-\d{3})"(.*?)^def (\w+)\(', re.MULTILINE | re.DOTALL
)
_COVERED = re.compile(r'"(\w+(?:\.\w+)*\.(?:test|case)_\w+)"')
_REF = re.compile(r'\bref="([^"]+)"')
_SUITE = re.compile(r"^\w+ = Suite\((.*?)\)$", re.MULTILINE | re.DOTALL)
_ID = re.compile(r"[A-Z][A-Z0-9]*-\d{3}")
MOST_WORKERS = 4  # each has two servers of its own
FEW = 12  # one process runs this many cases before a second process has started


def main(argv: Sequence[str]) -> int:
    """Run the suites and return pytest's exit code."""
    if {"-h", "--help"} & {*argv}:
        from harness.cli import run_help  # noqa: PLC0415 - it imports most of the harness

        print(run_help.text())
        return 0
    if "--help-pytest" in argv:
        return _pytest([str(suites_folder()), "--help"])
    if chosen(argv, "--repeat"):
        from harness.cli import repeat  # noqa: PLC0415 - likewise

        return repeat.main(argv)
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
    """Return whether a word is the path of a file or folder of suites, not the name of a case."""
    return Path(word.partition("::")[0]).exists()


@dataclass(frozen=True)
class Source:
    """A test function that is a case: its path below the suites, and all names that select it."""

    path: Path
    names: frozenset[str]

    def is_called(self, pattern: str) -> bool:
        """Return whether one of its names matches a pattern, as for `--case`."""
        return any(fnmatch.fnmatchcase(name, pattern) for name in self.names)

    def fits(self, expression: Expression) -> bool:
        """Return whether pytest's `-k` would select it."""
        words = [name.lower() for name in (*self.names, *self.path.parts)]
        return expression.evaluate(lambda word, /, **_: any(word.lower() in each for each in words))


@cache
def sources() -> tuple[Source, ...]:
    """Find the cases by reading the files of the suites, because importing them takes seconds."""
    folder = suites_folder()
    found = []
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text()
        of_suites = [ref for suite in _SUITE.findall(text) for ref in _REF.findall(suite)]
        for case_id, decorators, function in _CASE.findall(text):
            covered = _COVERED.findall(decorators)
            names = {case_id, function, *covered, *(each.rpartition(".")[2] for each in covered)}
            names |= {name.removeprefix("test_") for name in names}
            for ref in _REF.findall(decorators) or of_suites:
                names |= {ref, *map(str, clauses_of(ref))}
            found.append(Source(path.relative_to(folder), frozenset(names)))
    return tuple(found)


def files_that_name(cases: Sequence[str]) -> list[str]:
    """Return the files of the suites that contain `cases`.

    Return the whole folder if a case is a pattern or a name is not found: pytest then suggests
    similar names.
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
    """Replace this process by pytest, so that it can rewrite assertions in the harness."""
    sys.stdout.flush()
    command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", *arguments]
    os.execv(sys.executable, command)  # noqa: S606


def _workers(names: Sequence[str], rest: Sequence[str]) -> int:
    """Return the number of workers: one for each processor, or 0 for a selection of a few cases.

    A worker takes two seconds to start its servers; in that time one process runs a few cases.
    """
    if chosen(rest, "--pdb", "--collect-only", "--co"):
        return 0
    patterns = [*names, *values(rest, "--case")]
    keywords = values(rest, "-k")
    if (patterns or keywords) and _count(patterns, keywords) < FEW:
        return 0
    return min(MOST_WORKERS, len(os.sched_getaffinity(0)))


def _count(patterns: Sequence[str], keywords: Sequence[str]) -> int:
    """Count the cases that match one of `patterns` (all, if there are none) and `-k`.

    Parameters are ignored. An expression that pytest will reject matches no case.
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
    """Return all values of an option: `-k X`, `-kX`, `--case=X`."""
    equals = f"{option}=" if option.startswith("--") else option
    found = [
        each.removeprefix(equals)
        for each in arguments
        if each.startswith(equals) and each != option
    ]
    return found + [value for each, value in itertools.pairwise(arguments) if each == option]


def chosen(arguments: Sequence[str], *options: str) -> bool:
    """Return whether one of `options` is among the arguments, with or without a value attached."""
    return any(
        each == option or each.startswith(f"{option}=" if option.startswith("--") else option)
        for each in arguments
        for option in options
    )
