"""A hostile or broken server fails its own cases and nothing else, and the report describes it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.hostile import KINDS
from support.telling import ROOT

from harness.cli.run import files_that_name
from harness.report.load import Run, load

ADAPTER = '''"""A server that is hostile in one way."""

import sys

from harness.model import Version
from harness.servers.capabilities import DIMSE_QUERY_RETRIEVE, DIMSE_STORAGE
from harness.servers.adapter import Adapter
from harness.servers.launcher import Launch
from harness.servers.product import Build, Product


class Hostile(Adapter):
    """It runs as long as it is wanted; whether it answers is what the cases find out."""

    can = DIMSE_STORAGE | DIMSE_QUERY_RETRIEVE

    def launch(self, seat):
        return Launch((sys.executable, "-m", "support.hostile", "{kind}", str(seat.ports["dicom"])))

    def answers(self, time_limit=2.0):
        return True


def find(asked):
    return Build("hostile", Version("1"), Hostile)


PRODUCT = Product("a hostile server", find)
'''
CASES = ("CECHO-001", "CFIND-001", "ASSOC-050", "DMSG-005")
CASE_LIMIT = 3.0  # seconds
AT_ONCE = 6
TOLD = {
    "mute": "nothing was received from the peer for 1 s",
    "closing": "the peer closed the connection",
    "garbage": "a PDU announces a length of 3864192077",
    "flooding": "a data set fragment where the command of a message was expected",
    "lying": "a PDU announces a length of 4294967295",
    "halting": "a PDU of which only 50 bytes were received",
}
"""What the report says about ASSOC-050, which sends a C-ECHO in the smallest fragments."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Return the runs against each server, which wait concurrently for answers that never come."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in KINDS}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(KINDS, pool.map(_run, KINDS, folders.values()), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_server_costs_its_cases_and_nothing_else(kind: str, runs: dict[str, Run]) -> None:
    """Every case fails within its limit with the reason; none is an error of the harness."""
    run = runs[kind]

    # The first run starts the servers.
    _, *others = sorted(run.cases, key=lambda case: case.started)
    assert [each.id for each in others if each.duration > 3 * CASE_LIMIT] == []
    assert {case.id: case.outcome for case in run.cases if case.outcome != "failed"} == {}
    assert {case.id for case in run.cases} == set(CASES)
    assert [case.id for case in run.cases if case.evidence is None] == []
    assert TOLD[kind] in next(case.why for case in run.cases if case.id == "ASSOC-050")


def _run(kind: str, folder: Path) -> Run:
    adapter = folder / "hostile.py"
    adapter.write_text(ADAPTER.replace("{kind}", kind))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *files_that_name(CASES), "-q"),
            *(f"--case={each}" for each in CASES),
            *("--remote", str(adapter), "--runs", str(folder / "runs")),
            f"--case-limit={CASE_LIMIT}",
        ],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'selftest'}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    return load(folder / "runs" / "latest")
