"""Lies about anonymization, modification, split, merge and bulk operations."""

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydicom import dcmread
from pydicom.dataset import FileDataset
from support.lies import Group, SeededLie
from support.web_lies import Asked, Change, header, in_json, lie, path_of, status

from harness.relay import HttpRequest, HttpResponse


def posted(end: str, folder: str = "", body: bytes = b"") -> Asked:
    """Match a POST to a folder's route whose body contains something."""

    def asked(ask: HttpRequest) -> bool:
        path = path_of(ask)
        return ask.method == "POST" and path.endswith(end) and folder in path and body in ask.body

    return asked


def of_file(change: Callable[[FileDataset], object]) -> Change:
    """Change the data set of a file, and encode it again; other answers pass."""

    def changed(answer: HttpResponse) -> HttpResponse:
        if answer.body[128:132] != b"DICM":
            return answer
        ds = dcmread(io.BytesIO(answer.body))
        change(ds)
        file = io.BytesIO()
        ds.save_as(file)
        return replace(answer, body=file.getvalue())

    return changed


def reading(ask: HttpRequest) -> bool:
    """Whether the request reads a stored file."""
    return ask.method == "GET" and path_of(ask).endswith("/file")


def told(name: str, asked: Asked, change: Change, *fails: str) -> SeededLie:
    """Return a lie that these cases notice."""
    return lie(name, set(fails), asked, change)


def sets(**elements: Any) -> Change:
    """Set elements of a file."""

    def change(ds: FileDataset) -> None:
        for keyword, value in elements.items():
            setattr(ds, keyword, value)

    return of_file(change)


def drops(keyword: str) -> Change:
    """Remove an element from files that have it."""
    return of_file(lambda ds: ds.pop(keyword, None))


def other_source(ds: FileDataset) -> None:
    """Let the second image refer to a different source image."""
    if ds.get("InstanceNumber") == 2 and "SourceImageSequence" in ds:
        ds.SourceImageSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def last_item(ds: FileDataset) -> None:
    """Change the last item of a sequence."""
    if "ReferencedInstanceSequence" in ds:
        ds.ReferencedInstanceSequence[-1].CodeMeaning = "Lie"


def nested_date(ds: FileDataset) -> None:
    """Put a date from the table into the last item."""
    if "ReferencedInstanceSequence" in ds:
        ds.ReferencedInstanceSequence[-1].StudyDate = "19630812"
        ds.ReferencedInstanceSequence[-1].StudyDescription = "WAS 00081030"


def creator(ds: FileDataset) -> None:
    """Remove all private elements."""
    for tag in [tag for tag in ds.keys() if tag.is_private]:  # noqa: SIM118 - not of its elements
        del ds[tag]


def listing(ask: HttpRequest) -> bool:
    """Whether the request lists the identifiers of all instances."""
    return ask.method == "GET" and path_of(ask) == "/instances"


def without_first(answer: dict[str, Any]) -> dict[str, Any]:
    """Omit the first resource of an answer."""
    return answer | {"Resources": answer["Resources"][1:]}


ANONYMIZED = posted("/anonymize", "/instances/")
MODIFIED = posted("/modify", "/instances/")
MODIFICATIONS = ("MODI-002[p01]", "MODI-003[study]", "MODI-005")
ON_SEQUENCES = ("MODS-004[item]",)
IN_ITEMS = ("MODS-001[second]",)

GROUP = Group(
    name="modification",
    sample=(
        "ANON-001*/-2021b-X", "ANON-002*/-2021b", "ANON-004*/-2021b", "ANON-009*/-2021b",
        "ANON-013", "ANON-014", "ANON-034*true-study*", "ANON-036",
        "ANON-040*SourceImageSequence*", "ANON-043*study-PatientID-Keep*",
        "ANON-061", "MODI-002*p01*", "MODI-003*study*", "MODI-005", "MODI-018*true-study*",
        "MODS-001*/-second", "MODS-004*/-item",
        "SPLIT-001*default*", "SPLIT-004", "MERGE-002", "MERGE-004", "BMOD-001", "BMOD-013",
    ),
    lies=(
        told("a description is still there", ANONYMIZED, sets(StudyDescription="WAS 00081030"),
             "ANON-001[2021b-X]"),
        told("an item is not cleaned", ANONYMIZED, of_file(nested_date), "ANON-002[2021b]"),
        told("a number is another one", ANONYMIZED, sets(InstanceNumber=77), "ANON-004[2021b]"),
        told("an older edition is named", ANONYMIZED,
             sets(DeidentificationMethod="Orthanc 1.0.0 - PS 3.15-2008 Table E.1-1"), "ANON-009[2021b]"),
        told("the Patient ID is short", ANONYMIZED, sets(PatientID="SHORT"), "ANON-013"),
        told("it is any file", ANONYMIZED, header("Content-Type", "dicom", "octet-stream"), "ANON-014"),
        told("private elements are gone", ANONYMIZED, of_file(creator), "ANON-061"),
        told("the second image has another source", reading, of_file(other_source),
             "ANON-036", "ANON-040[SourceImageSequence-1]"),
        told("force is not needed", posted("/anonymize", "/studies/", b'"Keep"'), status(400, 200),
             "ANON-043[study-PatientID-Keep]"),
        told("the modality is another one", MODIFIED, sets(Modality="XA"), *MODIFICATIONS, *ON_SEQUENCES),
        told("a neighbour changes as well", MODIFIED, of_file(last_item), *ON_SEQUENCES, *IN_ITEMS),
        told("an instance is not listed", listing, in_json(lambda found: found[1:]),
             "ANON-014", "ANON-034[true-study]", "MODI-018[true-study]", "SPLIT-001[default]", "MERGE-004",
             "BMOD-001"),
        told("the split study has no description", reading, drops("StudyDescription"), "SPLIT-004"),
        told("the merged study keeps its date", reading, sets(StudyDate="20200101"), "MERGE-002"),
        told("a copy is not named", posted("/bulk-modify"), in_json(without_first), "BMOD-001"),
        told("the order is another one", posted("/bulk-content"), in_json(lambda found: found[::-1]),
             "BMOD-013"),
    ),
    crosswise=False,
    smoke=False,
)  # fmt: skip
