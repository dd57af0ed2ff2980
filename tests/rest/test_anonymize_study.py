"""Anonymization of whole resources: links to the sources, UIDs and references across a study.

The samples a03 are two CT images and the SR, KO, PR, SEG and RT Structure Set that reference them.
"""

from collections.abc import Callable
from typing import Any

import pytest
from pydicom.dataset import Dataset

from harness.cases import (
    BAD_REQUEST,
    UNKNOWN_RESOURCE,
    Rest,
    Sample,
    Stored,
    Suite,
    files,
    finished_job,
    listed,
    new_uids,
    orthanc_ids,
    refused,
)

ANONYMIZE = "Orthanc REST API: POST /studies/{id}/anonymize"
FORCE = "Orthanc Book: anonymization, Force"
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
RELATIONS = "PS3.15 E.1.1, action U (2023e)"

suite = Suite(level="product", needs="rest", ref=ANONYMIZE)

levels = pytest.mark.parametrize("level", ["patient", "study", "series"])


def anonymized(rest: Rest, sample: Sample, level: str = "study", **request: Any) -> str:
    """Anonymize the resource of `sample` at a level, and return the path of the copy."""
    answer = rest.post(f"{orthanc_ids(sample).path(level)}/anonymize", request).json()
    assert answer["Path"].endswith(answer["ID"])
    return str(answer["Path"])


@suite.case(
    "ANON-030",
    covers=("Orthanc.test_anonymize_study", "Orthanc.test_anonymize_series"),
)
@levels
def test_answer_names_the_copy(rest: Rest, stored: Stored, level: str) -> None:
    """The answer has the copy at the requested level, its patient, and its number of instances."""
    sample = stored.study(series=2, instances=2)[0]
    path = orthanc_ids(sample).path(level)

    answer = rest.post(f"{path}/anonymize", {}).json()

    assert answer["Type"] == level.capitalize()
    assert answer["IsAnonymization"] is True
    assert (answer["InstancesCount"], answer["FailedInstancesCount"]) == (
        2 if level == "series" else 4,
        0,
    )
    assert answer["Path"] == f"{path.rpartition('/')[0]}/{answer['ID']}"
    assert answer["PatientID"] in rest.json("/patients")
    assert answer["ID"] != orthanc_ids(sample).at(level)


@suite.case("ANON-031", covers=("Orthanc.test_anonymize_study", "Orthanc.test_anonymize_series"))
@levels
def test_copies_name_their_sources(rest: Rest, stored: Stored, level: str) -> None:
    """AnonymizedFrom leads from each copy to its source, from instances up to the requested level."""
    samples = stored.study(series=2, instances=2)
    path = anonymized(rest, samples[0], level)

    sources = {}
    for each in rest.json(f"{path}/instances"):
        source = rest.json(f"/instances/{each['ID']}")["AnonymizedFrom"]
        sources[source] = each
    taken = samples[:2] if level == "series" else samples

    assert set(sources) == {orthanc_ids(each).instance for each in taken}
    for source, copy in sources.items():
        series = rest.json(f"/series/{copy['ParentSeries']}")
        assert series["AnonymizedFrom"] == rest.json(f"/instances/{source}")["ParentSeries"]
    assert rest.json(path)["AnonymizedFrom"] == orthanc_ids(samples[0]).at(level)


@suite.case("ANON-032", covers="Orthanc.test_anonymize_study")
@levels
def test_sources_stay_as_they_were(rest: Rest, stored: Stored, level: str) -> None:
    """The source is still there, byte for byte, and so is its patient."""
    samples = stored.study(series=2, instances=2, PatientName="Muller^Anna")

    anonymized(rest, samples[0], level)

    for sample in samples:
        assert rest.get(f"{orthanc_ids(sample).path('instance')}/file").content == sample.data
    patient = rest.json(orthanc_ids(samples[0]).path("patient"))
    assert patient["MainDicomTags"]["PatientName"] == "Muller^Anna"
    assert len(rest.json("/patients")) == 2


@suite.case("ANON-033", covers=("Orthanc.test_anonymize_study", "Orthanc.test_anonymize_series"))
@levels
def test_copy_has_what_was_asked_for(rest: Rest, stored: Stored, level: str) -> None:
    """Each copy has the new name and no station; series and instance numbers still distinguish them."""
    samples = stored.study(series=2, instances=2, StationName="STATION")

    copies = files(rest, anonymized(rest, samples[0], level, Replace={"PatientName": "Copy^Of"}))

    assert {str(each.PatientName) for each in copies} == {"Copy^Of"}
    assert [each.get("StationName") for each in copies] == [None] * len(copies)
    numbers = [(each.SeriesNumber, each.InstanceNumber) for each in copies]
    assert numbers == [(1, 1), (1, 2), (2, 1), (2, 2)][: len(copies)]


@suite.case("ANON-034", covers="Orthanc.test_modify_keep_source")
@levels
@pytest.mark.parametrize("keep", [None, True, False], ids=["default", "true", "false"])
def test_source_is_kept_unless_told_otherwise(
    rest: Rest, stored: Stored, level: str, keep: bool | None
) -> None:
    """KeepSource is true by default; false removes the source, and nothing else."""
    samples = stored.study(series=2)
    request = {} if keep is None else {"KeepSource": keep}
    before = {orthanc_ids(each).instance for each in samples}

    path = anonymized(rest, samples[0], level, **request)

    copies = {each["ID"] for each in rest.json(f"{path}/instances")}
    gone = {orthanc_ids(each).instance for each in samples[: 1 if level == "series" else 2]}
    assert listed(rest) == copies | (before - gone if keep is False else before)


@suite.case("ANON-035", ref="Orthanc REST API: POST /studies/{id}/anonymize, Asynchronous")
@levels
@pytest.mark.parametrize(
    "argument", [{"Asynchronous": True}, {"Synchronous": False}], ids=["async", "not-sync"]
)
def test_asynchronous_anonymization_is_a_job(
    rest: Rest, stored: Stored, level: str, argument: dict[str, bool]
) -> None:
    """In asynchronous mode, the answer is a job with the content of the synchronous answer."""
    sample = stored.study(series=2)[0]

    answer = rest.post(f"{orthanc_ids(sample).path(level)}/anonymize", argument).json()
    job = finished_job(rest, answer)

    assert job["Type"] == "ResourceModification"
    assert job["Content"]["IsAnonymization"] is True
    assert job["Content"]["Type"] == level.capitalize()
    assert job["Content"]["InstancesCount"] == (1 if level == "series" else 2)
    assert rest.json(job["Content"]["Path"])["AnonymizedFrom"] == orthanc_ids(sample).at(level)


@suite.case(
    "ANON-036",
    ref=RELATIONS,
    covers=tuple(f"Orthanc.test_anonymize_relationships_{each}" for each in "12456"),
)
def test_uids_stay_consistent_across_a_study(rest: Rest, stored: Stored) -> None:
    """Each UID in the study is replaced by one new UID everywhere, and no two become the same."""
    samples = stored.group("a03")
    before = files(rest, orthanc_ids(samples[0]).path("study"))

    after = files(rest, anonymized(rest, samples[0], Keep=["ContentSequence"]))

    for each in (*before, *after):
        each.pop("ContentSequence", None)
    new_uids(before, after)


def by_modality(found: list[Any]) -> dict[str, Any]:
    """Return the first object of each modality."""
    return {each.Modality: each for each in reversed(found)}


def evidence(report: Dataset) -> tuple[str, str, str]:
    """Return the study, series and instance that a document references as evidence."""
    study = report.CurrentRequestedProcedureEvidenceSequence[0]
    series = study.ReferencedSeriesSequence[0]
    reference = series.ReferencedSOPSequence[0]
    return study.StudyInstanceUID, series.SeriesInstanceUID, reference.ReferencedSOPInstanceUID


def shown(state: Dataset) -> tuple[str, str]:
    """Return the series and instance that a presentation state references."""
    series = state.ReferencedSeriesSequence[0]
    return series.SeriesInstanceUID, series.ReferencedImageSequence[0].ReferencedSOPInstanceUID


def segmented(segments: Dataset) -> tuple[str, str, str, str]:
    """Return series, instance, source of the first frame, and frame of reference of a segmentation."""
    series = segments.ReferencedSeriesSequence[0]
    frame = segments.PerFrameFunctionalGroupsSequence[0]
    return (
        series.SeriesInstanceUID,
        series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID,
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID,
        segments.FrameOfReferenceUID,
    )


def contoured(structures: Dataset) -> tuple[str, str, str, str, str]:
    """Return frame of reference, study, series, instance, and instance of the first contour."""
    frame = structures.ReferencedFrameOfReferenceSequence[0]
    study = frame.RTReferencedStudySequence[0]
    series = study.RTReferencedSeriesSequence[0]
    contour = structures.ROIContourSequence[0].ContourSequence[0]
    return (
        frame.FrameOfReferenceUID,
        study.ReferencedSOPInstanceUID,
        series.SeriesInstanceUID,
        series.ContourImageSequence[0].ReferencedSOPInstanceUID,
        contour.ContourImageSequence[0].ReferencedSOPInstanceUID,
    )


@suite.case(
    "ANON-037",
    ref=RELATIONS,
    covers=tuple(f"Orthanc.test_anonymize_relationships_{each}" for each in "345"),
)
@pytest.mark.parametrize(
    ("modality", "refers", "keywords"),
    [
        pytest.param("SR", evidence, UIDS, id="report"),
        pytest.param("KO", evidence, UIDS, id="key-object"),
        pytest.param("PR", shown, UIDS[1:], id="presentation-state"),
        pytest.param(
            "SEG",
            segmented,
            ("SeriesInstanceUID", "SOPInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"),
            id="segmentation",
        ),
        pytest.param(
            "RTSTRUCT",
            contoured,
            ("FrameOfReferenceUID", *UIDS, "SOPInstanceUID"),
            id="structure-set",
        ),
    ],
)
def test_object_refers_to_the_copies(
    rest: Rest,
    stored: Stored,
    modality: str,
    refers: Callable[[Dataset], tuple[str, ...]],
    keywords: tuple[str, ...],
) -> None:
    """A document, state, segmentation or structure set in the copy refers to the copy of the CT."""
    samples = stored.group("a03")

    copies = by_modality(files(rest, anonymized(rest, samples[0])))

    assert refers(copies[modality]) == tuple(copies["CT"][each].value for each in keywords)


@suite.case("ANON-038", ref=FORCE, covers="Orthanc.test_anonymize_relationships_5b")
def test_references_follow_a_given_study(rest: Rest, stored: Stored) -> None:
    """A given Study Instance UID is used in all copies, and in their references to the study."""
    samples = stored.group("a03")
    given = {"StudyInstanceUID": "1.2.3.4"}

    copies = by_modality(files(rest, anonymized(rest, samples[0], Replace=given, Force=True)))

    assert {each.StudyInstanceUID for each in copies.values()} == {"1.2.3.4"}
    assert contoured(copies["RTSTRUCT"])[1] == "1.2.3.4"
    assert evidence(copies["SR"])[0] == "1.2.3.4"


@suite.case("ANON-039", ref=RELATIONS, covers="Orthanc.test_anonymize_relationships_3")
def test_content_of_a_report_can_be_kept(rest: Rest, stored: Stored) -> None:
    """Keep of ContentSequence keeps it as it is; without it, the report loses its content."""
    samples = stored.group("a03")
    [before] = [each.dataset() for each in samples if each.id == "a03-sr"]

    kept = by_modality(files(rest, anonymized(rest, samples[0], Keep=["ContentSequence"])))["SR"]
    plain = by_modality(files(rest, anonymized(rest, samples[0])))["SR"]

    assert kept.ContentSequence == before.ContentSequence
    assert "Nothing abnormal" not in str(plain)


@suite.case(
    "ANON-040",
    ref=RELATIONS,
    covers=("Orthanc.test_anonymize_relationships_1", "Orthanc.test_anonymize_relationships_2"),
)
@pytest.mark.parametrize(
    ("keyword", "items"), [("ReferencedImageSequence", 3), ("SourceImageSequence", 1)]
)
def test_references_to_objects_elsewhere(
    rest: Rest, stored: Stored, keyword: str, items: int
) -> None:
    """References to objects that are not on the server get new UIDs, the same in both copies."""
    samples = stored.group("a03-ct")
    before = samples[0].dataset()[keyword].value

    one, other = (each[keyword].value for each in files(rest, anonymized(rest, samples[0])))

    assert len(one) == items
    assert one == other
    for old, new in zip(before, one, strict=True):
        assert new.ReferencedSOPClassUID == old.ReferencedSOPClassUID
        assert new.ReferencedSOPInstanceUID not in ("", old.ReferencedSOPInstanceUID)


@suite.case("ANON-041", ref=RELATIONS, covers="Orthanc.test_anonymize_relationships_6")
def test_related_series_of_another_study(rest: Rest, stored: Stored) -> None:
    """A related study and series to which an object refers get new UIDs."""
    samples = stored.group("a03-ct-1")
    [before] = samples[0].dataset().RelatedSeriesSequence

    [after] = files(rest, anonymized(rest, samples[0]))[0].RelatedSeriesSequence

    for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
        assert after[keyword].value not in ("", before[keyword].value)


@suite.case("ANON-042", ref=RELATIONS)
def test_second_anonymization_is_unlike_the_first(rest: Rest, stored: Stored) -> None:
    """Anonymizing a study twice gives two copies without common UIDs."""
    samples = stored.group("a03")

    one, other = (files(rest, anonymized(rest, samples[0])) for _ in range(2))

    new_uids(one, other)


@suite.case("ANON-043", ref=FORCE, covers=("Orthanc.test_bitbucket_issue_55",))
@pytest.mark.parametrize("argument", ["Keep", "Replace"])
@pytest.mark.parametrize(
    ("level", "keyword"),
    [
        ("study", "PatientID"),
        *(("study", each) for each in UIDS),
        ("patient", "PatientID"),
        ("series", UIDS[1]),
    ],
)
def test_identifiers_need_force(
    rest: Rest, stored: Stored, level: str, keyword: str, argument: str
) -> None:
    """Keeping or setting an identifier is rejected without Force, and nothing is stored."""
    sample = stored.instance()
    request: dict[str, Any] = {argument: [keyword] if argument == "Keep" else {keyword: "1.2.3.4"}}

    refused(rest, f"{orthanc_ids(sample).path(level)}/anonymize", request, code=BAD_REQUEST)


@suite.case("ANON-044", ref=FORCE, covers="Orthanc.test_bitbucket_issue_55")
@pytest.mark.parametrize(
    ("level", "keyword"),
    [*(("study", each) for each in UIDS), ("patient", UIDS[0]), ("series", UIDS[1])],
)
def test_uid_is_kept_by_force(rest: Rest, stored: Stored, level: str, keyword: str) -> None:
    """With Force, a UID can be kept; the other UIDs of the copy are new, and the source is kept."""
    sample = stored.instance()

    path = anonymized(rest, sample, level, Keep=[keyword], Force=True)

    [copy] = files(rest, path)
    assert {each for each in UIDS if copy[each].value == sample.element(each)} == {keyword}
    assert len(listed(rest)) == 2
    rest.delete(path)
    assert listed(rest) == {orthanc_ids(sample).instance}


@suite.case("ANON-045", ref=FORCE, covers="Orthanc.test_bitbucket_issue_55")
@pytest.mark.parametrize(
    ("level", "keyword"),
    [
        ("study", "PatientID"),
        *(("study", each) for each in UIDS),
        ("patient", "PatientID"),
        ("series", UIDS[1]),
    ],
)
def test_identifier_is_given_by_force(rest: Rest, stored: Stored, level: str, keyword: str) -> None:
    """With Force, an identifier can be set; the others in the copy are new."""
    sample = stored.instance()

    [copy] = files(rest, anonymized(rest, sample, level, Replace={keyword: "1.2.3.4"}, Force=True))

    assert copy[keyword].value == "1.2.3.4"
    assert not {each for each in UIDS if copy[each].value == sample.element(each)}


@suite.case("ANON-046", ref="Orthanc REST API: POST /patients/{id}/anonymize, /modify")
@pytest.mark.parametrize("level", ["patient", "study", "series", "instance"])
@pytest.mark.parametrize("action", ["anonymize", "modify"])
def test_unknown_resource_is_not_found(rest: Rest, stored: Stored, level: str, action: str) -> None:
    """A resource that does not exist is not found, and nothing changes."""
    folder = orthanc_ids(stored.instance()).path(level).rpartition("/")[0]

    refused(rest, f"{folder}/nope/{action}", {}, status=404, code=UNKNOWN_RESOURCE)


@suite.case("ANON-047", ref="Orthanc REST API: POST /patients/{id}/anonymize, /modify")
@pytest.mark.parametrize("level", ["patient", "study", "series"])
@pytest.mark.parametrize("action", ["anonymize", "modify"])
def test_resource_of_another_level_is_not_found(
    rest: Rest, stored: Stored, level: str, action: str
) -> None:
    """The identifier of an instance is not found at other levels, just as for reading."""
    ids = orthanc_ids(stored.instance())
    path = f"{ids.path(level).rpartition('/')[0]}/{ids.instance}"
    rest.get(path, expect=404)
    of_patient = {"Replace": {"PatientID": "OTHER"}, "Force": True}  # required at that level

    rest.post(f"{path}/{action}", of_patient if level == "patient" else {}, expect=404)

    assert listed(rest) == {ids.instance}
