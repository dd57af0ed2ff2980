"""Retrieve (PS3.4 C.4.2, C.4.3) without losing an instance: each has an outcome, whatever happens.

The instances are listed first (`dcm.net.wanted`), and only those are taken (`dcm.net.intake`). After an
association fails, another one goes on with what is missing; what the archive still does not send is given up.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from dcm.data.account import Unlisted
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.data.query_result import QueryResult
from dcm.errors import RemoteProtocolError
from dcm.net.ahead import Ahead
from dcm.net.errors import (
    AssociationRejected,
    NetworkError,
    NotAccepted,
    NotAllRetrieved,
)
from dcm.net.get import NotKept
from dcm.net.incoming import Folder, ReceivedInstance
from dcm.net.intake import Intake
from dcm.net.outcome import InstanceResult, OnResult, Outcome, RetrieveReport
from dcm.net.pool import Pool
from dcm.net.sources import ByGet, ByMove, Event, Source
from dcm.net.suboperations import SubOperations
from dcm.net.tries import Tries
from dcm.net.wanted import (
    Batch,
    Request,
    Wanted,
    batches,
    request_whole,
    requests,
    whole_level,
)

if TYPE_CHECKING:
    from pydicom import Dataset

Method: TypeAlias = Literal["auto", "get", "move"]

_LIST_LENGTHS: Final = (100, 1)  # some servers understand no list of UIDs: later, one at a time


async def download(
    pool: Pool,
    what: QueryResult | Attributes,
    folder: Path,
    *,
    method: Method = "auto",
    sync: bool = False,
    on_result: OnResult | None = None,
) -> RetrieveReport:
    """Fetch instances into a folder, but for those that are there already.

    sync: flush each file to disk (fsync) before responding. Raises `NetworkError` only if not even the
    first instances can be listed; what goes wrong later is in the report.
    """
    retrieval = _Retrieval(pool, Folder(folder, sync), method)
    async with aclosing(retrieval.results(what)) as results:
        async for result in results:
            retrieval.report.results.append(result)
            if on_result is not None:
                on_result(result)
    return retrieval.report


async def retrieve(
    pool: Pool,
    what: QueryResult | Attributes,
    *,
    method: Method = "auto",
) -> "AsyncGenerator[Dataset, None]":
    """Yield instances as data sets, one at a time: the archive sends no faster than they are taken.

    Raises `NetworkError`: at the end `NotAllRetrieved`, if any instance did not come.
    """
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - slow, and not for `download`

    with TemporaryDirectory(prefix="dcm-") as folder:
        retrieval = _Retrieval(pool, Folder(Path(folder)), method)
        async with aclosing(retrieval.results(what)) as results:
            async for result in results:
                if not result.stored:
                    retrieval.report.results.append(result)
                    continue
                yield await asyncio.to_thread(_take_out, Path(result.path))
    if not retrieval.report.complete:
        raise NotAllRetrieved(str(pool.remote), retrieval.report)


async def _ends_query(ahead: Ahead[Batch], error: Exception) -> bool:
    """End the query that goes on beside: an archive may take only one association at a time."""
    return isinstance(error, AssociationRejected) and await ahead.find_all()


def _take_out(path: Path) -> "Dataset":
    """Read a file into memory and remove it."""
    from pydicom import dcmread  # noqa: PLC0415 - slow to import

    data_set = dcmread(path)
    path.unlink()
    return data_set


class _Retrieval:
    """One retrieval, from the list of instances to the outcome of each."""

    def __init__(self, pool: Pool, folder: Folder, method: Method) -> None:
        self.report: Final = RetrieveReport()
        self._pool: Final = pool
        self._folder: Final = folder
        self._intake: Final = Intake(folder, pool.local.ae_title, self.report.remarks)
        self._may_change: bool = method == "auto"
        self._source: Source = (ByMove if method == "move" else ByGet)(pool, self._intake)
        self._missing: dict[str, Wanted] = {}
        self._asked: Request | None = None
        self._tried: Final[set[str]] = set()
        self._words = ""

    async def results(self, what: QueryResult | Attributes) -> AsyncGenerator[InstanceResult, None]:
        """Yield the outcome of each instance once it is known."""
        begun, whole = False, whole_level(what)
        if isinstance(what, QueryResult) and what.incomplete:
            self.report.add_trouble(f"what is fetched is not all that matches: {what.incomplete}")
        found = batches(
            self._pool, what,
            early=isinstance(self._source, ByGet), account=self.report.account,
        )  # fmt: skip
        try:
            async with Ahead(found) as ahead:
                async for batch in ahead:
                    begun = True
                    async with aclosing(self._batch(batch, whole, ahead)) as results:
                        async for result in results:
                            yield result
                    for unlisted in batch.unlisted:
                        async with aclosing(self._whole(unlisted)) as results:
                            async for result in results:
                                yield result
        except (NetworkError, RemoteProtocolError) as error:
            if not begun and not self.report.trouble:
                raise
            self.report.add_trouble(str(error))

    async def _batch(
        self, batch: Batch, whole: Level, ahead: Ahead[Batch]
    ) -> AsyncGenerator[InstanceResult, None]:
        self._missing = {each.sop_instance_uid: each for each in batch.instances}
        for uid in list(filter(self._is_here, self._missing)):
            yield self._result(uid, Outcome.ALREADY_THERE)
        self._intake.missing.update(self._missing)
        tries = Tries()
        while self._missing and tries.left:
            before, self._asked, self._words = len(self._missing), None, ""
            length = _LIST_LENGTHS[min(tries.without_progress, 1)]
            largest = Level.IMAGE if tries.after_error else whole
            asked = partial(requests, batch=batch, whole=largest, list_length=length)
            try:
                async with aclosing(self._source.fetch([*self._missing.values()], asked)) as events:
                    async for event in events:
                        result = self._taken(event)
                        if result is not None:
                            yield result
            except (NetworkError, RemoteProtocolError) as error:
                if self._changes_method(error) or await _ends_query(ahead, error):
                    continue
                self._words = str(error)
                tries.count(progress=len(self._missing) < before, error=error)
                if tries.without_progress > 1 and (uid := self._alone_asked()):
                    yield self._result(uid, Outcome.FAILED, self._words)
                    tries.one_given_up()
                await tries.pause()
            else:
                tries.count(progress=len(self._missing) < before)
        for uid in [*self._missing]:
            outcome = Outcome.FAILED if uid in self._tried else Outcome.NOT_TRIED
            yield self._result(uid, outcome, self._words or "the archive did not send it")

    async def _whole(self, unlisted: Unlisted) -> AsyncGenerator[InstanceResult, None]:
        """Fetch a series or study as a whole, and judge by numbers whether all came."""
        request, tries, words = request_whole(unlisted), Tries(), ""
        last: SubOperations | None = None
        self._intake.whole = unlisted
        before = len(self._intake.came)
        while tries.left:
            progress = len(self._intake.came)
            fetched = self._source.fetch(request.instances, lambda _: [request])
            try:
                async with aclosing(fetched) as events:
                    async for event in events:
                        last = event if isinstance(event, SubOperations) else last
                        result = self._taken_of_whole(event)
                        if result is not None:
                            yield result
            except (NetworkError, RemoteProtocolError) as error:
                if self._changes_method(error):
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
        """Report whether a series or study that was fetched as a whole is complete, as far as it is known."""
        expected = unlisted.expected if unlisted.level is Level.IMAGE else None
        if expected is None:
            expected = (last and last.sent) or 1
        if count >= expected and not words:
            self.report.remarks.append(f"{unlisted.why}; fetched as a whole: {count} instances")
        else:
            came = f"fetched as a whole, {count} instances came" + (f": {words}" if words else "")
            self.report.add_trouble(f"{unlisted.why}; {came}")

    def _taken_of_whole(self, event: Event) -> InstanceResult | None:
        if isinstance(event, Request | SubOperations):
            return None
        uid = event.sop_instance_uid
        if isinstance(event, NotKept):
            if self._intake.has_refused(uid):
                return None
            return InstanceResult(self._folder.place(uid), uid, Outcome.FAILED, event.words)
        if uid in self._intake.came:
            return None  # the series was asked for again
        self._intake.came.add(uid)
        self._note(event)
        outcome = Outcome.ALREADY_THERE if event.already_there else Outcome.STORED
        return InstanceResult(event.file, uid, outcome)

    def _taken(self, event: Event) -> InstanceResult | None:
        """Take an event of a source; return the outcome of an instance, if it was waited for."""
        if isinstance(event, Request):
            self._asked = event
            self._tried.update(each.sop_instance_uid for each in event.instances)
            return None
        if isinstance(event, SubOperations):
            self._words = event.words or self._words
            return None
        uid = event.sop_instance_uid
        if isinstance(event, NotKept) and self._intake.has_refused(uid):
            return None
        if uid not in self._missing:
            return None  # it came twice at the same time
        if isinstance(event, NotKept):
            return self._result(uid, Outcome.FAILED, event.words)
        del self._missing[uid]
        self._intake.missing.discard(uid)
        self._intake.came.add(uid)
        self._note(event)
        return InstanceResult(event.file, uid, Outcome.STORED)

    def _note(self, received: ReceivedInstance) -> None:
        if received.remark:
            self.report.remarks.append(f"{received.sop_instance_uid}: {received.remark}")

    def _is_here(self, uid: str) -> bool:
        return self._folder.holds(uid)

    def _result(self, uid: str, outcome: Outcome, words: str = "") -> InstanceResult:
        del self._missing[uid]
        self._intake.missing.discard(uid)
        return InstanceResult(self._folder.place(uid), uid, outcome, words)

    def _alone_asked(self) -> str:
        """Return the instance that was asked for alone when the association failed: it may be the cause."""
        if self._asked is None or len(self._asked.instances) != 1:
            return ""
        uid = self._asked.instances[0].sop_instance_uid
        return uid if uid in self._missing else ""

    def _changes_method(self, error: Exception) -> bool:
        """Change to C-MOVE if C-GET is not accepted and the choice is ours."""
        if not self._may_change or not isinstance(error, NotAccepted):
            return False
        self._may_change = False
        self._source = ByMove(self._pool, self._intake)
        return True
