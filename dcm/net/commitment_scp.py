"""Storage commitment as SCP (PS3.4 Annex J) for the instances in files.

A request is answered at once, and the result is reported: on the same association as long as it stands and
the peer confirms, otherwise on a new one to the address that is known for its AE title.
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
"""Seconds after which a peer is taken to wait for the report where it is."""
_DONE, _WITH_FAILURES = 1, 2  # event type IDs (PS3.4 J.3.3.1.1)


class Held(Protocol):
    """Knows in which files instances are. Its method may block."""

    def files(self, sop_instance_uids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the files of instances by SOP Instance UID, of each several if it is there several times."""


class InFolder:
    """Instances in a folder that has a file for each."""

    def __init__(self, folder: Folder) -> None:
        self._folder: Final = folder

    def files(self, sop_instance_uids: Sequence[str]) -> dict[str, list[str]]:
        """Return where these instances are, or would be."""
        return {uid: variants(self._folder.place(uid)) for uid in sop_instance_uids}


def committed(held: Held | None, asked: Transaction) -> Transaction:
    """Return which of the instances are whole in their files, after flushing them to disk (fsync).

    held: None: they go elsewhere, and nothing can be said of them.
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

    Of several objects with its UID, one that can be is enough.
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
    """The requests that come on one association, and what is to be reported of them.

    reachable: whether the peer can be told on an association of our own.
    """

    def __init__(self, held: Held | None, *, reachable: bool = False) -> None:
        self._held: Final = held
        self._reachable: Final = reachable
        self._unconfirmed: Final[dict[int, Transaction]] = {}

    @property
    def unconfirmed(self) -> list[Transaction]:
        """The reports that the peer has not confirmed, and so may not have received."""
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
            return  # a report that crosses a release may be lost, or stop the peer
        await _send(association, command.context_id, message_id, report)

    async def _is_leaving(self, association: Association) -> bool:
        """Return whether the peer, once its request is answered, ends the association soon."""
        try:
            async with asyncio.timeout(_SOON):
                return not isinstance(await association.coming(), Command)
        except TimeoutError:
            return False

    async def confirmed(self, association: Association, command: Command) -> None:
        """Take the peer's answer to a report."""
        response = command.message
        assert isinstance(response, NEventReportRSP)
        if response.has_data_set:
            await association.data_set()
        report = self._unconfirmed.pop(response.message_id_being_responded_to, None)
        if report is None:
            raise association.broken("N-EVENT-REPORT-RSP to what was not reported")
        if response.status:  # it was heard: to say it again helps nobody
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
    """Report on an association of its own, on which we are the SCP. Raises `NetworkError`."""
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
    """Report to the node known by this AE title; log what cannot be reported."""
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
        except Exception:  # noqa: BLE001 - nothing else would tell of it
            _LOG.exception("report %s was not delivered", report.uid)
