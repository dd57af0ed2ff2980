"""C-MOVE to a third node, which the archive knows; the archive reports the result."""

from collections.abc import Iterator
from contextlib import aclosing
from typing import Final

from dcm.data.match import Attributes
from dcm.data.query_result import QueryResult
from dcm.errors import RemoteProtocolError
from dcm.net.errors import NetworkError
from dcm.net.move import OnProgress, move_one, open_move
from dcm.net.pool import Pool
from dcm.net.retry import Tries
from dcm.net.suboperations import (
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_MOVE,
    SubOperations,
    accepted_model,
    raise_if_hopeless,
)
from dcm.net.wanted import (
    Request,
    batches,
    identifier_for,
    request_whole,
    requests,
    whole_level,
)
from dcm.outcome import InstanceResult, Outcome, Report

_LIST_LENGTH: Final = 100


async def move(
    pool: Pool,
    what: QueryResult | Attributes,
    destination: str,
    *,
    on_progress: OnProgress | None = None,
) -> Report:
    """Make `remote` send instances to the AE title `destination`; `on_progress` is called with each response.

    If the archive reports failures without saying which, all instances of that request count as failed.
    Raises `NetworkError` only if no instances can be listed at all.
    """
    move = _Move(pool, destination, on_progress)
    begun, whole = False, whole_level(what)
    try:
        pieces = batches(pool, what, account=move.report.account)
        async with aclosing(pieces) as found:
            async for batch in found:
                begun = True
                asked = [*requests(batch.instances, batch, whole, _LIST_LENGTH)]
                await move.batch([*asked, *map(request_whole, batch.unlisted)])
    except (NetworkError, RemoteProtocolError) as error:
        if not begun:
            raise
        move.report.add_trouble(str(error))
    return move.report


class _Move:
    """One move, on as many associations as needed."""

    def __init__(
        self,
        pool: Pool,
        destination: str,
        on_progress: OnProgress | None,
    ) -> None:
        self.report: Final = Report()
        self._pool: Final = pool
        self._destination: Final = destination
        self._on_progress: Final = on_progress

    async def batch(self, waiting: list[Request]) -> None:
        """Request all of them; if the association fails during a request, it is repeated."""
        tries, words, tried = Tries(self._pool.remote.retry), "", False
        while waiting and tries.left:
            before = len(waiting)
            try:
                async with open_move(self._pool) as association:
                    model = accepted_model(association, STUDY_ROOT_MOVE, PATIENT_ROOT_MOVE)
                    while waiting:
                        tried = True
                        identifier = identifier_for(waiting[0], patient=model == PATIENT_ROOT_MOVE)
                        response = await move_one(
                            association, identifier, self._destination, model,
                            on_progress=self._on_progress,
                        )  # fmt: skip
                        raise_if_hopeless(association, response)
                        self.report.results += _outcomes(waiting.pop(0), response)
                        tried = False
            except (NetworkError, RemoteProtocolError) as error:
                words = str(error)
                tries.count(progress=len(waiting) < before, error=error)
                await tries.pause()
        for request in waiting:
            outcome = Outcome.FAILED if tried else Outcome.NOT_TRIED
            self.report.results += _all(request, outcome, words)
            tried = False


def _outcomes(request: Request, last: SubOperations) -> Iterator[InstanceResult]:
    """Iterate over the outcomes of the instances, based on the numbers that the archive reports."""
    expected = len(request.instances)
    if last.failed and last.sent == expected - last.failed == expected - len(last.failed_uids):
        for each in request.instances:
            failed = each.sop_instance_uid in last.failed_uids
            outcome = Outcome.FAILED if failed else Outcome.STORED
            words = last.words if failed else ""
            yield InstanceResult("", each.sop_instance_uid, outcome, words)
    elif last.words:
        yield from _all(request, Outcome.FAILED, last.words)
    elif last.sent is not None and last.sent < expected:
        words = f"the archive sent {last.sent} of {expected} instances, without saying which"
        yield from _all(request, Outcome.FAILED, words)
    else:
        yield from _all(request, Outcome.STORED, "")


def _all(request: Request, outcome: Outcome, words: str) -> Iterator[InstanceResult]:
    for each in request.instances:
        whole = "" if each.sop_instance_uid else f"all of {each.series_uid or each.study_uid}"
        yield InstanceResult("", each.sop_instance_uid, outcome, words or whole)
