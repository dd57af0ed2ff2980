"""Copies what is missing at destinations, comparing and transferring at the same time.

async with SyncManager([pacs], [folder, mirror]) as manager:
    report = await manager.sync({"StudyDate": "20240101-"})
assert report.complete
"""

import asyncio
from collections.abc import (
    AsyncGenerator,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AsyncExitStack, aclosing
from enum import Enum
from functools import partial
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeAlias

from dcm.data.account import Account
from dcm.data.keys import Query
from dcm.data.levels import Level
from dcm.data.node import Node
from dcm.data.query_result import QueryResult
from dcm.errors import DcmError
from dcm.frozen import replace
from dcm.instances import Instance
from dcm.net.errors import NetworkError
from dcm.net.retry import Retry, Tries
from dcm.outcome import InstanceResult, OnResult, Outcome, Report
from dcm.store.place import Ability, CannotDo, Place
from dcm.sync.check import Check, Validator
from dcm.sync.compare import Comparison, DestinationFailed, Part, compare
from dcm.sync.identity import require_different
from dcm.sync.journal import Journal
from dcm.sync.pace import Pace
from dcm.sync.rates import Rates
from dcm.sync.relay import Relay
from dcm.sync.report import Copied, SyncReport, Transfer
from dcm.sync.turns import Turns

_AT_ONCE: Final = 2
"""Simultaneous transfers: the start of one fills the time while another one ends."""


OnCopied: TypeAlias = Callable[[Copied], object]


class Executor(Protocol):
    """Carries out transfers instead of the manager. at_once: how many simultaneously."""

    @property
    def at_once(self) -> int:
        """The number of simultaneous transfers."""

    async def execute(self, manager: "SyncManager", transfer: Transfer) -> None:
        """Carry out a transfer, and report each instance at each destination to the manager."""


class Method(Enum):
    """How instances get from a source to a destination.

    PROXY: through this computer. REMOTE_COPY: nodes that know each other send them directly
    (C-MOVE). The others are for folders: see `dcm.store.ways.Way`. MOVE removes from the source
    everything that the destination has, including what it had before.
    """

    PROXY = "proxy"
    REMOTE_COPY = "remote-copy"
    LOCAL_COPY = "local-copy"
    LINK = "link"
    SYMLINK = "symlink"
    MOVE = "move"


_FOLDERS: Final = frozenset(Method) - {Method.PROXY, Method.REMOTE_COPY}


class CannotSync(DcmError):  # noqa: N818 - reads as the sentence it is
    """A sync cannot be done in the requested way."""


class SyncManager:
    """Copies what sources have and destinations lack; its block keeps all of them open.

    sources, destinations: all must be different places. Sources are copied at the same time; a
    study that several of them have is copied from the first one, and compared again for the others
    afterwards.
    comparison: when entities count as the same on both sides. method: how instances are
    transferred.
    journal: records what was delivered to destinations that do not answer queries.
    most: the maximum number of instances in one transfer, though a study is never divided.
    verify: whether to read everything back afterwards and compare it.
    pace: how fast to copy, and when. paces: the same for single places, by their names.
    validators: check each instance as it arrives (`make_basic_validator`). A rejected instance is a
    failure.
    quarantine: a folder in which to keep it. keep_errors: copy it anyway, with a remark.
    on_copied: called with each outcome. on_found: called with each transfer as soon as it is known.

    Raises `CannotDo` and `CannotSync`; its block raises `dcm.sync.identity.SamePlace`.
    """

    def __init__(
        self,
        sources: Sequence[Place],
        destinations: Sequence[Place],
        *,
        comparison: Comparison | None = None,
        method: Method = Method.PROXY,
        journal: Journal | None = None,
        most: int = 500,
        verify: bool = False,
        pace: Pace | None = None,
        paces: Mapping[str, Pace] | None = None,
        validators: Sequence[Validator] = (),
        keep_errors: bool = False,
        quarantine: str = "",
        on_copied: OnCopied | None = None,
        on_found: Callable[[Transfer], object] | None = None,
    ) -> None:
        self.report: Final = SyncReport(destinations)
        self.rates: Final = Rates()
        self.sources: Final = sources
        self.destinations: Final = destinations
        self._comparison: Final = comparison or Comparison()
        self._method: Final = method
        self._journal: Final = journal
        self._most: Final = most
        self._verify: Final = verify
        self._pace: Final = pace
        self._of_places: Final = paces or {}
        self._validators: Final = validators
        self._keep_errors: Final = keep_errors
        self._quarantine: Final = quarantine
        self._unlisted: Final[set[str]] = set()
        """Destinations that do not answer queries; their contents are in the journal."""
        self.on_copied = on_copied
        self.on_found = on_found
        self._stack: Final = AsyncExitStack()
        self._check()

    def _check(self) -> None:
        """Raise `CannotDo` or `CannotSync` if the request is impossible."""
        for place, ability in self._needed():
            if ability not in place.abilities:
                raise CannotDo(place, ability)
        method = self._method
        if method is Method.PROXY:
            return
        if self._comparison.through is not None or self._validators or self._verify:
            raise CannotSync(
                f"{method.value} bypasses this computer: filters, checks and verification are impossible"
            )
        paces = (self._pace, *self._of_places.values())
        if any(pace is not None and pace.rate is not None for pace in paces):
            raise CannotSync(f"{method.value} bypasses this computer: bandwidth cannot be limited")
        if method not in _FOLDERS:
            return
        from dcm.store.directory import Directory  # noqa: PLC0415 - slow, and there if it is one

        for place in (*self.sources, *self.destinations):
            if not isinstance(place, Directory):
                raise CannotSync(f"{method.value} needs folders, but {place.name} is not one")
        if method is Method.MOVE and len(self.destinations) > 1:
            raise CannotSync("move needs a single destination, since it empties the source")

    def _needed(self) -> Iterator[tuple[Place, Ability]]:
        remote = self._method is not Method.PROXY
        for place in self.sources:
            yield place, Ability.QUERY
            yield place, Ability.COPY if remote else Ability.FETCH
        for place in self.destinations:
            yield place, Ability.STORE

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(require_different, self.sources, self.destinations)
        try:
            for place in (*self.sources, *self.destinations):
                await self._stack.enter_async_context(place)
        except BaseException:
            await self._stack.aclose()
            raise
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
        """Copy everything that matches and is missing; return a report of the outcome.

        executor: carries out the transfers on other machines.
        """
        turns = Turns()
        async with asyncio.TaskGroup() as group:
            for number, source in enumerate(self.sources):
                mine = turns.of(number) if len(self.sources) > 1 else None
                found = self._transfers(source, query, level, within, mine)
                group.create_task(self._carry_out(found, executor))
        for number, later in turns.later():
            source = self.sources[number]
            found = self._transfers(source, None, None, later, None)
            await self._carry_out(found, executor)
        return self.report

    async def gen_transfers(
        self,
        query: "Query | None" = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
    ) -> AsyncGenerator[Transfer, None]:
        """Yield what has to be copied; `report.problems` lists what cannot be compared.

        Entities that several sources have are yielded for each of them.
        """
        for source in self.sources:
            found = self._transfers(source, query, level, within, None)
            async with aclosing(found):
                async for transfer in found:
                    yield transfer

    async def _carry_out(
        self, found: AsyncGenerator[Transfer, None], executor: Executor | None
    ) -> None:
        """Carry out transfers while others are still being found."""
        at_once = _AT_ONCE if executor is None else executor.at_once
        queue = asyncio.Queue[Transfer](at_once)
        async with asyncio.TaskGroup() as group, aclosing(found):
            workers = [group.create_task(self._work(queue, executor)) for _ in range(at_once)]
            async for transfer in found:
                await queue.put(transfer)
            await queue.join()
            for worker in workers:
                worker.cancel()

    async def _transfers(
        self,
        source: Place,
        query: "Query | None",
        level: Level | None,
        within: QueryResult | None,
        mine: Callable[[Node], bool] | None,
    ) -> AsyncGenerator[Transfer, None]:
        account = Account()
        comparison = self._comparison
        if self._method is Method.MOVE:  # existing instances must be removed from the source, too
            comparison = replace(comparison, force_all=True)
        parts = compare(
            source, self.destinations, query, level=level, within=within, comparison=comparison,
            account=account, failed=self._not_compared, same=self._same, mine=mine,
            seen=None if self._method is Method.MOVE else self._seen,
        )  # fmt: skip
        try:
            await self._opened((source, *self.destinations))
            async with aclosing(parts):
                async for part in parts:
                    for what in _divided(part, self._most):
                        transfer = Transfer(source, what, part.to)
                        if self.on_found is not None:
                            self.on_found(transfer)
                        yield transfer
        except DcmError as error:
            self.report.problems.add(f"{source}: {error}")
        self.report.remarks.extend(account.notes())

    def _not_compared(self, error: DestinationFailed) -> None:
        place = self.destinations[error.number]
        self.report.not_compared.add(place.name)
        self.report.problems.add(f"{place} cannot be queried: {error.reason}")

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
        """Carry out a transfer, and report each instance for each of its destinations."""
        source, what, to = transfer
        received: set[str] = set()
        try:
            if self._method is Method.PROXY:
                await self._relay(transfer, received)
            else:
                await self._copy(transfer)
        except DcmError as error:
            self.report.problems.add(f"{source}: {error}")
            if what.level is Level.IMAGE and self._method is Method.PROXY:
                for node in what.at(Level.IMAGE):
                    if node.uid not in received:
                        result = InstanceResult("", node.uid, Outcome.NOT_TRIED, str(error))
                        for number in to:
                            self._tell(source, number, result)

    def _paces(self, places: Iterable[Place]) -> list[Pace]:
        """Return the paces that apply to transfers between these places."""
        found = [self._of_places.get(place.name) for place in places]
        return [pace for pace in (self._pace, *found) if pace is not None]

    async def _opened(self, places: Iterable[Place]) -> float | None:
        """Wait until the hours of all places begin; return the seconds left; None: no limit."""
        paces = self._paces(places)
        while any(pace.left() == 0 for pace in paces):
            for pace in paces:
                await pace.open()
        return min((left for pace in paces if (left := pace.left()) is not None), default=None)

    async def _relay(self, transfer: Transfer, received: set[str]) -> None:
        source, what, to = transfer
        digests: dict[str, bytes] | None = {} if self._verify else None
        stored: list[set[str]] = [set() for _ in to]

        def on_result(place: int, result: InstanceResult) -> None:
            if result.stored and digests is not None:
                stored[place].add(result.sop_instance_uid)
            self._tell(source, to[place], result)

        places = [self.destinations[number] for number in to]
        checks = [validator(what) for validator in self._validators]
        report: Report | None = None
        while report is None:
            left = await self._opened((source, *places))
            async with Relay(
                places, on_result, through=self._comparison.through, digests=digests,
                paces=self._paces((source, *places)), passed=self.rates.add, received=received,
                check=partial(_wrong, checks) if checks else None, rejected=self._rejected,
            ) as relay:  # fmt: skip
                report = await _within(left, _fetched(source, what, relay))
        for result in report.lost:
            for number in to:
                self._tell(source, number, result._replace(path=""))
        self._note(source, report)
        for number, uids in zip(to, stored, strict=True):
            if digests and uids:
                await self._read_back(
                    transfer, number, {uid: digests[uid] for uid in digests if uid in uids}
                )

    async def _rejected(self, instance: Instance, words: str) -> bool:
        """Handle an instance that fails a check; return whether it is copied anyway."""
        uid = instance.sop_instance_uid
        if self._keep_errors:
            self.report.remarks.add(f"{uid} is copied nevertheless: {words}")
        elif self._quarantine:
            from dcm.sync.quarantine import kept  # noqa: PLC0415 - rarely needed

            path = await kept(instance, self._quarantine)
            self.report.remarks.add(f"{uid} was put into {path}: {words}")
        return self._keep_errors

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
        source, what, to = transfer
        for number in to:
            place = self.destinations[number]
            await self._opened((source, place))
            on_result = partial(self._tell, source, number)
            if self._method is Method.REMOTE_COPY:
                report = await source.copy(what, place, on_result=on_result)
            else:
                report = await _between_folders(source, what, place, self._method, on_result)
            self._note(source, report)

    def _note(self, place: Place, report: Report) -> None:
        if report.trouble:
            self.report.problems.add(f"{place}: {report.trouble}")
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


async def _within(seconds: float | None, fetched: Coroutine[Any, Any, Report]) -> Report | None:
    """Return the report of a retrieval, or None if the permitted hours ended first."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await fetched
    except TimeoutError:
        if not limit.expired():
            raise
    return None


async def _between_folders(
    source: Place, what: QueryResult, to: Place, method: Method, on_result: OnResult
) -> Report:
    from dcm.store.directory import Directory  # noqa: PLC0415 - slow, and there if it is one
    from dcm.store.ways import Way  # noqa: PLC0415

    ways = {
        Method.LOCAL_COPY: Way.COPY, Method.LINK: Way.LINK, Method.SYMLINK: Way.SYMLINK,
        Method.MOVE: Way.MOVE,
    }  # fmt: skip
    assert isinstance(source, Directory)  # checked by `_check`
    return await source.copy(what, to, on_result=on_result, way=ways[method])


def _wrong(checks: Sequence[Check], instance: Instance) -> str:
    """Return what is wrong with an instance, or empty if nothing is."""
    return "; ".join(filter(None, (check(instance) for check in checks)))


async def _fetched(source: Place, what: QueryResult, relay: Relay) -> Report:
    """Fetch into a relay, and repeat this for instances missed because a connection broke."""
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
    """Divide a part, so that several transfers can run at the same time."""
    level, some, count = part.what.level, [], 0
    for node in part.what.at(level):
        some.append(node)
        count += 1 if level is Level.IMAGE else node.reported(Level.IMAGE) or 1
        if count >= most:
            yield QueryResult.of_nodes(level, some, part.what.source)
            some, count = [], 0
    if some:
        yield QueryResult.of_nodes(level, some, part.what.source)
