"""Modification and anonymization by Orthanc: requests of the cases, and the resulting objects."""

import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag

from harness.clients.answers import Malformed
from harness.clients.orthanc import orthanc_ids
from harness.clients.rest import Rest
from harness.corpus import Sample
from harness.waiting import wait_until

JOB_LIMIT: Final = 10.0
_WELL_KNOWN: Final = "1.2.840.10008."


class MissingAttribute(AssertionError, AttributeError, KeyError):  # noqa: N818 - the server's failure
    """An object from the server does not have the attribute that the case reads."""

    __str__ = Exception.__str__  # KeyError's would put the message in quotes


class Received(FileDataset):  # type: ignore[misc]  # pydicom has no types
    """An object from the server: reading a missing attribute fails the case."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError as error:
            if tag_for_keyword(name) is None:
                raise
            raise MissingAttribute(f"the object has no {name}") from error

    def __getitem__(self, key: Any) -> Any:
        try:
            return super().__getitem__(key)
        except KeyError as error:
            raise MissingAttribute(f"the object has no {key}") from error


def dataset_of(content: bytes) -> FileDataset:
    """Read a file from the server; fails the case if it is not a DICOM file."""
    try:
        ds = pydicom.dcmread(io.BytesIO(content))
    except InvalidDicomError as error:
        raise Malformed(f"the answer is not a DICOM file: {content[:80]!r}") from error
    ds.__class__ = Received
    return ds


def copied(rest: Rest, sample: Sample, action: str, **request: Any) -> FileDataset:
    """Modify or anonymize one instance, and return the resulting data set, which is not stored."""
    path = f"{orthanc_ids(sample).path('instance')}/{action}"
    return dataset_of(rest.post(path, request).content)


def files(rest: Rest, path: str) -> list[FileDataset]:
    """Return the data sets of all instances below a resource, by series and instance number."""
    found = [
        dataset_of(rest.get(f"/instances/{each['ID']}/file").content)
        for each in rest.json(f"{path}/instances")
    ]
    return sorted(found, key=lambda each: (each.get("SeriesNumber"), each.get("InstanceNumber")))


def refused(rest: Rest, path: str, request: object, *, status: int = 400, code: int) -> None:
    """POST a request that must fail with this HTTP status and Orthanc error, and change nothing."""
    before = listed(rest)
    answer = rest.post(path, request, expect=status).json()
    assert (answer["HttpStatus"], answer["OrthancStatus"]) == (status, code)
    assert listed(rest) == before


def listed(rest: Rest) -> set[str]:
    """Return the identifiers of all instances; the same UIDs determine those of their parents."""
    return set(rest.json("/instances"))


def finished_job(rest: Rest, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Wait for the job that an asynchronous request started, and return it; it must succeed."""
    path = f"/jobs/{answer['ID']}"
    assert answer["Path"] == path

    def ended() -> bool:
        return rest.json(path)["State"] not in ("Pending", "Running")

    wait_until(ended, what="the end of the job", within=JOB_LIMIT)
    job: dict[str, Any] = rest.json(path)
    assert job["State"] == "Success"
    return job


def uids(ds: Dataset, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every UID at every level with its path, except those registered by the standard."""
    for element in ds:
        name = f"{path}{element.keyword or element.tag}"
        if element.VR == "SQ":
            for number, each in enumerate(element.value or (), start=1):
                yield from uids(each, f"{name}[{number}].")
        elif element.VR == "UI":
            several = element.value if element.VM > 1 else [element.value]
            for each in several:
                if each and not each.startswith(_WELL_KNOWN):
                    yield name, str(each)


def new_uids(before: list[FileDataset], after: list[FileDataset]) -> dict[str, str]:
    """Return the new UID for each old one; fails the case if one is kept or mapped twice."""
    found: dict[str, str] = {}
    for original, copy in zip(before, after, strict=True):
        old, new = list(uids(original)), list(uids(copy))
        assert [path for path, _ in new] == [path for path, _ in old]
        for (path, was), (_, now) in zip(old, new, strict=True):
            assert now != was, f"{path} is still {was}"
            assert found.setdefault(was, now) == now, f"{path}: {was} became {found[was]} and {now}"
    assert len(set(found.values())) == len(found), "two UIDs became one"
    return found


def changed(before: Dataset, after: Dataset) -> set[str]:
    """Return the changed attributes of the data set, by keyword, or by tag if private."""
    tags = {*before.keys(), *after.keys()}
    return {_name(tag) for tag in tags if before.get(tag) != after.get(tag)}


def _name(tag: Any) -> str:
    return pydicom.datadict.keyword_for_tag(tag) or str(Tag(tag)).replace(" ", "")
