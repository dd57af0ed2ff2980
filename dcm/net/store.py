"""Store files and other instances in a place, reading many headers at a time."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeAlias

from dcm.instances import Instance, Sendable
from dcm.net.ahead import Ahead
from dcm.outcome import InstanceResult, Outcome, Report
from dcm.queued import looked_at
from dcm.writer import Writer

AlreadyThere: TypeAlias = Callable[[Sequence[Instance]], Awaitable[set[str]]]
"""Returns the SOP Instance UIDs of instances that need not be stored."""

LOOKED_AT: Final = 500
"""The number of files whose headers are read before the first is sent; small files are kept in memory."""


async def store(
    writer: Writer, what: Iterable[Sendable], already_there: AlreadyThere | None = None
) -> Report:
    """Pass files, data sets and other instances to a writer; each gets an outcome, whatever happens.

    already_there: called with many instances at a time, to find those that need not be stored.
    """
    async with Ahead(_looked_at(what)) as batches:
        async for batch in batches:
            there: set[str] = set()
            if already_there is not None and writer.given_up is None:
                there = await already_there(
                    [each for each in batch if not isinstance(each, InstanceResult)]
                )
            for each in batch:
                if isinstance(each, InstanceResult):
                    writer.settle(each)
                elif each.sop_instance_uid in there:
                    writer.settle(_result(each, Outcome.ALREADY_THERE, "the peer lists it"))
                else:
                    writer.add(each)
            await writer.room()
    return await writer.finish()


_Found: TypeAlias = list[Instance | InstanceResult]


async def _looked_at(what: Iterable[Sendable]) -> AsyncGenerator[_Found, None]:
    """Read the headers of many files at a time, in a thread, since network folders are slow.

    Yields instances, and outcomes instead of those that cannot be sent.
    """
    waiting = iter(what)
    while some := await asyncio.to_thread(_look_at, waiting):
        yield some


def _look_at(waiting: Iterator[Sendable]) -> _Found:
    return [looked_at(each) for each in islice(waiting, LOOKED_AT)]


def _result(instance: Instance, outcome: Outcome, words: str) -> InstanceResult:
    return InstanceResult(instance.path, instance.sop_instance_uid, outcome, words)
