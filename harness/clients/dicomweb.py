"""The DICOMweb client of the cases (PS3.18), deliberately thin: a case can also send wrong requests."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import requests

from harness.clients import multipart
from harness.clients.answers import number, single
from harness.clients.rest import Rest
from harness.corpus import Sample

DICOM_JSON = "application/dicom+json"
DICOM = "application/dicom"
OCTET_STREAM = "application/octet-stream"

# Attributes by their tags, as in the DICOM JSON model.
SOP_INSTANCE_UID = "00080018"
RETRIEVE_URL = "00081190"
FAILURE_REASON = "00081197"
FAILED_SOP_SEQUENCE = "00081198"
REFERENCED_SOP_SEQUENCE = "00081199"
REFERENCED_SOP_CLASS_UID = "00081150"
REFERENCED_SOP_INSTANCE_UID = "00081155"
PATIENT_NAME = "00100010"
PATIENT_ID = "00100020"
STUDY_INSTANCE_UID = "0020000D"
SERIES_INSTANCE_UID = "0020000E"

# Characters that RFC 3986 3.4 allows in a query. Only what must be encoded is encoded: whether a
# server decodes unnecessary escapes is tested by a case of its own.
_LEFT_ALONE = "*?:/,@"


@dataclass(frozen=True)
class DicomWeb:
    """Communicates with one server by DICOMweb, below `root` of its REST API."""

    rest: Rest
    root: str = "/dicom-web"

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request for `path` below the root; options as for `Rest.request`."""
        return self.rest.request(method, self.root + path, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET `path` below the root; options as for `Rest.request`."""
        return self.request("GET", path, **options)

    def follow(self, url: str, **options: Any) -> requests.Response:
        """GET a URL from an answer of the server; fails the case if it points to another server."""
        assert isinstance(url, str), f"expected a URL, received {url!r}"
        assert url.startswith(f"{self.rest.base}/"), f"{url!r} leads away from {self.rest.base}"
        return self.rest.get(url.removeprefix(self.rest.base), **options)

    def qido(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Search (PS3.18 10.6) and return the data sets found, in the DICOM JSON model.

        204 No Content counts as an empty result (PS3.18 10.6.3.1).
        """
        query = urlencode(params, doseq=True, safe=_LEFT_ALONE, quote_via=quote)
        url = f"{path}?{query}" if query else path
        answer = self.get(url, headers={"Accept": DICOM_JSON}, expect=(200, 204))
        found: list[dict[str, Any]] = answer.json() if answer.content else []
        return found

    def metadata(self, path: str) -> list[dict[str, Any]]:
        """Retrieve `path`/metadata (PS3.18 10.4.1.1.2) in the DICOM JSON model."""
        answer = self.get(f"{path}/metadata", headers={"Accept": DICOM_JSON})
        found: list[dict[str, Any]] = answer.json()
        return found

    def metadata_of(self, instance: Sample) -> dict[str, Any]:
        """Retrieve the metadata of one object; fails the case unless exactly one data set is returned."""
        return single(self.metadata(instance_path(instance)), "data set")

    def wado(
        self, path: str, media_type: str = DICOM, transfer_syntax: str | None = None
    ) -> list[multipart.Part]:
        """Retrieve `path` (PS3.18 10.4) as multipart/related parts of `media_type`."""
        accept = _related(media_type)
        if transfer_syntax is not None:
            accept += f"; transfer-syntax={transfer_syntax}"
        return multipart.parts_of(self.get(path, headers={"Accept": accept}))

    def wado_part(self, path: str, *how: str, **more: Any) -> multipart.Part:
        """Retrieve as `wado` does; fails the case unless exactly one part is returned."""
        return single(self.wado(path, *how, **more), "part")

    def binary(self, element: dict[str, Any]) -> bytes:
        """Return the value of a binary element (DICOM JSON), inline or bulk (PS3.18 F.2.7)."""
        if "InlineBinary" in element:
            text = element["InlineBinary"]
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, TypeError, ValueError) as error:
                raise AssertionError(f"expected base64, received {text!r}: {error}") from error
        answer = self.follow(element["BulkDataURI"], headers={"Accept": _related(OCTET_STREAM)})
        return single(multipart.parts_of(answer), "part").content

    def stow(self, files: Iterable[bytes], **options: Any) -> requests.Response:
        """Store Part 10 files (PS3.18 10.5); options as for `stow_body`."""
        return self.stow_body(multipart.build(files, DICOM), **options)

    def stow_body(
        self,
        body: object,
        *,
        content_type: str = f'multipart/related; type="{DICOM}"; boundary={multipart.BOUNDARY}',
        accept: str | None = DICOM_JSON,
        study: str | None = None,
        **options: Any,
    ) -> requests.Response:
        """POST any `body` to the Store service (PS3.18 10.5), of `study` if one is given."""
        headers = {"Accept": accept, "Content-Type": content_type}
        path = "/studies" if study is None else f"/studies/{study}"
        return self.request("POST", path, data=body, headers=headers, **options)


def study_path(of: Sample) -> str:
    """Return the path of the study of an object (PS3.18 10.1.1)."""
    return f"/studies/{of.study_instance_uid}"


def series_path(of: Sample) -> str:
    """Return the path of the series of an object."""
    return f"{study_path(of)}/series/{of.series_instance_uid}"


def instance_path(of: Sample) -> str:
    """Return the path of an object."""
    return f"{series_path(of)}/instances/{of.sop_instance_uid}"


PATHS = {"study": study_path, "series": series_path, "instance": instance_path}
"""The path of the study, series or instance of an object, by level."""


def json_values(dataset: dict[str, Any], tag: str) -> list[Any]:
    """Return the values of `tag` (eight hex digits) in the DICOM JSON model (PS3.18 F.2)."""
    element = dataset.get(tag, {})
    assert isinstance(element, dict), f"{tag} is {element!r}, not an object"
    found = element.get("Value", [])
    assert isinstance(found, list), f"{tag} has the value {found!r}, not a list"
    return found


def json_value(dataset: dict[str, Any], tag: str) -> Any:
    """Return the only value of `tag`, or None if there is no value."""
    found = json_values(dataset, tag)
    assert len(found) <= 1, f"{tag} has the values {found!r} where one was expected"
    return found[0] if found else None


def json_number(dataset: dict[str, Any], tag: str) -> float:
    """Return the only value of `tag`, a number or text: IS, DS, SV and UV allow both.

    Editions before 2020 allowed only numbers (Table F.2.3-1).
    """
    return number(json_value(dataset, tag))


def person_name(name: object) -> str:
    """Return a person name of the DICOM JSON model (PS3.18 F.2.2) as written in DICOM files."""
    assert isinstance(name, dict), f"expected a person name, received {name!r}"
    groups = (str(name.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic"))
    return "=".join(groups).rstrip("=")


def _related(media_type: str) -> str:
    return f'multipart/related; type="{media_type}"'
