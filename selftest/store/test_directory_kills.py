"""A storing process is killed at any time: the next comparison makes index and folder agree."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dcm.data.header import scan
from dcm.data.levels import Level
from dcm.held import is_whole
from dcm.store.index import Index

pytestmark = pytest.mark.kills

KILLS = 20
PROGRAM = Path(__file__).with_name("killed.py")
LIMIT = 60.0


def killed(folder: Path, first: int, committed: int, delay: float) -> list[int]:
    """Kill a process `delay` seconds after this number of commits; return the committed numbers."""
    with subprocess.Popen(
        [sys.executable, str(PROGRAM), str(folder), str(first)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        numbers: list[int] = []
        assert process.stdout.readline() == "begun\n"
        while len(numbers) < committed:
            numbers.append(int(process.stdout.readline()))
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
        numbers += [int(line) for line in process.stdout if line.endswith("\n")]
        assert process.wait(LIMIT) == -signal.SIGKILL
    return numbers


def check(folder: Path, committed: set[int]) -> None:
    """Compare folder and index once, and then file by file."""
    with Index(folder) as index:
        assert index.remarks == []
        index.update()
        indexed = {each.instance.path: each for each in index.instances({})}
        assert [*index.odd_files(damaged=True), *index.odd_files(damaged=False)] == []
        files = {str(path) for path in folder.rglob("*.dcm")}
        assert set(indexed) == files
        for path, each in indexed.items():
            header = scan(path)
            assert is_whole(path, header)
            assert header.sop_instance_uid == each.instance.sop_instance_uid
            assert each.size == Path(path).stat().st_size
        there = {int(each.instance.sop_instance_uid.split(".")[3]) for each in indexed.values()}
        assert committed <= there
        assert index.count({}, Level.IMAGE) == len(there) == len(files)
        assert index.update().removed == 0


def test_killed_while_storing(tmp_path: Path) -> None:
    """Each committed instance is there, complete and indexed; other files are complete, too."""
    chance = random.Random(20261128)
    committed: set[int] = set()
    for kill in range(KILLS):
        delay = chance.random() * 0.1
        committed.update(killed(tmp_path, kill * 20_000, chance.randrange(1, 60), delay))
        check(tmp_path, committed)
    assert len(committed) > 20 * KILLS
