"""A move is killed at any time: each file is at its old or new place; a second run continues."""

import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from store.objects import instance, write

from dcm.data.header import scan

pytestmark = pytest.mark.kills

KILLS = 24
COUNT = 900
PROGRAM = Path(__file__).with_name("killed.py")
LIMIT = 60.0
MEMORY = Path("/dev/shm")  # noqa: S108


@pytest.fixture(params=["same", "other"])
def folders(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A source with files, and a target, on the same file system or on another one."""
    source = tmp_path / "source"
    for number in range(COUNT):
        path = source / f"{number % 7}" / f"{number}.dcm"
        write(path, instance(number, PatientID=f"P{number % 20}"), pixels=3000)
    if request.param == "same":
        yield source, tmp_path / "target"
        return
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield source, Path(name) / "target"


def killed(*words: str | Path, delay: float) -> bool:
    """Run the program and kill it `delay` seconds after it began; return if it still ran."""
    command = [sys.executable, str(PROGRAM), *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() in ("begun\n", "")
        try:
            status = process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait(LIMIT)
    assert status in (0, -signal.SIGKILL)
    return status != 0


def places(number: int, source: Path, target: Path) -> tuple[Path, Path]:
    """Return the old and the new place of a file."""
    old = source / f"{number % 7}" / f"{number}.dcm"
    return old, target / f"P{number % 20}" / f"1.2.3.{number}.3.dcm"


def check(source: Path, target: Path, contents: dict[int, bytes]) -> bool:
    """Require each file, complete, at one of its places only; return if both places have some."""
    known = set()
    for number, content in contents.items():
        both = places(number, source, target)
        known.update(both)
        there = [path for path in both if path.exists()]
        assert there, f"{number} is lost"
        assert all(path.read_bytes() == content for path in there)
    found = {path for top in (source, target) for path in top.rglob("*") if path.is_file()}
    odd = {path for path in found - known if not path.name.startswith(".dcm-sort-")}
    assert odd == set()
    return {path.is_relative_to(target) for path in found & known} == {True, False}


@pytest.mark.timeout(300)
def test_killed_while_moving_and_undoing(folders: tuple[Path, Path]) -> None:
    """After any number of kills, all files are at their new places; after an undo at the old."""
    source, target = folders
    chance = random.Random(20261128)
    contents = {number: places(number, source, target)[0].read_bytes() for number in range(COUNT)}
    kills = rounds = halfway = 0
    longest = 0.05 if source.stat().st_dev == target.parent.stat().st_dev else 0.2
    while kills < KILLS:
        rounds += 1
        while killed(source, target, delay=chance.random() * longest):
            kills += 1
            halfway += check(source, target, contents)
        assert [path for path in source.rglob("*") if path.is_file()] == []
        assert all(places(number, source, target)[1].exists() for number in contents)
        [journal] = target.glob(".dcm-sort-*")
        while journal.exists() and killed("--undo", journal, delay=chance.random() * longest):
            kills += 1
            halfway += check(source, target, contents)
        assert sorted(target.rglob("*")) == []
        for number, content in contents.items():
            old, _ = places(number, source, target)
            assert old.read_bytes() == content
            assert scan(old).sop_instance_uid == f"1.2.3.{number}.3"
        assert rounds < 50, "the program ends before it is killed"
    assert halfway, "it was never killed between the first file and the last"
