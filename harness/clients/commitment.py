"""Storage commitment from the SCU's side (PS3.4 J.3): a request, then a report on any association."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance

from harness.clients.dimse import NATIVE, SUCCESS, Dimse, identifier_of
from harness.clients.listening import Listener
from harness.model import AETitle
from harness.waiting import wait_until

Reference = tuple[str, str]
"""SOP class UID and SOP instance UID."""


@dataclass(frozen=True)
class Report:
    """An N-EVENT-REPORT (PS3.4 Table J.3-2): which objects were committed, which were not, and why."""

    event_type: int
    transaction_uid: str
    committed: list[Reference]
    failed: dict[Reference, int]


class CommitmentScu(Listener):
    """Requests commitment and receives the reports; a context manager that listens."""

    def __init__(self, ae_title: AETitle, time_limit: float) -> None:
        self.ae_title = ae_title
        self.time_limit = time_limit
        self._reports: list[Report] = []

    def _entity(self) -> AE:
        entity = AE(ae_title=self.ae_title)
        # The sender of a report proposes to be the SCP of the association that it requests (PS3.4
        # J.3.3.1.3).
        entity.add_supported_context(
            StorageCommitmentPushModel, list(NATIVE), scu_role=False, scp_role=True
        )
        return entity

    def _handlers(self) -> list[tuple[Any, ...]]:
        return [(evt.EVT_N_EVENT_REPORT, self._note)]

    def ask(self, dimse: Dimse, transaction_uid: str, references: Iterable[Reference]) -> int:
        """Send the request as an N-ACTION, and return the status of its response."""
        items = [
            identifier_of({"ReferencedSOPClassUID": uid, "ReferencedSOPInstanceUID": instance})
            for uid, instance in references
        ]
        information = Dataset()
        information.TransactionUID = transaction_uid
        information.ReferencedSOPSequence = Sequence(items)
        contexts = [(StorageCommitmentPushModel, NATIVE)]
        with dimse.associate(contexts, handlers=self._handlers()) as association:
            response, _ = association.send_n_action(
                information, 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
            )
        assert "Status" in response, "the N-ACTION was not answered"
        return int(response.Status)

    def reports(self, count: int) -> list[Report]:
        """Wait until `count` reports have arrived, and return them."""
        wait_until(
            lambda: len(self._reports) >= count,
            what=f"{count} reports about storage commitment",
            within=self.time_limit,
        )
        return list(self._reports)

    def report(self) -> Report:
        """Wait for a report and return it; fails the case if it is not the only one."""
        reports = self.reports(1)
        assert [each.transaction_uid for each in reports] == [reports[0].transaction_uid]
        return reports[0]

    def _note(self, event: evt.Event) -> tuple[int, None]:
        information = event.event_information
        report = Report(
            event.event_type,
            str(information.get("TransactionUID", "")),
            [_reference(each) for each in information.get("ReferencedSOPSequence", [])],
            {
                _reference(each): int(each.get("FailureReason", 0))
                for each in information.get("FailedSOPSequence", [])
            },
        )
        self._reports.append(report)
        return SUCCESS, None


def _reference(item: Dataset) -> Reference:
    return str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID)
