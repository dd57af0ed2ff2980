"""Orthanc's own identifiers, which follow from those of DICOM: cases compute them, and never copy them."""

import hashlib
from typing import NamedTuple

from harness.clients.storable import Identified


class OrthancIds(NamedTuple):
    """The identifiers under which Orthanc lists an instance and its parents."""

    patient: str
    study: str
    series: str
    instance: str


def orthanc_ids(sample: Identified) -> OrthancIds:
    """Compute the identifiers of `sample`: SHA-1 over the identifiers of DICOM down to each level."""
    keys = (
        sample.patient_id,
        sample.study_instance_uid,
        sample.series_instance_uid,
        sample.sop_instance_uid,
    )
    return OrthancIds(*(_digest("|".join(keys[:depth])) for depth in (1, 2, 3, 4)))


def _digest(text: str) -> str:
    """Write SHA-1 as Orthanc does: five groups of eight hexadecimal digits."""
    # An identifier that anybody can compute, and no secret.
    digits = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return "-".join(digits[start : start + 8] for start in range(0, 40, 8))
