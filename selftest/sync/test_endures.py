"""Failures that a sync survives: kills at any time, broken connections on either side."""

import asyncio
import contextlib
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
from net.cutting import Cut, Cutter
from net.files import data_set, make
from net.peers import QUICK, US, dcmqrscp, orthanc
from web import services

from dcm.data.header import scan
from dcm.frozen import replace
from dcm.net import DcmNode, LocalEntity, Remote
from dcm.store.node import NodePlace
from dcm.sync.manager import SyncManager
from harness.errors import ServerNotFound
from harness.servers.locate import find_orthanc

pytestmark = [pytest.mark.timeout(180), pytest.mark.kills]

ENTITY = LocalEntity(US, QUICK)
LIMITS = replace(QUICK, operation=5)
"""A connection may break without any further message."""
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
    """Copy everything from an archive, and compare it with the files."""
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
    """After any number of kills, the same command ends with everything copied once, unchanged."""
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


WAYS = [
    ("folder", "folder"),
    ("folder", "service"),
    ("service", "folder"),
    ("service", "node"),
    ("node", "folder"),
]
MORE_WAYS = (("folder", "service"), ("service", "node"))
"""Their ends occur in another way, too."""


@pytest.mark.parametrize(
    ("kind", "to"),
    [pytest.param(*way, marks=[pytest.mark.slow] * (way in MORE_WAYS)) for way in WAYS],
)
def test_killed_between_other_places(
    files: dict[str, Path], source: DcmNode, tmp_path: Path, kind: str, to: str
) -> None:
    """From and to folders and DICOMweb services: each instance once, unchanged, no partial file."""
    chosen, folder = random.Random(f"{kind} {to}"), next(iter(files.values())).parent
    with ExitStack() as stack:
        names = {"folder": str(folder), "node": str(source)}
        name = names.get(kind) or _service(stack, tmp_path / "from")
        if kind == "service":
            _run([str(folder), name])
        target = f"{tmp_path}/target/"
        if to == "service":
            target = _service(stack, tmp_path / "to")
        elif to == "node":
            target = str(stack.enter_context(dcmqrscp(tmp_path / "to")))
        for _ in range(4):
            process = subprocess.Popen(
                _command(name, target), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(chosen.uniform(0.3, 1.5))
            process.kill()
            process.wait(timeout=10)
            if to == "folder":
                require_whole(tmp_path / "target", files)
        _run([name, target])
        _run([target, f"{tmp_path}/back/"])
    assert require_whole(tmp_path / "back", files) == files.keys()


def require_whole(folder: Path, files: dict[str, Path]) -> set[str]:
    """Require each file below a folder to be complete and unique by UID; return the UIDs."""
    found = {path: scan(path).sop_instance_uid for path in folder.rglob("[!.]*.dcm")}
    assert len(set(found.values())) == len(found)
    assert [path for path, uid in found.items() if data_set(path) != data_set(files[uid])] == []
    return set(found.values())


def _service(stack: ExitStack, folder: Path) -> str:
    try:
        return stack.enter_context(services.orthanc(folder, find_orthanc()))
    except ServerNotFound as missing:
        pytest.skip(str(missing))


def _command(source: str, target: str) -> list[str]:
    return [sys.executable, "-m", "dcm", "sync", "-s", source, target, "-y"]


def _run(names: list[str]) -> None:
    done = subprocess.run(
        _command(*names), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


class Weak:
    """A proxy to a node. The first connections stall halfway without closing; others are slow."""

    def __init__(self, node: DcmNode, stalls: int, chosen: random.Random) -> None:
        self._node = node
        self._stalls = stalls
        self._chosen = chosen
        self._writers: list[asyncio.StreamWriter] = []
        self.stalled = 0

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[DcmNode]:
        """Listen during the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield replace(self._node, host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = self._chosen.randrange(2_000, 40_000)
        beyond, beyond_writer = await asyncio.open_connection(self._node.host, self._node.port)
        self._writers += [writer, beyond_writer]
        ways = ((reader, beyond_writer), (beyond, writer))
        await asyncio.gather(*(self._pass_on(*way, left) for way in ways))

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        left: int,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 14):
                left -= len(data)
                if left < 0 and self.stalled < self._stalls:
                    self.stalled += 1
                    await asyncio.Event().wait()
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(0.002)
            writer.write_eof()


@pytest.mark.parametrize("side", ["source", "destination"])
def test_connections_that_stall_and_are_slow(
    source: DcmNode, files: dict[str, Path], tmp_path: Path, side: str
) -> None:
    """A silent connection is given up; other connections fetch the rest, in one run."""
    limits = replace(QUICK, response=3, operation=3, idle=3)

    async def run(target: DcmNode) -> None:
        # An instance that met two stalled connections would rightly fail for good.
        stalls = 2 if side == "source" else 1
        weak = Weak(source if side == "source" else target, stalls, random.Random(7))
        async with weak.standing() as node:
            ends = [node, target] if side == "source" else [source, node]
            places = [[NodePlace(ENTITY, Remote(each, limits))] for each in ends]
            async with SyncManager(*places) as manager:
                report = await manager.sync()
        assert report.complete, (report.failures, report.problems)
        assert weak.stalled == stalls

    with dcmqrscp(tmp_path / "target") as target:
        asyncio.run(run(target))
        require_everything_once(target, files, tmp_path / "back")


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_connections_that_break(
    source: DcmNode, files: dict[str, Path], tmp_path: Path, side: str, reset: bool
) -> None:
    """The first connections end in the middle of a PDU; new ones fetch the rest, in one run."""
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
