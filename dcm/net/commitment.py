"""Storage commitment as SCU (PS3.4 Annex J): ask a peer to take responsibility for instances.

    async with local.listen(folder) as listener:
        report = await local.commit(mypacs, [(sop_class_uid, sop_instance_uid)], within=60, listener=listener)
    report.complete

The peer answers the request (N-ACTION) at once, and reports later (N-EVENT-REPORT): on the same association
while it is open, or on a new one to our listener.
"""

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from dcm.data.identifier import BadIdentifier, read_identifier, write_identifier
from dcm.data.match import Attributes, Value
from dcm.frozen import Frozen
from dcm.net.association import Association
from dcm.net.errors import ConnectionLost, NetworkError, OperationFailed, TimedOut
from dcm.net.pool import Pool
from dcm.net.uids import NATIVE, STORAGE_COMMITMENT
from dcm.outcome import InstanceResult, Outcome, Report
from dcm.wire import (
    DATA_SET,
    Command,
    DataFragment,
    NActionRQ,
    NActionRSP,
    NEventReportRQ,
    NEventReportRSP,
    PresentationContextRQ,
    describe,
)
from dcm.wire.status import COMMITMENT_FAILURES

COMMITMENT_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
REQUEST_COMMITMENT: Final = 1  # action type ID (PS3.4 J.3.2.1.1)
INVALID_ARGUMENT: Final = 0x0115

Reference = tuple[str, str]
"""SOP Class UID and SOP Instance UID."""


class Transaction(Frozen):
    """A request or report: `references` are (to be) committed, `failures` are not, with the reasons."""

    uid: str
    references: tuple[Reference, ...]
    failures: Mapping[Reference, int] = MappingProxyType({})

    @classmethod
    def read(cls, data: bytes, transfer_syntax_uid: str) -> "Transaction":
        """Decode the data set of a request or report. Raises `BadIdentifier`."""
        found = read_identifier(data, transfer_syntax_uid)
        uid = found.get("TransactionUID", "")
        if not uid or not isinstance(uid, str):
            raise BadIdentifier("the Transaction UID is missing")
        failures = {
            _reference(item): _number(item.get("FailureReason", ""))
            for item in _items(found.get("FailedSOPSequence", ()))
        }
        references = map(_reference, _items(found.get("ReferencedSOPSequence", ())))
        return cls(uid, tuple(references), failures)

    def encode(self, transfer_syntax_uid: str) -> bytes:
        """Encode the data set of a request or report."""
        content: dict[str, Value] = {"TransactionUID": self.uid}
        if self.references:
            content["ReferencedSOPSequence"] = [_item(each) for each in self.references]
        if self.failures:
            content["FailedSOPSequence"] = [
                {**_item(each), "FailureReason": str(reason)}
                for each, reason in self.failures.items()
            ]
        return write_identifier(content, transfer_syntax_uid)


def _item(reference: Reference) -> dict[str, Value]:
    return {"ReferencedSOPClassUID": reference[0], "ReferencedSOPInstanceUID": reference[1]}


def _items(value: Value) -> Sequence[Attributes]:
    return () if isinstance(value, str) else value


def _reference(item: Attributes) -> Reference:
    return str(item.get("ReferencedSOPClassUID", "")), str(item.get("ReferencedSOPInstanceUID", ""))


def _number(value: Value) -> int:
    return int(value) if isinstance(value, str) and value.isdecimal() else 0x0110


class Expected:
    """The expected reports, whatever association they arrive on."""

    def __init__(self) -> None:
        self._waiting: Final[dict[str, asyncio.Future[Transaction]]] = {}

    def expect(self, transaction_uid: str) -> "asyncio.Future[Transaction]":
        """Return a future for the report; if it is cancelled, the report is no longer expected."""
        waiting: asyncio.Future[Transaction] = asyncio.get_running_loop().create_future()
        self._waiting[transaction_uid] = waiting
        waiting.add_done_callback(lambda _: self._waiting.pop(transaction_uid))
        return waiting

    async def take(self, association: Association, command: Command) -> None:
        """Receive a report and answer it; an unexpected one is rejected."""
        request = command.message
        assert isinstance(request, NEventReportRQ)
        syntax = association.context_by_id(command.context_id).transfer_syntax
        data = await association.data_set(1 << 26) if request.has_data_set else b""
        waiting, reported = None, None
        try:
            reported = Transaction.read(data, syntax)
            waiting = self._waiting.get(reported.uid)
        except BadIdentifier:
            pass
        response = NEventReportRSP(
            message_id_being_responded_to=request.message_id,
            status=INVALID_ARGUMENT if waiting is None else 0,
            affected_sop_class_uid=request.affected_sop_class_uid,
            affected_sop_instance_uid=request.affected_sop_instance_uid,
            event_type_id=request.event_type_id,
            error_comment="unknown transaction" if waiting is None else None,
        )
        await association.send(Command(command.context_id, response))
        if waiting is not None and reported is not None and not waiting.done():
            waiting.set_result(reported)


async def commit(
    pool: Pool,
    references: Iterable[Reference],
    *,
    within: float,
    elsewhere: Expected | None = None,
) -> Report:
    """Request commitment for instances from the remote; return its report, in the order of `references`.

    within: how many seconds to wait for the report after the request is accepted. elsewhere: the reports
    expected by our listener; without it, the report can only arrive on the same association.
    Raises `NetworkError`: `OperationFailed` if the request is rejected, `TimedOut` if there is no report.
    """
    wanted = tuple(dict.fromkeys(references))
    if not wanted:
        return Report()
    from uuid import uuid4  # noqa: PLC0415 - slow to import, and not needed by listeners

    asked = Transaction(f"2.25.{uuid4().int}", wanted)
    expected = elsewhere or Expected()
    report = expected.expect(asked.uid)
    contexts = [PresentationContextRQ(1, STORAGE_COMMITMENT, NATIVE)]
    try:
        async with pool.lease(contexts) as association:
            await _ask(association, asked, expected)
            association.doing = "storage commitment"
            hearing = asyncio.create_task(_hear(association, expected, report))
            try:
                async with asyncio.timeout(within):
                    await asyncio.wait((hearing, report), return_when=asyncio.FIRST_COMPLETED)
                    gone = hearing.done() and isinstance(hearing.exception(), NetworkError)
                    if not report.done() and not (elsewhere and gone):
                        hearing.result()  # otherwise the report may arrive on another association
                    reported = await report
            except TimeoutError:
                raise TimedOut(
                    association.remote, association.doing, f"no report within {within:g} s",
                    "it may report only to a listener, and must know the address for our AE title",
                ) from None  # fmt: skip
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)
    finally:
        report.cancel()
    return Report(_result(each, reported) for each in wanted)


async def _ask(association: Association, asked: Transaction, expected: Expected) -> None:
    """Request the commitment (PS3.4 J.3.2); a report may arrive before the response."""
    association.doing = "N-ACTION for storage commitment"
    context = association.context(STORAGE_COMMITMENT)
    message_id = association.next_message_id()
    request = NActionRQ(
        message_id=message_id,
        requested_sop_class_uid=STORAGE_COMMITMENT,
        requested_sop_instance_uid=COMMITMENT_INSTANCE,
        action_type_id=REQUEST_COMMITMENT,
        command_data_set_type=DATA_SET,
    )
    data = asked.encode(context.transfer_syntax)
    await association.send(
        Command(context.context_id, request), DataFragment(context.context_id, data, last=True)
    )
    while isinstance((command := await _next(association)).message, NEventReportRQ):
        await expected.take(association, command)
    response = association.expect(command, NActionRSP, message_id)
    if response.has_data_set:
        await association.data_set()
    status = describe(response.status, NActionRSP)
    if status.code:
        raise OperationFailed(association.remote, association.doing, status, response.error_comment)


async def _hear(
    association: Association, expected: Expected, report: "asyncio.Future[Transaction]"
) -> None:
    """Receive messages on the association until the report. Raises the error that ends the association."""
    while not report.done():
        command = await _next(association, math.inf)  # the caller limits the total time
        if not isinstance(command.message, NEventReportRQ):
            raise association.broken(f"{command.message.NAME} where a report was expected")
        await expected.take(association, command)


async def _next(association: Association, within: float | None = None) -> Command:
    command = await association.command(within)
    if command is None:
        raise ConnectionLost(
            association.remote, association.doing, "the peer released it before reporting",
            "it may report only to a listener",
        )  # fmt: skip
    return command


def _result(reference: Reference, reported: Transaction) -> InstanceResult:
    reason = reported.failures.get(reference)
    if reason is not None:
        words = COMMITMENT_FAILURES.get(reason, f"failure reason {reason:04X}H")
    elif reference not in reported.references:
        words = "the report does not mention it"
    else:
        return InstanceResult("", reference[1], Outcome.COMMITTED)
    return InstanceResult("", reference[1], Outcome.NOT_COMMITTED, words, reason)
