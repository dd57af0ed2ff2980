"""Small suites of cases, run by the real pytest in a process of its own."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.report.load import CaseResult, Run, load
from support import forked

INI = """
[pytest]
addopts = -p harness.plugin -p no:cacheprovider -p no:randomly -p no:hypothesispytest
"""

WITHIN = 180.0
"""Seconds for a run on a busy machine."""

HEAD = """
import os, signal
import pytest
from harness.case import case, needs
"""


@dataclass
class Finished:
    """A finished run: pytest's result, and the run folder if there is one."""

    result: pytest.RunResult
    folder: Path

    @property
    def run(self) -> Run:
        """The run folder, parsed."""
        return load(self.folder)

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome of each case by id."""
        return {each.full_id: each.outcome for each in self.run.cases}

    def case(self, key: str) -> CaseResult:
        """Return the record of one case."""
        return next(each for each in self.run.cases if each.full_id == key)


class RunSuite:
    """Writes a suite of cases and runs it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        pytester.makeini(INI)

    def __call__(self, body: str, *arguments: str) -> Finished:
        """Run the cases in `body`; `arguments` are passed to pytest."""
        self.pytester.makepyfile(test_small=HEAD + body)
        result = forked.run_pytest(arguments, self.pytester.path, WITHIN)
        return Finished(result, self.pytester.path / "runs" / "latest")


@pytest.fixture(scope="session", autouse=True)
def libraries_imported_once() -> None:
    """The process from which the runs are forked."""
    forked.start()
