"""Modification in place, and of patients: the resulting lists of the server, and contradictions.

The attributes of a patient are in each of its objects. A modification that would give two objects
of one patient different names is rejected, and one in place updates the listed attributes.
"""

from typing import Any

import pytest

from harness.cases import (
    BAD_REQUEST,
    Maker,
    Rest,
    Sample,
    Stored,
    Suite,
    file_of,
    files,
    listed,
    orthanc_ids,
    refused,
)

BOOK = "Orthanc Book: anonymization, modification of studies and patients"
IN_PLACE = "Orthanc REST API: POST /studies/{id}/modify, Keep"
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
SINCE = "orthanc>=1.11.2"

suite = Suite(level="product", needs=("rest", SINCE), ref=BOOK)


def two_studies(stored: Stored) -> tuple[Sample, Sample]:
    """Store a patient with two studies of one object each."""
    elements: dict[str, Any] = {
        "PatientID": "TWO",
        "PatientName": "Two^Studies",
        "PatientBirthDate": "19000101",
        "PatientSex": "M",
    }
    one, other = (stored.instance(study=each, **elements) for each in ("1", "2"))
    return one, other


def patients(rest: Rest) -> dict[str, tuple[str, int]]:
    """Return name and number of studies of each listed patient, by Patient ID."""
    return {
        each["MainDicomTags"]["PatientID"]: (
            each["MainDicomTags"]["PatientName"],
            len(each["Studies"]),
        )
        for each in rest.json("/patients?expand")
    }


@suite.case("MODP-001", covers="Orthanc.test_rename_patient_with_multiple_studies")
@pytest.mark.parametrize("keep", [(), UIDS], ids=["copy", "in-place"])
def test_one_of_two_studies_is_not_renamed(
    rest: Rest, stored: Stored, keep: tuple[str, ...]
) -> None:
    """The name of a patient is not changed in only one of two studies, in a copy or in place."""
    one, _ = two_studies(stored)
    request = {
        "Replace": {"PatientName": "New^Name"},
        "Force": True,
        "KeepSource": True,
        "Keep": keep,
    }

    refused(rest, f"{orthanc_ids(one).path('study')}/modify", request, code=BAD_REQUEST)

    assert patients(rest) == {"TWO": ("Two^Studies", 2)}


@suite.case("MODP-002", covers="Orthanc.test_rename_patient_with_multiple_studies")
@pytest.mark.parametrize(
    ("keep", "same"),
    [
        pytest.param((), set(), id="new-uids"),
        pytest.param(UIDS[:2], set(UIDS[:2]), id="study-and-series-kept"),
    ],
)
def test_patient_is_renamed(
    rest: Rest, stored: Stored, keep: tuple[str, ...], same: set[str]
) -> None:
    """A patient whose source is not kept has the new name in all studies, and no additional objects."""
    samples = two_studies(stored)
    ids = orthanc_ids(samples[0])
    request = {
        "Replace": {"PatientName": "New^Name"},
        "Keep": keep,
        "Force": True,
        "KeepSource": False,
    }

    rest.post(f"{ids.path('patient')}/modify", request)

    assert patients(rest) == {"TWO": ("New^Name", 2)}
    for study in rest.json("/studies?expand"):
        assert study["PatientMainDicomTags"]["PatientName"] == "New^Name"
    found = files(rest, ids.path("patient"))
    assert len(found) == 2
    for keyword in UIDS:
        before = {sample.element(keyword) for sample in samples}
        assert ({each[keyword].value for each in found} == before) == (keyword in same)


@suite.case("MODP-003", covers="Orthanc.test_rename_patient_with_multiple_studies")
def test_patient_is_renamed_in_place(rest: Rest, stored: Stored) -> None:
    """If all UIDs and the source are kept, a patient has the new name in the same objects."""
    samples = two_studies(stored)
    before = listed(rest)
    request = {
        "Replace": {"PatientName": "New^Name"},
        "Keep": UIDS,
        "Force": True,
        "KeepSource": True,
    }

    rest.post(f"{orthanc_ids(samples[0]).path('patient')}/modify", request)

    assert listed(rest) == before
    assert patients(rest) == {"TWO": ("New^Name", 2)}
    for each in files(rest, orthanc_ids(samples[0]).path("patient")):
        assert str(each.PatientName) == "New^Name"


@suite.case("MODP-004", covers="Orthanc.test_rename_patient_with_multiple_studies")
@pytest.mark.parametrize("replace", [{}, {"PatientID": "TWO"}], ids=["without-id", "with-id"])
@pytest.mark.parametrize("level", ["patient", "study"])
def test_nothing_is_lost_in_place(
    rest: Rest, stored: Stored, level: str, replace: dict[str, str]
) -> None:
    """Objects that overwrite their sources are not deleted even if sources are not to be kept."""
    samples = two_studies(stored)
    before = listed(rest)
    request = {
        "Replace": {"StudyDescription": "New", **replace},
        "Keep": UIDS,
        "Force": True,
        "KeepSource": False,
    }

    rest.post(f"{orthanc_ids(samples[0]).path(level)}/modify", request, expect=None)

    assert listed(rest) == before


OTHERS = {"PatientID": "TWO", "PatientName": "Two^Studies", "PatientBirthDate": "19000101"}
SAME = {**OTHERS, "PatientSex": "M"}


@suite.case("MODP-005", covers="Orthanc.test_rename_patient_with_multiple_studies")
@pytest.mark.parametrize(
    "replace",
    [
        pytest.param({"PatientID": "TWO"}, id="id-only"),
        pytest.param(OTHERS, id="one-is-missing"),
        pytest.param({**OTHERS, "PatientSex": "F"}, id="one-is-wrong"),
        pytest.param({**SAME, "0010,1000": "more"}, id="one-too-many"),
    ],
)
def test_study_does_not_join_a_patient_that_differs(
    rest: Rest, stored: Stored, replace: dict[str, str]
) -> None:
    """A study joins another patient only with exactly the attributes of that patient."""
    two_studies(stored)
    study = stored.instance(PatientID="ONE", PatientName="One^Study", PatientSex="O")
    request = {"Replace": replace, "Force": True, "KeepSource": False}

    refused(rest, f"{orthanc_ids(study).path('study')}/modify", request, code=BAD_REQUEST)

    assert patients(rest) == {"TWO": ("Two^Studies", 2), "ONE": ("One^Study", 1)}


@suite.case("MODP-006", covers="Orthanc.test_rename_patient_with_multiple_studies")
def test_study_joins_another_patient(rest: Rest, stored: Stored) -> None:
    """With all attributes of the other patient, a study joins it; that patient is unchanged."""
    one, _ = two_studies(stored)
    before = rest.json(orthanc_ids(one).path("patient"))["MainDicomTags"]
    study = stored.instance(PatientID="ONE", PatientName="One^Study")
    request = {"Replace": SAME, "Force": True, "KeepSource": False}

    answer = rest.post(f"{orthanc_ids(study).path('study')}/modify", request).json()

    assert patients(rest) == {"TWO": ("Two^Studies", 3)}
    assert answer["PatientID"] == orthanc_ids(one).patient
    assert rest.json(answer["Path"])["PatientMainDicomTags"]["PatientName"] == "Two^Studies"
    assert rest.json(orthanc_ids(one).path("patient"))["MainDicomTags"] == before


@suite.case("MODP-007", covers="Orthanc.test_rename_patient_with_multiple_studies")
def test_patient_of_a_single_study_is_renamed(rest: Rest, stored: Stored) -> None:
    """Modifying the only study of a patient can rename it: the patient remains, with the new name."""
    sample = stored.instance(PatientName="Old^Name")
    ids = orthanc_ids(sample)
    request = {
        "Replace": {"PatientName": "New^Name", "StudyDescription": "New"},
        "Keep": ["StudyInstanceUID"],
        "Force": True,
        "KeepSource": False,
    }

    rest.post(f"{ids.path('study')}/modify", request)

    assert rest.json(ids.path("patient"))["MainDicomTags"]["PatientName"] == "New^Name"
    assert rest.json(ids.path("study"))["MainDicomTags"]["StudyDescription"] == "New"
    assert len(rest.json("/patients")) == 1


@suite.case("MODP-008", covers="Orthanc.test_rename_patient_with_multiple_studies")
def test_single_study_gets_another_patient(rest: Rest, stored: Stored) -> None:
    """With another Patient ID, the study gets a new patient, and the old one is gone."""
    sample = stored.instance(PatientName="Old^Name")
    replace = {"PatientID": "NEW", "PatientName": "New^Name", "StudyDescription": "New"}
    request = {"Replace": replace, "Force": True, "KeepSource": False}

    answer = rest.post(f"{orthanc_ids(sample).path('study')}/modify", request).json()

    assert patients(rest) == {"NEW": ("New^Name", 1)}
    assert rest.json(answer["Path"])["MainDicomTags"]["StudyDescription"] == "New"
    rest.get(orthanc_ids(sample).path("patient"), expect=404)


@suite.case("MODP-009", ref="PS3.3 C.7.1.1 (2024e); Orthanc Book: Orthanc identifiers")
@pytest.mark.parametrize("keep", [True, False], ids=["kept", "removed"])
@pytest.mark.parametrize("level", ["patient", "study"])
def test_case_of_patient_id_matters(rest: Rest, stored: Stored, level: str, keep: bool) -> None:
    """A Patient ID that differs from the old one only in case is another patient."""
    sample = stored.instance(PatientID="Letter", PatientName="A^B")
    request = {
        "Replace": {"PatientID": "letter"},
        "Keep": UIDS,
        "Force": True,
        "KeepSource": keep,
    }

    answer = rest.post(f"{orthanc_ids(sample).path(level)}/modify", request).json()

    assert answer["ID"] != orthanc_ids(sample).at(level)
    assert patients(rest) == {"letter": ("A^B", 1)} | ({"Letter": ("A^B", 1)} if keep else {})


@suite.case("MODP-010", covers="Orthanc.test_rename_patient_almost_same_ids")
@pytest.mark.parametrize("patient_id", ["_5Yp0E", "5Yp0_", "5Yp0%", "%"])
def test_underscore_and_percent_are_characters(rest: Rest, stored: Stored, patient_id: str) -> None:
    """A Patient ID with `_` or `%` is not confused with one that it would match as a pattern."""
    stored.instance(PatientID="5Yp0E", PatientName="A^B")
    stored.instance(PatientID="5Yp0E", PatientName="A^B", study="2")
    sample = stored.instance(PatientID="OTHER", PatientName="C^D")
    request = {
        "Replace": {"PatientID": patient_id, "PatientName": "New^Name"},
        "Keep": UIDS,
        "Force": True,
    }

    assert rest.post("/tools/lookup", patient_id).json() == []
    assert rest.find("Study", {"PatientID": patient_id}) == []
    rest.post(f"{orthanc_ids(sample).path('study')}/modify", request)

    assert patients(rest) == {
        "5Yp0E": ("A^B", 2),
        "OTHER": ("C^D", 1),
        patient_id: ("New^Name", 1),
    }


@suite.case("MODP-011", ref=IN_PLACE, covers="Orthanc.test_modify_study_module_reconstruction")
@pytest.mark.parametrize(
    ("keyword", "shown"),
    [
        ("StudyDescription", [("study", "MainDicomTags")]),
        ("PatientName", [("study", "PatientMainDicomTags"), ("patient", "MainDicomTags")]),
    ],
    ids=["description", "patient-name"],
)
def test_study_in_place_shows_its_new_value(
    rest: Rest, stored: Stored, keyword: str, shown: list[tuple[str, str]]
) -> None:
    """A study that keeps its UID is the same resource, and lists the new value; so does its patient."""
    sample = stored.study(series=2, instances=2)[0]
    ids = orthanc_ids(sample)
    replace = {"StudyInstanceUID": sample.study_instance_uid, keyword: "New"}

    request = {"Replace": replace, "Force": True, "KeepSource": True}
    answer = rest.post(f"{ids.path('study')}/modify", request).json()

    assert answer["ID"] == ids.study
    for level, tags in shown:
        assert rest.json(ids.path(level))[tags][keyword] == "New"


@suite.case("MODP-013", ref=IN_PLACE, covers="Orthanc.test_modify_study_module_reconstruction")
def test_study_of_another_patient_is_another_resource(rest: Rest, stored: Stored) -> None:
    """A study that keeps its UID and gets another Patient ID is another resource of that patient."""
    sample = stored.study(series=2, instances=2)[0]
    replace = {
        "StudyInstanceUID": sample.study_instance_uid,
        "PatientID": "NEW",
        "PatientName": "New^Name",
    }

    request = {"Replace": replace, "Force": True, "KeepSource": True}
    answer = rest.post(f"{orthanc_ids(sample).path('study')}/modify", request).json()

    assert answer["ID"] != orthanc_ids(sample).study
    study = rest.json(f"/studies/{answer['ID']}")["PatientMainDicomTags"]
    assert (study["PatientID"], study["PatientName"]) == ("NEW", "New^Name")
    patient = rest.json(f"/patients/{answer['PatientID']}")["MainDicomTags"]
    assert (patient["PatientID"], patient["PatientName"]) == ("NEW", "New^Name")


@suite.case("MODP-014", ref=IN_PLACE, covers="Orthanc.test_modify_study_module_reconstruction")
def test_series_in_place_shows_its_new_description(rest: Rest, stored: Stored) -> None:
    """A series that keeps its UIDs is the same resource, and lists the new description."""
    sample = stored.study(series=2, instances=2)[0]
    ids = orthanc_ids(sample)
    replace = {
        "StudyInstanceUID": sample.study_instance_uid,
        "SeriesInstanceUID": sample.series_instance_uid,
        "SeriesDescription": "New",
    }

    request = {"Replace": replace, "Force": True, "KeepSource": True}
    answer = rest.post(f"{ids.path('series')}/modify", request).json()

    assert answer["ID"] == ids.series
    series = rest.json(ids.path("series"))
    assert series["MainDicomTags"]["SeriesDescription"] == "New"
    assert series["ParentStudy"] == ids.study
    assert len(rest.json(ids.path("study"))["Series"]) == 2


@suite.case("MODP-015", ref=BOOK)
@pytest.mark.parametrize("sex", [None, ""], ids=["missing", "empty"])
def test_patient_whose_sex_is_not_known(rest: Rest, make: Maker, sex: str | None) -> None:
    """A study joins a patient without sex with its listed attributes, but not with a sex."""
    elements: dict[str, Any] = dict(OTHERS)
    for study in ("1", "2"):
        ds = make.instance(study=study, **elements).dataset()
        del ds.PatientSex
        if sex is not None:
            ds.PatientSex = sex
        rest.upload(file_of(ds))
    sample = make.instance(PatientID="ONE")
    rest.upload(sample.data)
    path = f"{orthanc_ids(sample).path('study')}/modify"
    known = rest.json(orthanc_ids(make.instance(**elements)).path("patient"))["MainDicomTags"]

    refused(rest, path, {"Replace": {**known, "PatientSex": "M"}, "Force": True}, code=BAD_REQUEST)
    rest.post(path, {"Replace": known, "Force": True, "KeepSource": False})

    assert patients(rest) == {"TWO": ("Two^Studies", 3)}
