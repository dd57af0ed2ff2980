"""Runs pytest in a process forked from one that has already imported the libraries.

A fresh process spends most of its time on imports. The modules of the harness are not
imported beforehand, because pytest rewrites their assertions on import.
"""

import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

import pytest

LIBRARIES = (
    *("pytest", "xdist.plugin", "pytest_timeout", "_pytest.pytester"),
    *("numpy", "pydicom", "pydicom.pixels", "pynetdicom", "pynetdicom.sop_class", "sqlalchemy"),
    *("h11", "jinja2", "psutil", "requests", "urllib3", "PIL.Image", "html", "sqlite3"),
)

CI = ("CI", "BUILD_NUMBER")
"""Where one of these is set, pytest prints messages in its summary whole, which tests do not expect."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(list(LIBRARIES))


def start() -> None:
    """Start the process that is forked later, before any test changes the environment."""
    forkserver.ensure_running()
    resource_tracker.ensure_running()


def run_pytest(arguments: Sequence[str], folder: Path, within: float) -> pytest.RunResult:
    """Run pytest in `folder` with the current environment; kill it after `within` seconds.

    Whether the selftests run on a CI system does not change what the run prints.
    """
    environment = {name: value for name, value in os.environ.items() if name not in CI}
    out, err = folder / "stdout", folder / "stderr"
    started = time.monotonic()
    process = _processes.Process(
        target=_main, args=(list(arguments), str(folder), environment, str(out), str(err))
    )
    process.start()
    process.join(within)
    if process.exitcode is None:
        process.kill()
        process.join()
        pytest.fail(f"pytest took more than {within:g} s:\n{out.read_text()}{err.read_text()}")
    code = process.exitcode
    process.close()
    with contextlib.suppress(ValueError):
        code = pytest.ExitCode(code)
    lines = (each.read_text().splitlines() for each in (out, err))
    return pytest.RunResult(code, *lines, duration=time.monotonic() - started)


def _main(
    arguments: list[str], folder: str, environment: dict[str, str], out: str, err: str
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, out), (2, err)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    sys.argv = ["pytest", *arguments]
    sys.path[:0] = [folder]
    sys.exit(pytest.main(arguments))
