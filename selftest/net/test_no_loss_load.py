"""Many instances, small and large, on busy cores: none is lost, and none is changed.

One round by default; `NO_LOSS_ROUNDS=20` requests more.
"""

import asyncio
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from net.cutting import Cut, Cutter
from net.files import data_sets, make
from net.getting import remote
from net.peers import US, dcmqrscp, hasty, storescp
from net.scp import Scp, success

from dcm.net import DcmNode, LocalEntity, Remote, TimeLimits
from dcm.net.association import Association
from dcm.net.folders import files_in
from dcm.outcome import Outcome
from dcm.wire import CStoreRQ

ROUNDS = range(int(os.environ.get("NO_LOSS_ROUNDS", "1")))
ENTITY = LocalEntity(US, TimeLimits(connect=30, association=30, response=60, release=5))
STUDY = "1.2.3.88"
SMALL, LARGE = 200, 3
_BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent: sum(range(100000))"


@pytest.fixture(scope="module", autouse=True)
def _both_cores_busy() -> Iterator[None]:
    """Keep two processes busy."""
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(2)]
    yield
    for process in busy:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peers here recover at once, so retry at once."""
    hasty(monkeypatch)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many small instances, and some that are larger than all buffers between two sockets."""
    folder = tmp_path_factory.mktemp("source")
    for number in range(SMALL + LARGE):
        make(folder, number, study=STUDY, size=3_000_000 if number % 60 == 59 else 500)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """The folder for received files."""
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


@pytest.fixture(params=[1, 4])
def associations(request: pytest.FixtureRequest) -> int:
    """The maximum number of concurrent associations."""
    count: int = request.param
    return count


async def _send(peer: Scp, source: Path, associations: int) -> None:
    remote = Remote(peer.node, ENTITY.limits, max_associations=associations)
    report = await ENTITY.store(remote, files_in([source]))
    assert report.counts() == {Outcome.STORED: SMALL + LARGE}, [
        result for result in report.results if not result.stored
    ]
    assert peer.data_sets() == data_sets(source)


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_peer_that_answers_at_once(seed: int, source: Path, associations: int) -> None:
    """Without failures, nothing is lost."""

    async def scenario() -> None:
        async with Scp() as peer:
            await _send(peer, source, associations)
            assert peer.count() == SMALL + LARGE

    asyncio.run(scenario())


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_peer_that_is_slow(seed: int, source: Path, associations: int) -> None:
    """Some responses come late, and some data sets are read late: the sender waits."""
    chance = random.Random(seed)

    async def late() -> None:
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(chance.uniform(0, 0.02), passed.set)
        await passed.wait()

    async def answer(association: Association, request: CStoreRQ, data: bytes) -> int:
        if chance.random() < 0.1:
            await late()
        return 0

    async def midway(association: Association, request: CStoreRQ) -> bool:
        if chance.random() < 0.01:
            await late()
        return False

    async def scenario() -> None:
        async with Scp(answer) as peer:
            peer.midway = midway
            await _send(peer, source, associations)
            assert peer.count() == SMALL + LARGE

    asyncio.run(scenario())


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_peer_that_aborts_in_mid_object(seed: int, source: Path, associations: int) -> None:
    """At times it aborts within a data set, also of large instances: the rest continues."""
    chance = random.Random(seed)
    aborted: set[str] = set()

    async def midway(association: Association, request: CStoreRQ) -> bool:
        uid = request.affected_sop_instance_uid
        if uid in aborted or chance.random() > 0.05:
            return False
        aborted.add(uid)
        await association.abort()
        return True

    async def scenario() -> None:
        async with Scp(success) as peer:
            peer.midway = midway
            await _send(peer, source, associations)
        assert len(aborted) >= 3

    asyncio.run(scenario())


def _now_and_then(chance: random.Random, most: int) -> Callable[[int], Cut | None]:
    """Cut each of the first connections somewhere, but late enough for one instance to pass."""

    def cut(number: int) -> Cut | None:
        if number >= 12:
            return None
        direction = chance.choice(("there", "back"))
        after = chance.randint(8, most)
        return Cut(direction, after, more=chance.choice((0, 1, 7)), reset=chance.random() < 0.5)

    return cut


@pytest.mark.parametrize("seed", ROUNDS)
def test_connections_that_are_cut(seed: int, source: Path, associations: int) -> None:
    """Each connection ends somewhere; repeated instances are identical."""
    chance = random.Random(seed)

    async def scenario() -> None:
        async with (
            Scp() as peer,
            Cutter(peer.node, _now_and_then(chance, 60)) as cutter,
        ):
            remote = Remote(cutter.node, ENTITY.limits, max_associations=associations)
            report = await ENTITY.store(remote, files_in([source]))
            assert len(cutter.passed) > 4
            for result in report.results:
                held = peer.held.get(result.sop_instance_uid, [])
                assert result.stored <= bool(held)
            # A large instance may meet two cuts of its own: then its outcome says so.
            failed = [result for result in report.results if not result.stored]
            assert all(result.outcome is Outcome.FAILED and result.words for result in failed)
            assert len(failed) <= LARGE
            again = await ENTITY.store(peer.node, [result.path for result in failed])
            assert again.complete
            assert peer.data_sets() == data_sets(source)

    asyncio.run(scenario())


@pytest.mark.parametrize("seed", ROUNDS)
def test_storescp_and_cut_connections(seed: int, source: Path, tmp_path: Path) -> None:
    """The same with another project's server and its files."""
    chance = random.Random(seed)

    async def scenario(node: DcmNode) -> None:
        async with Cutter(node, _now_and_then(chance, 60)) as cutter:
            report = await ENTITY.store(cutter.node, files_in([source]))
        again = await ENTITY.store(node, [each.path for each in report.results if not each.stored])
        assert again.complete

    with storescp(tmp_path / "written") as node:
        asyncio.run(scenario(node))
    assert data_sets(tmp_path / "written") == data_sets(source)


@pytest.mark.parametrize("seed", ROUNDS)
def test_listener_takes_from_storescu_and_from_us(seed: int, source: Path, target: Path) -> None:
    """Two concurrent senders, one of another project: each instance is there once, and whole."""
    program = shutil.which("storescu")
    if program is None:
        pytest.skip("storescu is not installed")

    async def scenario() -> None:
        async with ENTITY.listen(target) as listener:
            port = str(listener.node.port)
            command = [program, "+sd", "-R", "127.0.0.1", port, str(source)]
            other = asyncio.to_thread(subprocess.run, command, timeout=120, check=True)
            report, _ = await asyncio.gather(ENTITY.store(listener.node, files_in([source])), other)
            assert report.complete

    asyncio.run(scenario())
    assert data_sets(target) == data_sets(source)
    assert {path.suffix for path in target.iterdir()} == {".dcm"}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("seed", ROUNDS)
def test_dcmqrscp_gives_back_what_it_was_given(
    seed: int, source: Path, target: Path, tmp_path: Path
) -> None:
    """Stored and retrieved on busy cores: the same bytes."""
    study = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": STUDY}

    async def scenario(node: DcmNode) -> int:
        assert (await ENTITY.store(node, files_in([source]))).complete
        report = await ENTITY.download(remote(node), study, target)
        assert report.complete, report
        return len(report.results)

    with dcmqrscp(tmp_path / "dcmqrscp") as node:
        assert asyncio.run(scenario(node)) == SMALL + LARGE
    assert data_sets(target) == data_sets(source)
