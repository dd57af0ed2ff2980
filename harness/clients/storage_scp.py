"""A storage SCP for cases, which keeps the C-STORE requests of a server and their objects."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association

from harness.clients.dimse import SUCCESS, received_with, values
from harness.clients.listening import Listener
from harness.model import AETitle
from harness.waiting import wait_until


@dataclass(frozen=True)
class Arrival:
    """A received object, and its C-STORE request (PS3.7 9.3.1.1)."""

    dataset: Dataset
    calling: str
    originator: str | None
    """Move Originator Application Entity Title."""
    originator_message_id: int | None


class StorageScp(Listener):
    """Accepts these SOP classes in any of these transfer syntaxes, during a `with` block.

    Accepting all those in the standard would cost pynetdicom 100 ms or more for each association.
    """

    def __init__(
        self, sop_classes: Iterable[str], transfer_syntaxes: Iterable[str], time_limit: float
    ) -> None:
        self.sop_classes = tuple(sop_classes)
        self.transfer_syntaxes = tuple(transfer_syntaxes)
        self.time_limit = time_limit
        self.expect(AETitle("STORAGE-SCP"))

    def expect(self, ae_title: AETitle, answers: Iterable[int] = ()) -> None:
        """Start over as `ae_title`: respond with the statuses `answers`, then with Success."""
        self.ae_title = ae_title
        self._arrivals: list[Arrival] = []
        self._answers = iter(answers)
        self._open: set[Association] = set()

    def received(self, count: int) -> list[Arrival]:
        """Wait for `count` objects and the end of the sender's associations; return the objects.

        More than `count` may have arrived by then; the case has to check.
        """
        wait_until(
            lambda: len(self._arrivals) >= count and not self._open,
            what=f"{count} objects sent by C-STORE, and the end of the association",
            within=self.time_limit,
        )
        return list(self._arrivals)

    def received_uids(self, count: int) -> list[str]:
        """Wait as `received` does, and return the SOP Instance UIDs of the objects, sorted."""
        return values((each.dataset for each in self.received(count)), "SOPInstanceUID")

    def _entity(self) -> AE:
        entity = AE(ae_title=self.ae_title)
        for sop_class in self.sop_classes:
            entity.add_supported_context(sop_class, list(self.transfer_syntaxes))
        return entity

    def _handlers(self) -> list[tuple[Any, ...]]:
        return [
            (evt.EVT_C_STORE, self._keep),
            (evt.EVT_CONN_OPEN, lambda event: self._open.add(event.assoc)),
            (evt.EVT_CONN_CLOSE, lambda event: self._open.discard(event.assoc)),
        ]

    def _keep(self, event: evt.Event) -> int:
        arrival = Arrival(
            received_with(event),
            calling=event.assoc.requestor.ae_title,
            originator=event.request.MoveOriginatorApplicationEntityTitle,
            originator_message_id=event.request.MoveOriginatorMessageID,
        )
        self._arrivals.append(arrival)
        return next(self._answers, SUCCESS)
