"""The position of an object in the hierarchy, and the UIDs derived from it."""

import hashlib
from dataclasses import dataclass

from pydicom.uid import UID


def uid(*name: object) -> UID:
    """Derive a UID from a name: the same name always yields the same UID.

    The form is that of a UUID below 2.25 (PS3.5 B.2), and its number is taken from the SHA-256 of
    the name.
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

    def texts(self) -> dict[str, str]:
        """Return the texts derived from the place, by keyword, without patient and number."""
        study = (self.patient_id, self.study)
        series = (*study, self.series)
        study_instance_uid = uid(self.scope, "study", *study)
        return {
            "StudyInstanceUID": study_instance_uid,
            "StudyID": self.study[:16],
            "AccessionNumber": "A" + study_instance_uid[-10:],
            "StudyDescription": f"Study {self.study}",
            "SeriesInstanceUID": uid(self.scope, "series", *series),
            "SeriesNumber": str(int(self.series)) if self.series.isdecimal() else "1",
            "SeriesDescription": f"Series {self.series}",
            "SOPInstanceUID": uid(self.scope, "instance", *series, self.number),
            "FrameOfReferenceUID": uid(self.scope, "frame of reference", *study),
        }
