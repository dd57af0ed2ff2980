"""What a sync survives: kills at any moment, connections that break on either side."""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from net.cutting import Cut, Cutter
from net.files import data_set, make
from net.peers import QUICK, US, dcmqrscp, orthanc

from dcm.frozen import replace
from dcm.net import DcmNode, LocalEntity, Remote
from dcm.store.node import NodePlace
from dcm.sync.manager import SyncManager

pytestmark = pytest.mark.timeout(180)

ENTITY = LocalEntity(US, QUICK)
LIMITS = replace(QUICK, operation=5)
"""A connection may break so that nobody says a word any more."""
COUNT = 200
STUDY = "1.2.3.81"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of a study of ten series, by SOP Instance UID."""
    folder = tmp_path_factory.mktemp("files")
    return {
        f"{STUDY}.3.{number}": make(
            folder, number, size=20_000, study=STUDY, series=10 + number % 10
        )
        for number in range(COUNT)
    }


@pytest.fixture(scope="module")
def source(
    tmp_path_factory: pytest.TempPathFactory, orthanc_program: str, files: dict[str, Path]
) -> Iterator[DcmNode]:
    """An Orthanc with the study."""
    with orthanc(tmp_path_factory.mktemp("source"), orthanc_program) as node:
        assert asyncio.run(ENTITY.store(node, files.values())).complete
        yield node


def require_everything_once(node: DcmNode, files: dict[str, Path], folder: Path) -> None:
    """Bring everything from an archive, and compare it with the files."""
    report = asyncio.run(ENTITY.download(node, {"StudyInstanceUID": STUDY}, folder))
    assert report.complete, report
    assert {result.sop_instance_uid for result in report.results} == files.keys()
    assert len(report.results) == len(files)
    changed = [
        uid for uid, path in files.items() if data_set(folder / f"{uid}.dcm") != data_set(path)
    ]
    assert changed == []


@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment(
    source: DcmNode, files: dict[str, Path], tmp_path: Path, seed: int
) -> None:
    """Killed again and again, the same command ends with everything there once, as it was."""
    chosen = random.Random(seed)
    with dcmqrscp(tmp_path / "target") as target:
        command = [sys.executable, "-m", "dcm", "sync", "-s", str(source), str(target), "-y"]
        for _ in range(4):
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            time.sleep(chosen.uniform(0.15, 1.0))
            process.kill()
            process.communicate(timeout=10)
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        require_everything_once(target, files, tmp_path / "back")


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_connections_that_break(
    source: DcmNode, files: dict[str, Path], tmp_path: Path, side: str, reset: bool
) -> None:
    """The first connections end in the middle of a PDU; new ones bring the rest, in one run."""
    chosen = random.Random(reset)

    def cut(number: int) -> Cut | None:
        if number >= 6:
            return None
        way = chosen.choice(("there", "back"))
        return Cut(way, chosen.randrange(2, 60), chosen.randrange(200), reset=reset)

    async def run(target: DcmNode) -> None:
        async with Cutter(source if side == "source" else target, cut) as between:
            ends = [between.node, target] if side == "source" else [source, between.node]
            places = [[NodePlace(ENTITY, Remote(node, LIMITS))] for node in ends]
            async with SyncManager(*places) as manager:
                report = await manager.sync()
        assert report.complete, (report.failures, report.problems)
        assert len(between.passed) > 1

    with dcmqrscp(tmp_path / "target") as target:
        asyncio.run(run(target))
        require_everything_once(target, files, tmp_path / "back")
