"""Storage commitment as SCP (PS3.4 Annex J) for instances in files.

A request is answered at once, and the result is reported: on the same association while it is open and the
peer confirms, otherwise on a new one to the address known for its AE title.
"""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final, Protocol

from dcm.data.header import NotDicom, scan
from dcm.data.identifier import BadIdentifier
from dcm.errors import DcmError, LocalProtocolError
from dcm.held import is_whole, variants
from dcm.net.association import Association
from dcm.net.commitment import (
    COMMITMENT_INSTANCE,
    INVALID_ARGUMENT,
    REQUEST_COMMITMENT,
    Reference,
    Transaction,
)
from dcm.net.errors import OperationFailed
from dcm.net.remote import Listen, Remote
from dcm.net.uids import NATIVE, STORAGE_COMMITMENT
from dcm.part_file import sync_path
from dcm.sinks import Folder
from dcm.wire import (
    DATA_SET,
    Command,
    DataFragment,
    NActionRQ,
    NActionRSP,
    NEventReportRQ,
    NEventReportRSP,
    PresentationContextRQ,
    RoleSelection,
    describe,
)
from dcm.wire.values import check_uid

_LOG: Final = logging.getLogger(__name__)
_NO_SUCH_INSTANCE: Final = 0x0112
_NO_SUCH_SOP_CLASS: Final = 0x0118
_CLASS_INSTANCE_CONFLICT: Final = 0x0119
_NO_SUCH_ACTION: Final = 0x0123
_PROCESSING_FAILURE: Final = 0x0110
_SOON: Final = 0.2
"""Seconds after which a peer is assumed to wait for the report on the same association."""
_DONE, _WITH_FAILURES = 1, 2  # event type IDs (PS3.4 J.3.3.1.1)


class Held(Protocol):
    """Knows which files contain instances. Its method may block."""

    def files(self, sop_instance_uids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the files of instances by SOP Instance UID; there may be several for each."""


class InFolder:
    """Instances in a folder with one file for each."""

    def __init__(self, folder: Folder) -> None:
        self._folder: Final = folder

    def files(self, sop_instance_uids: Sequence[str]) -> dict[str, list[str]]:
        """Return the files in which these instances are, or would be."""
        return {uid: variants(self._folder.place(uid)) for uid in sop_instance_uids}


def committed(held: Held | None, asked: Transaction) -> Transaction:
    """Return which of the instances are complete in their files, after flushing them to disk (fsync).

    held: None if instances are passed on, so nothing is known about them.
    """
    if held is None:
        return Transaction(asked.uid, (), dict.fromkeys(asked.references, _NO_SUCH_INSTANCE))
    files = held.files([uid for _, uid in asked.references])
    found: dict[Reference, str] = {}
    failures: dict[Reference, int] = {}
    for reference in asked.references:
        reason, file = _failure(files.get(reference[1], ()), reference)
        if reason:
            failures[reference] = reason
        else:
            found[reference] = os.path.dirname(file)  # noqa: PTH120 - paths are text
    lost = {folder for folder in set(found.values()) if not _flushed(folder)}
    failures |= {each: _PROCESSING_FAILURE for each, folder in found.items() if folder in lost}
    whole = tuple(each for each, folder in found.items() if folder not in lost)
    return Transaction(asked.uid, whole, failures)


def _flushed(folder: str) -> bool:
    try:
        sync_path(folder)
    except OSError:
        return False
    return True


def _failure(files: Sequence[str], reference: Reference) -> tuple[int, str]:
    """Return the failure reason for an instance, 0 if it can be committed, and its file.

    If there are several objects with its UID, one that can be committed is enough.
    """
    reasons = [(_failure_of(path, reference), path) for path in files]
    first = reasons[0] if reasons else (_NO_SUCH_INSTANCE, "")
    return next((each for each in reasons if not each[0]), first)


def _failure_of(path: str, reference: Reference) -> int:
    sop_class, sop_instance = reference
    try:
        header = scan(path, ())
        if header.sop_instance_uid != sop_instance:
            return _NO_SUCH_INSTANCE
        if not is_whole(path, header):
            return _PROCESSING_FAILURE
        sync_path(path)
    except FileNotFoundError:
        return _NO_SUCH_INSTANCE
    except (OSError, NotDicom):
        return _PROCESSING_FAILURE
    return 0 if header.sop_class_uid == sop_class else _CLASS_INSTANCE_CONFLICT


class Reports:
    """The requests received on one association, and the reports on them.

    reachable: whether we can report to the peer on an association of our own.
    """

    def __init__(self, held: Held | None, *, reachable: bool = False) -> None:
        self._held: Final = held
        self._reachable: Final = reachable
        self._unconfirmed: Final[dict[int, Transaction]] = {}

    @property
    def unconfirmed(self) -> list[Transaction]:
        """The reports that the peer has not confirmed and so may not have received."""
        return list(self._unconfirmed.values())

    async def answer(self, association: Association, command: Command) -> None:
        """Answer an N-ACTION request, and report."""
        request = command.message
        assert isinstance(request, NActionRQ)
        syntax = association.context_by_id(command.context_id).transfer_syntax
        data = await association.data_set(1 << 26) if request.has_data_set else b""
        status, asked = _understood(request, data, syntax)
        response = NActionRSP(
            message_id_being_responded_to=request.message_id,
            status=status,
            affected_sop_class_uid=request.requested_sop_class_uid,
            affected_sop_instance_uid=request.requested_sop_instance_uid,
            action_type_id=request.action_type_id,
        )
        await association.send(Command(command.context_id, response))
        if asked is None:
            return
        report = await asyncio.to_thread(committed, self._held, asked)
        message_id = association.next_message_id()
        self._unconfirmed[message_id] = report
        if self._reachable and await self._is_leaving(association):
            return  # a report that crosses a release may get lost, or break the peer
        await _send(association, command.context_id, message_id, report)

    async def _is_leaving(self, association: Association) -> bool:
        """Return whether the peer soon ends the association after its request is answered."""
        try:
            async with asyncio.timeout(_SOON):
                return not isinstance(await association.coming(), Command)
        except TimeoutError:
            return False

    async def confirmed(self, association: Association, command: Command) -> None:
        """Process the response of the peer to a report."""
        response = command.message
        assert isinstance(response, NEventReportRSP)
        if response.has_data_set:
            await association.data_set()
        report = self._unconfirmed.pop(response.message_id_being_responded_to, None)
        if report is None:
            raise association.broken("N-EVENT-REPORT-RSP without a report")
        if response.status:  # it was received: repeating it would be useless
            status = describe(response.status, NEventReportRSP)
            _LOG.warning("%s: report %s: %s", association.remote, report.uid, status)


def _understood(request: NActionRQ, data: bytes, syntax: str) -> tuple[int, Transaction | None]:
    if request.requested_sop_class_uid != STORAGE_COMMITMENT:
        return _NO_SUCH_SOP_CLASS, None
    if request.requested_sop_instance_uid != COMMITMENT_INSTANCE:
        return _NO_SUCH_INSTANCE, None
    if request.action_type_id != REQUEST_COMMITMENT:
        return _NO_SUCH_ACTION, None
    try:
        asked = Transaction.read(data, syntax)
        for uid in chain.from_iterable(asked.references):
            check_uid("a UID of a reference", uid)
    except (BadIdentifier, LocalProtocolError):
        return INVALID_ARGUMENT, None
    return (0, asked) if asked.references else (INVALID_ARGUMENT, None)


async def _send(
    association: Association, context_id: int, message_id: int, report: Transaction
) -> None:
    request = NEventReportRQ(
        message_id=message_id,
        affected_sop_class_uid=STORAGE_COMMITMENT,
        affected_sop_instance_uid=COMMITMENT_INSTANCE,
        event_type_id=_WITH_FAILURES if report.failures else _DONE,
        command_data_set_type=DATA_SET,
    )
    data = report.encode(association.context_by_id(context_id).transfer_syntax)
    await association.send(Command(context_id, request), DataFragment(context_id, data, last=True))


async def report_to(local: Listen, remote: Remote, report: Transaction) -> None:
    """Report on a separate association, with us as the SCP. Raises `NetworkError`."""
    contexts = [PresentationContextRQ(1, STORAGE_COMMITMENT, NATIVE)]
    roles = [RoleSelection(STORAGE_COMMITMENT, scu=False, scp=True)]
    async with await Association.request(local, remote, contexts, roles) as association:
        association.doing = "N-EVENT-REPORT of storage commitment"
        context_id = association.context(STORAGE_COMMITMENT).context_id
        message_id = association.next_message_id()
        await _send(association, context_id, message_id, report)
        response = await association.response(NEventReportRSP, message_id)
        if response.has_data_set:
            await association.data_set()
        if response.status:
            status = describe(response.status, NEventReportRSP)
            raise OperationFailed(
                association.remote, association.doing, status, response.error_comment
            )


async def report_by_title(
    local: Listen, known: Mapping[str, Remote], ae_title: str, reports: list[Transaction]
) -> None:
    """Report to the node known by this AE title; log reports that cannot be delivered."""
    remote = known.get(ae_title.strip())
    for report in reports:
        if remote is None:
            _LOG.warning(
                "report %s was not delivered: %s has no known address", report.uid, ae_title
            )
            continue
        try:
            await report_to(local, remote, report)
        except (DcmError, OSError) as error:
            _LOG.warning("report %s was not delivered: %s", report.uid, error)
        except Exception:  # noqa: BLE001 - otherwise it would go unnoticed
            _LOG.exception("report %s was not delivered", report.uid)
