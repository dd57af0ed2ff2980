"""Splitting and merging studies: what moves, what stays, changed attributes, and rejections."""

from typing import Any

import pytest

from harness.cases import (
    BAD_FILE_FORMAT,
    BAD_REQUEST,
    OUT_OF_RANGE,
    UNKNOWN_RESOURCE,
    Rest,
    Sample,
    Stored,
    Suite,
    files,
    finished_job,
    listed,
    orthanc_ids,
    refused,
)

SPLIT = "Orthanc REST API: POST /studies/{id}/split; Orthanc Book: anonymization, split/merge"
MERGE = "Orthanc REST API: POST /studies/{id}/merge; Orthanc Book: anonymization, split/merge"

split = Suite(level="product", needs="rest", ref=SPLIT)
merge = Suite(level="product", needs="rest", ref=MERGE)


def instances_of(*samples: Sample) -> set[str]:
    """Return the identifiers under which these objects are listed."""
    return {orthanc_ids(each).instance for each in samples}


def two_series(stored: Stored, **elements: Any) -> tuple[Sample, ...]:
    """Store a study of two series with two objects each."""
    return stored.study(
        series=2,
        instances=2,
        **{"PatientName": "Split^Study", "ReferringPhysicianName": "Refer^Me", **elements},
    )


def other_study(stored: Stored) -> Sample:
    """Store a study of another patient, with one object."""
    return stored.instance(
        PatientName="Other^Patient",
        PatientBirthDate="19500101",
        StudyDate="20200101",
        StudyDescription="Other study",
        InstitutionName="Other institution",
    )


@split.case("SPLIT-001", covers="Orthanc.test_split")
@pytest.mark.parametrize("keep", [None, False, True], ids=["default", "false", "true"])
def test_series_is_split_off(rest: Rest, stored: Stored, keep: bool | None) -> None:
    """The given series becomes a new study; its source is deleted unless KeepSource is true."""
    samples = two_series(stored)
    study = orthanc_ids(samples[0])
    request: dict[str, Any] = {"Series": [study.series]}

    answer = rest.post(
        f"{study.path('study')}/split", request if keep is None else request | {"KeepSource": keep}
    ).json()

    target = f"/studies/{answer['TargetStudy']}"
    moved = {each["ID"] for each in rest.json(f"{target}/instances")}
    assert (answer["InstancesCount"], answer["FailedInstancesCount"]) == (2, 0)
    assert rest.json(target)["MainDicomTags"]["StudyInstanceUID"] == answer["TargetStudyUID"]
    stay = instances_of(*(samples if keep else samples[2:]))
    assert len(moved) == 2
    assert listed(rest) == stay | moved
    assert not moved & instances_of(*samples)


@split.case("SPLIT-002", covers="Orthanc.test_split_instances", needs="orthanc>=1.9.4")
@pytest.mark.parametrize("keep", [False, True], ids=["removed", "kept"])
def test_instance_is_split_off(rest: Rest, stored: Stored, keep: bool) -> None:
    """One instance moves to a new series of a new study; its neighbour stays where it was."""
    samples = two_series(stored)
    ids = orthanc_ids(samples[0])

    request = {"Instances": [ids.instance], "KeepSource": keep}
    answer = rest.post(f"{ids.path('study')}/split", request).json()

    [copy] = files(rest, f"/studies/{answer['TargetStudy']}")
    assert copy.InstanceNumber == 1
    assert copy.SeriesInstanceUID != samples[0].series_instance_uid
    assert (ids.instance in listed(rest)) is keep
    assert instances_of(*samples[1:]) < listed(rest)
    assert orthanc_ids(samples[1]).instance in rest.json(ids.path("series"))["Instances"]


@split.case("SPLIT-003", covers="Orthanc.test_split_instances", needs="orthanc>=1.9.4")
def test_series_and_instance_together(rest: Rest, stored: Stored) -> None:
    """Series and Instances in one request move to one new study, in separate series."""
    samples = two_series(stored)
    ids = orthanc_ids(samples[0])

    request = {"Instances": [ids.instance], "Series": [orthanc_ids(samples[2]).series]}
    answer = rest.post(f"{ids.path('study')}/split", request).json()

    copies = files(rest, f"/studies/{answer['TargetStudy']}")
    assert [(each.SeriesNumber, each.InstanceNumber) for each in copies] == [(1, 1), (2, 1), (2, 2)]
    assert rest.json(ids.path("study"))["Series"] == [ids.series]


@split.case("SPLIT-004", covers="Orthanc.test_split")
def test_attributes_of_the_split_study(rest: Rest, stored: Stored) -> None:
    """Replace and Remove change only the new study; attributes of series and instances are kept."""
    samples = two_series(stored)
    ids = orthanc_ids(samples[0])

    request = {
        "Series": [ids.series],
        "Replace": {"PatientName": "Hello", "StudyDescription": "New"},
        "Remove": ["ReferringPhysicianName"],
        "KeepSource": True,
    }
    answer = rest.post(f"{ids.path('study')}/split", request).json()

    for copy, sample in zip(
        files(rest, f"/studies/{answer['TargetStudy']}"), samples, strict=False
    ):
        assert (copy.PatientName, copy.StudyDescription) == ("Hello", "New")
        assert "ReferringPhysicianName" not in copy
        before = sample.dataset()
        for keyword in ("PatientID", "SeriesDescription", "InstanceNumber", "FrameOfReferenceUID"):
            assert copy[keyword] == before[keyword]
    for sample in samples:
        assert rest.get(f"{orthanc_ids(sample).path('instance')}/file").content == sample.data


@split.case("SPLIT-005", covers="Orthanc.test_split")
@pytest.mark.parametrize(
    "argument", [{"Asynchronous": True}, {"Synchronous": False}], ids=["async", "not-sync"]
)
def test_asynchronous_split_is_a_job(rest: Rest, stored: Stored, argument: dict[str, bool]) -> None:
    """In asynchronous mode, the answer is a job whose content names source and target."""
    samples = two_series(stored)
    ids = orthanc_ids(samples[0])

    job = finished_job(
        rest, rest.post(f"{ids.path('study')}/split", {"Series": [ids.series], **argument}).json()
    )

    assert job["Type"] == "SplitStudy"
    target = files(rest, f"/studies/{job['Content']['TargetStudy']}")
    assert {each.StudyInstanceUID for each in target} == {job["Content"]["TargetStudyUID"]}
    assert instances_of(*samples[2:]) < listed(rest)
    assert not instances_of(*samples[:2]) & listed(rest)


@split.case("SPLIT-006", covers="Orthanc.test_split_instances")
@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        pytest.param({}, 400, BAD_REQUEST, id="nothing"),
        pytest.param({"Series": [], "Instances": []}, 400, BAD_REQUEST, id="empty"),
        pytest.param({"Series": ["nope"]}, 404, UNKNOWN_RESOURCE, id="unknown-series"),
        pytest.param({"Instances": ["nope"]}, 404, UNKNOWN_RESOURCE, id="unknown-instance"),
        pytest.param({"Series": "{series}"}, 400, BAD_FILE_FORMAT, id="no-list"),
        pytest.param(
            {"Series": ["{elsewhere.series}"]}, 404, UNKNOWN_RESOURCE, id="series-of-another"
        ),
        pytest.param(
            {"Instances": ["{elsewhere.instance}"]}, 404, UNKNOWN_RESOURCE, id="instance-of-another"
        ),
        pytest.param({"Series": ["{series}", "nope"]}, 404, UNKNOWN_RESOURCE, id="one-of-two"),
        pytest.param(
            {"Series": ["{series}"], "Replace": {"SOPInstanceUID": "1.2"}},
            400,
            OUT_OF_RANGE,
            id="instance-uid",
        ),
        pytest.param(
            {"Series": ["{series}"], "Replace": {"SeriesDescription": "x"}},
            400,
            OUT_OF_RANGE,
            id="attribute-of-series",
        ),
        pytest.param(
            {"Series": ["{series}"], "Remove": ["StudyInstanceUID"]},
            400,
            OUT_OF_RANGE,
            id="study-uid",
        ),
    ],
)
def test_wrong_split_is_refused(
    rest: Rest, stored: Stored, request_: dict[str, Any], status: int, code: int
) -> None:
    """A split of nothing, of something outside the study, or that changes a series is rejected."""
    ids = orthanc_ids(two_series(stored)[0])
    elsewhere = orthanc_ids(other_study(stored))

    refused(
        rest,
        f"{ids.path('study')}/split",
        _filled(request_, series=ids.series, elsewhere=elsewhere),
        status=status,
        code=code,
    )


def _filled(value: Any, **names: Any) -> Any:
    """Replace names in a request by identifiers."""
    if isinstance(value, str):
        return value.format(**names)
    if isinstance(value, list):
        return [_filled(each, **names) for each in value]
    return {key: _filled(each, **names) for key, each in value.items()}


@split.case("SPLIT-007")
@pytest.mark.parametrize("action", ["split", "merge"])
def test_unknown_study_is_not_found(rest: Rest, stored: Stored, action: str) -> None:
    """Splitting, or merging into, a study that does not exist is answered with 404."""
    ids = orthanc_ids(stored.instance())
    request = {"Series": [ids.series]} if action == "split" else {"Resources": [ids.study]}

    refused(rest, f"/studies/nope/{action}", request, status=404, code=UNKNOWN_RESOURCE)


@split.case("SPLIT-008")
def test_whole_study_is_split(rest: Rest, stored: Stored) -> None:
    """If all series of a study are split off, they form a new study, and the old one is gone."""
    samples = two_series(stored)
    ids = orthanc_ids(samples[0])

    request = {"Series": [ids.series, orthanc_ids(samples[2]).series]}
    answer = rest.post(f"{ids.path('study')}/split", request).json()

    assert rest.json("/studies") == [answer["TargetStudy"]]
    copies = files(rest, f"/studies/{answer['TargetStudy']}")
    assert [(each.SeriesNumber, each.InstanceNumber) for each in copies] == [
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
    ]


@merge.case("MERGE-001", covers=("Orthanc.test_merge", "Orthanc.test_merge_instances"))
@pytest.mark.parametrize("keep", [None, False, True], ids=["default", "false", "true"])
@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_resource_is_merged(rest: Rest, stored: Stored, level: str, keep: bool | None) -> None:
    """A study, series or instance is merged into the target; the source goes unless KeepSource is true."""
    target = stored.instance(PatientName="Target^Study")
    source = other_study(stored)
    request: dict[str, Any] = {"Resources": [orthanc_ids(source).at(level)]}

    answer = rest.post(
        f"{orthanc_ids(target).path('study')}/merge",
        request if keep is None else request | {"KeepSource": keep},
    ).json()

    study = orthanc_ids(target).path("study")
    inside = {each["ID"] for each in rest.json(f"{study}/instances")}
    assert (answer["TargetStudy"], answer["InstancesCount"]) == (orthanc_ids(target).study, 1)
    assert len(inside) == len(rest.json(study)["Series"]) == 2
    assert orthanc_ids(target).instance in inside
    assert listed(rest) == inside | (instances_of(source) if keep else set())
    assert rest.get(f"{orthanc_ids(target).path('instance')}/file").content == target.data


@merge.case(
    "MERGE-002", covers="Orthanc.test_merge", ref="PS3.3 C.7.1.1 and C.7.2.1 (2024e); " + MERGE
)
def test_merged_object_has_the_attributes_of_its_target(rest: Rest, stored: Stored) -> None:
    """A merged object has the patient and study of the target, and all other attributes of its source."""
    target = stored.instance(PatientName="Target^Study", PatientBirthDate="19700102")
    source = other_study(stored)

    request = {"Resources": [orthanc_ids(source).study]}
    rest.post(f"{orthanc_ids(target).path('study')}/merge", request)

    there, origin = target.dataset(), source.dataset()
    copies = files(rest, orthanc_ids(target).path("study"))
    [copy] = [each for each in copies if each.SOPInstanceUID != target.sop_instance_uid]
    for keyword in (
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
        *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription"),
        *("AccessionNumber", "ReferringPhysicianName"),
    ):
        assert copy[keyword] == there[keyword]
    for keyword in ("InstitutionName", "SeriesDescription", "FrameOfReferenceUID", "PixelData"):
        assert copy[keyword] == origin[keyword]


@merge.case("MERGE-003", covers="Orthanc.test_merge")
@pytest.mark.parametrize(
    "argument", [{"Asynchronous": True}, {"Synchronous": False}], ids=["async", "not-sync"]
)
def test_asynchronous_merge_is_a_job(rest: Rest, stored: Stored, argument: dict[str, bool]) -> None:
    """In asynchronous mode, the answer is a job whose content names the target study."""
    target, source = stored.instance(PatientName="Target^Study"), other_study(stored)

    request = {"Resources": [orthanc_ids(source).study], "KeepSource": True, **argument}
    job = finished_job(
        rest, rest.post(f"{orthanc_ids(target).path('study')}/merge", request).json()
    )

    assert job["Type"] == "MergeStudy"
    assert job["Content"]["TargetStudy"] == orthanc_ids(target).study
    assert instances_of(target, source) < listed(rest)
    assert len(listed(rest)) == 3
    assert len(rest.json("/studies")) == 2


@merge.case("MERGE-004")
def test_several_resources_are_merged(rest: Rest, stored: Stored) -> None:
    """A study, and a series of another one, are merged into the target together; the rest stays."""
    target, source = stored.instance(PatientName="Target^Study"), other_study(stored)
    samples = two_series(stored)

    resources = [orthanc_ids(source).study, orthanc_ids(samples[0]).series]
    rest.post(f"{orthanc_ids(target).path('study')}/merge", {"Resources": resources})

    assert len(rest.json(orthanc_ids(target).path("study"))["Series"]) == 3
    assert len(listed(rest)) == 6
    assert instances_of(target, *samples[2:]) < listed(rest)
    assert not instances_of(source, *samples[:2]) & listed(rest)


@merge.case("MERGE-005", covers="Orthanc.test_merge_instances")
@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        pytest.param({}, 400, BAD_FILE_FORMAT, id="nothing"),
        pytest.param({"Resources": "{source.study}"}, 400, BAD_FILE_FORMAT, id="no-list"),
        pytest.param({"Resources": ["nope"]}, 404, UNKNOWN_RESOURCE, id="unknown"),
        pytest.param(
            {"Resources": ["{source.study}", "nope"]}, 404, UNKNOWN_RESOURCE, id="one-of-two"
        ),
        pytest.param({"Resources": ["{source.patient}"]}, 404, UNKNOWN_RESOURCE, id="patient"),
        pytest.param({"Resources": ["{target.study}"]}, 404, UNKNOWN_RESOURCE, id="itself"),
        pytest.param({"Resources": ["{target.series}"]}, 404, UNKNOWN_RESOURCE, id="its-series"),
    ],
)
def test_wrong_merge_is_refused(
    rest: Rest, stored: Stored, request_: dict[str, Any], status: int, code: int
) -> None:
    """Merging nothing, a patient, unknown resources or the target itself is rejected."""
    target, source = stored.instance(PatientName="Target^Study"), other_study(stored)
    names = {"target": orthanc_ids(target), "source": orthanc_ids(source)}

    path = f"{orthanc_ids(target).path('study')}/merge"
    refused(rest, path, _filled(request_, **names), status=status, code=code)


@merge.case("MERGE-006")
def test_split_and_merge_back(rest: Rest, stored: Stored) -> None:
    """A series that is split off and merged back is in its study again, and no object is lost."""
    samples = two_series(stored)
    ids = orthanc_ids(samples[2])

    away = rest.post(f"{ids.path('study')}/split", {"Series": [ids.series]}).json()["TargetStudy"]
    rest.post(f"{ids.path('study')}/merge", {"Resources": [away]})

    assert rest.json("/studies") == [ids.study]
    copies = files(rest, ids.path("study"))
    assert [(each.SeriesNumber, each.InstanceNumber) for each in copies] == [
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
    ]
