"""Fixtures for the cases about plugins."""

import pytest

from harness.cases import Party, Rest, WsiTools


@pytest.fixture
def wsi(remote: Party, rest: Rest) -> WsiTools:
    """Return the programs of the plugin for whole-slide images."""
    return WsiTools(remote, rest)
