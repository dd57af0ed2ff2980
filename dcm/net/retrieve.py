"""Retrieve (PS3.4 C.4.2, C.4.3) without an instance lost: each has an outcome, whatever happens.

What will come is found out first (`dcm.net.wanted`). An association that fails is asked for again and goes on
with what is missing; what the archive does not send though it is asked again is given up.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.data.query_result import QueryResult
from dcm.errors import RemoteProtocolError
from dcm.net.ahead import Ahead
from dcm.net.errors import AssociationRejected, NetworkError, NotAccepted, NotAllRetrieved
from dcm.net.get import NotKept
from dcm.net.incoming import Folder
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.outcome import InstanceResult, OnResult, Outcome, RetrieveReport
from dcm.net.sources import ByGet, ByMove, Event, Source
from dcm.net.suboperations import SubOperations
from dcm.net.tries import Tries
from dcm.net.wanted import Batch, Request, Wanted, batches, requests, whole_level

if TYPE_CHECKING:
    from pydicom import Dataset

Method: TypeAlias = Literal["auto", "get", "move"]

_LIST_LENGTHS: Final = (100, 1)  # some servers understand no list of UIDs: later, one at a time


async def download(
    local: DcmNode,
    remote: DcmNode,
    limits: TimeLimits,
    what: QueryResult | Attributes,
    folder: Path,
    *,
    method: Method = "auto",
    sync: bool = False,
    on_result: OnResult | None = None,
) -> RetrieveReport:
    """Fetch instances into a folder; what lies there complete is not fetched again.

    Raises `NetworkError` only where not even the first instances could be found out; what goes wrong later
    stands in the report.
    """
    retrieval = _Retrieval(local, remote, limits, Folder(folder, sync), method)
    async with aclosing(retrieval.results(what)) as results:
        async for result in results:
            retrieval.report.results.append(result)
            if on_result is not None:
                on_result(result)
    return retrieval.report


async def retrieve(
    local: DcmNode,
    remote: DcmNode,
    limits: TimeLimits,
    what: QueryResult | Attributes,
    *,
    method: Method = "auto",
) -> "AsyncGenerator[Dataset, None]":
    """Give instances as data sets, one at a time: the archive sends no faster than they are taken.

    Raises `NetworkError`: at the end `NotAllRetrieved`, if any instance did not come.
    """
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - slow, and not for `download`

    with TemporaryDirectory(prefix="dcm-") as folder:
        retrieval = _Retrieval(local, remote, limits, Folder(Path(folder)), method)
        async with aclosing(retrieval.results(what)) as results:
            async for result in results:
                if not result.stored:
                    retrieval.report.results.append(result)
                    continue
                yield await asyncio.to_thread(_take_out, Path(result.path))
    if not retrieval.report.complete:
        raise NotAllRetrieved(str(remote), retrieval.report)


async def _ends_query(ahead: Ahead[Batch], error: Exception) -> bool:
    """End the query that goes on beside: an archive may take only one association at a time."""
    return isinstance(error, AssociationRejected) and await ahead.find_all()


def _take_out(path: Path) -> "Dataset":
    """Read a file into memory, and remove it."""
    from pydicom import dcmread  # noqa: PLC0415 - slow to import

    data_set = dcmread(path)
    path.unlink()
    return data_set


class _Retrieval:
    """One retrieval: from what is wanted to the outcome of each instance."""

    def __init__(
        self, local: DcmNode, remote: DcmNode, limits: TimeLimits, folder: Folder, method: Method
    ) -> None:
        self.report: Final = RetrieveReport()
        self._local: Final = local
        self._remote: Final = remote
        self._limits: Final = limits
        self._folder: Final = folder
        self._may_change: bool = method == "auto"
        self._source: Source = (ByMove if method == "move" else ByGet)(
            local, remote, limits, folder
        )
        self._missing: dict[str, Wanted] = {}
        self._asked: Request | None = None
        self._tried: Final[set[str]] = set()
        self._words = ""

    async def results(self, what: QueryResult | Attributes) -> AsyncGenerator[InstanceResult, None]:
        """Give the outcome of each instance once it is known."""
        begun, whole = False, whole_level(what)
        early = isinstance(self._source, ByGet)
        found = batches(self._local, self._remote, self._limits, what, early=early)
        try:
            async with Ahead(found) as ahead:
                async for batch in ahead:
                    begun = True
                    async with aclosing(self._batch(batch, whole, ahead)) as results:
                        async for result in results:
                            yield result
        except (NetworkError, RemoteProtocolError) as error:
            if not begun:
                raise
            self.report.trouble = str(error)

    async def _batch(
        self, batch: Batch, whole: Level, ahead: Ahead[Batch]
    ) -> AsyncGenerator[InstanceResult, None]:
        self._missing = {each.sop_instance_uid: each for each in batch.instances}
        for uid in list(filter(self._is_here, self._missing)):
            yield self._result(uid, Outcome.ALREADY_THERE)
        tries = Tries(self._limits.busy)
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

    def _taken(self, event: Event) -> InstanceResult | None:
        """Take what a source gives; the outcome of an instance, if it was waited for."""
        if isinstance(event, Request):
            self._asked = event
            self._tried.update(each.sop_instance_uid for each in event.instances)
            return None
        if isinstance(event, SubOperations):
            self._words = event.words or self._words
            return None
        uid = event.sop_instance_uid
        if uid not in self._missing:
            odd = "came twice" if uid in self._tried else "came though it was not asked for"
            self.report.remarks.append(f"{uid} {odd}")
            return None
        if isinstance(event, NotKept):
            return self._result(uid, Outcome.FAILED, event.words)
        del self._missing[uid]
        return InstanceResult(event.file, uid, Outcome.STORED)

    def _is_here(self, uid: str) -> bool:
        return os.path.isfile(self._folder.place(uid))  # noqa: PTH113 - for each instance, and quicker

    def _result(self, uid: str, outcome: Outcome, words: str = "") -> InstanceResult:
        del self._missing[uid]
        return InstanceResult(self._folder.place(uid), uid, outcome, words)

    def _alone_asked(self) -> str:
        """Give the instance that was asked for alone when the association failed: it may be the cause."""
        if self._asked is None or len(self._asked.instances) != 1:
            return ""
        uid = self._asked.instances[0].sop_instance_uid
        return uid if uid in self._missing else ""

    def _changes_method(self, error: Exception) -> bool:
        """Go over to C-MOVE where C-GET is not accepted and the choice is ours."""
        if not self._may_change or not isinstance(error, NotAccepted):
            return False
        self._may_change = False
        self._source = ByMove(self._local, self._remote, self._limits, self._folder)
        return True
