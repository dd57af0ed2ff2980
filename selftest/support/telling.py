"""Runs groups of lies: their sample of cases, once honestly and once with each lie."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cli.run import files_that_name
from harness.report.load import CaseResult, load
from support.liar import HONEST, MARK, group

ROOT = Path(__file__).resolve().parents[2]
CASE_LIMIT = 18  # seconds; one exchange may take a third of it


@dataclass(frozen=True)
class Noticed:
    """The cases that failed in one run of groups, by `GROUP: LIE` or `HONEST`; other outcomes."""

    failed: dict[str, set[str]]
    neither: dict[str, set[str]]
    """Cases that neither passed nor failed, with their outcomes."""

    def honestly(self, name: str) -> set[str]:
        """Return the cases of a group that did not pass although no lie was told."""
        found = self.failed.get(HONEST, set()) | self.neither.get(HONEST, set())
        return {each for each in found if group(name).samples(each.partition("[")[0])}

    def by_lie(self, name: str) -> dict[str, set[str]]:
        """Return the cases that failed with each lie of a group, and the other outcomes."""
        begin = f"{name}: "
        return {
            key.removeprefix(begin): self.failed.get(key, set()) | self.neither.get(key, set())
            for key in {*self.failed, *self.neither}
            if key.startswith(begin)
        }


def modules(folder: str) -> list[str]:
    """Return the names of the modules that define a `GROUP` in a folder of the selftests."""
    return sorted(
        f"{folder}.{path.stem}"
        for path in (ROOT / "selftest" / folder).glob("[a-z]*.py")
        if "test" not in path.stem
    )


def every(config: pytest.Config) -> int:
    """Return 1 if all lies are told, or 3 if a third of them is: all take minutes."""
    return 1 if config.option.all else 3


class Teller:
    """Runs groups on demand: all groups that start the same servers in one run.

    every: tell only the first of so many lies.
    """

    def __init__(self, names: Sequence[str], folder: Callable[[], Path], every: int) -> None:
        self._names, self._folder, self._every = names, folder, every
        self._noticed: dict[tuple[str, ...], Noticed] = {}

    def __call__(self, name: str) -> Noticed:
        """Return what was noticed in the run that has the group `name`."""
        options = group(name).options
        if options not in self._noticed:
            names = [each for each in self._names if group(each).options == options]
            self._noticed[options] = failures(names, self._folder(), self._every)
        return self._noticed[options]

    def expected(self, name: str) -> dict[str, set[str]]:
        """Return the cases that must fail with each lie, in the form of `Noticed.by_lie`."""
        lies = group(name).sampled(self._every).lies
        return {lie.name: set(lie.fails) for lie in lies if lie.fails}


def failures(names: Sequence[str], folder: Path, every: int) -> Noticed:
    """Run the samples of groups with their lies in one run of pytest."""
    told = [group(name).sampled(every) for name in names]
    sample = list(dict.fromkeys(case for each in told for case in each.sample))
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "support.liar", "-q"),
            *files_that_name(sample),
            *(f"--case={case}" for case in sample),
            *("--runs", str(folder), "-n2", f"--case-limit={CASE_LIMIT}", *told[0].options),
        ],
        env={
            **os.environ,
            "HARNESS_LIES": " ".join(names),
            "HARNESS_LIES_EVERY": str(every),
            "PYTHONPATH": f"{ROOT / 'selftest'}:{ROOT}",
        },
        capture_output=True,
        text=True,
        timeout=900,  # a case that is lied to waits for what never comes
        check=False,
    )
    assert finished.returncode in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), (
        finished.stdout + finished.stderr
    )
    noticed = Noticed(defaultdict(set), defaultdict(set))
    for case in load(folder / "latest").cases:
        lie, key = _lie_and_key(case)
        if case.outcome == "failed":
            noticed.failed[lie].add(key)
        elif case.outcome != "passed":
            noticed.neither[lie].add(f"{key}: {case.outcome} ({case.why})")
    return noticed


def _lie_and_key(case: CaseResult) -> tuple[str, str]:
    """Separate the lie from the case's own parameters: `CSTORE-003[jpeg]`."""
    before, _, after = (case.parameters or "").partition(MARK)
    lie, _, behind = after.partition("/")
    own = before.strip("-") or behind.strip("-")
    return lie, f"{case.id}[{own}]" if own else case.id
