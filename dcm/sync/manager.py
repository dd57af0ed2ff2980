"""Copying what destinations lack: compare, then transfer, both at the same time.

async with SyncManager([pacs], [folder, mirror]) as manager:
    report = await manager.sync({"StudyDate": "20240101-"})
assert report.complete
"""

import asyncio
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, aclosing
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self, TypeAlias

from dcm.data.account import Account
from dcm.data.keys import Query
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.errors import DcmError
from dcm.net.errors import NetworkError
from dcm.net.retry import Retry, Tries
from dcm.outcome import InstanceResult, Outcome, Report
from dcm.store.place import Ability, CannotDo, Place
from dcm.sync.compare import Comparison, DestinationFailed, Part, compare
from dcm.sync.journal import Journal
from dcm.sync.pace import Pace
from dcm.sync.rates import Rates
from dcm.sync.relay import Relay

_AT_ONCE: Final = 2
"""Transfers at the same time: the first instances of one fill the time of the last ones of another."""


class Transfer(NamedTuple):
    """Something that some destinations lack. to: their places in the list of destinations."""

    source: Place
    what: QueryResult
    to: tuple[int, ...]


class Copied(NamedTuple):
    """What became of an instance at one destination. Places are given by their names."""

    source: str
    destination: str
    result: InstanceResult


OnCopied: TypeAlias = Callable[[Copied], object]


class Executor(Protocol):
    """Carries out transfers in place of the manager. at_once: how many at the same time."""

    @property
    def at_once(self) -> int:
        """How many transfers at the same time."""

    async def execute(self, manager: "SyncManager", transfer: Transfer) -> None:
        """Carry out a transfer, and tell the manager the outcome of each instance at each destination."""


class SyncReport:
    """What became of all instances, at each destination.

    counts: by the name of the destination and the outcome. failures: those that a destination lacks.
    not_compared: the names of destinations that could not be asked what they have.
    problems: why not everything could be compared or copied. remarks: what was odd.
    """

    def __init__(self, destinations: Sequence[Place]) -> None:
        self.counts: Final = {place.name: Counter[Outcome]() for place in destinations}
        self.failures: Final[list[Copied]] = []
        self.not_compared: Final[set[str]] = set()
        self.problems: Final[list[str]] = []
        self.remarks: Final[list[str]] = []

    @property
    def complete(self) -> bool:
        """Whether every destination has everything."""
        return not (self.failures or self.problems)

    def add(self, copied: Copied) -> None:
        """Add an outcome."""
        self.counts[copied.destination][copied.result.outcome] += 1
        if not copied.result.stored:
            self.failures.append(copied)


class SyncManager:
    """Copies what destinations lack of what sources have; its block keeps all of them open.

    sources, destinations: none is in both. comparison: when an entity counts as the same on both sides.
    remote_copy: have sources send to destinations directly (C-MOVE), which must know each other.
    journal: remembers what destinations were given that take no queries.
    most: instances in one transfer, though a study is never divided.
    verify: whether everything is read back afterwards and compared.
    pace: how fast it is copied, and when.
    on_copied: called with each outcome. on_found: called with each transfer once it is known.
    """

    def __init__(
        self,
        sources: Sequence[Place],
        destinations: Sequence[Place],
        *,
        comparison: Comparison | None = None,
        remote_copy: bool = False,
        journal: Journal | None = None,
        most: int = 500,
        verify: bool = False,
        pace: Pace | None = None,
        on_copied: OnCopied | None = None,
        on_found: Callable[[Transfer], object] | None = None,
    ) -> None:
        self.report: Final = SyncReport(destinations)
        self.rates: Final = Rates()
        self.sources: Final = sources
        self.destinations: Final = destinations
        self._comparison: Final = comparison or Comparison()
        self._remote_copy: Final = remote_copy
        self._journal: Final = journal
        self._most: Final = most
        self._verify: Final = verify
        self._paces: Final = () if pace is None else (pace,)
        self._unlisted: Final[set[str]] = set()
        """The names of destinations that take no queries: what they have is in the journal."""
        self.on_copied = on_copied
        self.on_found = on_found
        self._stack: Final = AsyncExitStack()
        for place, ability in self._needed():
            if ability not in place.abilities:
                raise CannotDo(place, ability)

    def _needed(self) -> Iterator[tuple[Place, Ability]]:
        for place in self.sources:
            yield place, Ability.QUERY
            yield place, Ability.COPY if self._remote_copy else Ability.FETCH
        for place in self.destinations:
            yield place, Ability.STORE

    async def __aenter__(self) -> Self:
        for place in (*self.sources, *self.destinations):
            await self._stack.enter_async_context(place)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, traceback)

    async def sync(
        self,
        query: "Query | None" = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
        executor: Executor | None = None,
    ) -> SyncReport:
        """Copy what is missing of everything that matches; the report says what became of it.

        executor: carries out the transfers elsewhere.
        """
        at_once = _AT_ONCE if executor is None else executor.at_once
        queue = asyncio.Queue[Transfer](at_once)
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work(queue, executor)) for _ in range(at_once)]
            found = self.gen_transfers(query, level=level, within=within)
            async with aclosing(found):
                async for transfer in found:
                    await queue.put(transfer)
            await queue.join()
            for worker in workers:
                worker.cancel()
        return self.report

    async def gen_transfers(
        self,
        query: "Query | None" = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
    ) -> AsyncGenerator[Transfer, None]:
        """Yield what is to be copied; `report.problems` has what cannot be compared."""
        for source in self.sources:
            account = Account()
            parts = compare(
                source, self.destinations, query, level=level, within=within,
                comparison=self._comparison, account=account, failed=self._not_compared,
                seen=self._seen, same=self._same,
            )  # fmt: skip
            try:
                async with aclosing(parts):
                    async for part in parts:
                        for what in _divided(part, self._most):
                            transfer = Transfer(source, what, part.to)
                            if self.on_found is not None:
                                self.on_found(transfer)
                            yield transfer
            except DcmError as error:
                self.report.problems.append(f"{source}: {error}")
            self.report.remarks.extend(account.notes())

    def _not_compared(self, error: DestinationFailed) -> None:
        place = self.destinations[error.number]
        self.report.not_compared.add(place.name)
        self.report.problems.append(f"{place} cannot be asked what it has: {error.reason}")

    def _seen(self, number: int, uids: Collection[str]) -> set[str]:
        name = self.destinations[number].name
        self._unlisted.add(name)
        return set() if self._journal is None else self._journal.has(name, uids)

    def _same(self, number: int, count: int) -> None:
        counts = self.report.counts[self.destinations[number].name]
        counts[Outcome.ALREADY_THERE] += count

    async def _work(self, queue: asyncio.Queue[Transfer], executor: Executor | None) -> None:
        while True:
            transfer = await queue.get()
            try:
                if executor is None:
                    await self.exec_transfer(transfer)
                else:
                    await executor.execute(self, transfer)
            finally:
                queue.task_done()

    async def exec_transfer(self, transfer: Transfer) -> None:
        """Copy what a transfer names, and report each instance for each of its destinations."""
        try:
            if self._remote_copy:
                await self._copy(transfer)
            else:
                await self._relay(transfer)
        except DcmError as error:
            self.report.problems.append(f"{transfer.source}: {error}")

    async def _relay(self, transfer: Transfer) -> None:
        source, what, to = transfer
        digests: dict[str, bytes] | None = {} if self._verify else None
        stored: list[set[str]] = [set() for _ in to]

        def told(place: int, result: InstanceResult) -> None:
            if result.stored and digests is not None:
                stored[place].add(result.sop_instance_uid)
            self._tell(source, to[place], result)

        places = [self.destinations[number] for number in to]
        async with Relay(
            places, told, through=self._comparison.through, digests=digests, paces=self._paces
        ) as relay:
            report = await _fetched(source, what, relay)
        for result in report.lost:
            for number in to:
                self._tell(source, number, result._replace(path=""))
        self._note(source, report)
        for number, uids in zip(to, stored, strict=True):
            if digests and uids:
                await self._read_back(
                    transfer, number, {uid: digests[uid] for uid in digests if uid in uids}
                )

    async def _read_back(
        self, transfer: Transfer, number: int, digests: Mapping[str, bytes]
    ) -> None:
        from dcm.sync.verify import verify  # noqa: PLC0415 - only if it is asked for

        place = self.destinations[number]
        what, through = transfer.what, self._comparison.through
        if through is not None:
            from dcm.filt.transform import DataTransform  # noqa: PLC0415 - as above

            what = DataTransform(through).forward(what)
        failures, report = await verify(place, what, digests)
        self._note(place, report)
        for failure in failures:
            self.report.counts[place.name][Outcome.STORED] -= 1
            self._tell(transfer.source, number, failure)

    async def _copy(self, transfer: Transfer) -> None:
        for number in transfer.to:
            report = await transfer.source.copy(transfer.what, self.destinations[number])
            for result in report.results:
                self._tell(transfer.source, number, result)
            self._note(transfer.source, report)

    def _note(self, place: Place, report: Report) -> None:
        if report.trouble:
            self.report.problems.append(f"{place}: {report.trouble}")
        self.report.remarks.extend([*report.account.notes(), *report.remarks])

    def _tell(self, source: Place, number: int, result: InstanceResult) -> None:
        self.tell(Copied(source.name, self.destinations[number].name, result))

    def tell(self, copied: Copied) -> None:
        """Report an outcome."""
        self.report.add(copied)
        if (
            self._journal is not None
            and copied.destination in self._unlisted
            and copied.result.stored
        ):
            self._journal.delivered(copied.destination, copied.result.sop_instance_uid)
        if self.on_copied is not None:
            self.on_copied(copied)


async def _fetched(source: Place, what: QueryResult, relay: Relay) -> Report:
    """Fetch into a relay, and once more what did not come because a connection broke."""
    tries = Tries(Retry())
    while True:
        error: NetworkError | None = None
        try:
            report = await source.fetch(what, relay)
        except NetworkError as caught:
            error = caught
        else:
            if not report.trouble:
                return report
        tries.count(progress=False, error=error)
        if not tries.left:
            if error is not None:
                raise error
            return report
        await tries.pause()


def _divided(part: Part, most: int) -> Iterator[QueryResult]:
    """Divide what is missing, so that several transfers can run at the same time."""
    level, some, count = part.what.level, [], 0
    for node in part.what.at(level):
        some.append(node)
        count += 1 if level is Level.IMAGE else node.reported(Level.IMAGE) or 1
        if count >= most:
            yield QueryResult.of_nodes(level, some, part.what.source)
            some, count = [], 0
    if some:
        yield QueryResult.of_nodes(level, some, part.what.source)
