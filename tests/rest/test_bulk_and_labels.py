"""Many resources in one request, and the labels of resources."""

import pytest

from harness.cases import FOLDERS, Rest, Sample, Stored, Suite, orthanc_ids, single

suite = Suite(level="product", needs="rest", ref="Orthanc REST API: POST /tools/bulk-content")

LABELS = "Orthanc REST API: PUT /studies/{id}/labels/{label}"
LEVELS = ("Patient", "Study", "Series", "Instance")


@pytest.fixture
def objects(stored: Stored) -> tuple[Sample, ...]:
    """Store two series of two objects of one patient, and an object of another."""
    return (*stored.study(PatientID="A", series=2, instances=2), stored.instance(PatientID="B"))


# Bulk content


@suite.case("BULK-001", covers="Orthanc.test_bulk_content", needs="orthanc>=1.9.4")
def test_content_of_resources_of_all_levels(rest: Rest, objects: tuple[Sample, ...]) -> None:
    """The content of resources of each level comes in the order of the request, with their metadata."""
    ids = orthanc_ids(objects[0])

    content = rest.post("/tools/bulk-content", {"Resources": [*ids], "Metadata": True}).json()

    assert [(each["Type"], each["ID"]) for each in content] == list(zip(LEVELS, ids, strict=True))
    assert all("Metadata" in each for each in content)


@suite.case("BULK-002", covers="Orthanc.test_bulk_content", needs="orthanc>=1.9.4")
@pytest.mark.parametrize("level", LEVELS)
def test_content_at_a_level(rest: Rest, objects: tuple[Sample, ...], level: str) -> None:
    """With Level, each resource represents those above or below it at this level, without duplicates."""
    asked = [orthanc_ids(each).instance for each in objects]

    content = rest.post("/tools/bulk-content", {"Resources": asked, "Level": level}).json()

    expected = sorted({orthanc_ids(each).at(level) for each in objects})
    assert sorted(each["ID"] for each in content) == expected
    assert {each["Type"] for each in content} == {level}


@suite.case("BULK-003", covers="Orthanc.test_bulk_content", needs="orthanc>=1.9.4")
@pytest.mark.parametrize("level", LEVELS)
def test_content_below_a_patient(rest: Rest, objects: tuple[Sample, ...], level: str) -> None:
    """With Level, a patient represents everything below it, and nothing of another patient."""
    patient = orthanc_ids(objects[0]).patient

    content = rest.post("/tools/bulk-content", {"Resources": [patient], "Level": level}).json()

    expected = sorted({orthanc_ids(each).at(level) for each in objects[:-1]})
    assert sorted(each["ID"] for each in content) == expected


@suite.case("BULK-004", covers="Orthanc.test_bulk_content", needs="orthanc>=1.9.4")
def test_content_without_metadata(rest: Rest, objects: tuple[Sample, ...]) -> None:
    """With Metadata false, the content is that of the resource itself."""
    ids = orthanc_ids(objects[0])

    content = rest.post("/tools/bulk-content", {"Resources": [*ids], "Metadata": False}).json()

    assert [set(each) for each in content] == [set(rest.json(ids.path(level))) for level in LEVELS]
    assert [each["MainDicomTags"] for each in content] == [
        rest.json(ids.path(level))["MainDicomTags"] for level in LEVELS
    ]


@suite.case("BULK-005", needs="orthanc>=1.9.4")
def test_content_of_nothing_and_of_the_unknown(rest: Rest, objects: tuple[Sample, ...]) -> None:
    """An empty list has no content, and a resource that does not exist is left out."""
    known = orthanc_ids(objects[0]).instance

    assert rest.post("/tools/bulk-content", {"Resources": []}).json() == []
    content = rest.post("/tools/bulk-content", {"Resources": ["nope", known]}).json()
    assert [each["ID"] for each in content] == [known]


# Bulk deletion


@suite.case(
    "BULK-006",
    ref="Orthanc REST API: POST /tools/bulk-delete",
    covers="Orthanc.test_bulk_modify",
    needs="orthanc>=1.9.4",
)
@pytest.mark.parametrize("level", LEVELS)
def test_resource_is_deleted_in_bulk(rest: Rest, objects: tuple[Sample, ...], level: str) -> None:
    """A resource of any level is deleted with all below it, and nothing else."""
    ids = orthanc_ids(objects[0])

    rest.post("/tools/bulk-delete", {"Resources": [ids.at(level)]})

    expected = [
        orthanc_ids(each).instance
        for each in objects
        if orthanc_ids(each).at(level) != ids.at(level)
    ]
    assert sorted(rest.json("/instances")) == sorted(expected)


@suite.case(
    "BULK-007",
    ref="Orthanc REST API: POST /tools/bulk-delete",
    covers="Orthanc.test_bulk_modify",
    needs="orthanc>=1.9.4",
)
def test_mixed_resources_are_deleted(rest: Rest, objects: tuple[Sample, ...]) -> None:
    """An instance, a series and a patient are deleted by one request, and so are emptied parents."""
    one, _, three, _, other = (orthanc_ids(each) for each in objects)

    rest.post("/tools/bulk-delete", {"Resources": [one.instance, three.series, other.patient]})

    assert rest.json("/instances") == [orthanc_ids(objects[1]).instance]
    assert [len(rest.json(f"/{each}")) for each in FOLDERS] == [1, 1, 1, 1]


@suite.case("BULK-008", ref="Orthanc REST API: POST /tools/bulk-delete", needs="orthanc>=1.9.4")
@pytest.mark.parametrize(
    "order",
    [{}, {"Resources": "nope"}, [], {"Resources": [1]}],
    ids=["empty", "text", "list", "number"],
)
def test_malformed_bulk_deletion_deletes_nothing(
    rest: Rest, objects: tuple[Sample, ...], order: object
) -> None:
    """A malformed bulk deletion is rejected, and nothing is deleted."""
    answer = rest.post("/tools/bulk-delete", order, expect=None)

    assert answer.status_code in range(400, 600)
    assert len(rest.json("/instances")) == len(objects)


# Labels


@suite.case("LABEL-001", ref=LABELS, needs="orthanc>=1.12.0")
@pytest.mark.parametrize("level", LEVELS)
def test_label_is_set_and_removed(rest: Rest, objects: tuple[Sample, ...], level: str) -> None:
    """A label is set, listed, found and removed at each level, and other resources have none."""
    path = orthanc_ids(objects[0]).path(level)
    other = orthanc_ids(objects[-1]).path(level)

    rest.put(f"{path}/labels/urgent")
    rest.put(f"{path}/labels/urgent")
    rest.get(f"{path}/labels/urgent")

    assert rest.json(f"{path}/labels") == rest.json(path)["Labels"] == ["urgent"]
    assert rest.json(f"{other}/labels") == []

    rest.delete(f"{path}/labels/urgent")
    assert rest.json(f"{path}/labels") == []
    rest.get(f"{path}/labels/urgent", expect=404)


@suite.case("LABEL-002", ref=LABELS, needs="orthanc>=1.12.0")
@pytest.mark.parametrize("label", ["a", "A-b_c", "0123456789", "x" * 64])
def test_name_of_a_label(rest: Rest, objects: tuple[Sample, ...], label: str) -> None:
    """A label of letters, digits, dashes and underscores is kept as it is, including its case."""
    path = orthanc_ids(objects[0]).path("study")

    rest.put(f"{path}/labels/{label}")

    assert rest.json(f"{path}/labels") == [label]


@suite.case("LABEL-003", ref=LABELS, needs="orthanc>=1.12.0")
@pytest.mark.parametrize("label", ["two%20words", "a.b", "%C3%A9", "x" * 65])
def test_name_that_no_label_can_have(rest: Rest, objects: tuple[Sample, ...], label: str) -> None:
    """A label with other characters, or one that is too long, is rejected with 400."""
    path = orthanc_ids(objects[0]).path("study")

    rest.put(f"{path}/labels/{label}", expect=400)

    assert rest.json(f"{path}/labels") == []


@suite.case("LABEL-004", ref="Orthanc REST API: GET /tools/labels", needs="orthanc>=1.12.0")
def test_all_labels(rest: Rest, objects: tuple[Sample, ...]) -> None:
    """`/tools/labels` lists each label that any resource has, once."""
    one, other = orthanc_ids(objects[0]), orthanc_ids(objects[-1])
    for path in (one.path("patient"), one.path("series"), other.path("study")):
        rest.put(f"{path}/labels/shared")
    rest.put(f"{other.path('instance')}/labels/single")

    assert sorted(rest.json("/tools/labels")) == ["shared", "single"]


@suite.case("LABEL-005", ref="Orthanc REST API: POST /tools/find, Labels", needs="orthanc>=1.12.0")
@pytest.mark.parametrize("constraint", ["All", "Any", "None"])
@pytest.mark.parametrize("level", LEVELS)
def test_search_by_label_at_each_level(
    rest: Rest, stored: Stored, level: str, constraint: str
) -> None:
    """Only labels at the searched level count, not those of parents and children."""
    samples = [stored.instance(PatientID=each) for each in "ABC"]
    for sample, labels in zip(samples, (["a"], ["a", "b"], []), strict=True):
        for label in labels:
            rest.put(f"{orthanc_ids(sample).path(level)}/labels/{label}")
    other = single([each for each in ("Study", "Series") if each != level][:1], "level")
    rest.put(f"{orthanc_ids(samples[2]).path(other)}/labels/a")

    found = rest.find(level, {}, Labels=["a", "b"], LabelsConstraint=constraint)

    expected = {"All": samples[1:2], "Any": samples[:2], "None": samples[2:]}[constraint]
    assert sorted(found) == sorted(orthanc_ids(each).at(level) for each in expected)


@suite.case("LABEL-006", ref=LABELS, needs="orthanc>=1.12.0")
def test_label_goes_with_its_resource(rest: Rest, objects: tuple[Sample, ...]) -> None:
    """The labels of a resource are deleted with it, and do not return when it is stored again."""
    sample = objects[-1]
    path = orthanc_ids(sample).path("study")
    rest.put(f"{path}/labels/old")

    rest.delete(path)
    rest.upload(sample.data)

    assert rest.json(f"{path}/labels") == []
    assert rest.json("/tools/labels") == []
