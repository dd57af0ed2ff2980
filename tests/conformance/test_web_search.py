"""DICOMweb, searches: keys that every server matches, what it returns, pages, and the forms of an answer."""

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from harness.cases import (
    DICOM_JSON,
    DicomWeb,
    Stored,
    Suite,
    json_value,
    json_values,
    series_path,
    study_path,
)

suite = Suite(needs="dicomweb.qido")


PATIENT_ID = "00100020"
SOP_INSTANCE_UID = "00080018"
RETRIEVE_URL = "00081190"

# Table 10.6.3-3, 10.6.3-4 and 10.6.3-5: what is required, or is once it is known.
OF_A_STUDY = [
    "00080020", "00080030", "00080050", "00080061", "00080090", RETRIEVE_URL, "00100010", PATIENT_ID,
    "00100030", "00100040", "0020000D", "00200010", "00201206", "00201208",
]  # fmt: skip
OF_A_SERIES = [
    "00080060", "0008103E", RETRIEVE_URL, "0020000E", "00200011", "00201209",
    "00400244", "00400245", "00400275",
]  # fmt: skip
OF_AN_INSTANCE = [
    "00080016", SOP_INSTANCE_UID, RETRIEVE_URL, "00200013", "00280010", "00280011", "00280100", "00280008",
]  # fmt: skip


def request_attributes(number: str) -> Sequence:
    """Make a Request Attributes Sequence of one item."""
    item = Dataset()
    item.ScheduledProcedureStepID = f"SPS{number}"
    item.RequestedProcedureID = f"RP{number}"
    return Sequence([item])


def found(datasets: list[dict[str, Any]], tag: str = PATIENT_ID) -> list[Any]:
    """Give the values of one element of all answers, in order."""
    return sorted(json_value(each, tag) for each in datasets)


@suite.case("CWEB-101", ref="PS3.18 10.6.1.2.3, Table 10.6.1-5: Study (2020b)")
@pytest.mark.parametrize(
    ("keyword", "one", "other"),
    [
        ("StudyDate", "20240115", "20240116"),
        ("StudyTime", "101112", "101113"),
        ("AccessionNumber", "ACC1", "ACC2"),
        ("ReferringPhysicianName", "Weber", "Huber"),
        ("PatientName", "Muller", "Mulder"),
        ("StudyID", "S1", "S2"),
    ],
)
def test_keys_of_a_study(web: DicomWeb, stored: Stored, keyword: str, one: str, other: str) -> None:
    """A study is found by each attribute that a server has to match, and by no other value of it."""
    stored.study(PatientID="A", **{keyword: one})
    stored.study(PatientID="B", **{keyword: other})

    assert found(web.qido("/studies", **{keyword: one})) == ["A"]


@suite.case("CWEB-102", ref="PS3.18 10.6.1.2.3, Table 10.6.1-5: Series (2020b)")
@pytest.mark.parametrize(
    ("key", "asked"),
    [
        ("Modality", "MR"),
        ("SeriesNumber", "7"),
        ("PerformedProcedureStepStartDate", "20240117"),
        ("PerformedProcedureStepStartTime", "111213"),
        ("RequestAttributesSequence.ScheduledProcedureStepID", "SPS7"),
        ("RequestAttributesSequence.RequestedProcedureID", "RP7"),
        ("00400275.00401001", "RP7"),
    ],
)
def test_keys_of_a_series(web: DicomWeb, stored: Stored, key: str, asked: str) -> None:
    """A series is found by each attribute that a server has to match, also within a sequence."""
    mine = stored.instance(
        PatientID="A", series="1", Modality="MR", SeriesNumber=7,
        PerformedProcedureStepStartDate="20240117", PerformedProcedureStepStartTime="111213",
        RequestAttributesSequence=request_attributes("7"),
    )  # fmt: skip
    stored.instance(
        PatientID="A", series="2", Modality="CT", SeriesNumber=8,
        PerformedProcedureStepStartDate="20240118", PerformedProcedureStepStartTime="111214",
        RequestAttributesSequence=request_attributes("8"),
    )  # fmt: skip

    series = web.qido(f"{study_path(mine)}/series", **{key: asked})

    assert found(series, "0020000E") == [mine.series_instance_uid]


@suite.case(
    "CWEB-103",
    ref="PS3.18 10.6.1.2.3, Table 10.6.1-5: Instance (2020b)",
    needs="dicomweb.relational",
)
@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "InstanceNumber"])
def test_keys_of_an_instance(web: DicomWeb, stored: Stored, keyword: str) -> None:
    """An instance is found by each attribute that a server has to match."""
    mine = stored.instance(PatientID="A", series="1", Modality="MR", number=7)
    stored.instance(PatientID="A", series="2", Modality="CT", number=8)

    asked = str(mine.dataset()[keyword].value)
    instances = web.qido(f"{study_path(mine)}/instances", **{keyword: asked})

    assert found(instances, SOP_INSTANCE_UID) == [mine.sop_instance_uid]


@suite.case("CWEB-104", ref="PS3.18 10.6.3.3.1, Table 10.6.3-3 (2020b)")
@pytest.mark.parametrize("text", ["known", ""], ids=["filled", "empty"])
def test_required_attributes_of_a_study(web: DicomWeb, stored: Stored, text: str) -> None:
    """A found study comes with every required attribute, also where it has no value."""
    stored.study(
        PatientName=text, AccessionNumber=text, StudyID=text, ReferringPhysicianName=text,
        PatientBirthDate="19800203" if text else "", PatientSex="F" if text else "",
    )  # fmt: skip

    [study] = web.qido("/studies")

    assert {*OF_A_STUDY} - study.keys() == set()


@suite.case("CWEB-105", ref="PS3.18 10.6.3.3.2, Table 10.6.3-4 (2020b)")
@pytest.mark.parametrize("tag", OF_A_SERIES)
def test_required_attributes_of_a_series(web: DicomWeb, stored: Stored, tag: str) -> None:
    """A found series comes with every attribute of its table that is known of it."""
    sample = stored.instance(
        PerformedProcedureStepStartDate="20240117", PerformedProcedureStepStartTime="111213",
        RequestAttributesSequence=request_attributes("7"),
    )  # fmt: skip

    [series] = web.qido(f"{study_path(sample)}/series")

    assert json_values(series, tag)


@suite.case("CWEB-106", ref="PS3.18 10.6.3.3.3, Table 10.6.3-5 (2020b)")
def test_required_attributes_of_an_instance(web: DicomWeb, stored: Stored) -> None:
    """A found instance comes with every attribute of its table that it has."""
    sample = stored.sample("m01-native")

    [instance] = web.qido(f"{series_path(sample)}/instances")

    assert {*OF_AN_INSTANCE} - instance.keys() == set()
    assert json_value(instance, "00280008") == 12


@suite.case("CWEB-107", ref="PS3.18 8.3.4.4.1, 10.6.3.1: 204 (2020b); later 200 with an empty list")
def test_answer_to_a_search_without_matches(web: DicomWeb, stored: Stored) -> None:
    """That nothing was found is told by 204 and no payload or, as later practice has it, by an empty list."""
    stored.study(PatientID="A")

    answer = web.get("/studies?PatientID=B", headers={"Accept": DICOM_JSON}, expect=(200, 204))

    assert answer.content == b"" if answer.status_code == 204 else answer.json() == []


@suite.case("CWEB-108", ref="PS3.18 8.3.4.4.1 (2020b)")
def test_same_search_same_order(web: DicomWeb, stored: Stored) -> None:
    """A search gives its matches in the same order every time, and its pages are cut from that order."""
    for patient_id in "CABED":
        stored.study(PatientID=patient_id)

    whole = [json_value(each, PATIENT_ID) for each in web.qido("/studies")]

    assert [json_value(each, PATIENT_ID) for each in web.qido("/studies")] == whole
    pages = [web.qido("/studies", limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [json_value(each, PATIENT_ID) for page in pages for each in page] == whole


@suite.case("CWEB-109", ref="PS3.18 8.3.4.3 (2020b)")
@pytest.mark.parametrize(
    "query",
    [
        "includefield=00081030,0008103E",
        "includefield=0008103E&includefield=00081030",
        "includefield=SeriesDescription&includefield=StudyDescription",
        "includefield=all",
    ],
    ids=["list", "repeated", "keywords", "all"],
)
def test_included_attributes(web: DicomWeb, stored: Stored, query: str) -> None:
    """Attributes of the study come along however they are asked for."""
    stored.instance(StudyDescription="Knee left")

    [study] = web.qido(f"/studies?{query}")

    assert json_value(study, "00081030") == "Knee left"


@suite.case("CWEB-110", ref="PS3.18 10.6.3.3.1: shall not be returned (2020b)")
@pytest.mark.parametrize("tag", ["0008103E", "00200011", "00200013"])
def test_attributes_below_the_level(web: DicomWeb, stored: Stored, tag: str) -> None:
    """An attribute of the series or the instances does not come with a study, though it be asked for."""
    stored.instance(SeriesDescription="Axial")

    [study] = web.qido(f"/studies?includefield={tag}")

    assert tag not in study


@suite.case("CWEB-111", ref="PS3.18 8.3.4.1: qp-chars; RFC 3986 2.4 (2020b)")
@pytest.mark.parametrize(
    ("encoded", "patient_id"),
    [("A%26B", "A&B"), ("A%3DB", "A=B"), ("A%23B", "A#B"), ("%41B", "AB")],
    ids=["ampersand", "equals", "number-sign", "letter"],
)
def test_encoded_characters(web: DicomWeb, stored: Stored, encoded: str, patient_id: str) -> None:
    """A value whose characters are percent-encoded is matched as what it stands for."""
    stored.study(PatientID=patient_id)
    stored.study(PatientID="A")

    assert found(web.qido(f"/studies?PatientID={encoded}")) == [patient_id]


@suite.case("CWEB-112", ref="PS3.4 C.2.2.2.1; PS3.18 8.3.4.1.1 (2020b)")
def test_case_of_a_patient_id(web: DicomWeb, stored: Stored) -> None:
    """Single values but names are matched as they are written, capitals and small letters apart."""
    stored.study(PatientID="Abc")
    stored.study(PatientID="ABC")

    assert found(web.qido("/studies", PatientID="Abc")) == ["Abc"]
