r"""DICOM JSON is read into plain values, and written from them (PS3.18 Annex F)."""

import json
import time
from typing import Any

import pydicom
import pytest

from dcm.data.json_model import BadJson, read_answers, read_object, write_answers, write_object


@pytest.mark.parametrize(
    ("tag", "element", "value"),
    [
        ("00080020", {"vr": "DA", "Value": ["20240131"]}, "20240131"),
        ("00080061", {"vr": "CS", "Value": ["CT", None, "SR"]}, "CT\\\\SR"),
        ("00080061", {"vr": "CS", "Value": [None]}, ""),
        ("00080061", {"vr": "CS"}, ""),
        ("00080061", {"vr": "CS", "Value": []}, ""),
        ("00100010", {"vr": "PN", "Value": [{"Alphabetic": "A^B"}]}, "A^B"),
        ("00100010", {"vr": "PN", "Value": [{"Ideographic": "山田"}]}, "=山田"),
        (
            "00100010",
            {"vr": "PN", "Value": [{"Alphabetic": "A", "Ideographic": "B", "Phonetic": "C"}]},
            "A=B=C",
        ),
        ("00100010", {"vr": "PN", "Value": ["A^B", {"Alphabetic": "C"}]}, "A^B\\C"),
        ("00100010", {"vr": "PN", "Value": [{}]}, ""),
        ("00201208", {"vr": "IS", "Value": [12]}, "12"),
        ("00201208", {"vr": "IS", "Value": ["12 "]}, "12"),
        ("00201208", {"vr": "IS", "Value": [12.0]}, "12"),
        ("00280030", {"vr": "DS", "Value": [0.5, 1]}, "0.5\\1"),
        ("0020000d", {"Value": ["1.2.3"]}, "1.2.3"),
        ("00081115", {"vr": "SQ", "Value": [{"0020000E": {"vr": "UI", "Value": ["1.2"]}}, {}]},
         [{"SeriesInstanceUID": "1.2"}, {}]),
        ("00081115", {"vr": "SQ"}, []),
        ("7FE00010", {"vr": "OW", "BulkDataURI": "https://x/bulk"}, ""),
        ("00100020", {"vr": "UN", "InlineBinary": "NDcxMSA="}, "4711"),
        ("00091001", {"vr": "LO", "Value": ["private"]}, "private"),
    ],
)  # fmt: skip
def test_values_are_read(tag: str, element: dict[str, Any], value: object) -> None:
    """Nulls, names, numbers, items and binary values."""
    assert [*read_object({tag: element}).values()] == [value]


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"PatientID": {"vr": "LO", "Value": ["1"]}},
        {"0x100020": {"vr": "LO", "Value": ["1"]}},
        {"00100020": ["1"]},
        {"00100020": {"vr": "LO", "Value": "1"}},
        {"00100020": {"vr": "LO", "Value": 12}},
        {"00100020": {"vr": "LO", "Value": [["1"]]}},
        {"00100020": {"vr": "LO", "Value": [True]}},
        {"00100010": {"vr": "PN", "Value": [{"Alphabetic": 7}]}},
        {"00081115": {"vr": "SQ", "Value": [5]}},
        {"00100020": {"vr": "UN", "InlineBinary": "?"}},
    ],
    ids=str,
)
def test_what_is_no_dicom_json_is_an_error(content: object) -> None:
    """Each malformed object raises the same exception."""
    with pytest.raises(BadJson):
        read_object(content)


def test_nesting_without_end_is_an_error() -> None:
    """Both in the text and in the object parsed from it."""
    content: dict[str, Any] = {}
    for _ in range(100_000):
        content = {"00081115": {"vr": "SQ", "Value": [content]}}

    with pytest.raises(BadJson, match="deeply"):
        read_object(content)
    with pytest.raises(BadJson):
        read_answers(b'[{"00081115":{"vr":"SQ","Value":' * 100_000)


@pytest.mark.parametrize("body", [b"", b"[]", b" \n", b"\xef\xbb\xbf[]"])
def test_answer_without_objects_is_empty(body: bytes) -> None:
    """An empty body is equivalent to an empty array."""
    assert read_answers(body) == []


@pytest.mark.parametrize("body", [b"<html>", b"[{", b'"x"', b"5", b"[" * 100_000])
def test_other_bodies_are_an_error(body: bytes) -> None:
    """They are not taken for an empty answer."""
    with pytest.raises(BadJson):
        read_answers(body)


def test_what_is_written_is_read_by_pydicom_and_by_us() -> None:
    """An independent reader finds the same values."""
    attributes = {
        "PatientName": "Müller^Anna=山田",
        "ModalitiesInStudy": "CT\\SR",
        "StudyDate": "",
        "NumberOfStudyRelatedInstances": "12",
        "PixelSpacing": "0.5\\1.5",
        "PatientComments": "a\\b",
        "Rows": "512",
        "ReferencedSeriesSequence": [{"SeriesInstanceUID": "1.2.3"}, {}],
        "OtherPatientIDsSequence": [],
    }

    body = write_answers([attributes])

    assert read_object(read_answers(body)[0]) == attributes
    found = pydicom.Dataset.from_json(json.loads(body)[0])
    assert found.PatientName == "Müller^Anna=山田"
    assert found.ModalitiesInStudy == ["CT", "SR"]
    assert found.Rows == 512
    assert found.PixelSpacing == [0.5, 1.5]
    assert found.PatientComments == "a\\b"
    assert found.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.3"
    assert list(json.loads(body)[0]) == sorted(json.loads(body)[0])


def test_text_that_is_no_number_is_kept() -> None:
    """A value is not lost if its VR requires a number."""
    assert write_object({"InstanceNumber": "1_0"}) == {"00200013": {"vr": "IS", "Value": ["1_0"]}}
    assert write_object({"SliceThickness": "inf"}) == {"00180050": {"vr": "DS", "Value": ["inf"]}}


def test_ten_thousand_answers_are_read_quickly() -> None:
    """The time does not grow quadratically: 0.25 s on an idle computer, much more on a busy one."""
    answer = {
        "PatientName": "Muller^Anna", "PatientID": "4711", "PatientBirthDate": "19600101",
        "PatientSex": "F", "StudyInstanceUID": "1.2.3.4.5.6.7", "StudyDate": "20240131",
        "StudyTime": "120000", "AccessionNumber": "12345", "StudyID": "1",
        "StudyDescription": "CT of the head", "ModalitiesInStudy": "CT\\SR",
        "NumberOfStudyRelatedSeries": "3", "NumberOfStudyRelatedInstances": "312",
    }  # fmt: skip
    body = write_answers([answer] * 10_000)

    begin = time.process_time()
    found = [read_object(each) for each in read_answers(body)]

    assert time.process_time() - begin < 4
    assert found == [answer] * 10_000
