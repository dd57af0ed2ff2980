"""What later versions add to searching over REST: pages, order, counts, metadata, labels."""

import pytest

from harness.cases import Rest, Stored, Suite, orthanc_ids

FIND = "Orthanc REST API: POST /tools/find"

suite = Suite(level="product", needs="rest", ref=FIND)

EXTENDED_FIND = "orthanc>=1.12.5"

# What a constraint on labels finds; the keys are the parameters' ids.
LABELS = {"All": {"Two"}, "Any": {"One", "Two"}, "None": {"No"}}


@suite.case("RFND-017", covers="Orthanc.test_rest_find_limit", needs=EXTENDED_FIND)
def test_pages_of_a_search_hold_each_result_once(rest: Rest, stored: Stored) -> None:
    """A search read one by one with Since and Limit gives each result once, then none."""
    samples = stored.study(PatientName="Muller^Anna", instances=3)
    query = {"PatientName": "Muller*"}

    pages = [rest.find("Instance", query, Since=since, Limit=1) for since in range(4)]

    assert [len(page) for page in pages] == [1, 1, 1, 0]
    expected = sorted(orthanc_ids(each).instance for each in samples)
    assert sorted(each for page in pages for each in page) == expected


@suite.case(
    "RFND-018",
    ref="Orthanc REST API: POST /tools/count-resources",
    covers=("Orthanc.test_rest_find", "Orthanc.test_googlecode_issue_37"),
    needs=EXTENDED_FIND,
)
@pytest.mark.parametrize(("level", "expected"), [("Patient", 1), ("Series", 2), ("Instance", 6)])
def test_count_of_a_search(rest: Rest, stored: Stored, level: str, expected: int) -> None:
    """`/tools/count-resources` gives the number of what a search would find, and nothing else."""
    stored.study(PatientName="Muller^Anna", series=2, instances=3)
    stored.study(PatientName="Mulder^Bob")

    answer = rest.post(
        "/tools/count-resources", {"Level": level, "Query": {"PatientName": "muller*"}}
    )

    assert answer.json() == {"Count": expected}


@suite.case("RFND-019", covers="Orthanc.test_extended_find_order_by", needs=EXTENDED_FIND)
@pytest.mark.parametrize(
    ("direction", "expected"),
    [("ASC", ["A", "B", "C"]), ("DESC", ["C", "B", "A"])],
    ids=["up", "down"],
)
def test_results_come_in_the_asked_order(
    rest: Rest, stored: Stored, direction: str, expected: list[str]
) -> None:
    """OrderBy sorts the results by an element, up or down."""
    for name in ("B", "C", "A"):
        stored.instance(PatientName=name)
    order = [{"Type": "DicomTag", "Key": "PatientName", "Direction": direction}]

    studies = rest.find("Study", {}, Expand=True, OrderBy=order)

    assert [each["PatientMainDicomTags"]["PatientName"] for each in studies] == expected


@suite.case("RFND-020", covers="Orthanc.test_extended_find_parent", needs=EXTENDED_FIND)
def test_search_below_one_study(rest: Rest, stored: Stored) -> None:
    """ParentStudy keeps a search within one study."""
    samples = stored.study(PatientName="Muller^Anna", series=2)
    stored.study(PatientName="Mulder^Bob", series=2)

    found = rest.find("Series", {}, ParentStudy=orthanc_ids(samples[0]).study)

    assert sorted(found) == sorted(orthanc_ids(each).series for each in samples)


@suite.case("RFND-021", covers="Orthanc.test_extended_find_filter_metadata", needs=EXTENDED_FIND)
def test_search_by_metadata(rest: Rest, stored: Stored) -> None:
    """MetadataQuery finds what has this metadata, with the patterns of names."""
    wanted = orthanc_ids(stored.instance(PatientName="Muller^Anna")).series
    other = orthanc_ids(stored.instance(PatientName="Mulder^Bob")).series
    rest.put(f"/series/{wanted}/metadata/my-metadata", "knee-2")
    rest.put(f"/series/{other}/metadata/my-metadata", "knee-1")

    assert rest.find("Series", {}, MetadataQuery={"my-metadata": "*2"}) == [wanted]


@suite.case("RFND-022", covers="Orthanc.test_find_labels", needs="orthanc>=1.12.0")
@pytest.mark.parametrize(("constraint", "expected"), LABELS.items(), ids=LABELS)
def test_search_by_labels(rest: Rest, stored: Stored, constraint: str, expected: set[str]) -> None:
    """Labels that are asked for must be there all, or at least one of them, or none."""
    for name, labels in (("No", []), ("One", ["a"]), ("Two", ["a", "b"])):
        study = orthanc_ids(stored.instance(PatientName=name)).study
        for label in labels:
            rest.put(f"/studies/{study}/labels/{label}")

    found = rest.find("Study", {}, Expand=True, Labels=["a", "b"], LabelsConstraint=constraint)

    assert {each["PatientMainDicomTags"]["PatientName"] for each in found} == expected


@suite.case("RFND-023", covers="Orthanc.test_rest_find_requested_tags", needs="orthanc>=1.11.1")
def test_search_brings_requested_tags(rest: Rest, stored: Stored) -> None:
    """RequestedTags brings elements of the levels above, and such as stand only in the files."""
    stored.instance(PatientName="Muller^Anna", StudyDescription="Thorax")
    tags = ["PatientName", "StudyDescription", "PhotometricInterpretation"]

    (series,) = rest.find("Series", {}, Expand=True, RequestedTags=tags)

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
@pytest.mark.parametrize(("level", "expected"), [("Series", 10), ("Instance", 20)])
def test_configured_limit_ends_the_answer(
    rest: Rest, stored: Stored, level: str, expected: int
) -> None:
    """Without a limit of its own a search ends at the one that the server is configured with."""
    stored.study(series=11, instances=2)

    assert len(rest.find(level, {})) == expected
