"""Fixtures for the cases about robustness."""

import pytest

from harness.cases import Hostile, Party


@pytest.fixture
def hostile(remote: Party) -> Hostile:
    """Return a hostile peer of the remote."""
    return Hostile(remote)
