"""Patients, studies, series and instances by REST: listing, navigating, deleting, ordering."""

import itertools
from functools import partial
from typing import Any

import pytest

from harness.cases import FOLDERS, Maker, Rest, Stored, Suite, orthanc_ids

suite = Suite(level="product", needs="rest")


def remaining(answer: dict[str, Any]) -> tuple[object, object]:
    """Return type and identifier of the lowest parent that remains after a DELETE."""
    ancestor = answer["RemainingAncestor"] or {}
    return ancestor.get("Type"), ancestor.get("ID")


@suite.case(
    "RHIE-001",
    ref="Orthanc REST API: GET /patients, /studies, /series, /instances",
    covers="Orthanc.test_hierarchy",
)
def test_each_level_lists_its_resources(rest: Rest, stored: Stored) -> None:
    """Each of the four lists has the resources of its level, each once, by predictable identifiers."""
    samples = [
        *stored.study(PatientName="Muller^Anna", series=2, instances=3),
        *stored.study(PatientName="Mulder^Bob", series=1, instances=2),
    ]

    listed = {level: sorted(rest.json(f"/{level}")) for level in FOLDERS}

    ids = [orthanc_ids(each) for each in samples]
    assert listed == {
        "patients": sorted({each.patient for each in ids}),
        "studies": sorted({each.study for each in ids}),
        "series": sorted({each.series for each in ids}),
        "instances": sorted({each.instance for each in ids}),
    }


@suite.case(
    "RHIE-002",
    ref="Orthanc REST API: GET /patients/{id}/studies and the like",
    covers="Orthanc.test_hierarchy",
)
@pytest.mark.parametrize(
    ("above", "below"),
    list(itertools.combinations(FOLDERS, 2)),
)
def test_children_are_those_of_one_parent(
    rest: Rest, stored: Stored, above: str, below: str
) -> None:
    """A resource lists its own children at each level below, and no others."""
    own = stored.study(PatientName="Muller^Anna", instances=2)
    stored.study(PatientName="Mulder^Bob")

    children = rest.json(f"{orthanc_ids(own[0]).path(above)}/{below}")

    expected = {orthanc_ids(each).at(below) for each in own}
    assert sorted(each["ID"] for each in children) == sorted(expected)


@suite.case(
    "RHIE-003",
    ref="Orthanc REST API: GET /instances/{id}/patient and the like",
    covers="Orthanc.test_parent",
)
@pytest.mark.parametrize(
    ("below", "above"),
    [
        ("studies", "patient"),
        ("series", "patient"),
        ("series", "study"),
        ("instances", "patient"),
        ("instances", "study"),
        ("instances", "series"),
    ],
)
def test_parent_is_found_from_below(rest: Rest, stored: Stored, below: str, above: str) -> None:
    """A resource leads to each of its parents, with the right type and identifier."""
    own = orthanc_ids(stored.instance(PatientName="Muller^Anna"))
    stored.instance(PatientName="Mulder^Bob")

    parent = rest.json(f"{own.path(below)}/{above}")

    assert (parent["Type"], parent["ID"]) == (above.capitalize(), own.at(above))


@suite.case(
    "RHIE-004", ref="Orthanc REST API: DELETE /instances/{id}", covers="Orthanc.test_delete_cascade"
)
def test_last_instance_is_deleted_with_its_parents(rest: Rest, stored: Stored) -> None:
    """A patient whose only instance is deleted disappears from all levels, and its space is freed."""
    ids = orthanc_ids(stored.instance())

    answer = rest.delete(f"/instances/{ids.instance}").json()

    assert answer["RemainingAncestor"] is None
    assert {level: rest.json(f"/{level}") for level in FOLDERS} == {level: [] for level in FOLDERS}
    assert rest.json("/statistics")["TotalDiskSize"] == "0"


@suite.case(
    "RHIE-005",
    ref="Orthanc REST API: DELETE /instances/{id}",
    covers=("Orthanc.test_delete_cascade_with_multiple_instances", "Orthanc.test_hierarchy"),
)
def test_remaining_instance_keeps_its_parents(rest: Rest, stored: Stored) -> None:
    """If one of two instances is deleted, nothing else is; the answer names the remaining series."""
    doomed, kept = (orthanc_ids(each) for each in stored.study(instances=2))

    answer = rest.delete(f"/instances/{doomed.instance}").json()

    assert remaining(answer) == ("Series", kept.series)
    listed = {level: rest.json(f"/{level}") for level in FOLDERS}
    assert listed == {level: [kept.at(level)] for level in FOLDERS}


@suite.case(
    "RHIE-006", ref="Orthanc REST API: DELETE /series/{id}", covers="Orthanc.test_hierarchy"
)
def test_deleted_series_leaves_its_study(rest: Rest, stored: Stored) -> None:
    """If one of two series is deleted, so are its instances; the answer names the remaining study."""
    doomed, _, kept, other = (orthanc_ids(each) for each in stored.study(series=2, instances=2))

    answer = rest.delete(f"/series/{doomed.series}").json()

    assert remaining(answer) == ("Study", kept.study)
    assert set(rest.json("/instances")) == {kept.instance, other.instance}


@suite.case(
    "RHIE-007",
    ref="Orthanc REST API: GET /instances?since&limit",
    covers="Orthanc.test_resources_since_limit",
)
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_hold_each_instance_once(rest: Rest, stored: Stored, limit: int) -> None:
    """Pages of any size, read until an empty one, contain each instance once."""
    samples = stored.study(series=1, instances=7)

    collected: list[str] = []
    for since in itertools.count(0, limit):
        page = rest.json("/instances", since=since, limit=limit)
        expected = min(limit, max(0, 7 - since))
        assert len(page) == expected, f"the page from {since} has {len(page)} instances"
        if not page:
            break
        collected += page

    assert sorted(collected) == sorted(orthanc_ids(each).instance for each in samples)


@suite.case(
    "RHIE-018",
    ref="Orthanc REST API: GET /series/{id}, Status",
    covers="Orthanc.test_series_status",
)
def test_status_of_a_series_follows_its_instances(rest: Rest, make: Maker) -> None:
    """A series that states the number of its instances is Missing, then Complete, then Inconsistent."""
    four = partial(make.instance, ImagesInAcquisition=2, NumberOfTemporalPositions=2)
    samples = [four(Modality="MR", number=number) for number in range(1, 6)]

    statuses = []
    for sample in samples:
        rest.upload(sample.data)
        statuses.append(rest.json(f"/series/{orthanc_ids(sample).series}")["Status"])

    assert statuses == ["Missing", "Missing", "Missing", "Complete", "Inconsistent"]


@suite.case(
    "RHIE-019",
    ref="Orthanc REST API: GET /series/{id}, Status",
    covers="Orthanc.test_series_status",
)
def test_status_of_a_series_is_unknown_without_a_number(rest: Rest, stored: Stored) -> None:
    """The status of a series that does not state the number of its instances is Unknown."""
    series = rest.json(f"/series/{orthanc_ids(stored.instance()).series}")

    assert series["Status"] == "Unknown"
    assert series["ExpectedNumberOfInstances"] is None


@suite.case(
    "RHIE-020",
    ref="Orthanc REST API: GET /series/{id}/ordered-slices",
    covers="Orthanc.test_ordered_slices",
)
def test_slices_of_a_volume_are_ordered_by_position(rest: Rest, stored: Stored) -> None:
    """Parallel slices are ordered by position, not by number."""
    samples = [
        stored.instance(number=number, ImagePositionPatient=[-8, -8, height])
        for number, height in ((1, 20), (2, -5), (3, 10))
    ]
    first, second, third = (orthanc_ids(each).instance for each in samples)

    slices = rest.json(f"/series/{orthanc_ids(samples[0]).series}/ordered-slices")

    assert slices["Type"] == "Volume"
    assert slices["SlicesShort"] == [[second, 0, 1], [third, 0, 1], [first, 0, 1]]
    assert slices["Dicom"] == [f"/instances/{each}/file" for each in (second, third, first)]


@suite.case(
    "RHIE-021",
    ref="Orthanc REST API: GET /series/{id}/ordered-slices",
    covers="Orthanc.test_ordered_slices",
)
def test_slices_at_one_position_are_ordered_by_number(rest: Rest, stored: Stored) -> None:
    """Slices with the same position are a sequence, ordered by Instance Number."""
    place = [-8, -8, 5]
    samples = [stored.instance(number=each, ImagePositionPatient=place) for each in (2, 3, 1)]
    second, third, first = (orthanc_ids(each).instance for each in samples)

    slices = rest.json(f"/series/{orthanc_ids(samples[0]).series}/ordered-slices")

    assert slices["Type"] == "Sequence"
    assert slices["SlicesShort"] == [[first, 0, 1], [second, 0, 1], [third, 0, 1]]


@suite.case(
    "RHIE-023",
    ref="Orthanc REST API: PUT /patients/{id}/protected",
    covers="Orthanc.test_protection",
)
def test_protection_is_of_one_patient_and_can_be_undone(rest: Rest, stored: Stored) -> None:
    """One patient can be protected and unprotected; other patients are not affected."""
    own = f"/patients/{orthanc_ids(stored.instance(PatientName='Muller^Anna')).patient}/protected"
    other = f"/patients/{orthanc_ids(stored.instance(PatientName='Mulder^Bob')).patient}/protected"

    states = [(rest.get(own).text, rest.get(other).text)]
    for wanted in ("1", "0"):
        rest.put(own, wanted)
        states.append((rest.get(own).text, rest.get(other).text))

    assert states == [("0", "0"), ("1", "0"), ("0", "0")]


@suite.case(
    "RHIE-026",
    ref="Orthanc REST API: GET /studies?expand",
    covers="Orthanc.test_expand",
    needs="orthanc>=1.12.2",
)
@pytest.mark.parametrize("level", ["studies", "series", "instances"])
def test_expand_can_be_false(rest: Rest, stored: Stored, level: str) -> None:
    """`expand=true` lists the resources, and `expand=false` their identifiers."""
    resource = orthanc_ids(stored.instance()).at(level)

    assert rest.json(f"/{level}?expand=false") == [resource]
    assert [each["ID"] for each in rest.json(f"/{level}?expand=true")] == [resource]


@suite.case(
    "RHIE-029",
    ref="Orthanc REST API: PUT /studies/{id}/labels/{label}",
    covers="Orthanc.test_labels",
    needs="orthanc>=1.12.0",
)
@pytest.mark.parametrize("level", FOLDERS)
def test_label_stays_until_it_is_removed(rest: Rest, stored: Stored, level: str) -> None:
    """A label can be added to a resource of any level, is listed once, and can be removed."""
    resource = orthanc_ids(stored.instance()).path(level)

    seen = [rest.json(resource)["Labels"]]
    rest.put(f"{resource}/labels/hello")
    rest.put(f"{resource}/labels/hello")
    seen.append(rest.json(resource)["Labels"])
    rest.delete(f"{resource}/labels/hello")
    seen.append(rest.json(resource)["Labels"])

    assert seen == [[], ["hello"], []]


@suite.case(
    "RHIE-030",
    ref="Orthanc REST API: PUT /studies/{id}/labels/{label}",
    covers="Orthanc.test_labels",
    needs="orthanc>=1.12.0",
)
def test_label_with_other_characters_is_refused(rest: Rest, stored: Stored) -> None:
    """A label with characters other than letters, digits, underscore and dash is rejected with 400."""
    labels = f"/studies/{orthanc_ids(stored.instance()).study}/labels"

    rest.put(f"{labels}/@", expect=400)

    assert rest.json(labels) == []
