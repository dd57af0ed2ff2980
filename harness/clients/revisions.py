"""Revisions of metadata and attachments: the ETag by which Orthanc lets a client change what it has seen."""

import hashlib

REVISIONS = "Orthanc Book: REST API, CheckRevisions"
BLIND_CHANGES = {
    "none": None,
    "other-revision": "7-{md5}",
    "other-digest": "0-d41d8cd98f00b204e9800998ecf8427e",
}
"""If-Match of a client that does not know the present revision and content, by a name; None: no header."""


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
