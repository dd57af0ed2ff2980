"""`run-docker.sh`: builds missing images, runs suites, delivers the run folder, cleans up.

Tests that do not depend on how an image was built use one made from this computer.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.docker import (
    BUILDING,
    HIDDEN,
    ROOT,
    RUNNING,
    SCRIPT,
    Docker,
    image_name,
    outcomes,
    run_docker,
    run_in,
)

from harness.servers.locate import find_orthanc
from harness.waiting import wait_until

pytestmark = pytest.mark.usefixtures("one_at_a_time")

ONE = ("-k", "test_echo_is_answered_with_success")


@pytest.fixture(scope="module")
def one_case(release: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Return the stderr of a run of one case, and the path of its run folder."""
    runs = tmp_path_factory.mktemp("runs")
    done = run_docker("--release", release, *ONE, "--runs", runs)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr, runs


def test_a_case_runs_and_its_run_folder_comes_out(one_case: tuple[str, Path]) -> None:
    """The folder equals that of a run without Docker, and belongs to the caller."""
    _, runs = one_case

    assert outcomes(runs) == {"CECHO-001": "passed"}
    assert (runs / "latest/report.html").is_file()
    assert {each.stat().st_uid for each in runs.rglob("*")} == {os.getuid()}


def test_a_second_start_builds_nothing(one_case: tuple[str, Path]) -> None:
    """The images exist, so there is no output."""
    assert one_case[0] == ""


def test_another_value_of_the_configuration(release: str, tmp_path: Path) -> None:
    """`--with` reaches the server, and the run folder records it."""
    done = run_docker(
        "--release", release, "RSYS-001", "--with", "DicomAet=OTHER", "--runs", tmp_path
    )

    assert run_in(tmp_path).notes == ('configured with DicomAet="OTHER"',), done.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
@pytest.mark.skipif(HIDDEN, reason="other users cannot enter the folder of this checkout")
def test_the_run_folder_of_an_ordinary_user_is_his(release: str) -> None:
    """Nothing in it belongs to root, nor to the user of the image."""
    user = 54321
    group = Path("/var/run/docker.sock").stat().st_gid
    as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", f"--groups={group}"]
    with tempfile.TemporaryDirectory() as home:  # only we may enter the parent folder of tmp_path
        os.chown(home, user, user)
        runs = Path(home) / "runs"

        done = run_docker("--release", release, *ONE, "--runs", runs, prefix=as_user, HOME=home)

        assert done.returncode == 0, done.stdout + done.stderr
        assert {each.stat().st_uid for each in runs.rglob("*")} == {user}


def test_a_failure_has_the_exit_code_of_pytest(release: str, tmp_path: Path) -> None:
    """A wrong option gives 4, a selection of nothing 5."""
    common = ("--release", release, "--runs", tmp_path)
    assert run_docker("--no-such-option", *common).returncode == 4
    assert run_docker("-k", "nothing_is_called_so", *common).returncode == 5


@pytest.mark.slow  # builds images
def test_a_changed_suite_changes_the_last_layer_only(images: Docker, tmp_path: Path) -> None:
    """After a change of a case no package is installed again."""
    copy = tmp_path / "checkout"
    ours = ("dcm", "harness", "tests", "database", "known", "docker")
    ignore = shutil.ignore_patterns("__pycache__", "generated")
    for name in ours:
        shutil.copytree(ROOT / name, copy / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "run-docker.sh"):
        shutil.copy(ROOT / name, copy / name)
    before = image_name(copy, "bookworm")
    case = copy / "tests/association/test_echo.py"
    case.write_text(case.read_text() + "\n# changed\n")
    after = image_name(copy, "bookworm")
    try:
        done = run_docker("--setup-only", script=copy / "run-docker.sh", limit=BUILDING)

        assert done.returncode == 0, done.stderr
        assert before != after
        old, new = images.layers(before), images.layers(after)
        assert old[:-1] == new[:-1]
        assert old[-1] != new[-1]
    finally:
        subprocess.run(["docker", "rmi", after], capture_output=True, timeout=60, check=False)


@contextmanager
def _under_way(runs: Path, release: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run of all suites, after its first case has ended."""
    runs.mkdir()
    process = subprocess.Popen(
        [str(SCRIPT), "--release", release, "--runs", str(runs), "-n", "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(
            lambda: any(each.stat().st_size for each in runs.glob("latest/cases-*.jsonl")),
            what="the first case to end",
            within=120,
        )
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_ctrl_c_ends_the_run_and_leaves_nothing(
    docker: Docker, release: str, tmp_path: Path
) -> None:
    """The exit code is pytest's 2, the run folder is complete, the container is gone."""
    with _under_way(tmp_path / "runs", release) as process:
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the whole group

        assert process.wait(timeout=120) == pytest.ExitCode.INTERRUPTED
    assert docker.containers_of(process.pid) == []
    assert (tmp_path / "runs/latest/report.html").is_file()


def test_what_sigkill_leaves_goes_with_the_next_start(
    docker: Docker, release: str, tmp_path: Path
) -> None:
    """The next start removes the container, but not that of a concurrent run."""
    with (
        _under_way(tmp_path / "alive", release) as alive,
        _under_way(tmp_path / "killed", release) as killed,
    ):
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        assert len(docker.containers_of(killed.pid)) == 1

        done = run_docker("--release", release, "--setup-only")

        assert done.returncode == 0
        assert "a run that was killed" in done.stderr
        assert docker.containers_of(killed.pid) == []
        assert len(docker.containers_of(alive.pid)) == 1
        os.killpg(alive.pid, signal.SIGINT)
        assert alive.wait(timeout=120) == pytest.ExitCode.INTERRUPTED


def test_two_runs_at_once_do_not_disturb_each_other(release: str, tmp_path: Path) -> None:
    """They share only the parent of their run folders."""
    runs = [
        subprocess.Popen(
            [str(SCRIPT), "--release", release, "CECHO-*", "--runs", str(tmp_path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]

    assert [each.wait(timeout=RUNNING) for each in runs] == [0, 0]
    folders = [each for each in tmp_path.iterdir() if not each.is_symlink()]
    assert len(folders) == 2
    assert [len((each / "cases-main.jsonl").read_text().splitlines()) for each in folders] == [4, 4]


@pytest.mark.slow  # runs the suites twice, once in an image that is built
def test_the_outcomes_are_those_without_docker(images: Docker, tmp_path: Path) -> None:
    """Case by case as on this computer, if it has the same version of Orthanc."""
    here = find_orthanc().version
    # Cases that wait for half a minute are left out: their subject is not Docker.
    chosen = ("-n", "2", "-k", "not test_timers")
    done = run_docker(*chosen, "--runs", tmp_path / "docker", limit=900)
    there = run_in(tmp_path / "docker").server.version
    if there != str(here):
        pytest.skip(f"the image has Orthanc {there}, this computer {here}")
    subprocess.run(
        [sys.executable, "-m", "harness", "run", *chosen, f"--runs={tmp_path / 'local'}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=900,
        check=False,
    )

    assert outcomes(tmp_path / "docker") == outcomes(tmp_path / "local"), done.stdout
    assert done.returncode == run_in(tmp_path / "local").exit_status
