"""Disable the garbage collector while pytest makes the report of a case.

Python 3.11.0 to 3.11.4 uses one counter for the depth of all syntax trees that are being built
(https://github.com/python/cpython/issues/106905). pytest builds one from the source of a failed
case. If a finalizer runs meanwhile, another thread can be scheduled and build one too, as Python
does to print that thread's exception. Then pytest's attempt ends in a SystemError, which ends the
whole run.
"""

import gc
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make the report without collecting garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        return (yield)
    finally:
        if enabled:
            gc.enable()
