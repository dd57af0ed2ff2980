"""A sync on a Dask cluster: scheduler and workers are processes, and one worker is killed."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from net.files import make
from net.peers import QUICK, US, answers, dcmqrscp, free_port, orthanc

from dcm.data.levels import Level
from dcm.net import DcmNode, LocalEntity, Remote
from dcm.outcome import Outcome
from dcm.store.node import NodePlace
from dcm.sync.cluster import Cluster, NoCluster, Options
from dcm.sync.manager import SyncManager
from dcm.sync.report import Copied
from harness.waiting import wait_until

pytest.importorskip("distributed", reason="Dask is not installed")
pytestmark = pytest.mark.timeout(120)

ENTITY = LocalEntity(US, QUICK)
STUDIES, EACH = 30, 6


class Opener(NamedTuple):
    """Opens a node by its address, also on a worker."""

    def place(self, name: str) -> NodePlace:
        """Return the place."""
        return NodePlace(ENTITY, Remote(DcmNode.parse(name), QUICK))


class Running(NamedTuple):
    """A scheduler's address, and its workers."""

    address: str
    workers: list["subprocess.Popen[bytes]"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Running]:
    """A scheduler and two workers of one thread each."""
    port = free_port()
    with ExitStack() as stack:

        def start(*words: str) -> "subprocess.Popen[bytes]":
            with (tmp_path / f"{words[0]}.log").open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:]],
                    stdout=log, stderr=log, cwd=tmp_path,
                    env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
                )  # fmt: skip
            stack.callback(process.wait, 20)
            stack.callback(process.kill)
            return process

        start(
            "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"
        )
        wait_until(lambda: answers(port), what="the scheduler listens", within=30)
        address = f"tcp://127.0.0.1:{port}"
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard")
        yield Running(address, [start("worker", address, *options) for _ in range(2)])


def test_a_worker_is_killed_in_the_middle(
    cluster: Running, tmp_path: Path, orthanc_program: str
) -> None:
    """Everything arrives, and each instance has one outcome."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(STUDIES * EACH):
        make(folder, number, size=4000, study=f"1.2.3.{700 + number // EACH}")
    killed: list[float] = []

    def copied(_: Copied) -> None:
        if not killed:
            cluster.workers[0].kill()
            killed.append(time.monotonic())

    async def run(source: DcmNode, target: DcmNode) -> SyncManager:
        places = [Opener().place(str(source))], [Opener().place(str(target))]
        async with (
            Cluster(cluster.address, Opener(), Options(verify=True)) as workers,
            SyncManager(*places, on_copied=copied, most=1) as manager,
        ):
            await manager.sync(executor=workers)
        return manager

    with (
        orthanc(tmp_path / "source", orthanc_program) as source,
        dcmqrscp(tmp_path / "target") as target,
    ):
        assert asyncio.run(ENTITY.store(source, [*folder.iterdir()])).complete
        manager = asyncio.run(run(source, target))
        found = asyncio.run(ENTITY.query(target, level=Level.IMAGE))
    assert killed
    assert manager.report.complete, (manager.report.failures, manager.report.problems)
    assert len(found) == STUDIES * EACH
    counts = manager.report.counts[str(target)]
    assert counts[Outcome.STORED] + counts[Outcome.ALREADY_THERE] == STUDIES * EACH


def test_a_scheduler_that_is_not_there() -> None:
    """The error names its address."""

    async def run() -> None:
        async with Cluster("tcp://127.0.0.1:1", Opener(), Options()):
            pass

    with pytest.raises(NoCluster, match=r"tcp://127\.0\.0\.1:1 does not answer"):
        asyncio.run(run())
