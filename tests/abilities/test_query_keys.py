"""How each key of a query is handled, at each level of each root (PS3.4 C.6.1.1, C.6.2.1)."""

from typing import Any

import pytest
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

from harness.cases import (
    LEVELS,
    SUCCESS,
    Dimse,
    Maker,
    Observe,
    Root,
    Suite,
    needs,
    several,
    unique_keys,
)

suite = Suite(ref="PS3.4 C.2.2.1, C.6.1.1, C.6.2.1 (2024e)", shows="Query keys")

REQUIRED: dict[str, tuple[str, ...]] = {
    "PATIENT": ("PatientName", "PatientID"),
    "STUDY": ("StudyDate", "StudyTime", "AccessionNumber", "StudyID", "StudyInstanceUID"),
    "SERIES": ("Modality", "SeriesNumber", "SeriesInstanceUID"),
    "IMAGE": ("InstanceNumber", "SOPInstanceUID"),
}
"""Required and unique keys; in the study root, STUDY includes those of the patient (C.6.2.1.2)."""
OPTIONAL: dict[str, tuple[str, ...]] = {
    "PATIENT": ("PatientBirthDate", "PatientSex", "OtherPatientIDs", "EthnicGroup", "PatientComments"),
    "STUDY": (
        "ReferringPhysicianName", "StudyDescription", "NameOfPhysiciansReadingStudy", "PatientAge",
        "PatientSize", "PatientWeight", "InstitutionName",
    ),
    "SERIES": (
        "SeriesDescription", "SeriesDate", "SeriesTime", "BodyPartExamined", "ProtocolName",
        "OperatorsName", "PerformedProcedureStepStartDate", "PerformedProcedureStepID", "Manufacturer",
        "StationName",
    ),
    "IMAGE": ("SOPClassUID", "ContentDate", "ContentTime", "Rows", "Columns", "BitsAllocated"),
}  # fmt: skip
STORED: dict[str, Any] = {
    "PatientName": "Probe^Anna", "PatientBirthDate": "19700102", "PatientSex": "F",
    "PatientComments": "Probe comment", "EthnicGroup": "Probe group", "OtherPatientIDs": "PROBE-OTHER",
    "PatientAge": "054Y", "PatientSize": "1.7", "PatientWeight": "70", "StudyDate": "20240115",
    "StudyTime": "101500", "AccessionNumber": "PROBEACC1", "StudyID": "PROBE1",
    "StudyDescription": "Probe study", "ReferringPhysicianName": "Referring^Physician",
    "NameOfPhysiciansReadingStudy": "Reading^Physician", "InstitutionName": "Probe institution",
    "StationName": "PROBESTATION", "SeriesDescription": "Probe series", "SeriesDate": "20240115",
    "SeriesTime": "101600", "ProtocolName": "Probe protocol", "OperatorsName": "Operating^Person",
    "PerformedProcedureStepStartDate": "20240115", "PerformedProcedureStepID": "PPS1",
    "Manufacturer": "Probe maker", "BodyPartExamined": "CHEST", "ContentDate": "20240115",
    "ContentTime": "101700",
}  # fmt: skip
OTHER = {
    "AE": "NOWHERE", "AS": "001Y", "CS": "ZZ", "DA": "19010101", "DS": "9999", "IS": "9999",
    "LO": "NOT THERE", "LT": "NOT THERE", "PN": "Nobody^Here", "SH": "NOT THERE", "TM": "000001",
    "UI": "1.2.3.4", "US": 9,
}  # fmt: skip
"""A value that no stored object has, by value representation."""


def keys_at(root: Root, level: str, table: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the keys of a table at a level of a root."""
    of_patient = table["PATIENT"] if (root, level) == ("study", "STUDY") else ()
    return (*table[level], *of_patient)


def same(keyword: str, one: Dataset, other: Dataset) -> bool:
    """Return whether two data sets have the same value, ignoring fractions of a second."""
    texts = [several(each, keyword) for each in (one, other)]
    if dictionary_VR(keyword) == "TM":
        texts = [[text[:6] for text in each] for each in texts]
    return texts[0] == texts[1]


@pytest.mark.parametrize(
    ("root", "level"),
    [
        pytest.param(root, level, id=f"{root}-{level.lower()}", marks=needs(f"dimse.find.{root}"))
        for root in LEVELS
        for level in LEVELS[root]
    ],
)
@suite.case("ABIL-020", needs="dimse.store")
def test_required_keys_are_returned_and_matched(
    dimse: Dimse, make: Maker, observe: Observe, root: Root, level: str
) -> None:
    """At each level, a query matches and returns each unique and required key."""
    sample = make.instance(**STORED)
    dimse.store_all([sample])
    stored = sample.dataset()
    unique = unique_keys(sample, level, root)
    required, optional = keys_at(root, level, REQUIRED), keys_at(root, level, OPTIONAL)
    [answer] = answers(dimse, root, level, {**dict.fromkeys((*required, *optional), ""), **unique})

    neglected = []
    for keyword in (*required, *optional):
        right = answers(dimse, root, level, {**unique, keyword: stored[keyword].value})
        other = answers(dimse, root, level, {**unique, keyword: OTHER[dictionary_VR(keyword)]})
        found = [
            "returned" if keyword in answer and same(keyword, answer, stored) else "not returned",
            "matched" if right and not other else "not matched",
        ]
        kind = "required" if keyword in required else "optional"
        observe(f"{keyword} ({root} root, {level})", kind, ", ".join(found))
        if keyword in required and found != ["returned", "matched"]:
            neglected.append(f"{keyword} is {', '.join(found)}")
    assert neglected == []


def answers(dimse: Dimse, root: Root, level: str, keys: dict[str, Any]) -> list[Dataset]:
    """Query a level, and return the answers; none if the query is rejected."""
    found = dimse.find(level, root=root, **keys)
    return found.datasets if found.status == SUCCESS else []
