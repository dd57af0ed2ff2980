"""A pytest plugin: each case runs once honestly and once with each lie of a group.

The environment variable HARNESS_LIES names the group: a module such as `lies.dicom`.
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
    """Give the group that a module holds.

    It is found by its place: in a run of suites, a module `conformance` is a folder of cases.
    """
    place = SELFTEST.joinpath(*name.split(".")).with_suffix(".py")
    spec = importlib.util.spec_from_file_location(f"told_by_{place.stem}", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Group = module.GROUP
    return found


def pytest_configure() -> None:
    """Set up the run: no known issues, since the server is lied to, and a short wait for its ARTIM timer."""
    worker.read_known = lambda *_: ()
    Wire.artim = 4.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each case once per lie; the lie is told before any other fixture speaks to a server."""
    marker = metafunc.definition.get_closest_marker("case")
    if marker is None:
        return
    told = group(os.environ["HARNESS_LIES"])
    lies = [None, *told.told_to(marker.args[0].id)]
    names = [f"{MARK}{HONEST if lie is None else lie.name}/" for lie in lies]
    metafunc.parametrize("seeded_lie", lies, ids=names, indirect=True)


@pytest.fixture(autouse=True)
def seeded_lie(bench: Bench, request: pytest.FixtureRequest) -> Iterator[None]:
    """Tell one lie for the time of a case."""
    lie: Told | None = request.param or group(os.environ["HARNESS_LIES"]).honest
    if lie is None:
        yield
        return
    with lie.told(bench):
        yield
