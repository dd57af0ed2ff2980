"""Values that Orthanc derives, computed for cases: its identifiers, and the ETags of revisions."""

import hashlib
from typing import NamedTuple

import requests

from harness.corpus import Sample

FOLDERS = ("patients", "studies", "series", "instances")
"""The REST API's collections of resources, from the highest level down."""
REVISIONS = "Orthanc Book: REST API, CheckRevisions"
BLIND_CHANGES = {
    "none": None,
    "other-revision": "7-{md5}",
    "other-digest": "0-d41d8cd98f00b204e9800998ecf8427e",
}
"""If-Match of a client without the current revision and content, by name; None omits it."""


class OrthancIds(NamedTuple):
    """The identifiers under which Orthanc lists an instance and its parents."""

    patient: str
    study: str
    series: str
    instance: str

    def at(self, level: str) -> str:
        """Return the identifier at a level, named as in the standard or in the REST API."""
        return self[_index(level)]

    def path(self, level: str) -> str:
        """Return the path of the resource at a level."""
        return f"/{FOLDERS[_index(level)]}/{self.at(level)}"


def _index(level: str) -> int:
    return (FOLDERS if level in FOLDERS else OrthancIds._fields).index(level.lower())


def orthanc_ids(sample: Sample) -> OrthancIds:
    """Compute the identifiers of `sample`: SHA-1 of the DICOM identifiers down to each level."""
    keys = (
        sample.patient_id,
        sample.study_instance_uid,
        sample.series_instance_uid,
        sample.sop_instance_uid,
    )
    return OrthancIds(*(_digest("|".join(keys[:depth])) for depth in (1, 2, 3, 4)))


def _digest(text: str) -> str:
    """Return the SHA-1 in Orthanc's notation: five groups of eight hexadecimal digits."""
    # A public identifier and not a secret.
    digits = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return "-".join(digits[start : start + 8] for start in range(0, 40, 8))


def md5(data: bytes | str) -> str:
    """Return the MD5 digest of the content, in hexadecimal."""
    content = data.encode() if isinstance(data, str) else data
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def first_etag(value: bytes | str) -> str:
    """Return the ETag of a value that was set for the first time, without quotes."""
    return f"0-{md5(value)}"


def if_match(etag: str | None, value: bytes | str) -> dict[str, str]:
    """Return the If-Match header for an ETag of `BLIND_CHANGES` and a resource's `value`."""
    return {} if etag is None else {"If-Match": etag.format(md5=md5(value))}


NOT_SUPPORTED, OUT_OF_RANGE, BAD_TYPE, BAD_REQUEST = 2, 3, 5, 8
BAD_FILE_FORMAT, UNKNOWN_RESOURCE, UNKNOWN_TAG = 15, 17, 27
"""Some of Orthanc's error codes: the `OrthancStatus` of a refusal."""


def error_of(answer: requests.Response) -> tuple[int, int]:
    """Return HTTP status and Orthanc error code of an error response.

    Fails the case unless the body repeats the HTTP status and names the error.
    """
    told = answer.json()
    assert told["HttpStatus"] == answer.status_code, (
        f"the body says {told['HttpStatus']} and the status line {answer.status_code}"
    )
    assert told["OrthancError"], "the body does not name the error"
    return answer.status_code, told["OrthancStatus"]
