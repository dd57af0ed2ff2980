"""Outcomes of `LocalEntity.store` for a peer's responses, and for associations that end early."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import pytest
from net.files import CT, data_sets, make
from net.peers import QUICK, US, hasty
from net.scp import Answer, Scp

from dcm.instances import instance_of
from dcm.net import LocalEntity, Remote
from dcm.net.association import Association
from dcm.net.pool import Pool
from dcm.net.sender import Sender
from dcm.outcome import InstanceResult, Outcome, Report
from dcm.wire import Command, CStoreRQ, CStoreRSP

ENTITY = LocalEntity(US, QUICK)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No peer recovers during a test, so do not wait for it."""
    hasty(monkeypatch)


async def send(answer: Answer, paths: Iterable[Path]) -> tuple[Report, Scp]:
    """Send to a peer with this answer."""
    async with Scp(answer) as peer:
        return await ENTITY.store(peer.node, paths), peer


@pytest.mark.parametrize(
    ("status", "outcome", "words"),
    [
        (0x0000, Outcome.STORED, ""),
        (0xB000, Outcome.WARNING, "data elements were coerced"),
        (0xB006, Outcome.WARNING, "elements were discarded"),
        (0xB007, Outcome.WARNING, "data set does not match SOP class"),
        (0x0111, Outcome.ALREADY_THERE, "duplicate SOP instance"),
        (0x0122, Outcome.FAILED, "refused: SOP class not supported"),
        (0x0124, Outcome.FAILED, "refused: not authorized"),
        (0xA901, Outcome.FAILED, "data set does not match SOP class"),
        (0xC123, Outcome.FAILED, "cannot understand"),
    ],
)
def test_each_status_is_an_outcome(
    status: int, outcome: Outcome, words: str, tmp_path: Path
) -> None:
    """The texts are from PS3.4 Table B.2-1; failures are reported, and only A7xx is retried."""

    async def answer(association: Association, request: CStoreRQ, data: bytes) -> int:
        return status

    report, peer = asyncio.run(send(answer, [make(tmp_path, 1)]))
    (result,) = report.results
    assert (result.outcome, result.words, result.status) == (outcome, words, status)
    assert report.complete is (outcome is not Outcome.FAILED)
    assert peer.count() == 1


@pytest.mark.parametrize(("times", "outcome"), [(1, Outcome.STORED), (2, Outcome.FAILED)])
def test_out_of_resources_is_tried_again_once(times: int, outcome: Outcome, tmp_path: Path) -> None:
    """The instance is sent once more after all others."""
    order: list[str] = []

    async def answer(association: Association, request: CStoreRQ, data: bytes) -> int:
        order.append(request.affected_sop_instance_uid)
        full = request.affected_sop_instance_uid == "1.2.3.0" and order.count("1.2.3.0") <= times
        return 0xA701 if full else 0

    report, _ = asyncio.run(send(answer, [make(tmp_path, number) for number in range(3)]))
    assert [result.outcome for result in report.results] == [outcome, *[Outcome.STORED] * 2]
    assert order == ["1.2.3.0", "1.2.3.1", "1.2.3.2", "1.2.3.0"]
    if outcome is Outcome.FAILED:
        assert report.results[0].words == "refused: out of resources"


async def _abort(association: Association) -> None:
    await association.abort()


async def _release(association: Association) -> None:
    await association.release()


async def _close(association: Association) -> None:
    association.close()


@pytest.mark.parametrize("associations", [1, 4])
@pytest.mark.parametrize("ending", [_abort, _release, _close])
def test_a_peer_that_ends_after_each_object_gets_all(
    ending: Callable[[Association], Awaitable[None]], associations: int, tmp_path: Path
) -> None:
    """However it ends an association between two objects, the rest is sent on the next one."""

    async def scenario() -> tuple[Report, Scp]:
        async with Scp() as peer:
            peer.afterwards = ending
            paths = [make(tmp_path, number) for number in range(16)]
            remote = Remote(peer.node, QUICK, max_associations=associations)
            return await ENTITY.store(remote, paths), peer

    report, peer = asyncio.run(scenario())
    assert report.complete, report.results
    assert peer.data_sets() == data_sets(tmp_path)
    assert len(peer.asked) >= 16


@pytest.mark.parametrize("second", [0x0000, 0x0111])
def test_a_lost_response_costs_a_second_copy(second: int, tmp_path: Path) -> None:
    """The peer has stored it, but its response is lost: it is sent again; both answers are good."""
    came: list[bytes] = []

    async def answer(association: Association, request: CStoreRQ, data: bytes) -> int | None:
        came.append(data)
        if len(came) > 1:
            return second
        association.close()
        return None

    report, peer = asyncio.run(send(answer, [make(tmp_path, 1)]))
    assert report.complete, report.results
    assert (report.results[0].outcome is Outcome.ALREADY_THERE) is (second == 0x0111)
    assert peer.count() == 2
    assert peer.data_sets() == data_sets(tmp_path)


@pytest.mark.parametrize("associations", [1, 4])
def test_a_peer_that_never_answers_is_left(associations: int, tmp_path: Path) -> None:
    """A peer that disconnects at each object gets only a few: the rest is not tried."""
    closed = 0

    async def answer(association: Association, request: CStoreRQ, data: bytes) -> None:
        nonlocal closed
        closed += 1
        association.close()

    async def scenario() -> Report:
        async with Scp(answer) as peer:
            paths = [make(tmp_path, number, size=2) for number in range(20)]
            remote = Remote(peer.node, QUICK, max_associations=associations)
            return await ENTITY.store(remote, paths)

    report = asyncio.run(scenario())
    counts = report.counts()
    assert 10 <= closed < 10 + associations
    failed = counts[Outcome.FAILED]
    assert 5 <= failed < 5 + associations
    assert counts == {Outcome.FAILED: failed, Outcome.NOT_TRIED: 20 - failed}
    assert all("SCRIPTED" in result.words for result in report.results)


def test_each_outcome_is_told_once_and_at_once(tmp_path: Path) -> None:
    """The callback gets each outcome before the next instance is sent."""
    told: list[InstanceResult] = []
    before: list[int] = []

    async def answer(association: Association, request: CStoreRQ, data: bytes) -> int:
        before.append(len(told))
        return 0

    async def scenario() -> Report:
        async with Scp(answer) as peer:
            paths = [make(tmp_path, 1), tmp_path / "missing", make(tmp_path, 2)]
            return await ENTITY.store(peer.node, paths, on_result=told.append)

    report = asyncio.run(scenario())
    assert before == [1, 2]
    assert Counter(told) == Counter(report.results)


def test_each_outcome_of_several_associations_is_told_once(tmp_path: Path) -> None:
    """In the order in which they become known; the report keeps the order of the files."""
    told: list[InstanceResult] = []
    another = asyncio.Event()

    async def answer(association: Association, request: CStoreRQ, data: bytes) -> int:
        if request.affected_sop_instance_uid == "1.2.3.0":
            await another.wait()
        elif told:
            another.set()
        return 0

    async def scenario() -> Report:
        async with Scp(answer) as peer:
            paths = [make(tmp_path, number) for number in range(16)]
            return await ENTITY.store(peer.node, paths, on_result=told.append)

    report = asyncio.run(scenario())
    assert [result.sop_instance_uid for result in report.results] == [
        f"1.2.3.{n}" for n in range(16)
    ]
    assert Counter(told) == Counter(report.results)
    assert told[0] != report.results[0]


@pytest.mark.parametrize("count", [1, 16])
def test_who_cannot_hear_the_outcomes_is_told(count: int, tmp_path: Path) -> None:
    """An exception of the callback is raised, even if it looks like one of the file system."""

    def hear(result: InstanceResult) -> None:
        raise BrokenPipeError

    async def scenario() -> None:
        async with Scp() as peer:
            paths = [make(tmp_path, number, sop_class=CT) for number in range(count)]
            await ENTITY.store(peer.node, paths, on_result=hear)

    with pytest.raises(BrokenPipeError):
        asyncio.run(scenario())


def test_who_cannot_hear_an_outcome_is_told_by_what_follows(tmp_path: Path) -> None:
    """Also if everything given so far has been sent when the sender is called the next time."""
    heard = asyncio.Event()

    def hear(result: InstanceResult) -> None:
        heard.set()
        raise BrokenPipeError

    async def scenario() -> None:
        async with Scp() as peer, Pool(US, Remote(peer.node, QUICK)) as pool:
            before = asyncio.all_tasks() | peer.tasks
            async with Sender(pool, hear) as sender:
                await sender.put(instance_of(make(tmp_path, 1)))
                await heard.wait()
                await asyncio.wait(asyncio.all_tasks() - before - peer.tasks)

    with pytest.raises(BrokenPipeError):
        asyncio.run(scenario())


@pytest.mark.parametrize("window", [0, 4, 100])
def test_operations_under_way_are_as_many_as_the_peer_allows(window: int, tmp_path: Path) -> None:
    """The peer answers only after this number of requests, the last one first (PS3.7 D.3.3.3)."""
    at_once = min(window or 1, 8)
    held: list[CStoreRQ] = []

    async def answer(association: Association, request: CStoreRQ, data: bytes) -> None:
        held.append(request)
        if len(held) == at_once:
            while held:
                last = held.pop()
                response = CStoreRSP(message_id_being_responded_to=last.message_id, status=0)
                await association.send(Command(1, response))

    async def scenario() -> Report:
        async with Scp(answer, window=window) as peer:
            paths = [make(tmp_path, number) for number in range(at_once * 3)]
            return await ENTITY.store(Remote(peer.node, QUICK, max_associations=1), paths)

    report = asyncio.run(scenario())
    assert report.counts() == {Outcome.STORED: at_once * 3}


def test_an_instance_that_ends_associations_is_found_among_several_under_way(
    tmp_path: Path,
) -> None:
    """It fails, and those sent after it are stored."""
    paths = [make(tmp_path, number) for number in range(12)]

    async def answer(association: Association, request: CStoreRQ, data: bytes) -> int | None:
        if request.affected_sop_instance_uid == "1.2.3.5":
            association.close()
            return None
        return 0

    async def scenario() -> Report:
        async with Scp(answer, window=8) as peer:
            return await ENTITY.store(Remote(peer.node, QUICK, max_associations=1), paths)

    report = asyncio.run(scenario())
    failed = [result.sop_instance_uid for result in report.results if not result.stored]
    assert failed == ["1.2.3.5"]
