"""Orthanc's own identifiers, which follow from those of DICOM: cases compute them instead of copying them."""

import hashlib
from typing import NamedTuple

from harness.corpus import Sample

FOLDERS = ("patients", "studies", "series", "instances")
"""Where the REST API lists the resources of each level, from the highest down."""
_LEVELS = ("patient", "study", "series", "instance")


class OrthancIds(NamedTuple):
    """The identifiers under which Orthanc lists an instance and its parents."""

    patient: str
    study: str
    series: str
    instance: str

    def at(self, level: str) -> str:
        """Return the identifier at a level, which is named as the standard or as the REST API names it."""
        return self[_index(level)]

    def path(self, level: str) -> str:
        """Return the path of the resource at a level."""
        return f"/{FOLDERS[_index(level)]}/{self.at(level)}"


def _index(level: str) -> int:
    return FOLDERS.index(level) if level in FOLDERS else _LEVELS.index(level.lower())


def orthanc_ids(sample: Sample) -> OrthancIds:
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
