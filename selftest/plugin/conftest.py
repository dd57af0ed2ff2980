"""Small suites, run by the real pytest in a process of its own, against real servers."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.suites import RunSuite, libraries_imported_once

import harness.cli.replay  # noqa: F401 - it loads numpy, which must outlive pytester's snapshot of modules
from harness.errors import ServerNotFound
from harness.servers.locate import find_orthanc

__all__ = ["libraries_imported_once"]  # a fixture

TOKEN = "HARNESS_SELFTEST"


@pytest.fixture
def run_suite(pytester: pytest.Pytester) -> RunSuite:
    """Run small suites in a folder of their own."""
    return RunSuite(pytester)


@pytest.fixture(autouse=True)
def _nothing_left_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Check that no run leaves a process or folder behind; a token in the environment tags them."""
    token = uuid.uuid4().hex
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv(TOKEN, token)
    monkeypatch.setenv("TMPDIR", str(folder))
    yield
    left = [each for each in psutil.process_iter() if _environment(each).get(TOKEN) == token]
    _, left = psutil.wait_procs(left, timeout=5)
    assert left == []
    assert sorted(each.name for each in folder.glob("harness-*")) == []


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:  # it has ended, or belongs to another user
        return {}


@pytest.fixture(scope="session")
def orthanc() -> str:
    """The path of an Orthanc executable."""
    try:
        return str(find_orthanc().executable)
    except ServerNotFound as missing:
        pytest.skip(str(missing))
