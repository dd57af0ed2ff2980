"""DICOMweb, searches: keys that every server must match, returned attributes, paging, encoding."""

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
    single,
    study_path,
)

suite = Suite(needs="dicomweb.qido", shows="DICOMweb")


PATIENT_ID = "00100020"
SOP_INSTANCE_UID = "00080018"
RETRIEVE_URL = "00081190"

# Tables 10.6.3-3, 10.6.3-4 and 10.6.3-5: attributes that are required, or required if known.
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
    """Return the value of one element in each answer, sorted; an empty string if it is missing."""
    return sorted(json_value(each, tag) or "" for each in datasets)


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
def test_keys_of_a_study_are_matched(
    web: DicomWeb, stored: Stored, keyword: str, one: str, other: str
) -> None:
    """A study is found by the value of each attribute that a server must match, but not by another value."""
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
def test_keys_of_a_series_are_matched(web: DicomWeb, stored: Stored, key: str, asked: str) -> None:
    """A series is found by each attribute that a server must match, those in a sequence included."""
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
def test_keys_of_an_instance_are_matched(web: DicomWeb, stored: Stored, keyword: str) -> None:
    """An instance is found by each attribute that a server must match."""
    mine = stored.instance(PatientID="A", series="1", Modality="MR", number=7)
    stored.instance(PatientID="A", series="2", Modality="CT", number=8)

    asked = str(mine.dataset()[keyword].value)
    instances = web.qido(f"{study_path(mine)}/instances", **{keyword: asked})

    assert found(instances, SOP_INSTANCE_UID) == [mine.sop_instance_uid]


@suite.case("CWEB-104", ref="PS3.18 10.6.3.3.1, Table 10.6.3-3 (2020b)")
@pytest.mark.parametrize("text", ["known", ""], ids=["filled", "empty"])
def test_required_attributes_of_a_study_are_returned(
    web: DicomWeb, stored: Stored, text: str
) -> None:
    """A found study has every required attribute, even one without a value."""
    stored.study(
        PatientName=text, AccessionNumber=text, StudyID=text, ReferringPhysicianName=text,
        PatientBirthDate="19800203" if text else "", PatientSex="F" if text else "",
    )  # fmt: skip

    study = single(web.qido("/studies"), "study")

    assert [tag for tag in OF_A_STUDY if tag not in study] == []


@suite.case("CWEB-105", ref="PS3.18 10.6.3.3.2, Table 10.6.3-4 (2020b)")
@pytest.mark.parametrize("tag", OF_A_SERIES)
def test_required_attributes_of_a_series_are_returned(
    web: DicomWeb, stored: Stored, tag: str
) -> None:
    """A found series has every attribute of the table that it was stored with."""
    sample = stored.instance(
        PerformedProcedureStepStartDate="20240117", PerformedProcedureStepStartTime="111213",
        RequestAttributesSequence=request_attributes("7"),
    )  # fmt: skip

    series = single(web.qido(f"{study_path(sample)}/series"), "series")

    assert json_values(series, tag), f"{tag} has no value"


@suite.case("CWEB-106", ref="PS3.18 10.6.3.3.3, Table 10.6.3-5 (2020b)")
def test_required_attributes_of_an_instance_are_returned(web: DicomWeb, stored: Stored) -> None:
    """A found instance has every attribute of the table that it was stored with."""
    sample = stored.sample("m01-native")

    instance = single(web.qido(f"{series_path(sample)}/instances"), "instance")

    assert [tag for tag in OF_AN_INSTANCE if tag not in instance] == []
    frames = {"NumberOfFrames": str(json_value(instance, "00280008"))}
    assert frames == {"NumberOfFrames": str(sample.dataset().NumberOfFrames)}


@suite.case("CWEB-107", ref="PS3.18 8.3.4.4.1, 10.6.3.1: 204 (2020b); later 200 with an empty list")
def test_search_without_matches(web: DicomWeb, stored: Stored) -> None:
    """A search without matches is answered with 204 and no payload or, in later editions, an empty list."""
    stored.study(PatientID="A")

    answer = web.get("/studies?PatientID=B", headers={"Accept": DICOM_JSON}, expect=(200, 204))

    assert answer.content == b"" if answer.status_code == 204 else answer.json() == []


@suite.case("CWEB-108", ref="PS3.18 8.3.4.4.1 (2020b)")
def test_order_of_a_search_is_stable(web: DicomWeb, stored: Stored) -> None:
    """A search returns its matches in the same order each time, in pages as well."""
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
def test_included_attributes_are_returned(web: DicomWeb, stored: Stored, query: str) -> None:
    """An attribute named in includefield is returned, in whichever form it is named."""
    stored.instance(StudyDescription="Knee left")

    study = single(web.qido(f"/studies?{query}"), "study")

    assert json_value(study, "00081030") == "Knee left"


@suite.case("CWEB-110", ref="PS3.18 10.6.3.3.1: shall not be returned (2020b)")
@pytest.mark.parametrize("tag", ["0008103E", "00200011", "00200013"])
def test_attributes_below_the_level_are_not_returned(
    web: DicomWeb, stored: Stored, tag: str
) -> None:
    """A found study has no attribute of series or instances, even if requested."""
    stored.instance(SeriesDescription="Axial")

    study = single(web.qido(f"/studies?includefield={tag}"), "study")

    assert {tag} & {*study} == set()


@suite.case("CWEB-111", ref="PS3.18 8.3.4.1: qp-chars; RFC 3986 2.4 (2020b)")
@pytest.mark.parametrize(
    ("encoded", "patient_id"),
    [
        ("A%26B", "A&B"),
        ("A%3DB", "A=B"),
        ("A%23B", "A#B"),
        ("A%5EB", "A^B"),
        ("%41B", "AB"),
    ],
    ids=["ampersand", "equals", "number-sign", "caret", "letter"],
)
def test_percent_encoded_value_is_decoded(
    web: DicomWeb, stored: Stored, encoded: str, patient_id: str
) -> None:
    """A percent-encoded value is decoded before matching, including its delimiters.

    The components of a query "must be parsed and separated before the percent-encoded octets within those
    components can be safely decoded" (RFC 3986 2.4): `A%26B` is the value `A&B`, and not `A`.
    """
    stored.study(PatientID=patient_id)
    stored.study(PatientID="A")

    assert found(web.qido(f"/studies?PatientID={encoded}")) == [patient_id]


@suite.case("CWEB-112", ref="PS3.4 C.2.2.2.1; PS3.18 8.3.4.1.1 (2020b)")
def test_patient_id_is_case_sensitive(web: DicomWeb, stored: Stored) -> None:
    """A single value of a VR other than PN is matched case-sensitively."""
    stored.study(PatientID="Abc")
    stored.study(PatientID="ABC")

    assert found(web.qido("/studies", PatientID="Abc")) == ["Abc"]
