"""Stores instances unchanged (STOW-RS, PS3.18 10.5), in simultaneous requests, losing none.

    async with WebSender(client, on_result=print) as sender:
        await sender.put("image.dcm")

Instances are sent in batches of bounded size, byte for byte from their files. An instance that a
service rejects or does not mention is sent again alone before it counts as failed, and once more
when there are no other requests, as some services do not cope with several at once. If the service
does not accept an instance as it is, it is sent once more in a native transfer syntax, and the
outcome says so.
"""

import asyncio
import logging
from types import TracebackType
from typing import Final, Self

from dcm.errors import AnswerError, RemoteProtocolError
from dcm.instances import SLICE, Instance, without_data
from dcm.net.convert import EXPLICIT_LITTLE, CannotConvert, conversion, converted
from dcm.net.errors import ConnectionFailed, NetworkError, TlsFailed
from dcm.net.existing import already_there
from dcm.net.uids import NATIVE
from dcm.outcome import OnResult, Outcome, Report
from dcm.queued import QueuedWriter
from dcm.web.batch import Batch, Cut, Item
from dcm.web.client import Waiting, WebClient, shown
from dcm.web.errors import RequestFailed, status_words
from dcm.web.stored import ACCEPT, SYNTAX_NOT_SUPPORTED, Stored, read_stored

_LOG: Final = logging.getLogger(__name__)
_QUEUED: Final = 200
"""The number of queued instances at which `put` waits."""
_FEW: Final = 10
"""The number of queued instances that justifies another connection."""
_WITH_FAILURES: Final = (400, 409, 422)
"""Statuses of responses that may report on each instance (10.5.3.1)."""
_NO_SERVICE: Final = (301, 302, 303, 307, 308, 404, 405, 501)
"""Statuses that apply to all instances."""


class WebSender(QueuedWriter[Item]):
    """Stores in a service; see `dcm.queued.QueuedWriter`.

    convert: whether instances that the service does not accept as they are may be sent in a native
    transfer syntax.
    """

    queued, few = _QUEUED, _FEW

    def __init__(
        self, client: WebClient, on_result: OnResult | None = None, *, convert: bool = True
    ) -> None:
        super().__init__(on_result)
        self._client: Final = client
        self._remote: Final = client.remote
        self._url: Final = f"{client.remote.base}/studies"
        self._doing: Final = shown("POST", self._url)
        self._convert: Final = convert
        self._limit = client.remote.max_connections
        self._trusted: Final[set[object]] = set()
        """Failures that the service repeated when there was only one request at a time."""
        self._silence = ""
        """The message for instances that the service does not mention."""
        self._remarks: Final[list[str]] = []
        self._tries = 0
        """The number of consecutive requests without progress."""

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await super().__aexit__(kind, error, traceback)
        finally:
            await self._client.__aexit__(kind, error, traceback)

    async def finish(self) -> Report:
        """Wait until everything has an outcome; return the outcomes in order of addition."""
        report = await super().finish()
        report.remarks.extend(self._remarks)
        return report

    def _end(
        self, item: Item, outcome: Outcome, words: str = "", status: int | None = None
    ) -> None:
        """Record the outcome of a queued instance."""
        if outcome is Outcome.STORED and (item.remarks or item.refused):
            outcome = Outcome.WARNING
        words = "; ".join(filter(None, (words, item.refused, *dict.fromkeys(item.remarks))))
        item.instance = without_data(item.instance)
        self._unsettled -= 1
        self._changed.set()
        self._record(item.number, item.result(outcome, words, status))

    # The work.

    def _item(self, number: int, instance: Instance) -> Item:
        return Item(number, instance)

    @property
    def _most(self) -> int:
        return self._limit

    async def _work(self) -> None:
        """Make one request after the other while any instance is queued."""
        memory, patience = bytearray(SLICE), Waiting(self._remote)
        task = asyncio.current_task()
        assert task is not None
        while self._waiting:
            if len(self._workers) > self._limit:
                self._workers.pop(task, None)
                return
            batch = Batch(self._waiting, memory, self._end)
            try:
                stored = await self._post(batch)
            except Cut:
                self._take_back(batch.items)
            except RequestFailed as error:
                if await patience.allows(error):
                    self._take_back(batch.items)
                else:
                    await self._refused(batch.items, error)
            except (NetworkError, RemoteProtocolError) as error:
                if not await self._goes_on(batch.items, error):
                    return
            else:
                self._tries, patience = 0, Waiting(self._remote)
                await self._judge(batch.items, stored)
                self._employ()

    async def _post(self, batch: Batch) -> dict[str, Stored]:
        """Send a batch; return the service's report on its instances."""
        content = batch.content()
        if content is None:
            return {}
        headers = {"Content-Type": batch.writer.content_type, "Accept": ACCEPT}
        try:
            async with self._client.stream(
                "POST", self._url, headers, content, also=_WITH_FAILURES
            ) as response:
                body = await self._client.read(response, self._doing)
        finally:
            await content.aclose()
        status, found, why = response.status, dict[str, Stored](), ""
        try:
            found = read_stored(body, response.headers.get("content-type", ""))
        except AnswerError as error:
            why = self._remote.redacted(str(error))
        if not found and not response.is_success:
            raise RequestFailed(
                str(self._remote), self._doing, status, body=self._client.words(body)
            )
        self._silence = f"it answered {status_words(status)} without mentioning it" + (
            f" ({why})" if why else ""
        )
        return found

    async def _judge(self, items: list[Item], stored: dict[str, Stored]) -> None:
        """Use the service's report on an instance as its outcome, or send it again alone."""
        silent: list[Item] = []
        for item in items:
            said = stored.pop(item.instance.sop_instance_uid, None)
            if said is None:
                silent.append(item)
            elif said.outcome is not Outcome.FAILED:
                if item.suspect:
                    _LOG.info("%s: it does not cope with several requests at once", self._remote)
                self._end(item, said.outcome, said.words, said.status)
            else:
                await self._failed(item, said)
        for uid in stored:
            self._remarks.append(f"the service reports on {uid}, which was not sent")
        if silent:
            silence, listed = (
                self._silence,
                await already_there(self._client, [item.instance for item in silent]),
            )
            for item in silent:
                if item.instance.sop_instance_uid in listed:
                    self._end(item, Outcome.WARNING, f"{silence}, but lists it")
                else:
                    await self._failed(
                        item, Stored(Outcome.FAILED, f"{silence}, and does not list it")
                    )

    async def _failed(self, item: Item, said: Stored) -> None:
        """Send a rejected instance again, alone or converted, until nothing is left to try."""
        if not item.alone:
            item.alone = True
            self._waiting.append(item)
        elif len(self._workers) > 1 and (said.status or said.words) not in self._trusted:
            item.suspect, self._limit = True, 1  # it is sent again when there are no other requests
            self._waiting.append(item)
        elif said.may_be_converted and self._convert and not item.refused:
            await self._convert_item(item, said)
        else:
            if item.suspect:  # several requests at once were not the cause
                self._trusted.add(said.status or said.words)
                self._limit = self._remote.max_connections
            self._end(item, Outcome.FAILED, said.words, said.status)

    async def _convert_item(self, item: Item, said: Stored) -> None:
        syntax = item.instance.kind[1]
        if syntax in NATIVE:
            self._end(item, Outcome.FAILED, said.words, said.status)
            return
        try:
            item.instance = await asyncio.to_thread(converted, item.instance, EXPLICIT_LITTLE)
        except (CannotConvert, OSError) as error:
            self._end(item, Outcome.FAILED, f"{said.words}; {error}", said.status)
            return
        item.refused = f"{said.words}; {conversion(syntax, EXPLICIT_LITTLE)}"
        self._waiting.append(item)

    async def _refused(self, items: list[Item], error: RequestFailed) -> None:
        """Handle a request that was rejected as a whole."""
        self._tries += len(items) == 1
        if error.is_denied or error.http_status in _NO_SERVICE:
            self._give_up(items, error)
            return
        unsupported = error.http_status == 415
        for item in items:
            item.alone = item.alone or len(items) == 1
            await self._failed(
                item,
                Stored(Outcome.FAILED, str(error), SYNTAX_NOT_SUPPORTED if unsupported else None),
            )
        if self._tries >= self._remote.retry.dead_ends:
            self._give_up([], error)

    async def _goes_on(self, items: list[Item], error: Exception) -> bool:
        """Handle a broken connection; return whether this worker makes more requests."""
        task = asyncio.current_task()
        assert task is not None
        retry, others = self._remote.retry, len(self._workers) > 1
        for item in [*items]:
            item.failures += 1
            item.alone = item.alone or item.failures > 1  # it may be the cause
            if len(items) == 1 and item.failures >= retry.attempts:
                items.remove(item)
                self._end(item, Outcome.FAILED, str(error))
        self._take_back(items)
        if others:
            self._workers.pop(task, None)
            return False
        self._tries += 1
        if self._tries >= retry.dead_ends or (
            self._tries >= retry.attempts and isinstance(error, ConnectionFailed | TlsFailed)
        ):
            self._give_up([], error)
            return False
        await retry.wait(self._tries, error)
        return True

    def _take_back(self, items: list[Item]) -> None:
        self._waiting.extendleft(reversed(items))

    def _give_up(self, items: list[Item], error: Exception) -> None:
        self.given_up = error
        left = [*self._waiting]
        self._waiting.clear()
        for item in items:
            self._end(item, Outcome.FAILED, str(error))
        for item in left:
            tried = item.failures or item.alone
            self._end(item, Outcome.FAILED if tried else Outcome.NOT_TRIED, str(error))
