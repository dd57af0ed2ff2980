"""What Orthanc derives, and cases compute: identifiers from those of DICOM, and the ETags of revisions."""

import hashlib
from typing import NamedTuple

import requests

from harness.corpus import Sample

FOLDERS = ("patients", "studies", "series", "instances")
"""Where the REST API lists the resources of each level, from the highest down."""
REVISIONS = "Orthanc Book: REST API, CheckRevisions"
BLIND_CHANGES = {
    "none": None,
    "other-revision": "7-{md5}",
    "other-digest": "0-d41d8cd98f00b204e9800998ecf8427e",
}
"""If-Match of a client that does not know the present revision and content, by a name; None: no header."""


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
    return (FOLDERS if level in FOLDERS else OrthancIds._fields).index(level.lower())


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


def md5(data: bytes | str) -> str:
    """Return the digest of a content, in hexadecimal."""
    content = data.encode() if isinstance(data, str) else data
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def first_etag(value: bytes | str) -> str:
    """Return the ETag of a value that was set for the first time, without its quotes."""
    return f"0-{md5(value)}"


def if_match(etag: str | None, value: bytes | str) -> dict[str, str]:
    """Return the header If-Match for an ETag of `BLIND_CHANGES`, of a resource that has `value`."""
    return {} if etag is None else {"If-Match": etag.format(md5=md5(value))}


NOT_SUPPORTED, OUT_OF_RANGE, BAD_TYPE, BAD_REQUEST = 2, 3, 5, 8
BAD_FILE_FORMAT, UNKNOWN_RESOURCE, UNKNOWN_TAG = 15, 17, 27
"""Some of Orthanc's own error codes: the `OrthancStatus` of a refusal."""


def error_of(answer: requests.Response) -> tuple[int, int]:
    """Return HTTP status and Orthanc's own error code of a refusal; fails the case if its body is none.

    The body has to repeat the HTTP status, and to name the error.
    """
    told = answer.json()
    assert told["HttpStatus"] == answer.status_code, (
        f"the body says {told['HttpStatus']} and the status line {answer.status_code}"
    )
    assert told["OrthancError"], "the body does not name the error"
    return answer.status_code, told["OrthancStatus"]
