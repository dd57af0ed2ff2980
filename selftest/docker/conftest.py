"""A real engine, and images; if no engine answers, tests that need one are skipped."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.docker import BUILDING, Docker, run_docker

from harness.errors import ServerNotFound
from harness.servers.locate import find_orthanc

from .local_images import LocalImages, make

CANNOT = 2


@pytest.fixture(scope="session")
def docker() -> Docker:
    """Return the engine."""
    if shutil.which("docker") is None:
        pytest.skip("there is no docker here")
    answer = subprocess.run(
        ["docker", "info", "--format", "{{.ID}}"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    if answer.returncode or not answer.stdout.strip():
        pytest.skip("no Docker engine answers here")
    return Docker()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Wait for other tests of the script on this computer: workers of xdist are processes."""
    with (Path(tempfile.gettempdir()) / f"dicom-harness-selftest-{os.getuid()}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def images(docker: Docker) -> Docker:
    """Return the engine with the images of this checkout, built once for all workers; slow."""
    with _alone():
        done = run_docker("--setup-only", limit=BUILDING)
    if "make-base: " in done.stderr and done.returncode == CANNOT:
        # Without registry and package sources no build is possible. A failing build is a failure.
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return docker


@pytest.fixture(scope="session")
def local_images(docker: Docker) -> Iterator[LocalImages]:
    """Images made from this computer, so that tests need not wait for a build."""
    try:
        orthanc = find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    made = make(orthanc)
    yield made
    made.remove()


@pytest.fixture(scope="session")
def release(local_images: LocalImages) -> str:
    """The name by which the scripts find these images."""
    return local_images.release


@pytest.fixture
def one_at_a_time() -> Iterator[None]:
    """Run alone: each start of the script removes what a killed run has left."""
    with _alone():
        yield
