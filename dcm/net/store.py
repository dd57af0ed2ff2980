"""Storage as SCU: files and other instances, each with an outcome (C-STORE, PS3.4 Annex B)."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from itertools import islice
from typing import Final, TypeAlias

from dcm.instances import Instance, Sendable
from dcm.net.ahead import Ahead
from dcm.net.pool import Pool
from dcm.net.sender import Sender, looked_at
from dcm.outcome import InstanceResult, OnResult, Outcome, Report

LOOKED_AT: Final = 500
"""Files whose headers are read before the first of them is sent; small ones are in memory then."""


async def store(
    pool: Pool,
    what: Iterable[Sendable],
    *,
    on_result: OnResult | None = None,
    skip_existing: bool = False,
    convert: bool = True,
) -> Report:
    """Send files, data sets and other instances; whatever happens, each has an outcome.

    on_result: called with each outcome as soon as it is known.
    skip_existing: the peer is asked first, and what it has is not sent.
    convert: what the peer does not accept as it is may be sent in a native transfer syntax.
    """
    async with Sender(pool, on_result, convert=convert) as sender:
        async with Ahead(_looked_at(what)) as batches:
            async for batch in batches:
                there: set[str] = set()
                if skip_existing and sender.given_up is None:
                    there = await _already_there(pool, batch)
                for each in batch:
                    if isinstance(each, InstanceResult):
                        sender.settle(each)
                    elif each.sop_instance_uid in there:
                        sender.settle(_result(each, Outcome.ALREADY_THERE, "the peer lists it"))
                    else:
                        sender.add(each)
                await sender.room()
        return await sender.finish()


_Found: TypeAlias = list[Instance | InstanceResult]


async def _already_there(pool: Pool, batch: _Found) -> set[str]:
    from dcm.net.existing import already_there  # noqa: PLC0415 - rarely needed

    return await already_there(
        pool, [each for each in batch if not isinstance(each, InstanceResult)]
    )


async def _looked_at(what: Iterable[Sendable]) -> AsyncGenerator[_Found, None]:
    """Read the headers of many files at a time, in a thread: folders on a network are slow.

    Yields instances, and outcomes in the places of those that cannot be sent.
    """
    waiting = iter(what)
    while some := await asyncio.to_thread(_look_at, waiting):
        yield some


def _look_at(waiting: Iterator[Sendable]) -> _Found:
    return [looked_at(each) for each in islice(waiting, LOOKED_AT)]


def _result(instance: Instance, outcome: Outcome, words: str) -> InstanceResult:
    return InstanceResult(instance.path, instance.sop_instance_uid, outcome, words)
