"""QIDO-RS: what a search matches, what it returns, and in which form."""

import re

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from harness.cases import (
    DICOM_JSON,
    PATIENT_ID,
    PATIENT_NAME,
    RETRIEVE_URL,
    SERIES_INSTANCE_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    DicomWeb,
    Maker,
    Stored,
    Suite,
    file_of,
    header,
    json_number,
    json_value,
    json_values,
    needs,
    person_name,
    series_path,
    single,
    study_path,
)

suite = Suite(needs="dicomweb.qido")


def found(datasets: list[dict[str, object]], tag: str = PATIENT_ID) -> list[str]:
    """Return the values of one element (by default Patient ID) in all answers, in order."""
    return sorted(str(json_value(each, tag)) for each in datasets)


@suite.case("QIDO-001", ref="PS3.18 10.6.1, Table 10.6.1-1")
def test_each_study_is_found_once(web: DicomWeb, stored: Stored) -> None:
    """A search for studies returns each of them once, however many series and instances it has."""
    first = stored.study(PatientID="A", series=2, instances=2)[0]
    second = stored.study(PatientID="B")[0]

    studies = web.qido("/studies")

    assert found(studies, STUDY_INSTANCE_UID) == sorted(
        [first.study_instance_uid, second.study_instance_uid]
    )


@suite.case("QIDO-002", ref="PS3.18 10.6.1, Table 10.6.1-1")
def test_series_of_one_study(web: DicomWeb, stored: Stored) -> None:
    """The series below a study are those of this study only."""
    mine = stored.study(PatientID="A", series=2, instances=2)
    stored.study(PatientID="B")

    series = web.qido(f"{study_path(mine[0])}/series")

    assert found(series, SERIES_INSTANCE_UID) == sorted({each.series_instance_uid for each in mine})


@suite.case("QIDO-003", ref="PS3.18 10.6.1, Table 10.6.1-1")
@pytest.mark.parametrize(
    "below", [pytest.param("study", marks=needs("dicomweb.relational")), "series"]
)
def test_instances_of_a_study_or_series(web: DicomWeb, stored: Stored, below: str) -> None:
    """The instances below a study or series are only its own."""
    mine = stored.study(PatientID="A", series=2, instances=2)
    stored.study(PatientID="B")
    path, own = (
        (study_path(mine[0]), mine) if below == "study" else (series_path(mine[0]), mine[:2])
    )

    instances = web.qido(f"{path}/instances")

    assert found(instances, SOP_INSTANCE_UID) == sorted(each.sop_instance_uid for each in own)


@suite.case("QIDO-004", ref="PS3.18 8.3.4.1; PS3.4 C.2.2.2.1")
@pytest.mark.parametrize("key", ["PatientID", "00100020"], ids=["keyword", "tag"])
def test_key_by_keyword_or_tag(web: DicomWeb, stored: Stored, key: str) -> None:
    """A key can be named by its keyword or by its tag; a value without wildcards matches itself only."""
    stored.study(PatientID="A")
    stored.study(PatientID="AB")

    studies = web.qido("/studies", **{key: "A"})

    assert found(studies) == ["A"]


@suite.case("QIDO-005", ref="PS3.4 C.2.2.2.4")
@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("Mul*", ["A", "B", "D"]),
        ("M?ller", ["A", "C"]),
        ("*er", ["A", "B", "C"]),
        ("*", ["A", "B", "C", "D"]),
    ],
    ids=["star-at-end", "question-mark", "star-in-front", "only-star"],
)
def test_wildcards(web: DicomWeb, stored: Stored, pattern: str, matching: list[str]) -> None:
    """A star matches any characters or none, and a question mark exactly one."""
    for patient_id, name in (("A", "Muller"), ("B", "Mulder"), ("C", "Miller"), ("D", "Mullerin")):
        stored.study(PatientID=patient_id, PatientName=name)

    studies = web.qido("/studies", PatientName=pattern)

    assert found(studies) == matching


@suite.case("QIDO-006", ref="PS3.4 C.2.2.2.5.1")
@pytest.mark.parametrize(
    ("dates", "matching"),
    [
        ("20240115-20240116", ["A", "B"]),
        ("20240116-", ["B", "C"]),
        ("-20240115", ["A"]),
        ("20240116", ["B"]),
    ],
    ids=["between", "from", "until", "one-day"],
)
def test_date_range(web: DicomWeb, stored: Stored, dates: str, matching: list[str]) -> None:
    """A range of dates matches the days in it, both ends included."""
    for patient_id, date in (("A", "20240115"), ("B", "20240116"), ("C", "20240117")):
        stored.study(PatientID=patient_id, StudyDate=date)

    studies = web.qido("/studies", StudyDate=dates)

    assert found(studies) == matching


@suite.case("QIDO-007", ref="PS3.18 8.3.4.1; PS3.4 C.2.2.2.2")
def test_list_of_uids(web: DicomWeb, stored: Stored) -> None:
    """A list of UIDs, separated by commas, matches each study named in it."""
    first, second, _ = (stored.study(PatientID=each)[0] for each in "ABC")

    studies = web.qido(
        "/studies", StudyInstanceUID=f"{first.study_instance_uid},{second.study_instance_uid}"
    )

    assert found(studies) == ["A", "B"]


@suite.case("QIDO-008", ref="PS3.18 10.6.1.2.3, Table 10.6.1-5")
def test_modalities_in_study(web: DicomWeb, stored: Stored) -> None:
    """A study is found by any modality of its series."""
    stored.instance(PatientID="A", series="1", Modality="CT")
    stored.instance(PatientID="A", series="2", Modality="MR")
    stored.instance(PatientID="B", Modality="CT")

    studies = web.qido("/studies", ModalitiesInStudy="MR")

    assert found(studies) == ["A"]


@suite.case("QIDO-009", ref="PS3.18 10.6.1.2.3")
def test_keys_are_combined(web: DicomWeb, stored: Stored) -> None:
    """A study is found if it matches all keys."""
    stored.study(PatientID="A", StudyDate="20240115")
    stored.study(PatientID="A", StudyDate="20240116", study="2")
    stored.study(PatientID="B", StudyDate="20240115")

    studies = web.qido("/studies", PatientID="A", StudyDate="20240115")

    assert [(json_value(each, "00100020"), json_value(each, "00080020")) for each in studies] == [
        ("A", "20240115")
    ]


@suite.case("QIDO-011", ref="PS3.18 10.6.3.1")
def test_nothing_found(web: DicomWeb, stored: Stored) -> None:
    """A search that matches nothing is a success without a data set."""
    stored.study(PatientID="A")

    # 204, or 200 with an empty list: `qido` accepts both.
    assert web.qido("/studies", PatientID="B") == []


@suite.case(
    "QIDO-012", ref="PS3.18 10.6.3.3.1, Table 10.6.3-3", covers="DicomWeb.test_bitbucket_issue_112"
)
def test_attributes_of_a_study(web: DicomWeb, stored: Stored) -> None:
    """A found study has the attributes of its patient, its own, and the numbers of series and instances."""
    first = stored.study(
        series=2, instances=3, PatientID="A", StudyDate="20240116", StudyTime="101112", StudyID="S",
        AccessionNumber="ACC", PatientBirthDate="19800203", PatientSex="F",
    )[0]  # fmt: skip

    study = single(web.qido("/studies"), "study")

    expected = {
        "00080020": "20240116", "00080030": "101112", "00080050": "ACC", "00080061": "CT",
        "00100020": "A", "00100030": "19800203", "00100040": "F", "00200010": "S",
        STUDY_INSTANCE_UID: first.study_instance_uid,
    }  # fmt: skip
    assert {tag: json_value(study, tag) for tag in expected} == expected
    counts = {"series": json_number(study, "00201206"), "instances": json_number(study, "00201208")}
    assert counts == {"series": 2, "instances": 6}


@suite.case("QIDO-013", ref="PS3.18 10.6.3.3.2, Table 10.6.3-4")
def test_attributes_of_a_series(web: DicomWeb, stored: Stored) -> None:
    """A found series has its modality, number and description, and the number of its instances."""
    first = stored.study(
        instances=3, Modality="MR", SeriesNumber=7, SeriesDescription="T1 sagittal"
    )[0]

    series = single(web.qido(f"{study_path(first)}/series"), "series")

    expected = {
        "00080060": "MR", "0008103E": "T1 sagittal", SERIES_INSTANCE_UID: first.series_instance_uid,
    }  # fmt: skip
    assert {tag: json_value(series, tag) for tag in expected} == expected
    numbers = {
        "series": json_number(series, "00200011"),
        "instances": json_number(series, "00201209"),
    }
    assert numbers == {"series": 7, "instances": 3}


@suite.case("QIDO-014", ref="PS3.18 10.6.3.3.3, Table 10.6.3-5")
def test_attributes_of_an_instance(web: DicomWeb, stored: Stored) -> None:
    """A found instance has its class and number and, if it is an image, its size."""
    sample = stored.instance(InstanceNumber=5, rows=20, columns=30)

    instance = single(web.qido(f"{series_path(sample)}/instances"), "instance")

    expected = {
        "00080016": sample.sop_class_uid, SOP_INSTANCE_UID: sample.sop_instance_uid,
        "00280010": 20, "00280011": 30, "00280100": 16,
    }  # fmt: skip
    assert {tag: json_value(instance, tag) for tag in expected} == expected
    assert json_number(instance, "00200013") == 5


@suite.case(
    "QIDO-015",
    ref="PS3.18 10.6.3.3.2, 10.6.3.3.3",
    covers="DicomWeb.test_qido_parent_attributes",
    needs="dicomweb.relational",
)
@pytest.mark.parametrize("path", ["/series", "/instances"])
def test_relational_search_brings_the_study(web: DicomWeb, stored: Stored, path: str) -> None:
    """Series and instances found across studies are returned with the attributes of their study."""
    sample = stored.instance(PatientID="A", PatientName="Muller", StudyDate="20240116")

    answer = single(web.qido(path))

    expected = {
        PATIENT_NAME: {"Alphabetic": "Muller"}, PATIENT_ID: "A", "00080020": "20240116",
        STUDY_INSTANCE_UID: sample.study_instance_uid, "00080060": "CT",
        SERIES_INSTANCE_UID: sample.series_instance_uid,
    }  # fmt: skip
    assert {tag: json_value(answer, tag) for tag in expected} == expected


@suite.case("QIDO-016", ref="PS3.18 10.6.3.3.1", covers="DicomWeb.test_qido_parent_attributes")
def test_study_has_nothing_of_its_series(web: DicomWeb, stored: Stored) -> None:
    """A found study has no attribute of a single series or instance."""
    stored.study(series=2)

    study = single(web.qido("/studies"), "study")

    assert study.keys() & {SERIES_INSTANCE_UID, SOP_INSTANCE_UID, "00080060", "00200011"} == set()


@suite.case("QIDO-017", ref="PS3.18 8.3.4.3", covers="DicomWeb.test_qido_fields")
@pytest.mark.parametrize("field", ["StudyDescription", "00081030"], ids=["keyword", "tag"])
def test_includefield(web: DicomWeb, stored: Stored, field: str) -> None:
    """An attribute that is not returned by default is returned if it is requested."""
    stored.study(StudyDescription="Knee left")

    study = single(web.qido("/studies", includefield=field), "study")

    assert json_value(study, "00081030") == "Knee left"


@suite.case("QIDO-018", ref="PS3.18 8.3.4.3", covers="DicomWeb.test_qido_fields")
def test_includefield_with_a_sequence(web: DicomWeb, stored: Stored) -> None:
    """A requested sequence is returned with all its items."""
    uids = ["1.2.3.1", "1.2.3.2"]
    items = [Dataset() for _ in uids]
    for each, uid in zip(items, uids, strict=True):
        each.ReferencedSOPClassUID, each.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid
    sample = stored.instance(ReferencedImageSequence=Sequence(items))

    instance = single(
        web.qido(f"{series_path(sample)}/instances", includefield="00081140"), "instance"
    )

    assert [json_value(each, "00081155") for each in json_values(instance, "00081140")] == uids


@suite.case(
    "QIDO-019",
    ref="Orthanc Book: configuration option Dictionary; PS3.18 8.3.4.3",
    covers="DicomWeb.test_bitbucket_issue_168",
    level="product",
    needs=("rest", "dicomweb.relational"),
)
def test_private_element_of_the_dictionary(web: DicomWeb, make: Maker) -> None:
    """A private element of the configured dictionary is returned only if it is requested by its tag."""
    ds = make.instance().dataset()
    ds.private_block(0x0009, "Lunit", create=True).add_new(0x01, "DS", "98.5")
    web.rest.upload(file_of(ds))

    usual = single(web.qido("/instances"), "instance")
    requested = single(web.qido("/instances", includefield="00091001"), "instance")

    assert "00091001" not in usual
    assert json_number(requested, "00091001") == 98.5


@suite.case("QIDO-020", ref="PS3.18 8.3.4.4", covers="DicomWeb.test_bitbucket_issue_53")
def test_pages_cover_everything_once(web: DicomWeb, stored: Stored) -> None:
    """Pages of one study each contain all studies, each of them once."""
    for patient_id in "ABC":
        stored.study(PatientID=patient_id)

    pages = [web.qido("/studies", limit=1, offset=offset) for offset in range(3)]

    assert sorted(found(page) for page in pages) == [["A"], ["B"], ["C"]]


@suite.case("QIDO-021", ref="PS3.18 8.3.4.4")
def test_limit(web: DicomWeb, stored: Stored) -> None:
    """A search returns no more studies than its limit."""
    for patient_id in "ABC":
        stored.study(PatientID=patient_id)

    studies = found(web.qido("/studies", limit=2))

    assert studies in (["A", "B"], ["A", "C"], ["B", "C"])


@suite.case("QIDO-022", ref="PS3.18 8.3.4.4")
def test_offset_beyond_the_end(web: DicomWeb, stored: Stored) -> None:
    """A page beyond the last study is empty."""
    stored.study()

    assert web.qido("/studies", offset=1) == []


@suite.case("QIDO-023", ref="PS3.18 10.6.3.1, Table 10.6.3-1: 400")
@pytest.mark.parametrize("argument", ["limit", "offset"])
def test_limit_or_offset_without_a_number(web: DicomWeb, argument: str) -> None:
    """A limit or offset that is not a number is rejected with 400."""
    web.get("/studies", params={argument: "many"}, headers={"Accept": DICOM_JSON}, expect=400)


@suite.case(
    "QIDO-024",
    ref="PS3.18 10.6.3.3.1: Retrieve URL; 10.6.3.3.2, 10.6.3.3.3",
    needs="dicomweb.metadata",
)
@pytest.mark.parametrize(
    "path",
    [
        "/studies",
        pytest.param("/series", marks=needs("dicomweb.relational")),
        pytest.param("/instances", marks=needs("dicomweb.relational")),
    ],
)
def test_retrieve_url_works(web: DicomWeb, stored: Stored, path: str) -> None:
    """A found resource can be retrieved from its Retrieve URL."""
    sample = stored.instance()
    answer = single(web.qido(path))

    metadata = web.follow(
        f"{json_value(answer, RETRIEVE_URL)}/metadata", headers={"Accept": DICOM_JSON}
    )

    assert found(metadata.json(), SOP_INSTANCE_UID) == [sample.sop_instance_uid]


@suite.case("QIDO-025", ref="PS3.18 F.2.5", covers="DicomWeb.test_bitbucket_issue_111")
def test_empty_value_has_only_its_vr(web: DicomWeb, stored: Stored) -> None:
    """An element without a value has its VR, and no list of values."""
    stored.study(AccessionNumber="")

    study = single(web.qido("/studies"), "study")

    assert study["00080050"] == {"vr": "SH"}


@suite.case("QIDO-026", ref="PS3.18 F.2.2")
def test_tags_in_order_and_upper_case(web: DicomWeb, stored: Stored) -> None:
    """Elements are named by eight uppercase hexadecimal digits, and are in ascending order."""
    stored.study()

    study = single(web.qido("/studies"), "study")

    assert [tag for tag in study if not re.fullmatch("[0-9A-F]{8}", tag)] == []
    assert list(study) == sorted(study)


@suite.case(
    "QIDO-027",
    ref="PS3.18 F.2.2, 8.8.5",
    covers=("DicomWeb.test_encodings_qido", "DicomWeb.test_bitbucket_issue_113"),
)
@pytest.mark.parametrize(
    "sample",
    ["c01", "c02", "c04", "c05", "c06", "c07", "c08", "c09", "c11", "c14", "c15", "c16-gb18030"],
)
def test_person_name_of_any_character_set(web: DicomWeb, stored: Stored, sample: str) -> None:
    """Each group of a name is in UTF-8, whatever character set it was stored in."""
    written = stored.sample(sample)

    study = single(web.qido("/studies", StudyInstanceUID=written.study_instance_uid), "study")

    expected = written.properties["patient_name"].rstrip("=")
    assert person_name(json_value(study, PATIENT_NAME)) == expected


@suite.case("QIDO-028", ref="PS3.18 8.7.3, 10.6.4")
@pytest.mark.parametrize(
    "accept",
    [None, DICOM_JSON, "*/*", f"text/html, {DICOM_JSON};q=0.5"],
    ids=["none", "json", "any", "json-among-others"],
)
def test_json_is_the_default(web: DicomWeb, stored: Stored, accept: str | None) -> None:
    """The answer is in the DICOM JSON model, and says so, unless another media type is requested."""
    stored.study()

    answer = web.get("/studies", headers={"Accept": accept})

    assert header(answer, "Content-Type").partition(";")[0] == DICOM_JSON


@suite.case(
    "QIDO-029",
    ref="Orthanc Book: configuration options CaseSensitivePN and Locale",
    covers="DicomWeb.test_bitbucket_issue_56",
    level="product",
)
@pytest.mark.parametrize("pattern", ["Ив*", "ив*", "ИВАНОВ^*"])
def test_case_of_a_name_beyond_ascii(web: DicomWeb, stored: Stored, pattern: str) -> None:
    """A name is found regardless of case, even of non-ASCII letters."""
    stored.study(PatientID="A", PatientName="Иванов^Пётр")
    stored.study(PatientID="B", PatientName="Петров^Иван")

    studies = web.qido("/studies", PatientName=pattern)

    assert found(studies) == ["A"]


@suite.case("QIDO-030", ref="PS3.4 C.2.2.2.4: UI has no wildcards; PS3.18 8.3.4.1.1")
@pytest.mark.parametrize("end", ["*", "?"], ids=["star", "question-mark"])
def test_wildcard_in_a_uid(web: DicomWeb, stored: Stored, end: str) -> None:
    """A UID has no wildcards: a star or question mark in it matches no study, or is rejected with 400."""
    study = stored.instance().study_instance_uid
    url = f"/studies?StudyInstanceUID={study[:-1]}{end}"

    answer = web.get(url, headers={"Accept": DICOM_JSON}, expect=(200, 204, 400))

    assert answer.status_code != 200 or answer.json() == []
