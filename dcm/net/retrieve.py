"""Retrieve instances (PS3.4 C.4.2, C.4.3) without losing any: each has an outcome, whatever happens.

The instances are listed first (`dcm.net.wanted`), and only those are accepted (`dcm.net.intake`), on several
associations at once. Some archives do not cope with that, so missing instances are requested again on a
single one. After an association has failed, another one continues with the missing instances; those that the
archive still does not send are given up.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from dcm.data.account import Unlisted
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.data.query_result import QueryResult
from dcm.errors import RemoteProtocolError
from dcm.net.ahead import Ahead
from dcm.net.errors import NetworkError, NotAccepted, NotAllRetrieved
from dcm.net.intake import Intake
from dcm.net.pool import Pool
from dcm.net.retry import Tries
from dcm.net.sources import ByGet, ByMove, Fetch, Offer, Source
from dcm.net.suboperations import SubOperations
from dcm.net.wanted import Batch, Request, Wanted, batches, request_whole, requests, whole_level
from dcm.outcome import InstanceResult, OnResult, Outcome, Report
from dcm.sinks import Folder, Holder, NotKept, ReceivedInstance

if TYPE_CHECKING:
    from pydicom import Dataset

    from dcm.net.listener import Listener

Method: TypeAlias = Literal["auto", "get", "move"]
_Tell: TypeAlias = Callable[[InstanceResult], Awaitable[None] | None]

_LIST_LENGTHS: Final = (
    100,
    1,
)  # some servers do not understand lists of UIDs: later, one at a time
_AHEAD: Final = 8  # batches that may wait in the queue
_FEW: Final = 5
"""The number of instances that justifies another association."""


async def fetch(
    pool: Pool,
    what: QueryResult | Attributes,
    sink: Holder,
    *,
    method: Method = "auto",
    on_result: OnResult | None = None,
    listener: "Listener | None" = None,
) -> Report:
    """Fetch instances into a sink, except those that it already has.

    listener: a running listener for C-MOVE; None: a temporary one is started. Raises `NetworkError` only if
    no instances can be listed at all; later problems are in the report.
    """
    report = Report()

    def tell(result: InstanceResult) -> None:
        report.results.append(result)
        if on_result is not None:
            on_result(result)

    retrieval = _Retrieval(pool, sink, report, tell, method=method, listener=listener)
    await retrieval.run(what)
    return report


async def retrieve(
    pool: Pool,
    what: QueryResult | Attributes,
    *,
    method: Method = "auto",
    listener: "Listener | None" = None,
) -> "AsyncGenerator[Dataset, None]":
    """Yield instances as data sets: the archive is slowed down to the consumer's speed.

    Raises `NetworkError`: at the end `NotAllRetrieved`, if any instance was not received.
    """
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - slow, and not for `download`

    report, came = Report(), asyncio.Queue[InstanceResult | None]()
    room = asyncio.Semaphore(1)

    def tell(result: InstanceResult) -> Awaitable[None] | None:
        if result.stored:
            return keep(result)
        report.results.append(result)
        return None

    async def keep(result: InstanceResult) -> None:
        await room.acquire()
        came.put_nowait(result)

    async def run(folder: Path) -> None:
        try:
            retrieval = _Retrieval(
                pool, Folder(folder), report, tell, method=method, listener=listener
            )
            await retrieval.run(what)
        finally:
            came.put_nowait(None)

    with TemporaryDirectory(prefix="dcm-") as folder:
        task = asyncio.create_task(run(Path(folder)))
        try:
            while (result := await came.get()) is not None:
                yield await asyncio.to_thread(_take_out, Path(result.path))
                room.release()
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    if not report.complete:
        raise NotAllRetrieved(str(pool.remote), report)


def _take_out(path: Path) -> "Dataset":
    """Read a file into memory and remove it."""
    from pydicom import dcmread  # noqa: PLC0415 - slow to import

    data_set = dcmread(path)
    path.unlink()
    return data_set


class _Round:
    """A round of requests on several associations at once, with a worker for each.

    making, leasing: the workers with an association, and those still waiting for one.
    several: whether there were several associations at the same time. last: the latest final response.
    error: the error of the last worker, if others did not do its work. query_ended: whether the query has
    ended in the meantime.
    """

    def __init__(self, asked: Iterable[tuple[Offer, Request]] = ()) -> None:
        self.asked: Final = deque(asked)
        self.leasing: Final[set[asyncio.Task[None]]] = set()
        self.making: Final[set[asyncio.Task[None]]] = set()
        self.several = self.query_ended = False
        self.last: SubOperations | None = None
        self.error: Exception | None = None


class _Retrieval:
    """One retrieval, from the list of instances to the outcome of each."""

    def __init__(
        self,
        pool: Pool,
        sink: Holder,
        report: Report,
        tell: _Tell,
        *,
        method: Method,
        listener: "Listener | None",
    ) -> None:
        self._report: Final = report
        self._tell: Final = tell
        self._pool: Final = pool
        self._sink: Final = sink
        self._intake: Final = Intake(sink, pool.local.ae_title, report.remarks)
        self._may_change: bool = method == "auto"
        self._by_move: Final = ByMove(pool, self._intake, self._taken, listener)
        self._source: Source = self._by_move
        if method != "move":
            self._source = ByGet(pool, self._intake, self._taken)
        self._missing: dict[str, Wanted] = {}
        self._asked: Request | None = None
        self._tried: Final[set[str]] = set()
        self._words = ""

    async def run(self, what: QueryResult | Attributes) -> None:
        """Fetch everything, and report the outcome of each instance when it is known."""
        begun, whole = False, whole_level(what)
        if isinstance(what, QueryResult) and what.incomplete:
            self._report.add_trouble(f"not everything that matches is fetched: {what.incomplete}")
        early = self._source is not self._by_move
        found = batches(self._pool, what, early=early, account=self._report.account)
        try:
            async with Ahead(found, _AHEAD) as ahead:
                async for first in ahead:
                    begun = True
                    await asyncio.sleep(0)  # the query may have ended already
                    batch = first.joined(ahead.known(_AHEAD))
                    await self._batch(batch, whole, ahead)
                    for unlisted in batch.unlisted:
                        await self._whole(unlisted, ahead)
        except (NetworkError, RemoteProtocolError) as error:
            if not begun and not self._report.trouble:
                raise
            self._report.add_trouble(str(error))

    async def _batch(self, batch: Batch, whole: Level, ahead: Ahead[Batch]) -> None:
        self._missing = {each.sop_instance_uid: each for each in batch.instances}
        for uid in list(filter(self._sink.holds, self._missing)):
            self._end(uid, Outcome.ALREADY_THERE)
        self._intake.missing.update(self._missing)
        tries, most, failed = (
            Tries(self._pool.remote.retry),
            max(1, len(self._missing) // _FEW),
            _Round(),
        )
        while self._missing and tries.left:
            before, self._asked, self._words = len(self._missing), None, ""
            length = _LIST_LENGTHS[min(tries.without_progress, 1)]
            largest = Level.IMAGE if tries.after_error else whole
            at_once = min(most, self._source.at_once)
            # For a nearby archive, lists of UIDs cost more than the round trips that they save.
            shares = at_once if ahead.at_end or self._pool.is_far else 1
            ended = _Round(
                (offer, request)
                for offer, members in self._source.grouped(self._missing.values())
                for request in requests(members, batch, largest, length, shares)
            )
            await self._fetch(ended, at_once, ahead)
            if ended.error and self._can_change(ended, ended.error):
                continue
            if ended.several:
                if self._missing:
                    most, failed = 1, ended
                continue
            tries.count(progress=len(self._missing) < before, error=ended.error)
            if ended.error is None:
                continue
            self._words = str(ended.error)
            if tries.without_progress > 1 and (uid := self._alone_asked()):
                self._end(uid, Outcome.FAILED, self._words)
                tries.one_given_up()
            await tries.pause()
        if failed.several and not self._missing:
            limit = self._pool.limit - 1 if failed.error else 1
            self._pool.lower(max(1, limit), "it does not cope with several at once")
        for uid in [*self._missing]:
            outcome = Outcome.FAILED if uid in self._tried else Outcome.NOT_TRIED
            self._end(uid, outcome, self._words or "the archive did not send it")

    async def _whole(self, unlisted: Unlisted, ahead: Ahead[Batch]) -> None:
        """Fetch a series or study as a whole, and check by numbers whether it is complete."""
        request, tries, words = request_whole(unlisted), Tries(self._pool.remote.retry), ""
        self._intake.whole = unlisted
        last: SubOperations | None = None
        before = len(self._intake.came)
        while tries.left:
            progress = len(self._intake.came)
            [(offer, _)] = self._source.grouped(request.instances)
            ended = _Round([(offer, request)])
            await self._fetch(ended, 1, ahead)
            last = ended.last or last
            if (error := ended.error) is not None:
                if self._can_change(ended, error):
                    continue
                words = str(error)
                tries.count(progress=len(self._intake.came) > progress, error=error)
                await tries.pause()
            else:
                words = "" if last is None else last.words
                if last is None or not last.failed:
                    break
                tries.count(progress=len(self._intake.came) > progress)
        self._intake.whole = None
        self._judge(unlisted, len(self._intake.came) - before, last, words)

    def _judge(
        self, unlisted: Unlisted, count: int, last: SubOperations | None, words: str
    ) -> None:
        """Report whether a series or study fetched as a whole is complete, as far as that is known."""
        expected = unlisted.expected if unlisted.level is Level.IMAGE else None
        if expected is None:
            expected = (last and last.sent) or 1
        if count >= expected and not words:
            self._report.remarks.append(f"{unlisted.why}; fetched as a whole: {count} instances")
        else:
            came = f"fetched as a whole, {count} instances received" + (
                f": {words}" if words else ""
            )
            self._report.add_trouble(f"{unlisted.why}; {came}")

    # Requests.

    async def _fetch(self, work: _Round, at_once: int, ahead: Ahead[Batch]) -> None:
        """Send requests on at most `at_once` associations; one that fails is not used again.

        A query running at the same time has an association, too, even while it waits for its consumer.
        """
        if self._pool.limit == 1:
            await ahead.find_all()
        listing, count = not ahead.at_end, min(at_once, len(work.asked))
        tasks = [asyncio.create_task(self._work(work)) for _ in range(count)]
        work.leasing.update(tasks)
        waiting = set(tasks)
        try:
            while waiting:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if self._pool.limit == 1 and not work.making:
                    # An archive may accept only one association at a time, which is that of the query.
                    await ahead.find_all()
                    work.query_ended = listing
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        failed = [each for each in ends if isinstance(each, Exception)]
        for error in failed:
            if not isinstance(error, NetworkError | RemoteProtocolError):
                raise error
        if failed and (
            work.several or None not in ends
        ):  # otherwise one did everything, and others were rejected
            work.error = failed[-1]

    async def _work(self, work: _Round) -> None:
        """Send requests on an association as long as there are any."""
        task = asyncio.current_task()
        assert task is not None
        while work.asked:
            offer = work.asked[0][0]
            work.leasing.add(task)
            async with self._source.open(offer) as fetch:
                work.leasing.discard(task)
                work.making.add(task)
                work.several = work.several or len(work.making) > 1
                try:
                    await self._make(work, offer, fetch)
                finally:
                    work.making.discard(task)

    async def _make(self, work: _Round, offer: Offer, fetch: Fetch) -> None:
        """Send the next requests that need the contexts offered here."""
        while work.asked and work.asked[0][0] == offer:
            _, self._asked = work.asked.popleft()
            if not work.asked:  # the others would wait, perhaps for the association of the query
                for other in work.leasing:
                    other.cancel()
            self._tried.update(each.sop_instance_uid for each in self._asked.instances)
            work.last = await fetch(self._asked)
            self._words = work.last.words or self._words

    def _alone_asked(self) -> str:
        """Return the instance that was requested alone when the association failed: it may be the cause."""
        if self._asked is None or len(self._asked.instances) != 1:
            return ""
        uid = self._asked.instances[0].sop_instance_uid
        return uid if uid in self._missing else ""

    def _can_change(self, work: _Round, error: Exception) -> bool:
        """Change what may have caused an error; return whether anything was changed."""
        if self._may_change and isinstance(error, NotAccepted):  # C-GET, and we may choose
            self._may_change = False
            self._source = self._by_move
            return True
        return work.query_ended

    # Received instances.

    def _taken(self, event: ReceivedInstance | NotKept) -> Awaitable[None] | None:
        """Process a received instance, and report its outcome if it was requested."""
        uid, whole = event.sop_instance_uid, self._intake.whole is not None
        if isinstance(event, NotKept):
            if self._intake.has_refused(uid) or not (whole or uid in self._missing):
                return None
            return self._end(uid, Outcome.FAILED, event.words)
        if uid in self._intake.came or not (whole or uid in self._missing):
            return None  # received twice at the same time, or its series was requested again
        self._intake.came.add(uid)
        if event.remark:
            self._report.remarks.append(f"{uid}: {event.remark}")
        there = event.already_there and whole
        outcome = Outcome.ALREADY_THERE if there else Outcome.STORED
        return self._end(uid, outcome, file=event.file)

    def _end(
        self, uid: str, outcome: Outcome, words: str = "", *, file: str = ""
    ) -> Awaitable[None] | None:
        """Record the outcome of an instance."""
        self._missing.pop(uid, None)
        self._intake.missing.discard(uid)
        return self._tell(InstanceResult(file or self._sink.place(uid), uid, outcome, words))
