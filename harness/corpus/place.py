"""Where an object stands in the hierarchy, and the UIDs that follow from it."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Self

from pydicom.uid import UID


def uid(*name: object) -> UID:
    """Derive a UID from a name: the same name gives the same UID, everywhere and for ever.

    The form is that of a UUID below 2.25 (PS3.5 B.2), and its number is taken from the SHA-256
    of the name.
    """
    digest = hashlib.sha256("\n".join(str(part) for part in name).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


IMPLEMENTATION_CLASS_UID = uid("dicom-harness", "implementation")
IMPLEMENTATION_VERSION_NAME = "HARNESS_CORPUS_1"


@dataclass(frozen=True)
class Place:
    """The scope, patient, study, series and number of one object."""

    scope: str
    patient_id: str
    study: str = "1"
    series: str = "1"
    number: int = 1

    def at(self, **changes: Any) -> Self:
        """Return another place that differs in the named levels only."""
        return replace(self, **changes)

    @property
    def study_instance_uid(self) -> UID:
        """The Study Instance UID of all objects of this study."""
        return uid(self.scope, "study", self.patient_id, self.study)

    @property
    def series_instance_uid(self) -> UID:
        """The Series Instance UID of all objects of this series."""
        return uid(self.scope, "series", self.patient_id, self.study, self.series)

    @property
    def sop_instance_uid(self) -> UID:
        """The SOP Instance UID of the one object at this place."""
        return uid(self.scope, "instance", self.patient_id, self.study, self.series, self.number)

    @property
    def frame_of_reference_uid(self) -> UID:
        """The frame of reference that all series of this study share."""
        return uid(self.scope, "frame of reference", self.patient_id, self.study)

    @property
    def accession_number(self) -> str:
        """An Accession Number of this study alone."""
        return "A" + str(self.study_instance_uid)[-10:]
