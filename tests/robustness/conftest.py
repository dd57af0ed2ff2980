"""Fixtures for the cases about robustness."""

import pytest

from harness.cases import Bench, Hostile, Party


@pytest.fixture
def hostile(bench: Bench, remote: Party) -> Hostile:
    """Return a hostile peer of the remote."""
    return Hostile(remote, bench.action)
