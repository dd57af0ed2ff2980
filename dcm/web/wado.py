"""Retrievals (WADO-RS, PS3.18 10.4) without losing an instance: each gets an outcome.

The instances are listed first (`dcm.net.wanted`), and only those are received. Studies and series
are requested as a whole, several at once; instances still missing are requested singly. Instances
received completely before a connection broke are kept.
"""

import asyncio
from collections import Counter, deque
from contextlib import aclosing, suppress
from typing import Final
from urllib.parse import quote

from dcm.data.account import Unlisted
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.data.query_result import QueryResult
from dcm.errors import RemoteProtocolError
from dcm.net.ahead import Ahead
from dcm.net.errors import NetworkError
from dcm.net.intake import Intake
from dcm.net.retry import Tries
from dcm.net.wanted import Batch, Request, Wanted, batches, request_whole, requests, whole_level
from dcm.outcome import InstanceResult, OnResult, Outcome, Report
from dcm.sinks import Holder, NotKept, ReceivedInstance
from dcm.web.client import Waiting, WebClient, shown
from dcm.web.connections import Response
from dcm.web.errors import RequestFailed, WrongAnswer
from dcm.web.incoming import DICOM, Damaged, IncomingParts
from dcm.web.media import MediaType
from dcm.web.multipart import Parser, PartBegun, PartData, PartEnded

_AHEAD: Final = 8
"""The number of batches that may be queued."""
_AT_ONCE: Final = 3 << 15
"""Bytes parsed at once: larger buffers would be returned to the system each time."""
_ACCEPT: Final = f'multipart/related; type="{DICOM}"; transfer-syntax=*'
"""Accepts all instances as they are stored (8.7.3.3.2, 8.7.3.5.2)."""


async def fetch(
    client: WebClient,
    what: QueryResult | Attributes,
    sink: Holder,
    on_result: OnResult | None = None,
) -> Report:
    """Fetch instances into a sink, except those it already has.

    Raises `NetworkError` only if not even the first instances can be listed; later errors are in
    the report.
    """
    report = Report()

    def tell(result: InstanceResult) -> None:
        report.results.append(result)
        if on_result is not None:
            on_result(result)

    retrieval = _Retrieval(client, sink, report, tell)
    begun, whole = False, whole_level(what)
    if isinstance(what, QueryResult) and what.incomplete:
        report.add_trouble(f"not everything that matches is fetched: {what.incomplete}")
    found = batches(client, what, early=True, account=report.account)
    try:
        async with client, Ahead(found, _AHEAD) as ahead:
            async for first in ahead:
                begun = True
                batch = first.joined(ahead.known(_AHEAD))
                await retrieval.batch(batch, whole)
                for unlisted in batch.unlisted:
                    await retrieval.whole(unlisted)
    except (NetworkError, RemoteProtocolError) as error:
        if not begun and not report.trouble:
            raise
        report.add_trouble(str(error))
    return report


class _Retrieval:
    """One retrieval, from the list of instances to the outcome of each."""

    def __init__(self, client: WebClient, sink: Holder, report: Report, tell: OnResult) -> None:
        self._client: Final = client
        self._remote: Final = client.remote
        self._sink: Final = sink
        self._report: Final = report
        self._tell: Final = tell
        self._intake: Final = Intake(sink, "", report.remarks)
        self._missing: dict[str, Wanted] = {}
        self._failures: Final[Counter[str]] = Counter()
        """The number of connections that broke while an instance was requested alone."""
        self._words: Final[dict[str, str]] = {}
        """Why requested instances were not received."""
        self._denied = ""

    async def batch(self, batch: Batch, whole: Level) -> None:
        """Fetch the instances of a batch until each has an outcome."""
        self._missing = {each.sop_instance_uid: each for each in batch.instances}
        for uid in list(filter(self._sink.holds, self._missing)):
            self._end(uid, Outcome.ALREADY_THERE)
        self._intake.missing.update(self._missing)
        tries, largest = Tries(self._remote.retry), whole
        error: Exception | None = None
        while self._missing and tries.left and not self._denied:
            before = len(self._missing)
            asked = requests(self._missing.values(), batch, largest, 1, self._at_once())
            error = await self._round([*asked])
            if error is None and largest is Level.IMAGE:
                break  # the service has answered for each instance
            largest = Level.IMAGE
            if error is not None:
                tries.count(progress=len(self._missing) < before, error=error)
                await tries.pause()
        otherwise = self._denied or str(error or "the service did not send it")
        for uid in [*self._missing]:
            self._end(uid, Outcome.FAILED, self._words.get(uid, otherwise))

    def _at_once(self) -> int:
        """Return over how many requests a study may be divided without dividing a series."""
        longest = max(Counter(each.series_uid for each in self._missing.values()).values())
        return max(1, min(self._remote.max_connections, len(self._missing) // longest))

    async def whole(self, unlisted: Unlisted) -> None:
        """Fetch a series or study as a whole, and check the number of instances."""
        request, tries, words = request_whole(unlisted), Tries(self._remote.retry), ""
        self._intake.whole = unlisted
        before = len(self._intake.came)
        while tries.left:
            progress = len(self._intake.came)
            error = await self._round([request])
            words = self._denied or self._words.pop("", "")
            if error is None:
                break
            tries.count(progress=len(self._intake.came) > progress, error=error)
            await tries.pause()
        self._intake.whole = None
        count = len(self._intake.came) - before
        came = f"fetched as a whole, {count} instances received"
        expected = unlisted.expected if unlisted.level is Level.IMAGE else None
        if not words and count >= (1 if expected is None else expected):
            self._report.remarks.append(f"{unlisted.why}; {came}")
        else:
            self._report.add_trouble(f"{unlisted.why}; {came}" + (f": {words}" if words else ""))

    async def _round(self, asked: list[Request]) -> Exception | None:
        """Make requests, several at once; return the error of a broken connection."""
        waiting = deque(asked)
        count = min(self._remote.max_connections, len(asked))
        tasks = [asyncio.create_task(self._work(waiting)) for _ in range(count)]
        try:
            return next(filter(None, await asyncio.gather(*tasks)), None)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, waiting: deque[Request]) -> Exception | None:
        while waiting and not self._denied:
            request = waiting.popleft()
            uids = [each.sop_instance_uid for each in request.instances]
            if uids != [""] and not any(uid in self._missing for uid in uids):
                continue
            try:
                await self._ask(request)
            except (RequestFailed, WrongAnswer) as error:
                self._words.update(dict.fromkeys(uids, str(error)))
                if isinstance(error, RequestFailed) and error.is_denied:
                    self._denied = str(error)
            except (NetworkError, RemoteProtocolError) as error:
                self._words.update(dict.fromkeys(uids, str(error)))
                if len(uids) == 1:
                    self._give_up(uids[0], str(error))
                return error  # the others go on, if only this connection broke
        return None

    def _give_up(self, uid: str, words: str) -> None:
        """Give up an instance that may be the cause of repeatedly broken connections."""
        self._failures[uid] += 1
        if uid in self._missing and self._failures[uid] >= self._remote.retry.attempts:
            self._end(uid, Outcome.FAILED, words)

    async def _ask(self, request: Request) -> None:
        """Make a request. Raises `NetworkError` and `MalformedMultipart`."""
        url, patience = f"{self._remote.base}/{_path(request)}", Waiting(self._remote)
        while True:
            try:
                async with self._client.stream("GET", url, {"Accept": _ACCEPT}) as response:
                    return await self._receive(response, shown("GET", url))
            except RequestFailed as error:
                if not await patience.allows(error):
                    raise

    async def _receive(self, response: Response, doing: str) -> None:
        content_type = response.headers.get("content-type", "")
        name = ""
        with suppress(ValueError):
            name = MediaType.parse(content_type).name
        if response.status == 204:
            return
        if name not in (DICOM, "multipart/related"):
            raise WrongAnswer(
                str(self._remote), doing,
                f"expected multipart/related, received {content_type or 'no media type'}:"
                f" {await self._client.beginning(response)}",
            )  # fmt: skip
        parts = IncomingParts(self._intake, str(self._remote), self._taken, self._report.remarks)
        try:
            if name == DICOM:
                self._report.remarks.append(f"{doing}: received {DICOM}, which was not requested")
                await _take_one(response, parts)
                return
            parser = Parser.of(content_type)
            async with aclosing(response.pieces()) as pieces:
                async for piece in pieces:
                    for at in range(0, len(piece), _AT_ONCE):
                        for event in parser.feed(piece[at : at + _AT_ONCE]):
                            await parts.take(event)
            parser.close()
        finally:
            parts.close()

    def _taken(self, event: ReceivedInstance | NotKept | Damaged) -> None:
        """Process a received instance, and report its outcome unless it was not requested."""
        uid, whole = event.sop_instance_uid, self._intake.whole is not None
        if isinstance(event, Damaged):
            self._words[uid] = event.words  # it is requested alone later
            return
        if isinstance(event, NotKept):
            if self._intake.has_refused(uid) or not (whole or uid in self._missing):
                return
            self._end(uid, Outcome.FAILED, event.words)
            return
        if uid in self._intake.came or not (whole or uid in self._missing):
            return  # received twice at the same time
        self._intake.came.add(uid)
        if event.remark:
            self._report.remarks.append(f"{uid}: {event.remark}")
        there = event.already_there and whole
        self._end(uid, Outcome.ALREADY_THERE if there else Outcome.STORED, file=event.file)

    def _end(self, uid: str, outcome: Outcome, words: str = "", *, file: str = "") -> None:
        """Record the outcome of an instance."""
        self._missing.pop(uid, None)
        self._intake.missing.discard(uid)
        self._tell(InstanceResult(file or self._sink.place(uid), uid, outcome, words))


async def _take_one(response: Response, parts: IncomingParts) -> None:
    """Read a body that is an instance, not multipart."""
    await parts.take(PartBegun({}))
    length = 0
    async with aclosing(response.pieces()) as pieces:
        async for piece in pieces:
            length += len(piece)
            await parts.take(PartData(piece))
    await parts.take(PartEnded(length, None))


def _path(request: Request) -> str:
    """Return the path of a request's resource (10.4.1)."""
    return "/".join(
        f"{level.entities}/{quote(request.identifier[level.unique_key], safe='')}"
        for level in (Level.STUDY, Level.SERIES, Level.IMAGE)
        if level.unique_key in request.identifier
    )
