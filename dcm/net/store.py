"""Storage as SCU: C-STORE (PS3.4 Annex B), without an instance lost.

Each file is sent as it lies on the disk. An association that fails is asked for again and goes on with what
has no outcome yet; an instance in whose middle two associations failed is given up: it may be the cause.
What the peer does not take as it is, it is offered once more in a native transfer
syntax, and the outcome says so.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.net.ahead import Ahead
from dcm.net.association import Association
from dcm.net.errors import AssociationRejected, NetworkError, NotAccepted
from dcm.net.outcome import InstanceResult, OnResult, Outcome, Results, StoreReport
from dcm.net.outgoing import (
    OutgoingFile,
    ReadAhead,
    UnreadableFile,
    by_association,
    contexts_for,
    looked_at,
    same_object,
)
from dcm.net.pool import Pool
from dcm.wire import (
    Command,
    CStoreRQ,
    CStoreRSP,
    DataFragment,
    PresentationContextRQ,
    StatusClass,
    describe,
    readable,
)

_LOG: Final = logging.getLogger(__name__)
_TRIES: Final = 3
_DEAD_ENDS: Final = 10  # associations in a row that brought no answer at all
_PAUSE: Final = 0.2  # seconds, doubled with each failure
_OUT_OF_RESOURCES: Final = 0xA700  # to 0xA7FF (PS3.4 B.2.3)
_LATER: Final = 0.5  # seconds: a peer out of resources may have some by then
_DUPLICATE: Final = 0x0111
_OUTCOMES: Final = {
    StatusClass.SUCCESS: Outcome.STORED,
    StatusClass.WARNING: Outcome.WARNING,
}


async def store(
    pool: Pool,
    paths: Iterable[str | os.PathLike[str]],
    *,
    on_result: OnResult | None = None,
    skip_existing: bool = False,
    convert: bool = True,
) -> StoreReport:
    """Send files; whatever happens, each has an outcome.

    on_result: called with each outcome as soon as it is known.
    skip_existing: the peer is asked first, and what it has is not sent.
    convert: what the peer does not take as it is may be sent in a native transfer syntax.
    """
    results = Results(on_result)
    sending = _Sending(pool, results, skip_existing=skip_existing, convert=convert)
    async with Ahead(looked_at(paths)) as found:
        async for files, others in found:
            for number, result in others.items():
                results.add(number, result)
            await sending.send(files)
    await sending.end()
    return results.report()


class _Sending:
    """Sends files, some at a time, and of those with one SOP Instance UID only one.

    A UID names one object (PS3.5 9). A peer that gets two keeps one of them, and nobody learns which.
    """

    def __init__(
        self,
        pool: Pool,
        results: Results,
        *,
        skip_existing: bool,
        convert: bool,
    ) -> None:
        self._pool: Final = pool
        self._results: Final = results
        self._skip_existing: Final = skip_existing
        self._convert: Final = convert
        self._given_up: Exception | None = None
        self._first: Final[dict[str, OutgoingFile]] = {}
        self._twins: list[OutgoingFile] = []

    async def send(self, files: Sequence[OutgoingFile]) -> None:
        """Send those whose UID no other file had before."""
        first = [
            file for file in files if self._first.setdefault(file.sop_instance_uid, file) is file
        ]
        if len(first) < len(files):
            self._twins += [
                file for file in files if self._first[file.sop_instance_uid] is not file
            ]
        await self._send(first)

    async def end(self) -> None:
        """Find the outcome of files with the UID of another; send one where that other was not stored."""
        while self._twins:
            instead: dict[str, OutgoingFile] = {}
            waiting: list[OutgoingFile] = []
            for file in self._twins:
                first = self._first[file.sop_instance_uid]
                if self._results[first.number].stored:
                    self._results.add(file.number, await asyncio.to_thread(_twin, file, first))
                elif instead.setdefault(file.sop_instance_uid, file) is not file:
                    waiting.append(file)
            self._first.update(instead)
            self._twins = waiting
            await self._send([*instead.values()])

    async def _send(self, files: Sequence[OutgoingFile]) -> None:
        if self._skip_existing and self._given_up is None:
            files = await self._without_existing(files)
        for group in by_association(files):
            if self._given_up is not None:  # what follows would only wait for the same peer again
                for file in group:
                    result = file.result(Outcome.NOT_TRIED, str(self._given_up))
                    self._results.add(file.number, result)
                continue
            sender = Sender(self._pool, self._results)
            await sender.send(group)
            self._given_up = sender.given_up
            refused = [file for file in group if file.number in sender.refused]
            if self._convert and refused:
                from dcm.net.store_converted import ConvertingSender  # noqa: PLC0415 - rarely needed

                await ConvertingSender(self._pool, self._results, sender.refused).send(refused)
            else:
                for file in refused:
                    words = sender.refused[file.number]
                    self._results.add(file.number, file.result(Outcome.FAILED, words))

    async def _without_existing(self, files: Sequence[OutgoingFile]) -> Sequence[OutgoingFile]:
        from dcm.net.existing import already_there  # noqa: PLC0415 - rarely needed

        there = await already_there(self._pool, files)
        for file in files:
            if file.number in there:
                result = file.result(Outcome.ALREADY_THERE, "the peer lists it")
                self._results.add(file.number, result)
        return [file for file in files if file.number not in there]


def _twin(file: OutgoingFile, first: OutgoingFile) -> InstanceResult:
    """Return the outcome of a file whose SOP Instance UID is that of another one, which was stored."""
    if same_object(file, first):
        return file.result(Outcome.ALREADY_THERE, f"it is a copy of {first.path}")
    return file.result(
        Outcome.NOT_TRIED,
        f"{first.path} is another object with the same SOP Instance UID, and was sent; "
        "the peer would keep one of them",
    )


class Sender:
    """Sends files whose contexts fit into one association, with as many as it takes.

    refused: by number, why the peer does not accept some of them as they are; these have no outcome yet.
    given_up: the error after which no more associations were requested.
    """

    def __init__(self, pool: Pool, results: Results) -> None:
        self.refused: Final[dict[int, str]] = {}
        self.given_up: Exception | None = None
        self._pool: Final = pool
        self._results: Final = results
        self._files: Mapping[int, OutgoingFile] = {}
        self._failures: Final[Counter[int]] = Counter()
        self._postponed: Final[set[int]] = set()
        self._answers = 0
        self._reading: Final = ReadAhead()
        self._next: OutgoingFile | None = None
        self._under_way: OutgoingFile | None = None

    async def send(self, files: Sequence[OutgoingFile]) -> None:
        """Send until every file has an outcome, or is refused."""
        self._files = {file.number: file for file in files}
        tries = dead_ends = 0
        while missing := self._missing():
            if self._postponed.issuperset(file.number for file in missing):
                await asyncio.sleep(_LATER)
            before = self._answers
            try:
                await self._send_on_one_association(missing)
            except (OSError, UnreadableFile) as error:  # in the middle: only an abort ends that
                if self._under_way is None:
                    raise  # not ours: who is told the outcomes cannot take them
                self._fail_under_way(error)
            except (NetworkError, RemoteProtocolError) as error:
                answered = self._answers > before
                dead_ends = 0 if answered else dead_ends + 1
                tries = 0 if answered or self._under_way else tries + 1
                self._count_failure(error)
                final = isinstance(error, AssociationRejected)
                if final or tries >= _TRIES or dead_ends >= _DEAD_ENDS:
                    self._give_up(error)
                    return
                pause = _PAUSE * 2 ** max(0, tries - 1)
                _LOG.info("%s; trying again in %g s", error, pause)
                await asyncio.sleep(pause)

    def _missing(self) -> list[OutgoingFile]:
        return [
            file
            for number, file in self._files.items()
            if number not in self._results and number not in self.refused
        ]

    def _count_failure(self, error: Exception) -> None:
        """Give up the file that was under way, if that happened before."""
        file = self._under_way
        if file is None:
            return
        self._failures[file.number] += 1
        if self._failures[file.number] > 1:
            self._fail_under_way(error)

    def _fail_under_way(self, error: Exception) -> None:
        assert self._under_way is not None  # what can be raised before is an outcome already
        file = self._files[self._under_way.number]
        self._results.add(file.number, file.result(Outcome.FAILED, self._words(file, error)))

    def _give_up(self, error: Exception) -> None:
        self.given_up = error
        for file in self._missing():
            tried = self._failures[file.number] or file.number in self._postponed
            outcome = Outcome.FAILED if tried else Outcome.NOT_TRIED
            self._results.add(file.number, file.result(outcome, self._words(file, error)))

    def _words(self, file: OutgoingFile, error: Exception) -> str:  # noqa: ARG002 - another has more
        return str(error)

    async def _send_on_one_association(self, files: Sequence[OutgoingFile]) -> None:
        self._under_way = None
        async with self._pool.lease(self._contexts(files)) as association:
            for file, self._next in zip(files, (*files[1:], None), strict=True):
                association.doing = f"C-STORE of {file.path}"
                result = await self._offer(association, file)
                if result is None:
                    continue
                self._answers += result.status is not None
                if not self._postpone(result, file.number):
                    self._results.add(file.number, result)

    def _contexts(self, files: Sequence[OutgoingFile]) -> list[PresentationContextRQ]:
        return contexts_for(files)

    async def _offer(self, association: Association, file: OutgoingFile) -> InstanceResult | None:
        """Send a file, if it is taken as it is."""
        try:
            context_id = association.context(*file.kind).context_id
        except NotAccepted as error:
            self.refused[file.number] = error.what
            return None
        return await self._send_file(association, context_id, file)

    def _postpone(self, result: InstanceResult, number: int) -> bool:
        """Return whether it is to be sent again later: the peer has no room, and had it one chance."""
        again = (result.status or 0) & 0xFF00 == _OUT_OF_RESOURCES
        if not again or number in self._postponed:
            return False
        self._postponed.add(number)
        return True

    async def _send_file(
        self, association: Association, context_id: int, file: OutgoingFile
    ) -> InstanceResult:
        message_id = association.next_message_id()
        try:
            request = CStoreRQ(
                message_id=message_id,
                affected_sop_class_uid=file.kind[0],
                affected_sop_instance_uid=file.sop_instance_uid,
            )
            slices = self._reading.read(file)
            remarks = self._reading.remarks
        except (OSError, UnreadableFile, LocalProtocolError) as error:
            return file.result(Outcome.NOT_TRIED, str(error))
        self._under_way = file
        head = [Command(context_id, request)]
        for data, last in slices:
            await association.send(*head, DataFragment(context_id, data, last))
            head = []
        if self._next is not None:
            self._reading.begin(self._next)
        response = await association.response(CStoreRSP, message_id)
        self._under_way = None
        return _answered(file, response, remarks)


def _answered(file: OutgoingFile, response: CStoreRSP, remarks: Sequence[str]) -> InstanceResult:
    status = describe(response.status, CStoreRSP)
    words = ": ".join(filter(None, (*remarks, status.words, readable(response.error_comment))))
    outcome = _OUTCOMES.get(status.kind, Outcome.FAILED)
    if status.code == _DUPLICATE:
        outcome = Outcome.ALREADY_THERE
    return file.result(outcome, words, response.status)
