"""Small suites, and runs made for replaying."""

import pytest
from support.suites import RunSuite, libraries_imported_once

import harness.cli.replay  # noqa: F401 - it loads numpy, which must outlive pytester's snapshot of modules

__all__ = ["libraries_imported_once"]  # a fixture


@pytest.fixture
def run_suite(pytester: pytest.Pytester) -> RunSuite:
    """Run small suites in a folder of their own."""
    return RunSuite(pytester)
