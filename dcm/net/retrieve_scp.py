"""The common part of C-MOVE and C-GET as SCP (PS3.4 C.4.2, C.4.3): sub-operations, and reporting on them.

A sub-operation is the C-STORE of one instance.
"""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from dcm.data.identifier import write_identifier
from dcm.data.levels import Level
from dcm.frozen import replace
from dcm.instances import FileInstance
from dcm.net.asked import UNABLE, Asked, Unanswerable
from dcm.net.association import Association
from dcm.net.incoming import comment_of
from dcm.net.performing import Batches, CatalogueFailed, Slots, in_thread
from dcm.outcome import InstanceResult, Outcome
from dcm.store.catalogue import Catalogue
from dcm.wire import DATA_SET, CGetRQ, CGetRSP, CMoveRQ, CMoveRSP, Command, DataFragment

_LOG: Final = logging.getLogger(__name__)
_PENDING, _CANCELLED, _SOME_FAILED, _ALL_FAILED = 0xFF00, 0xFE00, 0xB000, 0xA702
_NOT_COUNTED: Final = 0xA701
_MOST: Final = 0xFFFF
"""The largest number that fits in a response."""
_LONGEST_LIST: Final = 0xFFFE
"""The maximum length of a UI value in explicit VR (PS3.5 7.1.2): about a thousand UIDs."""


class SubOperations:
    """The progress of a retrieval: the numbers of completed, failed and warning sub-operations."""

    def __init__(self, association: Association, command: Command, total: int) -> None:
        self.total = total
        self.completed = self.failed = self.warning = 0
        self._association: Final = association
        self._context_id: Final = command.context_id
        request = command.message
        assert isinstance(request, CMoveRQ | CGetRQ)
        self._request: Final = request
        self._failed_uids: Final[list[str]] = []
        self._room = _LONGEST_LIST

    @property
    def done(self) -> int:
        """The number of finished sub-operations."""
        return self.completed + self.failed + self.warning

    def count(self, result: InstanceResult) -> None:
        """Count a finished sub-operation."""
        if result.outcome is Outcome.STORED:
            self.completed += 1
        elif result.stored:
            self.warning += 1
        else:
            self._fail(result)
        self.total = max(self.total, self.done)  # more may have arrived since they were counted

    def _fail(self, result: InstanceResult) -> None:
        self.failed += 1
        uid = result.sop_instance_uid
        if len(uid) < self._room:
            self._failed_uids.append(uid)
            self._room -= len(uid) + 1
        _LOG.warning("%s: %s was not sent: %s", self._association.remote, uid, result.words)

    def pending(self) -> Command:
        """Return a pending response with the progress."""
        return Command(self._context_id, self._response(_PENDING, self.total - self.done))

    async def send_pending(self) -> None:
        """Send a pending response with the progress."""
        await self._association.send(self.pending())

    async def finish(self, *, cancelled: bool = False, failed: bool = False) -> None:
        """Send the final response, with the status from Table C.4-2 or C.4-3 and the failed instances.

        failed: the remaining instances are not known.
        """
        remaining = self.total - self.done if cancelled else None
        response = self._response(self._status(cancelled=cancelled, failed=failed), remaining)
        if not self._failed_uids:
            await self._association.send(Command(self._context_id, response))
            return
        syntax = self._association.context_by_id(self._context_id).transfer_syntax
        failures = {"FailedSOPInstanceUIDList": "\\".join(self._failed_uids)}
        data = write_identifier(failures, syntax)
        await self._association.send(
            Command(self._context_id, replace(response, command_data_set_type=DATA_SET)),
            DataFragment(self._context_id, data, last=True),
        )

    def _status(self, *, cancelled: bool, failed: bool) -> int:
        if cancelled:
            return _CANCELLED
        if failed:
            return UNABLE
        if not self.failed and not self.warning:
            return 0
        return _SOME_FAILED if self.completed or self.warning else _ALL_FAILED

    def _response(self, status: int, remaining: int | None) -> CGetRSP | CMoveRSP:
        kind = CMoveRSP if isinstance(self._request, CMoveRQ) else CGetRSP
        return kind(
            message_id_being_responded_to=self._request.message_id,
            affected_sop_class_uid=self._request.affected_sop_class_uid,
            status=status,
            number_of_remaining_suboperations=None if remaining is None else min(remaining, _MOST),
            number_of_completed_suboperations=min(self.completed, _MOST),
            number_of_failed_suboperations=min(self.failed, _MOST),
            number_of_warning_suboperations=min(self.warning, _MOST),
        )


async def refuse(association: Association, command: Command, error: Unanswerable) -> None:
    """Reject a request."""
    request = command.message
    assert isinstance(request, CMoveRQ | CGetRQ)
    why = error.__cause__ and error.__cause__.__cause__
    _LOG.warning("%s: %s rejected: %s", association.remote, request.NAME, why or error)
    kind = CMoveRSP if isinstance(request, CMoveRQ) else CGetRSP
    response = kind(
        message_id_being_responded_to=request.message_id,
        affected_sop_class_uid=request.affected_sop_class_uid,
        status=error.status,
        error_comment=comment_of(str(error)),
    )
    await association.send(Command(command.context_id, response))


@asynccontextmanager
async def counted(
    catalogue: Catalogue, asked: Asked, slots: Slots
) -> AsyncIterator[tuple[int, Batches[FileInstance]]]:
    """Return the number of instances to send, and the instances. Raises `Unanswerable`."""
    async with in_thread(partial(_number_first, catalogue, asked), slots) as found:
        try:
            [total] = await found.next(1)
        except CatalogueFailed as error:
            raise Unanswerable(_NOT_COUNTED, "the index could not be read") from error
        assert isinstance(total, int)
        yield total, found  # type: ignore[misc]  # all others are instances


def _number_first(catalogue: Catalogue, asked: Asked) -> Iterator[int | FileInstance]:
    yield catalogue.count(asked.keys, Level.IMAGE)
    for each in catalogue.instances(asked.keys):
        yield each.instance


def log_failed(association: Association, error: CatalogueFailed) -> None:
    """Log why the catalogue could not list the instances to send."""
    _LOG.error("%s: cannot find out what to send: %r", association.remote, error.__cause__)
