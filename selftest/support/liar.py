"""A pytest plugin that runs each case once honestly and once with each lie of its groups.

The environment variable HARNESS_LIES holds the names of the groups, separated by blanks: modules
like `lies.dicom`. If HARNESS_LIES_EVERY is 3, every third of their lies is told. The groups of a
run share the started servers and the value of `honest`.
"""

import importlib.util
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from harness.clients.wire import Wire
from harness.plugin import worker
from harness.plugin.bench import Bench
from support.lies import Group, Told

MARK = "lie="
HONEST = "none"
SELFTEST = Path(__file__).resolve().parents[1]


@cache
def group(name: str) -> Group:
    """Return the group that a module defines.

    The module is located by its path: in a run of suites, `conformance` is a folder of cases.
    """
    place = SELFTEST.joinpath(*name.split(".")).with_suffix(".py")
    spec = importlib.util.spec_from_file_location(f"told_by_{place.stem}", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Group = module.GROUP
    return found


def groups() -> dict[str, Group]:
    """Return the groups of this run by module name."""
    every = int(os.environ.get("HARNESS_LIES_EVERY", "1"))
    return {name: group(name).sampled(every) for name in os.environ["HARNESS_LIES"].split()}


def pytest_configure() -> None:
    """Configure the run: no known issues, since the server is lied to, and a short ARTIM wait."""
    worker.read_known = lambda *_: ()
    Wire.artim = 4.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each case once per lie; the lie is set before any other fixture contacts a server."""
    marker = metafunc.definition.get_closest_marker("case")
    if marker is None:
        return
    told: dict[str, Told | None] = {f"{MARK}{HONEST}/": None}
    for name, each in groups().items():
        told |= {f"{MARK}{name}: {lie.name}/": lie for lie in each.told_to(marker.args[0].id)}
    metafunc.parametrize("seeded_lie", told.values(), ids=told, indirect=True)


@pytest.fixture(autouse=True)
def seeded_lie(bench: Bench, request: pytest.FixtureRequest) -> Iterator[None]:
    """Tell one lie for the duration of a case."""
    (honest,) = {each.honest for each in groups().values()}
    lie: Told | None = request.param or honest
    if lie is None:
        yield
        return
    with lie.told(bench):
        yield
