"""What an archive tells of the instances that it sends for a C-GET or C-MOVE (PS3.4 C.4.2.1, C.4.3.1)."""

from typing import Final, Self

from dcm.data.identifier import BadIdentifier, read_identifier
from dcm.frozen import Frozen
from dcm.net.association import Association
from dcm.net.errors import NotAccepted, OperationFailed
from dcm.wire import CGetRSP, CMoveRSP, Command, Status, StatusClass, describe, readable

STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.2.2"
PATIENT_ROOT_MOVE: Final = "1.2.840.10008.5.1.4.1.2.1.2"

_HOPELESS: Final = (0xA801, 0x0122, 0x0124)
"""Move destination unknown, class not supported, not authorized: it will be so for all that follows."""


class SubOperations(Frozen):
    """A response to C-GET or C-MOVE: numbers as far as it has them, and which instances failed."""

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
        """Take a response, with the data set that may follow it."""
        response = association.expect(command, kind, message_id)
        failed_uids: tuple[str, ...] = ()
        if response.has_data_set:
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
        """Whether no response follows."""
        return self.status.kind is not StatusClass.PENDING

    @property
    def sent(self) -> int | None:
        """How many instances the archive has sent, if it says so."""
        return None if self.completed is None else self.completed + (self.warning or 0)

    @property
    def words(self) -> str:
        """What went wrong, in words; empty: nothing."""
        if self.status.kind is StatusClass.SUCCESS and not self.failed:
            return ""
        failed = f"{self.failed} instances failed" if self.failed else ""
        return ": ".join(filter(None, (str(self.status), self.comment, failed)))


def _failed(data: bytes, transfer_syntax: str) -> tuple[str, ...]:
    """Read the Failed SOP Instance UID List; one that cannot be read says nothing."""
    try:
        uids = read_identifier(data, transfer_syntax).get("FailedSOPInstanceUIDList", "")
    except BadIdentifier:
        return ()
    return tuple(filter(None, uids.split("\\"))) if isinstance(uids, str) else ()


def accepted_model(association: Association, preferred: str, other: str) -> str:
    """Give the information model that the peer accepted, the preferred one if both. Raises `NotAccepted`."""
    try:
        return association.context(preferred).abstract_syntax
    except NotAccepted:
        return association.context(other).abstract_syntax


def require_hope(association: Association, event: object) -> None:
    """Raise `OperationFailed` for a final response that would be the same for whatever is asked next."""
    if isinstance(event, SubOperations) and event.status.code in _HOPELESS:
        raise OperationFailed(association.remote, association.doing, event.status, event.comment)
