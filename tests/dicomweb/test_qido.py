"""QIDO-RS: what a search matches, what it gives back, and in which form."""

import io

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from harness.cases import (
    DICOM_JSON,
    Corpus,
    DicomWeb,
    Maker,
    Stored,
    Suite,
    json_value,
    json_values,
    needs,
    person_name,
    series_path,
    study_path,
)

suite = Suite(needs="dicomweb.qido")


PATIENT_NAME = "00100010"
STUDY_INSTANCE_UID = "0020000D"
SERIES_INSTANCE_UID = "0020000E"
SOP_INSTANCE_UID = "00080018"
RETRIEVE_URL = "00081190"


def found(datasets: list[dict[str, object]], tag: str = "00100020") -> list[object]:
    """Give the values of one element of all answers, in order, for comparing: the Patient ID."""
    return sorted(json_value(each, tag) for each in datasets)


@suite.case("QIDO-001", ref="PS3.18 10.6.1, Table 10.6.1-1")
def test_each_study_is_found_once(web: DicomWeb, stored: Stored) -> None:
    """A search for studies gives each of them once, however many series and instances they have."""
    first = stored.study(PatientID="A", series=2, instances=2)[0]
    second = stored.study(PatientID="B")[0]

    studies = web.qido("/studies")

    assert found(studies, STUDY_INSTANCE_UID) == sorted(
        [first.study_instance_uid, second.study_instance_uid]
    )


@suite.case("QIDO-002", ref="PS3.18 10.6.1, Table 10.6.1-1")
def test_series_of_one_study(web: DicomWeb, stored: Stored) -> None:
    """The series below a study are those of this study alone."""
    mine = stored.study(PatientID="A", series=2, instances=2)
    stored.study(PatientID="B")

    series = web.qido(f"{study_path(mine[0])}/series")

    assert found(series, SERIES_INSTANCE_UID) == sorted({each.series_instance_uid for each in mine})


@suite.case("QIDO-003", ref="PS3.18 10.6.1, Table 10.6.1-1")
@pytest.mark.parametrize(
    "below", [pytest.param("study", marks=needs("dicomweb.relational")), "series"]
)
def test_instances_of_a_study_or_series(web: DicomWeb, stored: Stored, below: str) -> None:
    """The instances below a study or series are its own alone."""
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
    """A key named by its keyword or by its tag is matched against the single value given."""
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
    """A star matches any characters, also none, and a question mark exactly one."""
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
    """What is found matches all keys at once."""
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

    # 204 by the edition of 2019; later text and practice know 200 with an empty list as well.
    assert web.qido("/studies", PatientID="B") == []


@suite.case(
    "QIDO-012", ref="PS3.18 10.6.3.3.1, Table 10.6.3-3", covers="DicomWeb.test_bitbucket_issue_112"
)
def test_attributes_of_a_study(web: DicomWeb, stored: Stored) -> None:
    """A found study says who, when, and how many: Integer Strings as numbers of JSON."""
    first = stored.study(
        series=2, instances=3, PatientID="A", StudyDate="20240116", StudyTime="101112", StudyID="S",
        AccessionNumber="ACC", PatientBirthDate="19800203", PatientSex="F",
    )[0]  # fmt: skip

    [study] = web.qido("/studies")

    expected = {
        "00080020": "20240116", "00080030": "101112", "00080050": "ACC", "00080061": "CT",
        "00100020": "A", "00100030": "19800203", "00100040": "F", "00200010": "S",
        STUDY_INSTANCE_UID: first.study_instance_uid, "00201206": 2, "00201208": 6,
    }  # fmt: skip
    assert {tag: json_value(study, tag) for tag in expected} == expected


@suite.case("QIDO-013", ref="PS3.18 10.6.3.3.2, Table 10.6.3-4")
def test_attributes_of_a_series(web: DicomWeb, stored: Stored) -> None:
    """A found series says its modality, number, description, and how many instances it has."""
    first = stored.study(
        instances=3, Modality="MR", SeriesNumber=7, SeriesDescription="T1 sagittal"
    )[0]

    [series] = web.qido(f"{study_path(first)}/series")

    expected = {
        "00080060": "MR", "0008103E": "T1 sagittal", "00200011": 7, "00201209": 3,
        SERIES_INSTANCE_UID: first.series_instance_uid,
    }  # fmt: skip
    assert {tag: json_value(series, tag) for tag in expected} == expected


@suite.case("QIDO-014", ref="PS3.18 10.6.3.3.3, Table 10.6.3-5")
def test_attributes_of_an_instance(web: DicomWeb, stored: Stored) -> None:
    """A found instance says its class, number and, being an image, its size."""
    sample = stored.instance(InstanceNumber=5, rows=20, columns=30)

    [instance] = web.qido(f"{series_path(sample)}/instances")

    expected = {
        "00080016": sample.sop_class_uid, SOP_INSTANCE_UID: sample.sop_instance_uid,
        "00200013": 5, "00280010": 20, "00280011": 30, "00280100": 16,
    }  # fmt: skip
    assert {tag: json_value(instance, tag) for tag in expected} == expected


@suite.case(
    "QIDO-015",
    ref="PS3.18 10.6.3.3.2, 10.6.3.3.3",
    covers="DicomWeb.test_qido_parent_attributes",
    needs="dicomweb.relational",
)
@pytest.mark.parametrize("path", ["/series", "/instances"])
def test_study_is_told_where_none_is_named(web: DicomWeb, stored: Stored, path: str) -> None:
    """Series and instances found without naming a study come with the attributes of theirs."""
    sample = stored.instance(PatientID="A", PatientName="Muller", StudyDate="20240116")

    [answer] = web.qido(path)

    expected = {
        PATIENT_NAME: {"Alphabetic": "Muller"}, "00100020": "A", "00080020": "20240116",
        STUDY_INSTANCE_UID: sample.study_instance_uid, "00080060": "CT",
        SERIES_INSTANCE_UID: sample.series_instance_uid,
    }  # fmt: skip
    assert {tag: json_value(answer, tag) for tag in expected} == expected


@suite.case("QIDO-016", ref="PS3.18 10.6.3.3.1", covers="DicomWeb.test_qido_parent_attributes")
def test_study_has_nothing_of_its_series(web: DicomWeb, stored: Stored) -> None:
    """A found study has no attribute of a single series or instance."""
    stored.study(series=2)

    [study] = web.qido("/studies")

    assert study.keys() & {SERIES_INSTANCE_UID, SOP_INSTANCE_UID, "00080060", "00200011"} == set()


@suite.case("QIDO-017", ref="PS3.18 8.3.4.3", covers="DicomWeb.test_qido_fields")
@pytest.mark.parametrize("field", ["StudyDescription", "00081030"], ids=["keyword", "tag"])
def test_includefield(web: DicomWeb, stored: Stored, field: str) -> None:
    """An attribute that is not among the usual ones comes when it is asked for."""
    stored.study(StudyDescription="Knee left")

    [study] = web.qido("/studies", includefield=field)

    assert json_value(study, "00081030") == "Knee left"


@suite.case(
    "QIDO-018",
    ref="PS3.18 8.3.4.3",
    covers="DicomWeb.test_qido_fields",
    needs="plugin.dicomweb>=1.17",
)
def test_includefield_with_a_sequence(web: DicomWeb, stored: Stored) -> None:
    """A sequence that is asked for comes with all its items."""
    uids = ["1.2.3.1", "1.2.3.2"]
    items = [Dataset() for _ in uids]
    for each, uid in zip(items, uids, strict=True):
        each.ReferencedSOPClassUID, each.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid
    sample = stored.instance(ReferencedImageSequence=Sequence(items))

    [instance] = web.qido(f"{series_path(sample)}/instances", includefield="00081140")

    assert [json_value(each, "00081155") for each in json_values(instance, "00081140")] == uids


@suite.case(
    "QIDO-019",
    ref="Orthanc Book: configuration option Dictionary; PS3.18 8.3.4.3",
    covers="DicomWeb.test_bitbucket_issue_168",
    level="product",
    needs=("rest", "dicomweb.relational"),
)
def test_private_element_of_the_dictionary(web: DicomWeb, make: Maker) -> None:
    """A private element that the configuration names is left out unless it is asked for by its tag."""
    ds = make.instance().dataset()
    ds.private_block(0x0009, "Lunit", create=True).add_new(0x01, "DS", "98.5")
    file = io.BytesIO()
    ds.save_as(file)
    web.rest.upload(file.getvalue())

    [usual] = web.qido("/instances")
    [asked] = web.qido("/instances", includefield="00091001")

    assert "00091001" not in usual
    assert float(json_value(asked, "00091001")) == 98.5  # a number, or since 1.12.5 its text


@suite.case("QIDO-020", ref="PS3.18 8.3.4.4", covers="DicomWeb.test_bitbucket_issue_53")
def test_pages_cover_everything_once(web: DicomWeb, stored: Stored) -> None:
    """The pages of one search, one study each, hold all studies, each of them once."""
    for patient_id in "ABC":
        stored.study(PatientID=patient_id)

    pages = [web.qido("/studies", limit=1, offset=offset) for offset in range(3)]

    assert [len(page) for page in pages] == [1, 1, 1]
    assert found([study for page in pages for study in page]) == ["A", "B", "C"]


@suite.case("QIDO-021", ref="PS3.18 8.3.4.4")
def test_limit(web: DicomWeb, stored: Stored) -> None:
    """No more than the limit is given."""
    for patient_id in "ABC":
        stored.study(PatientID=patient_id)

    assert len(web.qido("/studies", limit=2)) == 2


@suite.case("QIDO-022", ref="PS3.18 8.3.4.4")
def test_offset_beyond_the_end(web: DicomWeb, stored: Stored) -> None:
    """A page behind the last study is empty."""
    stored.study()

    assert web.qido("/studies", offset=1) == []


@suite.case("QIDO-023", ref="PS3.18 10.6.3.1, Table 10.6.3-1: 400")
@pytest.mark.parametrize("argument", ["limit", "offset"])
def test_number_that_is_none(web: DicomWeb, argument: str) -> None:
    """A limit or offset that is no number is the client's error."""
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
    """What was found can be retrieved from the URL that it comes with."""
    sample = stored.instance()
    [answer] = web.qido(path)

    metadata = web.follow(
        f"{json_value(answer, RETRIEVE_URL)}/metadata", headers={"Accept": DICOM_JSON}
    )

    assert found(metadata.json(), SOP_INSTANCE_UID) == [sample.sop_instance_uid]


@suite.case("QIDO-025", ref="PS3.18 F.2.5", covers="DicomWeb.test_bitbucket_issue_111")
def test_empty_value_has_only_its_vr(web: DicomWeb, stored: Stored) -> None:
    """An element without a value has its VR, and no list of values."""
    stored.study(AccessionNumber="")

    [study] = web.qido("/studies")

    assert study["00080050"] == {"vr": "SH"}


@suite.case("QIDO-026", ref="PS3.18 F.2.2")
def test_tags_in_order_and_upper_case(web: DicomWeb, stored: Stored) -> None:
    """Elements are named by eight hexadecimal digits in upper case, in ascending order."""
    stored.study()

    [study] = web.qido("/studies")

    assert list(study) == sorted(f"{int(tag, 16):08X}" for tag in study)


@suite.case(
    "QIDO-027",
    ref="PS3.18 F.2.2, 8.8.5",
    covers=("DicomWeb.test_encodings_qido", "DicomWeb.test_bitbucket_issue_113"),
)
@pytest.mark.parametrize(
    "sample",
    ["c01", "c02", "c04", "c05", "c06", "c07", "c08", "c09", "c11", "c14", "c15", "c16-gb18030"],
)
def test_person_name_of_any_character_set(
    web: DicomWeb, stored: Stored, corpus: Corpus, sample: str
) -> None:
    """A name comes whole, in UTF-8, its groups apart, whatever character set it was stored with."""
    written = stored.sample(sample)

    [study] = web.qido("/studies", StudyInstanceUID=written.study_instance_uid)

    assert person_name(json_value(study, PATIENT_NAME)) == written.properties[
        "patient_name"
    ].rstrip("=")


@suite.case("QIDO-028", ref="PS3.18 8.7.3, 10.6.4")
@pytest.mark.parametrize(
    "accept",
    [None, DICOM_JSON, "*/*", f"text/html, {DICOM_JSON};q=0.5"],
    ids=["none", "json", "any", "json-among-others"],
)
def test_json_is_the_default(web: DicomWeb, stored: Stored, accept: str | None) -> None:
    """Without a wish for something else, the answer is in the DICOM JSON model and says so."""
    stored.study()

    answer = web.get("/studies", headers={"Accept": accept})

    assert answer.headers["Content-Type"].partition(";")[0] == DICOM_JSON


@suite.case(
    "QIDO-029",
    ref="Orthanc Book: configuration options CaseSensitivePN and Locale",
    covers="DicomWeb.test_bitbucket_issue_56",
    level="product",
    needs="plugin.dicomweb>=1.24",
)
@pytest.mark.parametrize("pattern", ["Ив*", "ив*", "ИВАНОВ^*"])
def test_case_of_a_name_beyond_ascii(web: DicomWeb, stored: Stored, pattern: str) -> None:
    """A name is found whatever the case of its letters, also of those that are not ASCII."""
    stored.study(PatientID="A", PatientName="Иванов^Пётр")
    stored.study(PatientID="B", PatientName="Петров^Иван")

    studies = web.qido("/studies", PatientName=pattern)

    assert found(studies) == ["A"]
