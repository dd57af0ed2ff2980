"""The modality worklist of the remote: items in its folder, and the queries of an SCU."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from harness.clients.answers import single
from harness.clients.dimse import Dimse, identifier_of
from harness.corpus import Sample


@dataclass(frozen=True)
class Worklist:
    """A folder of worklist items, one file each, and the server that uses it."""

    folder: Path
    dimse: Dimse

    def put(self, *items: Sample | bytes) -> None:
        """Add items; the harness removes them after the case."""
        taken = sum(1 for _ in self.folder.glob("*.wl"))
        for number, item in enumerate(items, start=taken + 1):
            content = item if isinstance(item, bytes) else item.data
            (self.folder / f"{number:03}.wl").write_bytes(content)

    def find(self, step: dict[str, Any] | None = None, **keys: Any) -> list[Dataset]:
        """Query with `keys`, and `step` for the Scheduled Procedure Step (PS3.4 K.6.1.2.2).

        Fails the case unless the final status is Success.
        """
        return self.dimse.worklist(asking(step, **keys)).complete()

    def names(self, step: dict[str, Any] | None = None, **keys: Any) -> list[str]:
        """Query as `find` does, and return the names of the patients found, in order."""
        return names_of(self.find(step, **{"PatientName": "", **keys}))


def names_of(found: Iterable[Dataset]) -> list[str]:
    """Return the names of the patients, in order; empty for an item that has none."""
    return sorted(str(each.get("PatientName", "")) for each in found)


def step_of(item: Dataset) -> Dataset:
    """Return the Scheduled Procedure Step of an item; fails the case unless it has one."""
    steps = item.get("ScheduledProcedureStepSequence") or ()
    found: Dataset = single(steps, "Scheduled Procedure Step")
    return found


def asking(step: dict[str, Any] | None = None, **keys: Any) -> Dataset:
    """Make the identifier of a worklist query; an empty value requests the attribute."""
    identifier = identifier_of(keys)
    if step is not None:
        identifier.ScheduledProcedureStepSequence = Sequence([identifier_of(step)])
    return identifier
