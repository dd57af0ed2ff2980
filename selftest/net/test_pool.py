"""`Pool`: associations are leased, kept and limited, with fewer if the peer wants it so."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from net.archive import Archive
from net.peers import QUICK, US
from net.scp import Scp

from dcm.errors import LocalProtocolError
from dcm.net import DcmNode, LocalEntity, Remote
from dcm.net.association import Association
from dcm.net.errors import AssociationRejected
from dcm.net.find import Answer, Finder
from dcm.net.pool import Pool
from dcm.net.uids import STUDY_ROOT_FIND
from dcm.wire import Command, PresentationContextRQ
from harness.waiting import wait_until

NATIVE = ("1.2.840.10008.1.2",)
CT = [PresentationContextRQ(1, "1.2.840.10008.5.1.4.1.1.2", NATIVE)]
MR = [PresentationContextRQ(1, "1.2.840.10008.5.1.4.1.1.4", NATIVE)]
FIND = [PresentationContextRQ(1, STUDY_ROOT_FIND, NATIVE)]

Scenario = Callable[[Pool, Scp], Coroutine[Any, Any, None]]


@asynccontextmanager
async def pool_to(node: DcmNode, most: int) -> AsyncIterator[Pool]:
    """Return a pool with a limit on associations."""
    async with Pool(US, Remote(node, QUICK, max_associations=most)) as pool:
        yield pool


async def waiting_leases(pool: Pool, count: int) -> None:
    """Let other tasks run until this number of leases wait."""
    while len(pool._waiting) < count:  # noqa: ASYNC110 - they only need their turn
        await asyncio.sleep(0)


def run(scenario: Scenario, most: int = 4) -> Scp:
    """Run a scenario with a peer that accepts everything."""

    async def with_peer() -> Scp:
        async with Scp() as peer, pool_to(peer.node, most) as pool:
            await scenario(pool, peer)
        return peer

    return asyncio.run(asyncio.wait_for(with_peer(), 20))


def test_an_association_is_kept_for_the_next_lease() -> None:
    """The same contexts get the same association; others get another one."""

    async def scenario(pool: Pool, peer: Scp) -> None:
        async with pool.lease(CT) as first:
            assert not first.used
        async with pool.lease(CT) as second:
            assert second is first
            assert second.used
        async with pool.lease(MR) as third:
            assert third is not first

    assert len(run(scenario).asked) == 2


def test_an_error_in_the_block_ends_the_association() -> None:
    """A half-used association is not leased again."""

    async def scenario(pool: Pool, peer: Scp) -> None:
        with pytest.raises(ZeroDivisionError):
            async with pool.lease(CT) as first:
                raise ZeroDivisionError
        async with pool.lease(CT) as second:
            assert second is not first

    assert len(run(scenario).asked) == 2


def test_what_is_spoilt_is_not_kept() -> None:
    """An association that may still get messages of an earlier operation is released."""

    async def scenario(pool: Pool, peer: Scp) -> None:
        async with pool.lease(CT) as first:
            first.spoilt = True
        async with pool.lease(CT) as second:
            assert second is not first

    run(scenario)


def test_no_more_than_the_limit() -> None:
    """A lease waits until another one ends."""
    order: list[str] = []

    async def scenario(pool: Pool, peer: Scp) -> None:
        async def second() -> None:
            async with pool.lease(CT):
                order.append("second")

        async with pool.lease(CT):
            waiting = asyncio.create_task(second())
            await waiting_leases(pool, 1)
            order.append("first")
        await waiting

    assert len(run(scenario, most=1).asked) == 1
    assert order == ["first", "second"]


def test_a_kept_association_makes_room_for_other_contexts() -> None:
    """With a limit of one, the kept one is released first."""

    async def scenario(pool: Pool, peer: Scp) -> None:
        async with pool.lease(CT):
            pass
        async with pool.lease(MR):
            pass

    assert len(run(scenario, most=1).asked) == 2


def test_a_lease_that_is_cancelled_while_it_waits_leaves_its_turn() -> None:
    """The next one in the queue gets the association."""

    async def scenario(pool: Pool, peer: Scp) -> None:
        async def wait() -> bool:
            async with pool.lease(CT):
                return True

        async with pool.lease(CT):
            first, second = asyncio.create_task(wait()), asyncio.create_task(wait())
            await waiting_leases(pool, 2)
            first.cancel()
        assert await second
        assert first.cancelled()

    run(scenario, most=1)


def test_an_association_that_the_peer_has_ended_is_replaced() -> None:
    """Many peers close silent connections after a while."""

    async def scenario(pool: Pool, peer: Scp) -> None:
        async with pool.lease(CT) as first:
            pass
        await peer.hang_up()
        async with pool.lease(CT) as second:
            assert second is not first
            assert second.is_quiet

    assert len(run(scenario).asked) == 2


def test_a_kept_association_is_released_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer need not wait for the end of our program."""
    monkeypatch.setattr("dcm.net.pool._KEPT", 0.01)

    async def scenario() -> None:
        async with Archive([], [STUDY_ROOT_FIND]) as archive, pool_to(archive.node, 4) as pool:
            async with pool.lease(FIND):
                pass
            await asyncio.to_thread(wait_until, lambda: archive.released, what="released", within=5)

    asyncio.run(scenario())


def test_a_second_association_that_is_refused_lowers_the_limit() -> None:
    """It is reported at once, without retries: the caller may hold the other one."""

    async def scenario() -> None:
        async with Archive([], [STUDY_ROOT_FIND]) as archive, pool_to(archive.node, 4) as pool:
            archive.one_at_a_time = True
            async with pool.lease(FIND):
                with pytest.raises(AssociationRejected):
                    async with pool.lease(CT):
                        pass
                assert pool.limit == 1
            async with pool.lease(CT):  # the kept one is released for it
                pass

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_within_its_block_an_entity_keeps_associations() -> None:
    """Outside of the block, each operation has its own."""

    async def scenario() -> tuple[int, int]:
        query = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}
        async with Archive([], [STUDY_ROOT_FIND]) as archive:
            entity = LocalEntity(US, QUICK)
            async with entity:
                for _ in range(3):
                    assert [each async for each in entity.find(archive.node, query)] == []
            kept = archive.associations
            for _ in range(3):
                assert [each async for each in entity.find(archive.node, query)] == []
            return kept, archive.associations - kept

    assert asyncio.run(scenario()) == (1, 3)


def test_a_query_outlives_all_associations_that_were_kept() -> None:
    """The peer ends them when they are used again; a new one is opened."""

    class Ending(Archive):
        asked_on: ClassVar[set[Association]] = set()

        async def _answer(self, association: Association, command: Command) -> None:
            if association in self.asked_on:
                raise ConnectionResetError
            self.asked_on.add(association)
            await super()._answer(association, command)

    async def answers(finder: Finder) -> list[Answer]:
        query = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}
        return [each async for each in finder.find(query)]

    async def scenario() -> int:
        models = [STUDY_ROOT_FIND]
        async with Ending([], models) as archive, pool_to(archive.node, 4) as pool:
            async with Finder(pool, models) as one, Finder(pool, models) as other:
                assert await answers(one) == await answers(other) == []
            async with Finder(pool, models) as finder:
                assert await answers(finder) == []
            return archive.associations

    assert asyncio.run(scenario()) == 3


def test_a_stream_ends_its_operation_with_its_block() -> None:
    """A loop that is left early holds no association."""

    async def scenario() -> int:
        query = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": ""}
        async with Archive([], [STUDY_ROOT_FIND]) as archive:
            archive.endless = True
            archive.answers = lambda _: [{"StudyInstanceUID": f"1.2.{n}"} for n in range(50)]
            async with LocalEntity(US, QUICK).find(archive.node, query) as answers:
                async for _ in answers:
                    break
            return archive.cancelled

    assert asyncio.run(scenario()) == 1


def test_a_limit_of_none_is_refused() -> None:
    """Zero associations allow no operation."""
    with pytest.raises(LocalProtocolError, match="max_associations is 0"):
        Remote(DcmNode("h", "A", 1), max_associations=0)
