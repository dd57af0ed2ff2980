"""Each case of the conformance suite fails against a server that breaks its clause, and only then."""

import json
import subprocess
import sys

import pytest
from support.liar import group
from support.telling import ROOT, Teller, every, modules

FAULTS = modules("conformance")
CONFORMANCE = ["ASSOC", "DMSG", "CONST", "CONSC", "CONQR", "CONQM", "CONRT", "FILE", "CWEB", "SAME"]
"""The cases that depend only on clauses of the standard."""
TABLES = [*FAULTS, *modules("lies")]
"""The modules with a `GROUP`: the faults, and the cases that must notice them."""


@pytest.fixture(scope="module")
def tell(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Teller:
    """Run the cases with every third fault, or with --all each, in one run."""
    return Teller(FAULTS, lambda: tmp_path_factory.mktemp("told"), every(request.config))


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_fails_exactly_the_cases_of_its_clause(name: str, tell: Teller) -> None:
    """All cases pass against a correct server; each fault fails the cases that the table names."""
    noticed = tell(name)

    assert noticed.honestly(name) == set()
    assert noticed.by_lie(name) == tell.expected(name)


def test_no_conformance_case_is_without_a_fault() -> None:
    """Each case about a clause that holds for any server detects a fault of one of the tables."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", "cases", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    cases = {
        each["id"]
        for each in json.loads(done.stdout)
        if each["id"].partition("-")[0] in CONFORMANCE
    }
    found = {
        name.partition("[")[0]
        for table in TABLES
        for lie in group(table).lies
        for name in lie.fails
    }

    assert cases
    assert cases - found == set()
