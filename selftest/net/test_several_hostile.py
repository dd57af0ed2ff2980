"""Peers that fail on a second association: everything is still transferred, and soon."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from net.archive import Archive, send
from net.collection import entities, files
from net.files import data_set, data_sets, make
from net.peers import US, hasty
from net.scp import Scp

from dcm.data.header import scan
from dcm.data.match import Attributes
from dcm.net import LocalEntity, Remote, TimeLimits
from dcm.net.association import Association
from dcm.net.suboperations import STUDY_ROOT_GET
from dcm.net.uids import STUDY_ROOT_FIND
from dcm.outcome import Outcome, Report
from dcm.wire import CGetRQ, CGetRSP, CStoreRQ

pytestmark = pytest.mark.timeout(60)

ENTITY = LocalEntity(US)
LIMITS = TimeLimits(connect=3, association=30, response=2, idle=5, release=1, busy=1, operation=2)
SOON = 8.0
"""Seconds: more than two limits of `response`, and far less than that of `association`."""
COUNT = 60
ROOT = "1.2.3.4.89"


Behaviour = Callable[[Scp, Association, CStoreRQ], Awaitable[int | None]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No peer recovers during a test, so do not wait for it."""
    hasty(monkeypatch)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Small instances."""
    folder = tmp_path / "source"
    folder.mkdir()
    for number in range(COUNT):
        make(folder, number, size=500)
    return folder


def scripted(behave: Behaviour) -> Scp:
    """Return a peer with this answer to each received instance."""

    async def answer(association: Association, request: CStoreRQ, _: bytes) -> int | None:
        await asyncio.sleep(0.001)  # so that one association is not done before there is another
        return await behave(peer, association, request)

    peer = Scp(answer)
    return peer


async def store(peer: Scp, source: Path) -> Report:
    """Send over four associations, if the peer accepts them."""
    remote = Remote(peer.node, LIMITS, max_associations=4)
    begun = time.monotonic()
    report = await ENTITY.upload(remote, [source])
    assert time.monotonic() - begun < SOON
    return report


async def stored(peer: Scp, source: Path) -> None:
    """Require that everything is stored."""
    async with peer:
        report = await store(peer, source)
    assert report.counts() == {Outcome.STORED: COUNT}, [r for r in report.results if r.words]
    assert peer.data_sets() == data_sets(source)


async def success(_: Scp, __: Association, ___: CStoreRQ) -> int:
    """Return success."""
    return 0


async def hang(peer: Scp, association: Association, _: CStoreRQ) -> int:
    """Answer nothing on associations other than the first."""
    if association in peer.later:
        await asyncio.Event().wait()
    return 0


async def abort(peer: Scp, association: Association, _: CStoreRQ) -> int | None:
    """Abort associations other than the first."""
    if association not in peer.later:
        return 0
    await association.abort()
    return None


def test_second_association_is_rejected(source: Path) -> None:
    """The rest is sent on the first one; nothing is sent twice, and retries are limited."""
    peer = scripted(success)
    peer.one_at_a_time = True
    asyncio.run(stored(peer, source))
    assert peer.count() == COUNT
    assert 1 <= peer.rejected <= 3


def test_second_association_hangs(source: Path) -> None:
    """Its instances are sent on the first one, after the time limit for the response."""
    peer = scripted(hang)
    asyncio.run(stored(peer, source))
    assert 1 <= peer.count() - COUNT <= 3


@pytest.mark.parametrize("status", [0xA700, 0xC000])
def test_instances_fail_while_two_associations_are_open(status: int, source: Path) -> None:
    """They are sent again when only one is open (dcmqrscp 3.6.7 answers C000H in this case)."""

    async def fail(peer: Scp, _: Association, __: CStoreRQ) -> int:
        return status if peer.open > 1 else 0

    peer = scripted(fail)
    asyncio.run(stored(peer, source))
    assert 1 <= peer.count() - COUNT <= COUNT // 2


def test_second_association_is_aborted_each_time(source: Path) -> None:
    """No instance is given up for it, and finally no second association is opened."""
    peer = scripted(abort)
    asyncio.run(stored(peer, source))
    assert 1 <= peer.count() - COUNT <= 10


def test_connections_are_served_in_a_row(source: Path) -> None:
    """All is sent on the first, and nothing waits for the second (storescp without --fork)."""
    peer = scripted(success)
    peer.in_a_row = True
    asyncio.run(stored(peer, source))
    assert peer.count() == COUNT


@pytest.mark.parametrize("status", [0xA700, 0xC000])
def test_instance_that_is_refused(status: int, source: Path) -> None:
    """Its outcome is the status; it is sent at most three times, and affects no other."""
    refused = sorted(source.iterdir())[COUNT // 2]
    uid = scan(refused).sop_instance_uid

    async def refuse(_: Scp, __: Association, request: CStoreRQ) -> int:
        return status if request.affected_sop_instance_uid == uid else 0

    async def scenario() -> tuple[Report, Scp]:
        async with scripted(refuse) as peer:
            return await store(peer, source), peer

    report, peer = asyncio.run(scenario())
    assert report.counts() == {Outcome.STORED: COUNT - 1, Outcome.FAILED: 1}
    (failed,) = (result for result in report.results if not result.stored)
    assert (failed.path, failed.status) == (str(refused), status)
    assert len(peer.held.pop(uid)) <= 3
    assert peer.count() == COUNT - 1


@pytest.mark.parametrize("behave", [success, hang])
def test_cancelled_store_leaves_nothing(behave: Behaviour, source: Path) -> None:
    """Neither a task nor a connection."""
    midst = asyncio.Event()

    async def note(peer: Scp, association: Association, request: CStoreRQ) -> int | None:
        if peer.count() > COUNT // 3:
            midst.set()
        return await behave(peer, association, request)

    async def scenario() -> None:
        sockets = _sockets()
        async with scripted(note) as peer:
            sending = asyncio.create_task(store(peer, source))
            await midst.wait()
            assert peer.open == 4
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            left = asyncio.all_tasks() - peer.tasks - {asyncio.current_task()}
        assert not left
        assert _sockets() == sockets

    asyncio.run(scenario())


def _sockets() -> int:
    """Count the sockets of this process."""
    links = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return sum(str(link).startswith("socket:") for link in links)


# C-GET.


@dataclass
class Getting:
    """An archive that treats a C-GET differently while it answers another one.

    second: "abort", "hang" or "answer"; `met` counts these.
    """

    folder: Path
    second: str
    met: int = 0
    busy: int = 0

    def __post_init__(self) -> None:
        self.paths = {scan(path).sop_instance_uid: path for path in files(self.folder, ROOT)}

    async def get(
        self, association: Association, request: CGetRQ, asked: Attributes
    ) -> AsyncIterator[CGetRSP]:
        """Answer a request."""
        if self.busy:
            self.met += 1
            if self.second == "abort":
                await association.abort()
                return
            if self.second == "hang":
                await asyncio.Event().wait()
        self.busy += 1
        try:
            uids = [
                entity["SOPInstanceUID"] for entity in entities(ROOT) if _matches(asked, entity)
            ]
            for uid in uids:
                await asyncio.sleep(0.01)  # so that there is time for a second one
                await send(association, self.paths[uid])
        finally:
            self.busy -= 1
        yield CGetRSP(
            message_id_being_responded_to=request.message_id,
            status=0,
            number_of_completed_suboperations=len(uids),
        )

    async def downloaded(self, archive: Archive, target: Path) -> None:
        """Require that all instances of a patient arrive."""
        remote = Remote(archive.node, LIMITS, max_associations=4)
        begun = time.monotonic()
        report = await ENTITY.download(remote, {"PatientID": f"{ROOT}-1"}, target)
        assert time.monotonic() - begun < SOON
        assert report.counts() == {Outcome.STORED: 8}, report
        wanted = {uid: path for uid, path in self.paths.items() if uid.startswith(f"{ROOT}.1.")}
        assert data_sets(target) == {uid: data_set(path) for uid, path in wanted.items()}


def _matches(asked: Attributes, entity: dict[str, str]) -> bool:
    keys = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    return all(entity[key] in str(asked[key]).split("\\") for key in keys if asked.get(key))


@pytest.mark.parametrize("second", ["answer", "reject", "hang", "abort"])
def test_second_get(second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens to a second concurrent C-GET, everything arrives."""
    monkeypatch.setattr("dcm.net.retrieve._FEW", 1)

    async def scenario() -> None:
        async with Archive(entities(ROOT), (STUDY_ROOT_FIND, STUDY_ROOT_GET)) as archive:
            archive.get = getting.get
            archive.one_at_a_time = second == "reject"
            await getting.downloaded(archive, tmp_path / "target")
            if second == "reject":
                assert 1 <= archive.rejected <= 3

    (tmp_path / "source").mkdir()
    getting = Getting(tmp_path / "source", second)
    asyncio.run(scenario())
    if second != "reject":
        assert 1 <= getting.met <= 10
