"""The options of a search by REST: pages, requested and computed elements, order, content, errors."""

import itertools
from typing import Any

import pytest
from pydicom.uid import CTImageStorage, MRImageStorage

from harness.cases import Corpus, Maker, Rest, Sample, Stored, Suite, orthanc_ids, single

suite = Suite(level="product", needs="rest", ref="Orthanc REST API: POST /tools/find")

EXTENDED = "orthanc>=1.12.5"
BY_DATABASE = (EXTENDED, "rest.extended-find")
LEVELS = ("Patient", "Study", "Series", "Instance")


def names(found: list[Any]) -> list[str]:
    """Return the Patient Names of studies or patients found with Expand, in order."""
    return [
        (each.get("PatientMainDicomTags") or each["MainDicomTags"])["PatientName"] for each in found
    ]


# Pages


@suite.case("FOPT-001", covers="Orthanc.test_rest_find_limit")
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("limit", "expected"), [(1, 1), (3, 3), (4, 4), (5, 4), (0, 4)], ids="limit {}".format
)
def test_limit_at_its_border(
    rest: Rest, stored: Stored, level: str, limit: int, *, expected: int
) -> None:
    """A search returns at most Limit results; 0 means no limit."""
    for patient in "ABCD":
        stored.instance(PatientID=patient)

    found = rest.find(level, {}, Limit=limit)

    assert len(set(found)) == len(found) == expected


@suite.case("FOPT-002", covers="Orthanc.test_rest_find_limit")
@pytest.mark.parametrize("size", [1, 2, 3, 5, 6])
def test_pages_of_any_size_cover_all(rest: Rest, stored: Stored, size: int) -> None:
    """Pages by Since and Limit hold each result once, and the page after the last one is empty."""
    samples = stored.study(instances=5)

    pages = [
        rest.find("Instance", {}, Since=since, Limit=size) for since in range(0, 5 + size, size)
    ]

    assert sorted(itertools.chain(*pages)) == sorted(orthanc_ids(each).instance for each in samples)
    assert pages[-1] == []


@suite.case("FOPT-003")
@pytest.mark.parametrize("since", [4, 5, 100])
def test_page_beyond_the_last(rest: Rest, stored: Stored, since: int) -> None:
    """A page that begins beyond the last result is empty."""
    stored.study(instances=4)

    assert rest.find("Instance", {}, Since=since, Limit=2) == []


@suite.case("FOPT-004", ref="Orthanc REST API: POST /tools/count-resources", needs=EXTENDED)
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "query",
    [
        {},
        {"PatientID": "A"},
        {"PatientID": "A\\B"},
        {"PatientID": "NOBODY"},
    ],
    ids=["all", "one", "list", "none"],
)
def test_count_equals_the_list(rest: Rest, stored: Stored, level: str, query: Any) -> None:
    """The count of a search is the length of its list, at each level; 0 if nothing matches."""
    for patient in "ABC":
        stored.study(PatientID=patient, series=2, instances=2)
    order = {"Level": level, "Query": query}

    found = rest.post("/tools/find", order).json()

    assert rest.post("/tools/count-resources", order).json() == {"Count": len(found)}


@suite.case("FOPT-017", needs=EXTENDED)
@pytest.mark.parametrize("option", [{"Since": 1}, {"Since": 1, "Limit": 2}], ids=["since", "both"])
def test_page_of_what_is_only_in_files(rest: Rest, stored: Stored, option: dict[str, int]) -> None:
    """A page of a search for an element that is not in the index is rejected with an explanation."""
    stored.study(instances=3)

    order = {"Level": "Instance", "Query": {"Rows": "16"}}
    answer = rest.post("/tools/find", {**order, **option}, expect=400).json()

    assert "not stored as MainDicomTags" in answer["Details"]
    assert len(rest.find("Instance", {"Rows": "16"}, Limit=2)) == 2


# Requested elements


@suite.case("FOPT-005", covers="Orthanc.test_rest_find_requested_tags", needs="orthanc>=1.11.1")
@pytest.mark.parametrize(
    ("level", "tags"),
    [
        ("Patient", {"PatientName": "Muller^Anna", "PatientSex": "F"}),
        ("Study", {"PatientID": "A", "StudyDescription": "Thorax", "AccessionNumber": "4711"}),
        ("Series", {"PatientName": "Muller^Anna", "StudyDescription": "Thorax", "Modality": "CT"}),
        ("Instance", {"PatientID": "A", "Modality": "CT", "InstanceNumber": "1"}),
        ("Instance", {"Rows": "16", "PhotometricInterpretation": "MONOCHROME2"}),
        ("Series", {"Rows": "16", "KVP": "120.0"}),
        ("Study", {"Rows": "16"}),
        ("Patient", {"Rows": "16", "Modality": "CT"}),
    ],
)
def test_requested_elements(rest: Rest, stored: Stored, level: str, tags: dict[str, str]) -> None:
    """Requested elements of any level are returned, from the index or the files."""
    stored.instance(
        PatientID="A", PatientName="Muller^Anna", PatientSex="F", StudyDescription="Thorax",
        AccessionNumber="4711", KVP="120.0",
    )  # fmt: skip

    found = single(rest.find(level, {}, Expand=True, RequestedTags=[*tags]), "resource")

    assert found["RequestedTags"] == tags


@suite.case("FOPT-006", covers="Orthanc.test_rest_find_requested_tags", needs="orthanc>=1.11.1")
def test_requested_sequence(rest: Rest, make: Maker) -> None:
    """A requested sequence is a list of its items, with keywords as names."""
    item = {"RequestedProcedureID": "P1", "ScheduledProcedureStepID": "S1"}
    rest.upload(make.instance(RequestAttributesSequence=[_item(item)]).data)

    found = single(
        rest.find("Series", {}, Expand=True, RequestedTags=["RequestAttributesSequence"]), "series"
    )

    assert found["RequestedTags"]["RequestAttributesSequence"] == [item]


def _item(elements: dict[str, str]) -> Any:
    from pydicom.dataset import Dataset  # noqa: PLC0415 - the only use

    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


# Computed elements of a study with two series (CT and MR) and three instances; another patient has
# others.
COMPUTED = {
    "Patient": {
        "NumberOfPatientRelatedStudies": "1",
        "NumberOfPatientRelatedSeries": "2",
        "NumberOfPatientRelatedInstances": "3",
    },
    "Study": {
        "NumberOfStudyRelatedSeries": "2",
        "NumberOfStudyRelatedInstances": "3",
        "ModalitiesInStudy": "CT\\MR",
        "SOPClassesInStudy": f"{CTImageStorage}\\{MRImageStorage}",
    },
    "Series": {"NumberOfSeriesRelatedInstances": "2"},
    "Instance": {"InstanceAvailability": "ONLINE"},
}
EACH_COMPUTED = [(level, keyword) for level, known in COMPUTED.items() for keyword in known]


@pytest.fixture
def two_modalities(stored: Stored) -> Sample:
    """Store a study with two modalities, and another patient; return an object of the larger series."""
    first = stored.instance(PatientID="A", Modality="CT", series="1", number=1)
    stored.instance(PatientID="A", Modality="CT", series="1", number=2)
    stored.instance(PatientID="A", Modality="MR", series="2", number=1)
    stored.study(PatientID="B", Modality="OT", instances=4)
    return first


@suite.case(
    "FOPT-007",
    covers="Orthanc.test_rest_find_requested_tags_computed_tags",
    needs="orthanc>=1.11.1",
)
@pytest.mark.parametrize(("level", "keyword"), EACH_COMPUTED)
def test_computed_element_of_a_search(
    rest: Rest, two_modalities: Sample, level: str, keyword: str
) -> None:
    """Numbers below a resource, its modalities and SOP classes are computed when they are requested."""
    found = rest.find(level, {"PatientID": "A"}, Expand=True, RequestedTags=[keyword])

    wanted = orthanc_ids(two_modalities).at(level)
    tags = single([each for each in found if each["ID"] == wanted], "resource")["RequestedTags"]
    assert tags == {keyword: COMPUTED[level][keyword]}


@suite.case(
    "FOPT-008",
    ref="Orthanc REST API: GET /studies/{id}?requestedTags",
    covers="Orthanc.test_computed_tags",
    needs="orthanc>=1.11.0",
)
@pytest.mark.parametrize(("level", "keyword"), EACH_COMPUTED)
def test_computed_element_of_a_resource(
    rest: Rest, two_modalities: Sample, level: str, keyword: str
) -> None:
    """A single resource has the computed elements requested by keyword, and no others."""
    path = orthanc_ids(two_modalities).path(level)

    tags = rest.json(path, requestedTags=keyword)["RequestedTags"]

    assert tags == {keyword: COMPUTED[level][keyword]}


@suite.case(
    "FOPT-009",
    ref="Orthanc REST API: GET /studies/{id}/series?requestedTags",
    covers=(
        "Orthanc.test_list_resources_requested_tags_study_computed_tags",
        "Orthanc.test_list_resources_requested_tags_series_computed_tags",
    ),
    needs="orthanc>=1.11.0",
)
@pytest.mark.parametrize("level", ["Study", "Series", "Instance"])
def test_computed_elements_in_a_list(rest: Rest, two_modalities: Sample, level: str) -> None:
    """A list of children has computed elements of each in addition to those in the index."""
    folder = {"Study": "studies", "Series": "series", "Instance": "instances"}[level]
    patient = orthanc_ids(two_modalities).path("patient")
    wanted = ["PatientID", *COMPUTED[level]]

    requested = ";".join(wanted)  # not encoded: releases before 1.13.0 do not decode arguments
    listed = rest.json(f"{patient}/{folder}?expand&simplify&requestedTags={requested}")

    tags = {each["ID"]: each["RequestedTags"] for each in listed}
    assert tags[orthanc_ids(two_modalities).at(level)] == {"PatientID": "A", **COMPUTED[level]}


@suite.case(
    "FOPT-010", covers="Orthanc.test_computed_tags_and_patient_comments", needs="orthanc>=1.12.5"
)
def test_computed_element_beside_an_empty_one(rest: Rest, stored: Stored) -> None:
    """Computed elements are returned even together with an empty element that is only in the files."""
    stored.instance(Modality="CT", PatientComments="")
    tags = ["ModalitiesInStudy", "NumberOfStudyRelatedSeries", "PatientComments"]

    study = single(rest.find("Study", {}, Expand=True, RequestedTags=tags), "study")

    assert study["RequestedTags"] == {
        "ModalitiesInStudy": "CT", "NumberOfStudyRelatedSeries": "1", "PatientComments": "",
    }  # fmt: skip


@suite.case(
    "FOPT-011",
    ref="Orthanc REST API: GET /studies/{id}?requestedTags",
    covers="Orthanc.test_requested_tags",
    needs="orthanc>=1.11.0",
)
@pytest.mark.parametrize("level", LEVELS)
def test_nothing_is_requested(rest: Rest, stored: Stored, level: str) -> None:
    """Without requested tags, a resource has no RequestedTags; with them, nothing else is added."""
    path = orthanc_ids(stored.instance(PatientID="A")).path(level)

    plain, more = rest.json(path), rest.json(path, requestedTags="PatientID")

    assert "RequestedTags" not in plain
    assert set(more) - set(plain) == {"RequestedTags"}
    assert more["RequestedTags"] == {"PatientID": "A"}


# The content of the results

CONTENT = {
    "Patient": {"ID", "Type", "IsStable", "LastUpdate", "Labels", "MainDicomTags", "Studies"},
    "Study": {
        "ID", "Type", "IsStable", "LastUpdate", "Labels", "MainDicomTags", "ParentPatient",
        "PatientMainDicomTags", "Series",
    },
    "Series": {
        "ID", "Type", "IsStable", "LastUpdate", "Labels", "MainDicomTags", "ParentStudy", "Instances",
        "ExpectedNumberOfInstances", "Status",
    },
    "Instance": {
        "ID", "Type", "FileSize", "FileUuid", "IndexInSeries", "Labels", "MainDicomTags", "ParentSeries",
    },
}  # fmt: skip


@suite.case(
    "FOPT-012",
    covers=("Orthanc.test_extended_find_expand", "Orthanc.test_requested_tags"),
    needs="orthanc>=1.12.0",
)
@pytest.mark.parametrize("level", LEVELS)
def test_members_of_an_expanded_result(rest: Rest, stored: Stored, level: str) -> None:
    """An expanded result has the same members as the resource itself."""
    sample = stored.instance()

    found = single(rest.find(level, {}, Expand=True), "resource")

    assert set(found) - {"IsProtected"} == CONTENT[level]
    assert found == rest.json(orthanc_ids(sample).path(level))


@suite.case("FOPT-013", covers="Orthanc.test_extended_find_expand", needs=EXTENDED)
@pytest.mark.parametrize(
    ("level", "content", "members"),
    [
        ("Series", "MainDicomTags", {"MainDicomTags"}),
        ("Series", "Children", {"Instances"}),
        ("Series", "Parent", {"ParentStudy"}),
        ("Series", "IsStable", {"IsStable"}),
        ("Series", "Status", {"Status"}),
        ("Series", "Labels", {"Labels"}),
        ("Series", "Metadata", {"Metadata"}),
        ("Study", "Children", {"Series"}),
        ("Study", "Parent", {"ParentPatient"}),
        ("Patient", "Children", {"Studies"}),
        ("Instance", "Parent", {"ParentSeries"}),
        ("Instance", "Attachments", {"Attachments"}),
        ("Instance", "Metadata", {"Metadata"}),
    ],
)
def test_content_that_is_asked_for(
    rest: Rest, stored: Stored, level: str, content: str, members: set[str]
) -> None:
    """With ResponseContent, a result has ID, Type and the requested content."""
    stored.instance()

    found = single(rest.find(level, {}, Expand=True, ResponseContent=[content]), "resource")

    assert set(found) == {"ID", "Type", *members}


@suite.case("FOPT-014", covers="Orthanc.test_extended_find_expand", needs=EXTENDED)
def test_attachments_of_a_result(rest: Rest, stored: Stored) -> None:
    """The attachments of a result have the size of the file."""
    sample = stored.instance(pixels=False)

    found = single(rest.find("Instance", {}, ResponseContent=["Attachments"]), "instance")

    assert single(found["Attachments"], "attachment")["UncompressedSize"] == len(sample.data)


@suite.case("FOPT-015", ref="Orthanc REST API: POST /tools/find, Full and Short")
@pytest.mark.parametrize(
    ("option", "name"),
    [({}, "PatientName"), ({"Short": True}, "0010,0010"), ({"Full": True}, "0010,0010")],
    ids=["simple", "short", "full"],
)
def test_names_of_elements(rest: Rest, stored: Stored, option: dict[str, bool], name: str) -> None:
    """Elements are named by keyword, with Short by number, and with Full by number with all details."""
    stored.instance(PatientName="Muller^Anna")

    found = single(rest.find("Patient", {}, Expand=True, **option), "patient")

    value = found["MainDicomTags"][name]
    assert value == (
        {"Name": "PatientName", "Type": "String", "Value": "Muller^Anna"}
        if "Full" in option
        else "Muller^Anna"
    )


# Order


@suite.case("FOPT-016", covers="Orthanc.test_extended_find_order_by", needs=BY_DATABASE)
@pytest.mark.parametrize(
    ("directions", "expected"),
    [
        (("ASC", "ASC"), ["1a", "1b", "2a", "2b"]),
        (("ASC", "DESC"), ["1b", "1a", "2b", "2a"]),
        (("DESC", "ASC"), ["2a", "2b", "1a", "1b"]),
        (("DESC", "DESC"), ["2b", "2a", "1b", "1a"]),
    ],
)
def test_order_by_two_elements(
    rest: Rest, stored: Stored, directions: tuple[str, str], expected: list[str]
) -> None:
    """The second element of OrderBy decides between results that are equal in the first."""
    for name in ("2b", "1a", "2a", "1b"):
        stored.instance(PatientID=name, PatientName=name, StudyDate=f"2024010{name[0]}")
    keys = ("StudyDate", "PatientName")
    order = [
        {"Type": "DicomTag", "Key": key, "Direction": direction}
        for key, direction in zip(keys, directions, strict=True)
    ]

    assert names(rest.find("Study", {}, Expand=True, OrderBy=order)) == expected


@suite.case("FOPT-018", covers="Orthanc.test_extended_find_order_by", needs=BY_DATABASE)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_pages_keep_the_order(rest: Rest, stored: Stored, size: int) -> None:
    """Pages of a sorted search follow one another in that order."""
    for name in ("C", "A", "D", "B"):
        stored.instance(PatientName=name)
    order = [{"Type": "DicomTag", "Key": "PatientName", "Direction": "ASC"}]

    pages = [
        names(rest.find("Patient", {}, Expand=True, OrderBy=order, Since=since, Limit=size))
        for since in range(0, 4, size)
    ]

    assert [*itertools.chain(*pages)] == ["A", "B", "C", "D"]


@suite.case(
    "FOPT-019",
    covers=(
        "Orthanc.test_order_by_non_existing_metadata",
        "Orthanc.test_order_by_non_existing_tag",
    ),
    needs=("orthanc>=1.12.7", "rest.extended-find"),
)
@pytest.mark.parametrize(
    ("kind", "key"),
    [("Metadata", "IndexInSeries"), ("Metadata", "9876"), ("DicomTag", "Rows")],
)
def test_order_by_what_an_object_has_not(rest: Rest, corpus: Corpus, kind: str, key: str) -> None:
    """An object without the metadata or element used for sorting is found like the others."""
    document = corpus["h03-sr"]
    rest.upload(document.data)
    order = [{"Type": kind, "Key": key, "Direction": "ASC"}]

    found = rest.find("Instances", {}, ParentSeries=orthanc_ids(document).series, OrderBy=order)

    assert found == [orthanc_ids(document).instance]


# All options at once


@suite.case("FOPT-020", covers="Orthanc.test_extended_find_full", needs=BY_DATABASE)
def test_all_options_at_once(rest: Rest, stored: Stored) -> None:
    """Query, metadata, parent, order, limit, content and requested elements all work together."""
    for patient, series, note in [
        ("Muller", "3", "knee"), ("Muller", "1", "knee"), ("Muller", "2", "head"),
        ("Muller", "4", "knee"), ("Mulder", "5", "knee"),
    ]:  # fmt: skip
        sample = stored.instance(
            PatientName=patient, series=series, SeriesDescription=f"Series {series}"
        )
        rest.put(f"{orthanc_ids(sample).path('series')}/metadata/my-metadata", note)
    parent = single(rest.find("Patient", {"PatientName": "Muller"}), "patient")

    found = rest.find(
        "Series",
        {"PatientName": "Mul*"},
        MetadataQuery={"my-metadata": "*nee"},
        ParentPatient=parent,
        OrderBy=[{"Type": "DicomTag", "Key": "SeriesDescription", "Direction": "ASC"}],
        RequestedTags=["PatientName"],
        ResponseContent=["MainDicomTags", "Metadata"],
        Since=0,
        Limit=2,
    )

    assert [each["MainDicomTags"]["SeriesDescription"] for each in found] == [
        "Series 1",
        "Series 3",
    ]
    assert [each["RequestedTags"] for each in found] == [{"PatientName": "Muller"}] * 2
    assert {each["Metadata"]["my-metadata"] for each in found} == {"knee"}
    assert all(
        set(each) == {"ID", "Type", "MainDicomTags", "Metadata", "RequestedTags"} for each in found
    )


# Rejected requests


@suite.case("FOPT-021")
@pytest.mark.parametrize(
    "order",
    [
        b"",
        b"{",
        b"[]",
        {"Query": {}},
        {"Level": "Study"},
        {"Level": "Nope", "Query": {}},
        {"Level": 1, "Query": {}},
        {"Level": "Study", "Query": []},
        {"Level": "Study", "Query": {"PatientID": 1}},
        {"Level": "Study", "Query": {}, "Limit": -1},
        {"Level": "Study", "Query": {}, "Limit": "1"},
        {"Level": "Study", "Query": {}, "Since": -1},
        {"Level": "Study", "Query": {}, "Expand": "yes"},
        {"Level": "Study", "Query": {}, "CaseSensitive": 1},
    ],
    ids=[
        "empty", "cut", "list", "no-level", "no-query", "unknown-level", "level-number", "query-list",
        "number-in-query", "negative-limit", "limit-text", "negative-since", "expand-text", "case-number",
    ],
)  # fmt: skip
def test_malformed_search_is_a_bad_request(rest: Rest, stored: Stored, order: object) -> None:
    """A malformed search is rejected with 400, and a valid one is answered after that."""
    stored.instance()

    rest.post("/tools/find", order, expect=400)

    assert len(rest.find("Study", {})) == 1


@suite.case("FOPT-022")
def test_unknown_element_in_a_query(rest: Rest) -> None:
    """A query for an unknown element is rejected with a specific error."""
    answer = rest.post(
        "/tools/find", {"Level": "Study", "Query": {"NoSuchElement": "1"}}, expect=(400, 404)
    ).json()

    assert answer["OrthancError"] == "Unknown DICOM tag"
