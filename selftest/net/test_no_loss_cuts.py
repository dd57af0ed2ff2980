"""A connection cut at any PDU boundary: nothing lost, no false success, no partial file."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from net.cutting import Cut, Cutter, Direction
from net.files import CT, data_sets, make
from net.getting import remote
from net.peers import QUICK, US, hasty
from net.scp import Scp

from dcm.net import DcmNode, LocalEntity, Remote
from dcm.net.errors import NetworkError
from dcm.net.folders import files_in
from dcm.net.get import get, open_get
from dcm.net.listener import Listener
from dcm.net.pool import Pool
from dcm.outcome import Outcome, Report
from dcm.sinks import Folder, NotKept, ReceivedInstance
from harness.waiting import wait_until

pytestmark = pytest.mark.timeout(120)

ENTITY = LocalEntity(US, QUICK)
STUDY = "1.2.3.77"
STUDY_LEVEL = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": STUDY}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No peer recovers during a test, so do not wait for it."""
    hasty(monkeypatch)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three instances: of one PDU, of several, and of several with a limit of 128 KiB."""
    folder = tmp_path_factory.mktemp("source")
    for number in range(3):
        make(folder, number, study=STUDY, size=(2_000, 20_000, 150_000)[number])
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough small instances to make four associations worthwhile."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(16):
        make(folder, number, study=STUDY, size=2_000)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for received files."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def boundaries(there: int, back: int) -> list[Cut]:
    """Return all places between PDUs, also before the first and after the last, and some within."""
    cuts = []
    directions: tuple[tuple[Direction, int], ...] = (("there", there), ("back", back))
    for direction, count in directions:
        cuts += [Cut(direction, after, reset=bool(after % 2)) for after in range(count + 1)]
        cuts += [Cut(direction, after, reset=not after % 2) for after in range(count + 1)]
        cuts += [Cut(direction, after, more=7) for after in range(count)]
    return cuts


def once(cut: Cut, which: int = 0) -> Callable[[int], Cut | None]:
    """Cut one connection."""
    return lambda number: cut if number == which else None


def always(cut: Cut | None) -> Callable[[int], Cut | None]:
    """Cut every connection, or none."""
    return lambda _: cut


async def store_with(
    cut: Callable[[int], Cut | None], source: Path, associations: int = 1
) -> tuple[Report, Scp, Cutter]:
    """Send everything to a scripted peer, with these cuts by connection."""
    async with Scp() as peer, Cutter(peer.node, cut) as cutter:
        remote = Remote(cutter.node, QUICK, max_associations=associations)
        return await ENTITY.store(remote, files_in([source])), peer, cutter


def test_a_sender_that_is_cut_once_anywhere_delivers_all(source: Path) -> None:
    """Wherever the first association ends, every instance arrives, byte for byte."""

    async def scenario() -> None:
        whole = data_sets(source)
        report, peer, cutter = await store_with(always(None), source)
        assert report.complete
        cuts = boundaries(cutter.passed[0].there, cutter.passed[0].back)
        assert len(cuts) > 50
        for cut in cuts:
            report, peer, cutter = await store_with(once(cut), source)
            assert report.counts() == {Outcome.STORED: 3}, (cut, report.results)
            assert peer.data_sets() == whole, cut

    asyncio.run(scenario())


@pytest.mark.parametrize("which", range(4))
def test_one_of_four_associations_that_is_cut_anywhere_costs_nothing(
    which: int, many: Path
) -> None:
    """Whichever of them ends, at any place: every instance arrives, byte for byte."""

    async def scenario() -> None:
        whole = data_sets(many)
        for cut in boundaries(8, 5)[which::4]:
            report, peer, cutter = await store_with(once(cut, which), many, 4)
            assert report.counts() == {Outcome.STORED: 16}, (cut, report.results)
            assert peer.data_sets() == whole, cut
            assert len(cutter.passed) > which

    asyncio.run(scenario())


@pytest.mark.parametrize("associations", [1, 4])
def test_a_sender_that_is_cut_always_claims_nothing(
    associations: int, source: Path, many: Path
) -> None:
    """Whatever is reported as stored was acknowledged, and the rest has a reason."""
    folder = source if associations == 1 else many

    async def scenario() -> None:
        whole = data_sets(folder)
        for cut in boundaries(14, 5)[:: 1 if associations == 1 else 5]:
            report, peer, _ = await store_with(always(cut), folder, associations)
            assert len(report.results) == len(whole)
            for result in report.results:
                held = peer.held.get(result.sop_instance_uid, [])
                if result.stored:
                    assert held
                else:
                    assert "SCRIPTED" in result.words, (cut, result)
                assert all(copy == whole[result.sop_instance_uid] for copy in held)

    asyncio.run(scenario())


def test_a_listener_whose_sender_is_cut_keeps_whole_files_only(source: Path, target: Path) -> None:
    """Wherever storescu is cut: acknowledged files are there, and all others are whole."""

    async def scenario() -> None:
        whole = data_sets(source)
        async with ENTITY.listen(target) as listener:
            told, cutter = await _storescu(listener, always(None), source)
            assert told == 3
            for cut in boundaries(cutter.passed[0].there, cutter.passed[0].back)[::2]:
                empty(target)
                told, _ = await _storescu(listener, always(cut), source)
                await asyncio.to_thread(
                    wait_until, lambda: not listener.busy, what="the listener is idle", within=10
                )
                kept = data_sets(target)
                assert len(kept) >= told, cut
                assert kept == {uid: whole[uid] for uid in kept}, cut
                assert suffixes(target) <= {".dcm"}, cut

    asyncio.run(scenario())


def suffixes(folder: Path) -> set[str]:
    """Distinguish whole files from others."""
    return {path.suffix for path in folder.iterdir()}


def empty(folder: Path) -> None:
    """Remove received files."""
    for path in folder.iterdir():
        path.unlink()


async def _storescu(
    listener: Listener, cut: Callable[[int], Cut | None], source: Path
) -> tuple[int, Cutter]:
    """Send with dcmtk's program; return how many instances it reports as stored."""
    program = shutil.which("storescu")
    if program is None:
        pytest.skip("storescu is not installed")
    async with Cutter(listener.node, cut) as cutter:
        command = [
            program,
            "-v",
            "-to",
            "5",
            "+sd",
            "127.0.0.1",
            str(cutter.node.port),
            str(source),
        ]
        said = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, timeout=60, check=False
        )
    return said.stderr.count(b"Received Store Response (Success)"), cutter


@pytest.mark.parametrize("server", ["dcmqrscp_node", "orthanc_node"])
def test_a_retrieve_that_is_cut_anywhere_keeps_whole_files_only(
    server: str, source: Path, target: Path, request: pytest.FixtureRequest
) -> None:
    """Wherever a C-GET ends: yielded instances are there and whole, and no other file is left."""
    archive: DcmNode = request.getfixturevalue(server)

    async def retrieve(node: DcmNode) -> set[str]:
        given: set[str] = set()

        def take(each: ReceivedInstance | NotKept) -> None:
            if isinstance(each, ReceivedInstance):
                given.add(each.sop_instance_uid)

        with contextlib.suppress(NetworkError):
            pool = Pool(US, Remote(node, QUICK))
            async with pool, open_get(pool, [CT]) as association:
                await get(association, STUDY_LEVEL, Folder(target), take)
        return given

    async def scenario() -> None:
        whole = data_sets(source)
        assert (await ENTITY.store(archive, files_in([source]))).complete
        async with Cutter(archive, always(None)) as cutter:
            assert await retrieve(cutter.node) == set(whole)
        for cut in boundaries(cutter.passed[0].there, cutter.passed[0].back)[::2]:
            empty(target)
            async with Cutter(archive, always(cut)) as cutter:
                given = await retrieve(cutter.node)
            kept = data_sets(target)
            assert given <= set(kept), cut
            assert kept == {uid: whole[uid] for uid in kept}, cut
            assert suffixes(target) <= {".dcm"}, cut

    asyncio.run(scenario())


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("server", ["dcmqrscp_node", "orthanc_node"])
def test_a_download_that_is_cut_once_anywhere_is_complete(
    server: str, source: Path, target: Path, request: pytest.FixtureRequest
) -> None:
    """Wherever its C-GET is cut, a download continues with the missing instances."""
    archive: DcmNode = request.getfixturevalue(server)

    async def scenario() -> None:
        whole = data_sets(source)
        assert (await ENTITY.store(archive, files_in([source]))).complete
        async with Cutter(archive, always(None)) as cutter:
            assert (await ENTITY.download(remote(cutter.node), STUDY_LEVEL, target)).complete
        ways = cutter.passed[1]  # the first connection is that of the query
        for cut in boundaries(ways.there, ways.back)[::3]:
            empty(target)
            cuts = {1: cut}
            async with Cutter(archive, cuts.get) as cutter:
                report = await ENTITY.download(remote(cutter.node), STUDY_LEVEL, target)
            assert report.complete, (cut, report)
            assert data_sets(target) == whole, cut
            assert suffixes(target) == {".dcm"}, cut

    asyncio.run(scenario())
