"""Bulk operations: several resources modified, anonymized, deleted or described in one request."""

from typing import Any

import pytest

from harness.cases import (
    BAD_FILE_FORMAT,
    OUT_OF_RANGE,
    UNKNOWN_RESOURCE,
    Rest,
    Sample,
    Stored,
    Suite,
    finished_job,
    listed,
    needs,
    orthanc_ids,
    refused,
)

LEVELS = ("Patient", "Study", "Series", "Instance")
FOLDERS = {"Patient": "patients", "Study": "studies", "Series": "series", "Instance": "instances"}
CONTENT = "Orthanc REST API: POST /tools/bulk-content"

suite = Suite(
    level="product",
    needs=("rest", "orthanc>=1.9.4"),
    ref="Orthanc REST API: POST /tools/bulk-modify, /tools/bulk-anonymize, /tools/bulk-delete",
)


def two_patients(stored: Stored) -> tuple[Sample, Sample]:
    """Store two patients with one object each."""
    return stored.instance(PatientName="First^One"), stored.instance(PatientName="Second^One")


def by_level(answer: dict[str, Any]) -> dict[str, set[str]]:
    """Return the identifiers of the resources in an answer, by type."""
    found: dict[str, set[str]] = {each: set() for each in LEVELS}
    for each in answer["Resources"]:
        assert each["Path"] == f"/{FOLDERS[each['Type']]}/{each['ID']}"
        found[each["Type"]].add(each["ID"])
    return found


@suite.case("BMOD-001", covers="Orthanc.test_bulk_modify")
def test_instances_are_modified(rest: Rest, stored: Stored) -> None:
    """Each given instance gets a copy in its series; the answer lists copies and parents."""
    samples = two_patients(stored)
    ids = [orthanc_ids(each) for each in samples]
    before = listed(rest)

    answer = rest.post("/tools/bulk-modify", {"Resources": [each.instance for each in ids]}).json()

    found = by_level(answer)
    assert listed(rest) == before | found["Instance"]
    assert len(found["Instance"]) == 2
    for level in ("Patient", "Study", "Series"):
        assert found[level] == {each.at(level) for each in ids}
    sources = {
        rest.get(f"/instances/{each}/metadata/ModifiedFrom").text for each in found["Instance"]
    }
    assert sources == before


@suite.case("BMOD-002", covers="Orthanc.test_bulk_modify")
def test_instances_are_anonymized(rest: Rest, stored: Stored) -> None:
    """Each given instance gets an anonymized copy with new parents, which name their sources."""
    ids = [orthanc_ids(each) for each in two_patients(stored)]

    request = {"Resources": [each.instance for each in ids]}
    found = by_level(rest.post("/tools/bulk-anonymize", request).json())

    for level in LEVELS:
        folder = FOLDERS[level]
        assert len(rest.json(f"/{folder}")) == 4
        sources = {
            rest.get(f"/{folder}/{each}/metadata/AnonymizedFrom").text for each in found[level]
        }
        assert sources == {each.at(level) for each in ids}


@suite.case("BMOD-003", covers="Orthanc.test_bulk_modify")
def test_resources_of_all_levels_are_deleted(rest: Rest, stored: Stored) -> None:
    """A patient, a study, a series and an instance are deleted together, and nothing else is."""
    samples = [stored.instance(PatientName=f"Patient^{each}") for each in "ABCDE"]

    resources = [orthanc_ids(each).at(level) for each, level in zip(samples, LEVELS, strict=False)]
    rest.post("/tools/bulk-delete", {"Resources": resources})

    assert listed(rest) == {orthanc_ids(samples[4]).instance}
    assert len(rest.json("/patients")) == 1


@suite.case("BMOD-004", covers="Orthanc.test_bulk_modify")
def test_parent_and_child_are_deleted_together(rest: Rest, stored: Stored) -> None:
    """A patient and one of its instances in one request are both deleted."""
    ids = orthanc_ids(stored.instance())

    rest.post("/tools/bulk-delete", {"Resources": [ids.patient, ids.instance]})

    assert listed(rest) == set()


@suite.case("BMOD-005", covers="Orthanc.test_modify_keep_source")
@pytest.mark.parametrize("keep", [None, True, False], ids=["default", "true", "false"])
@pytest.mark.parametrize(
    "action",
    [pytest.param("bulk-anonymize"), pytest.param("bulk-modify", marks=needs("orthanc>=1.9.7"))],
)
def test_source_is_kept_unless_told_otherwise(
    rest: Rest, stored: Stored, action: str, keep: bool | None
) -> None:
    """KeepSource is true by default; false leaves only the copy, which is a separate study."""
    ids = orthanc_ids(stored.instance())
    request: dict[str, Any] = {"Resources": [ids.study], "Level": "Study"}
    if action == "bulk-anonymize":
        del request["Level"]

    found = by_level(
        rest.post(
            f"/tools/{action}", request if keep is None else request | {"KeepSource": keep}
        ).json()
    )

    assert ids.study not in found["Study"]
    assert listed(rest) == found["Instance"] | (set() if keep is False else {ids.instance})


@suite.case("BMOD-006", covers="Orthanc.test_modify_keep_source")
def test_copies_stay_in_the_study_without_a_level(rest: Rest, stored: Stored) -> None:
    """bulk-modify of a study without Level copies its instances within the study."""
    ids = orthanc_ids(stored.instance())

    found = by_level(rest.post("/tools/bulk-modify", {"Resources": [ids.study]}).json())

    assert found["Study"] == {ids.study}
    assert len(listed(rest)) == 2
    rest.delete(ids.path("study"))
    assert listed(rest) == set()


@suite.case("BMOD-007")
@pytest.mark.parametrize("action", ["bulk-modify", "bulk-anonymize"])
def test_asynchronous_bulk_operation_is_a_job(rest: Rest, stored: Stored, action: str) -> None:
    """In asynchronous mode, the answer is a job with the resources in its content."""
    ids = orthanc_ids(stored.instance())

    request = {"Resources": [ids.instance], "Asynchronous": True}
    job = finished_job(rest, rest.post(f"/tools/{action}", request).json())

    assert len(by_level(job["Content"])["Instance"]) == 1
    assert len(listed(rest)) == 2


@suite.case("BMOD-008")
@pytest.mark.parametrize("action", ["bulk-modify", "bulk-anonymize"])
def test_unknown_resource_is_not_found(rest: Rest, stored: Stored, action: str) -> None:
    """An unknown resource is not found, alone or together with a known one, and nothing is copied."""
    ids = orthanc_ids(stored.instance())

    for resources in (["nope"], [ids.instance, "nope"]):
        request = {"Resources": resources}
        refused(rest, f"/tools/{action}", request, status=404, code=UNKNOWN_RESOURCE)


@suite.case("BMOD-009")
@pytest.mark.parametrize("action", ["bulk-modify", "bulk-anonymize", "bulk-content"])
@pytest.mark.parametrize("request_", [{}, {"Resources": "text"}], ids=["none", "text"])
def test_request_without_resources_is_refused(
    rest: Rest, stored: Stored, action: str, request_: object
) -> None:
    """A request without a list of resources is rejected, and nothing changes."""
    stored.instance()

    refused(rest, f"/tools/{action}", request_, code=BAD_FILE_FORMAT)


@suite.case("BMOD-010")
@pytest.mark.parametrize("request_", [{}, {"Resources": "text"}], ids=["none", "text"])
def test_delete_without_resources_is_refused(rest: Rest, stored: Stored, request_: object) -> None:
    """A request to delete without a list is rejected, and nothing is deleted."""
    stored.instance()
    before = listed(rest)

    rest.post("/tools/bulk-delete", request_, expect=400)

    assert listed(rest) == before


@suite.case("BMOD-011")
@pytest.mark.parametrize(
    "action",
    [pytest.param("bulk-modify", marks=needs("orthanc>=1.9.7")), pytest.param("bulk-content")],
)
def test_unknown_level_is_refused(rest: Rest, stored: Stored, action: str) -> None:
    """An unknown level is rejected."""
    request = {"Resources": [orthanc_ids(stored.instance()).instance], "Level": "nope"}

    refused(rest, f"/tools/{action}", request, code=OUT_OF_RANGE)


@suite.case("BMOD-012")
@pytest.mark.parametrize("action", ["bulk-modify", "bulk-anonymize"])
def test_no_resources_are_no_error(rest: Rest, stored: Stored, action: str) -> None:
    """An empty list is answered with an empty list."""
    stored.instance()
    before = listed(rest)

    answer = rest.post(f"/tools/{action}", {"Resources": []}).json()

    assert (answer["Resources"], answer["InstancesCount"]) == ([], 0)
    assert listed(rest) == before


@suite.case("BMOD-013", ref=CONTENT, covers="Orthanc.test_bulk_content")
def test_content_in_the_order_asked_for(rest: Rest, stored: Stored) -> None:
    """Resources of several levels are described in the order of the request, each with its metadata."""
    sample = stored.instance()
    ids = orthanc_ids(sample)

    found = rest.post("/tools/bulk-content", {"Resources": list(ids)}).json()

    assert [(each["Type"], each["ID"]) for each in found] == list(zip(LEVELS, ids, strict=True))
    assert all("Metadata" in each for each in found)


@suite.case("BMOD-014", ref=CONTENT, covers="Orthanc.test_bulk_content")
@pytest.mark.parametrize("metadata", [None, True, False], ids=["default", "true", "false"])
@pytest.mark.parametrize("level", LEVELS)
def test_content_at_a_level(rest: Rest, stored: Stored, level: str, metadata: bool | None) -> None:
    """With a level, there is one result at this level, with metadata unless they are turned off."""
    ids = orthanc_ids(stored.instance())
    request: dict[str, Any] = {"Resources": list(ids), "Level": level}

    [found] = rest.post(
        "/tools/bulk-content", request if metadata is None else request | {"Metadata": metadata}
    ).json()

    assert (found["Type"], found["ID"]) == (level, ids.at(level))
    assert ("Metadata" in found) is (metadata is not False)


@suite.case("BMOD-015", ref=CONTENT, covers="Orthanc.test_bulk_content")
@pytest.mark.parametrize(
    ("level", "count"), [("Patient", 1), ("Study", 1), ("Series", 2), ("Instance", 4)]
)
def test_content_of_children_and_parents(
    rest: Rest, stored: Stored, level: str, count: int
) -> None:
    """For two series, a level above gives their parent once, and one below gives all their instances."""
    samples = stored.study(series=2, instances=2)
    resources = [orthanc_ids(samples[0]).series, orthanc_ids(samples[2]).series]

    found = rest.post("/tools/bulk-content", {"Resources": resources, "Level": level}).json()

    assert {each["ID"] for each in found} == {orthanc_ids(each).at(level) for each in samples}
    assert len(found) == count


@suite.case("BMOD-016", ref=CONTENT, covers="Orthanc.test_bulk_content")
@pytest.mark.parametrize("level", LEVELS)
def test_content_of_two_patients(rest: Rest, stored: Stored, level: str) -> None:
    """Instances of two patients are two resources at each level."""
    ids = [orthanc_ids(each) for each in two_patients(stored)]

    request = {"Resources": [each.instance for each in ids], "Level": level}
    found = rest.post("/tools/bulk-content", request).json()

    assert {each["ID"] for each in found} == {each.at(level) for each in ids}
    assert len(found) == 2


@suite.case("BMOD-017", ref=CONTENT, covers="Orthanc.test_bulk_content", needs="orthanc>=1.11.0")
def test_content_of_a_patient(rest: Rest, stored: Stored) -> None:
    """The content of a patient is what is returned for the patient alone, with its metadata."""
    sample = stored.instance(PatientName="First^One")
    ids = orthanc_ids(sample)

    request = {"Resources": [ids.instance], "Level": "Patient", "Metadata": True}
    [found] = rest.post("/tools/bulk-content", request).json()

    assert found["MainDicomTags"]["PatientName"] == "First^One"
    metadata = rest.json(f"{ids.path('patient')}/metadata?expand")
    assert found["Metadata"] == metadata
    assert {"LastUpdate", "MainDicomTagsSignature"} <= set(metadata)


@suite.case("BMOD-018", ref=CONTENT)
def test_unknown_resource_has_no_content(rest: Rest, stored: Stored) -> None:
    """An unknown resource is left out, and the known ones are described."""
    ids = orthanc_ids(stored.instance())

    found = rest.post("/tools/bulk-content", {"Resources": ["nope", ids.study]}).json()

    assert [each["ID"] for each in found] == [ids.study]
