"""Patients, studies, series and instances over REST: listing, walking, deleting, order."""

from functools import partial
from itertools import count

import pytest

from harness.cases import Maker, Rest, Stored, Suite, orthanc_ids

suite = Suite(level="product", needs="rest")


LEVELS = ("patients", "studies", "series", "instances")


@suite.case(
    "RHIE-001",
    ref="Orthanc REST API: GET /patients, /studies, /series, /instances",
    covers="Orthanc.test_hierarchy",
)
def test_each_level_lists_its_resources(rest: Rest, stored: Stored) -> None:
    """The four lists give the resources of their level, each once, under predictable identifiers."""
    samples = [
        *stored.study(PatientName="Muller^Anna", series=2, instances=3),
        *stored.study(PatientName="Mulder^Bob", series=1, instances=2),
    ]

    listed = {level: sorted(rest.json(f"/{level}")) for level in LEVELS}

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
    [(LEVELS[up], LEVELS[down]) for up in range(3) for down in range(up + 1, 4)],
)
def test_children_are_those_of_one_parent(
    rest: Rest, stored: Stored, above: str, below: str
) -> None:
    """A resource gives its children, however far below, and no one else's."""
    own = stored.study(PatientName="Muller^Anna", instances=2)
    stored.study(PatientName="Mulder^Bob")
    parent = orthanc_ids(own[0])[LEVELS.index(above)]

    children = rest.json(f"/{above}/{parent}/{below}")

    expected = {orthanc_ids(each)[LEVELS.index(below)] for each in own}
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
    """A resource gives each of its parents, with the parent's own type and identifier."""
    own = orthanc_ids(stored.instance(PatientName="Muller^Anna"))
    stored.instance(PatientName="Mulder^Bob")

    parent = rest.json(f"/{below}/{own[LEVELS.index(below)]}/{above}")

    assert parent["Type"] == above.capitalize()
    assert parent["ID"] == own._asdict()[above]


@suite.case(
    "RHIE-004", ref="Orthanc REST API: DELETE /instances/{id}", covers="Orthanc.test_delete_cascade"
)
def test_last_instance_takes_its_parents_along(rest: Rest, stored: Stored) -> None:
    """With its only instance a patient is gone from all levels, and its space is free."""
    ids = orthanc_ids(stored.instance())

    answer = rest.delete(f"/instances/{ids.instance}").json()

    assert answer["RemainingAncestor"] is None
    assert [rest.json(f"/{level}") for level in LEVELS] == [[], [], [], []]
    assert rest.json("/statistics")["TotalDiskSize"] == "0"


@suite.case(
    "RHIE-005",
    ref="Orthanc REST API: DELETE /instances/{id}",
    covers=("Orthanc.test_delete_cascade_with_multiple_instances", "Orthanc.test_hierarchy"),
)
def test_remaining_instance_keeps_its_parents(rest: Rest, stored: Stored) -> None:
    """With one of two instances nothing else is gone; the answer names the series that remains."""
    doomed, kept = (orthanc_ids(each) for each in stored.study(instances=2))

    answer = rest.delete(f"/instances/{doomed.instance}").json()

    assert answer["RemainingAncestor"]["Type"] == "Series"
    assert answer["RemainingAncestor"]["ID"] == kept.series
    listed = [rest.json(f"/{level}") for level in LEVELS]
    assert listed == [[kept.patient], [kept.study], [kept.series], [kept.instance]]


@suite.case(
    "RHIE-006", ref="Orthanc REST API: DELETE /series/{id}", covers="Orthanc.test_hierarchy"
)
def test_deleted_series_leaves_its_study(rest: Rest, stored: Stored) -> None:
    """With one of two series its instances are gone; the answer names the study that remains."""
    doomed, _, kept, other = (orthanc_ids(each) for each in stored.study(series=2, instances=2))

    answer = rest.delete(f"/series/{doomed.series}").json()

    assert answer["RemainingAncestor"]["Type"] == "Study"
    assert answer["RemainingAncestor"]["ID"] == kept.study
    assert set(rest.json("/instances")) == {kept.instance, other.instance}


@suite.case(
    "RHIE-007",
    ref="Orthanc REST API: GET /instances?since&limit",
    covers="Orthanc.test_resources_since_limit",
)
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_hold_each_instance_once(rest: Rest, stored: Stored, limit: int) -> None:
    """Pages of any size, read until an empty one comes, hold each instance exactly once."""
    samples = stored.study(series=1, instances=7)

    collected: list[str] = []
    for since in count(0, limit):
        page = rest.json("/instances", since=since, limit=limit)
        assert len(page) == min(limit, max(0, 7 - since))
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
    """A series that says how many instances it has is first missing some, then complete, then odd."""
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
    """A series that does not say how many instances it has is of unknown status."""
    series = rest.json(f"/series/{orthanc_ids(stored.instance()).series}")

    assert series["Status"] == "Unknown"
    assert series["ExpectedNumberOfInstances"] is None


@suite.case(
    "RHIE-020",
    ref="Orthanc REST API: GET /series/{id}/ordered-slices",
    covers="Orthanc.test_ordered_slices",
)
def test_slices_of_a_volume_stand_along_its_normal(rest: Rest, stored: Stored) -> None:
    """Parallel slices are ordered by their position, whatever their numbers say."""
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
def test_slices_at_one_place_stand_by_number(rest: Rest, stored: Stored) -> None:
    """Slices that share their position are a sequence, ordered by Instance Number."""
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
    """A patient is not protected until asked; the others stay as they are, and it can be undone."""
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
    """`expand=true` lists resources in full, and `expand=false` their identifiers."""
    resource = orthanc_ids(stored.instance())[LEVELS.index(level)]

    assert rest.json(f"/{level}?expand=false") == [resource]
    assert [each["ID"] for each in rest.json(f"/{level}?expand=true")] == [resource]


@suite.case(
    "RHIE-029",
    ref="Orthanc REST API: PUT /studies/{id}/labels/{label}",
    covers="Orthanc.test_labels",
    needs="orthanc>=1.12.0",
)
@pytest.mark.parametrize("level", LEVELS)
def test_label_stays_until_it_is_taken_off(rest: Rest, stored: Stored, level: str) -> None:
    """A label is put on a resource of any level, only once, listed, and taken off again."""
    resource = f"/{level}/{orthanc_ids(stored.instance())[LEVELS.index(level)]}"

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
    """A label has letters, digits, underscore and dash only; another one is refused and not kept."""
    labels = f"/studies/{orthanc_ids(stored.instance()).study}/labels"

    rest.put(f"{labels}/@", expect=400)

    assert rest.json(labels) == []
