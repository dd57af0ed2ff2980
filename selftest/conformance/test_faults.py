"""Each case of the conformance suite fails against a server that breaks its clause, and only then."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.liar import HONEST, group
from support.telling import ROOT, failures

TABLES = sorted(
    f"{path.parent.name}.{path.stem}"
    for folder in ("conformance", "lies")
    for path in (ROOT / "selftest" / folder).glob("[a-z]*.py")
    if "test" not in path.stem
)
"""The modules with a `GROUP`: what is told, and the cases that must notice it."""


@pytest.mark.parametrize("name", [each for each in TABLES if each.startswith("conformance.")])
def test_each_fault_fails_exactly_the_cases_of_its_clause(name: str, tmp_path: Path) -> None:
    """All cases pass against the honest server; each fault is noticed by the cases that the table names."""
    told = group(name)

    failed = failures(name, tmp_path)

    assert failed[HONEST] == set()
    assert {fault.name: failed[fault.name] for fault in told.lies} == {
        fault.name: set(fault.fails) for fault in told.lies
    }


def test_no_conformance_case_is_without_a_fault() -> None:
    """Who adds a case to `tests/conformance/` adds the fault that it finds to one of the tables."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", "cases", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    cases = {
        each["id"] for each in json.loads(done.stdout) if each["suite"].startswith("conformance/")
    }
    found = {
        name.partition("[")[0]
        for table in TABLES
        for lie in group(table).lies
        for name in lie.fails
    }

    assert cases
    assert cases - found == set()
