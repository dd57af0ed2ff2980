"""Problems are reported in a sentence that says what to do, with exit code 2."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.docker import HIDDEN, ROOT, Docker, run_docker

NOBODY = 65534
NEEDED = ("cat", "dirname", "env", "grep", "id", "mktemp", "readlink", "rm", "sed", "sh", "tail")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Return a folder with the few tools that the script needs, without docker."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
    return folder


def test_docker_is_missing(tools: Path) -> None:
    """The error names the package."""
    done = run_docker("--setup-only", PATH=str(tools))

    assert done.returncode == 2
    assert "docker is not on the PATH: install Docker Engine" in done.stderr


def test_engine_does_not_run(tmp_path: Path) -> None:
    """Nothing listens at the socket."""
    if shutil.which("docker") is None:
        pytest.skip("there is no docker here")
    done = run_docker("--setup-only", DOCKER_HOST=f"unix://{tmp_path}/none.sock")

    assert done.returncode == 2
    assert "the engine is not running" in done.stderr
    assert "systemctl start docker" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be nobody")
@pytest.mark.skipif(HIDDEN, reason="other users cannot enter the folder of this checkout")
def test_socket_is_for_others(docker: Docker) -> None:
    """The error names the group to join."""
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

    done = run_docker("--setup-only", prefix=nobody, HOME="/nonexistent")

    assert done.returncode == 2
    assert "no permission to use the socket of the engine: sudo adduser" in done.stderr


def test_base_image_is_not_to_be_had(docker: Docker) -> None:
    """Neither a registry nor debootstrap knows the release; the error names both."""
    done = run_docker("--setup-only", "--release", "nosuchrelease")

    assert done.returncode == 2
    assert (
        "the image debian:nosuchrelease-slim is not available. Connect to a registry, or run"
        in done.stderr
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--release"], "--release needs a value"),
        (["--release", "../x"], "--release needs the name of a Debian release"),
        (["--server", "192.0.2.7"], "use ./run-local.sh --server"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_use(arguments: list[str], said: str) -> None:
    """The error comes before the engine is used."""
    done = run_docker(*arguments)

    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("write /usr/lib/x: no space left on device", "the disk of the engine is full"),
        ("E: Unable to locate package orthanc", "has no package orthanc"),
        ("E: Release file for http://x/InRelease is expired (invalid since 17d)", "out of date"),
    ],
    ids=["disk", "no orthanc", "stale mirror"],
)
def test_messages_of_a_build(tmp_path: Path, message: str, said: str) -> None:
    """Real messages of docker and apt are followed by an explanation."""
    log = tmp_path / "log"
    log.write_text(f"Step 4/17 : RUN\n{message}\n")

    done = subprocess.run(
        ["sh", "-c", 'release=trixie; . docker/engine.sh; engine_trouble "$1"', "sh", str(log)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 2
    assert said in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, timeout=30, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], timeout=30, check=True)


def test_disk_of_the_run_folder_is_full(release: str, small_disk: Path) -> None:
    """The run does not start."""
    done = run_docker("--release", release, "--runs", small_disk)

    assert done.returncode == 2
    assert "less than 50 MB are free" in done.stderr


def test_place_of_the_run_folder_is_none(release: str, tmp_path: Path) -> None:
    """A file has that path."""
    (tmp_path / "runs").write_text("")

    done = run_docker("--release", release, "--runs", tmp_path / "runs")

    assert done.returncode == 2
    assert "cannot write a run folder" in done.stderr
