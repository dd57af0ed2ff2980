"""Searching by REST in later versions: pages, order, counts, metadata, labels."""

import pytest

from harness.cases import Rest, Stored, Suite, configured, orthanc_ids, single

suite = Suite(level="product", needs="rest", ref="Orthanc REST API: POST /tools/find")

EXTENDED_FIND = "orthanc>=1.12.5"
BY_DATABASE = (EXTENDED_FIND, "rest.extended-find")

# The names that a constraint on labels finds; the keys are the ids of the parameters.
LABELS = {"All": {"Two"}, "Any": {"One", "Two"}, "None": {"No"}}


@suite.case("RFND-017", covers="Orthanc.test_rest_find_limit", needs=EXTENDED_FIND)
def test_pages_of_a_search_hold_each_result_once(rest: Rest, stored: Stored) -> None:
    """Pages by Since and Limit contain each result once, then none."""
    samples = stored.study(PatientName="Muller^Anna", instances=3)
    query = {"PatientName": "Muller*"}

    pages = [rest.find("Instance", query, Since=since, Limit=1) for since in range(4)]

    expected = sorted(orthanc_ids(each).instance for each in samples)
    assert sorted(pages[:3]) == [[each] for each in expected]
    assert pages[3] == []


@suite.case(
    "RFND-018",
    ref="Orthanc REST API: POST /tools/count-resources",
    covers=("Orthanc.test_rest_find", "Orthanc.test_googlecode_issue_37"),
    needs=EXTENDED_FIND,
)
@pytest.mark.parametrize(("level", "expected"), [("Patient", 1), ("Series", 2), ("Instance", 6)])
def test_count_of_a_search(rest: Rest, stored: Stored, level: str, expected: int) -> None:
    """`/tools/count-resources` returns the number of resources that a search would find."""
    stored.study(PatientName="Muller^Anna", series=2, instances=3)
    stored.study(PatientName="Mulder^Bob")

    answer = rest.post(
        "/tools/count-resources", {"Level": level, "Query": {"PatientName": "muller*"}}
    )

    assert answer.json() == {"Count": expected}


@suite.case("RFND-019", covers="Orthanc.test_extended_find_order_by", needs=BY_DATABASE)
@pytest.mark.parametrize(
    ("direction", "expected"),
    [("ASC", ["A", "B", "C"]), ("DESC", ["C", "B", "A"])],
    ids=["up", "down"],
)
def test_results_come_in_the_requested_order(
    rest: Rest, stored: Stored, direction: str, expected: list[str]
) -> None:
    """OrderBy sorts the results by an element, ascending or descending."""
    for name in ("B", "C", "A"):
        stored.instance(PatientName=name)
    order = [{"Type": "DicomTag", "Key": "PatientName", "Direction": direction}]

    studies = rest.find("Study", {}, Expand=True, OrderBy=order)

    assert [each["PatientMainDicomTags"]["PatientName"] for each in studies] == expected


@suite.case("RFND-020", covers="Orthanc.test_extended_find_parent", needs=EXTENDED_FIND)
def test_search_below_one_study(rest: Rest, stored: Stored) -> None:
    """ParentStudy restricts a search to one study."""
    samples = stored.study(PatientName="Muller^Anna", series=2)
    stored.study(PatientName="Mulder^Bob", series=2)

    found = rest.find("Series", {}, ParentStudy=orthanc_ids(samples[0]).study)

    assert sorted(found) == sorted(orthanc_ids(each).series for each in samples)


@suite.case("RFND-021", covers="Orthanc.test_extended_find_filter_metadata", needs=BY_DATABASE)
def test_search_by_metadata(rest: Rest, stored: Stored) -> None:
    """MetadataQuery finds resources by their metadata, with wildcards."""
    wanted = orthanc_ids(stored.instance(PatientName="Muller^Anna")).series
    other = orthanc_ids(stored.instance(PatientName="Mulder^Bob")).series
    rest.put(f"/series/{wanted}/metadata/my-metadata", "knee-2")
    rest.put(f"/series/{other}/metadata/my-metadata", "knee-1")

    assert rest.find("Series", {}, MetadataQuery={"my-metadata": "*2"}) == [wanted]


@suite.case("RFND-022", covers="Orthanc.test_find_labels", needs="orthanc>=1.12.0")
@pytest.mark.parametrize(("constraint", "expected"), LABELS.items(), ids=LABELS)
def test_search_by_labels(rest: Rest, stored: Stored, constraint: str, expected: set[str]) -> None:
    """A resource must have all of the labels, or at least one of them, or none."""
    for name, labels in (("No", []), ("One", ["a"]), ("Two", ["a", "b"])):
        study = orthanc_ids(stored.instance(PatientName=name)).study
        for label in labels:
            rest.put(f"/studies/{study}/labels/{label}")

    found = rest.find("Study", {}, Expand=True, Labels=["a", "b"], LabelsConstraint=constraint)

    assert {each["PatientMainDicomTags"]["PatientName"] for each in found} == expected


@suite.case("RFND-023", covers="Orthanc.test_rest_find_requested_tags", needs="orthanc>=1.11.1")
def test_search_brings_requested_tags(rest: Rest, stored: Stored) -> None:
    """RequestedTags returns elements of higher levels, and those that are only in the files."""
    stored.instance(PatientName="Muller^Anna", StudyDescription="Thorax")
    tags = ["PatientName", "StudyDescription", "PhotometricInterpretation"]

    series = single(rest.find("Series", {}, Expand=True, RequestedTags=tags), "series")

    assert series["RequestedTags"] == {
        "PatientName": "Muller^Anna",
        "StudyDescription": "Thorax",
        "PhotometricInterpretation": "MONOCHROME2",
    }


@suite.case(
    "RFND-024",
    ref="Orthanc Book: configuration, LimitFindResults and LimitFindInstances",
    covers="Orthanc.test_pagination_and_limit_find_results",
    needs=EXTENDED_FIND,
)
@configured(LimitFindResults=10, LimitFindInstances=20)
@pytest.mark.parametrize(("level", "expected"), [("Series", 10), ("Instance", 20)])
def test_configured_limit_of_a_search(
    rest: Rest, stored: Stored, level: str, expected: int
) -> None:
    """A search without a limit of its own returns as many results as the configured limit."""
    stored.study(series=11, instances=2)

    found = rest.find(level, {})

    assert len(found) == expected, f"received {len(found)} results, and not {expected}"
