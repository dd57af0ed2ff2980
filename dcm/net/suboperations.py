"""The responses to a C-GET or C-MOVE: progress and failures (PS3.4 C.4.2.1, C.4.3.1)."""

import asyncio
from collections.abc import Callable
from typing import Final, Self

from dcm.data.identifier import BadIdentifier, read_identifier
from dcm.frozen import Frozen
from dcm.net.association import Association
from dcm.net.errors import NoProgress, NotAccepted, OperationFailed, TimedOut
from dcm.wire import CGetRSP, CMoveRSP, Command, Status, StatusClass, describe, readable

STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
PATIENT_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.1.2"

_HOPELESS: Final = (0xA801, 0x0122, 0x0124)
"""Move destination unknown, class not supported, not authorized: further requests would fail likewise."""
_PENDING: Final = 0xFF00
_REPEATED: Final = 5
"""A factor for the limit `response`, for pending responses that repeat the same numbers."""


class SubOperations(Frozen):
    """A response to C-GET or C-MOVE: the numbers that it contains, and the failed instances."""

    status: Status
    comment: str | None
    remaining: int | None
    completed: int | None
    failed: int | None
    warning: int | None
    failed_uids: tuple[str, ...] = ()

    @classmethod
    async def read(
        cls,
        association: Association,
        command: Command,
        kind: type[CGetRSP | CMoveRSP],
        message_id: int,
    ) -> Self:
        """Read a response and its data set, if any; a successful response has none."""
        response = association.expect(command, kind, message_id)
        failed_uids: tuple[str, ...] = ()
        if response.has_data_set and response.status != 0:
            syntax = association.context_by_id(command.context_id).transfer_syntax
            failed_uids = _failed(await association.data_set(), syntax)
        return cls(
            describe(response.status, kind),
            readable(response.error_comment) or None,
            response.number_of_remaining_suboperations,
            response.number_of_completed_suboperations,
            response.number_of_failed_suboperations,
            response.number_of_warning_suboperations,
            failed_uids,
        )

    @property
    def last(self) -> bool:
        """Whether this is the final response."""
        return self.status.kind is not StatusClass.PENDING

    @property
    def sent(self) -> int | None:
        """The number of instances that the archive has sent, or None if it does not report it."""
        return None if self.completed is None else self.completed + (self.warning or 0)

    @property
    def words(self) -> str:
        """A description of what went wrong; empty if nothing did."""
        if self.status.kind is StatusClass.SUCCESS and not self.failed:
            return ""
        failed = f"{self.failed} instances failed" if self.failed else ""
        return ": ".join(filter(None, (str(self.status), self.comment, failed)))


class Progress:
    """Checks that an operation makes progress within the limit `operation`."""

    def __init__(self, association: Association) -> None:
        self._association: Final = association
        self._numbers: object = None
        self._time: Final = asyncio.get_running_loop().time
        self.made()

    def made(self) -> None:
        """Note that an instance was received."""
        self._since = self._time()

    async def command(self) -> Command:
        """Return the next message. Raises `NoProgress` if neither it nor an instance arrives in time."""
        association, limit = self._association, self._association.limits.operation
        while True:
            try:
                command = await association.command(max(limit - self._passed(), 0.001))
            except TimedOut as error:
                if self._passed() >= limit:
                    raise self._none(
                        f"no response and no instance was received for {limit:g} s"
                    ) from error
                continue  # instances arrived meanwhile, on other associations
            if command is None:
                raise association.broken("it released the association before answering")
            return command

    async def response(
        self,
        command: Command,
        kind: type[CGetRSP | CMoveRSP],
        message_id: int,
        on_response: Callable[[SubOperations], object] | None = None,
    ) -> SubOperations | None:
        """Process a response; return it if it is final. `on_response` is called with each.

        Raises `NoProgress` if pending responses have contained nothing new for too long.
        """
        message = command.message
        plain = (
            on_response is None
            and isinstance(message, kind)
            and message.status == _PENDING
            and message.message_id_being_responded_to == message_id
            and not message.has_data_set
        )
        if not plain:  # otherwise it only announces more responses, as after each instance
            response = await SubOperations.read(self._association, command, kind, message_id)
            if on_response is not None:
                on_response(response)
            if response.last:
                return response
        assert isinstance(message, CGetRSP | CMoveRSP)
        numbers = (
            message.number_of_remaining_suboperations,
            message.number_of_completed_suboperations,
            message.number_of_failed_suboperations,
            message.number_of_warning_suboperations,
        )
        limits = self._association.limits
        if numbers != self._numbers:
            self._numbers = numbers
            self.made()
        elif self._passed() > (limit := min(limits.operation, _REPEATED * limits.response)):
            raise self._none(f"its responses have not changed for {limit:g} s", "response")
        return None

    def _passed(self) -> float:
        return self._time() - self._since

    def _none(self, what: str, limit: str = "operation") -> NoProgress:
        association = self._association
        return NoProgress(
            association.remote,
            association.doing,
            what,
            f"increase the time limit {limit} if it is slow",
        )


def _failed(data: bytes, transfer_syntax: str) -> tuple[str, ...]:
    """Read the Failed SOP Instance UID List; empty if it cannot be read."""
    try:
        uids = read_identifier(data, transfer_syntax).get("FailedSOPInstanceUIDList", "")
    except BadIdentifier:
        return ()
    return tuple(filter(None, uids.split("\\"))) if isinstance(uids, str) else ()


def accepted_model(association: Association, preferred: str, other: str) -> str:
    """Return an information model that the peer accepted, preferably the first. Raises `NotAccepted`."""
    try:
        return association.context(preferred).abstract_syntax
    except NotAccepted:
        return association.context(other).abstract_syntax


def raise_if_hopeless(association: Association, last: SubOperations) -> None:
    """Raise `OperationFailed` for a response that all further requests would get as well."""
    if last.status.code in _HOPELESS:
        raise OperationFailed(association.remote, association.doing, last.status, last.comment)
