"""A limited storage: what is rejected or deleted when it is full."""

import pytest

from harness.cases import (
    DATABASES,
    FAILURE_REASON,
    DicomWeb,
    Dimse,
    Maker,
    Rest,
    Sample,
    Status,
    Stored,
    Story,
    Suite,
    configured,
    json_values,
    needs,
    orthanc_ids,
    thorough,
)

suite = Suite(
    level="product",
    ref="Orthanc Book: configuration, MaximumStorageMode",
    needs="rest",
    thorough=True,
)
rejecting = configured(MaximumPatientCount=2, MaximumStorageMode="Reject")
COVERED = "MaxStorage.test_max_storage_reject.test_upload_3_patients"
SINCE = "orthanc>=1.11.3"
MEGABYTE = 1024 * 1024
FULL = 507
OUT_OF_RESOURCES = 0xA700


def patients(rest: Rest) -> list[str]:
    """Return the Patient IDs that the server lists, in order."""
    found = rest.json("/patients?expand")
    return sorted(each["MainDicomTags"]["PatientID"] for each in found)


def attachments(rest: Rest) -> int:
    """Return the number of files of the instances, according to the server."""
    instances = rest.json("/instances")
    return sum(len(rest.json(f"/instances/{each}/attachments")) for each in instances)


def assert_only_two(rest: Rest, story: Story, files_of_two: int) -> None:
    """Fail the case unless there are two patients and no files of a third."""
    assert patients(rest) == ["A", "B"]
    assert len(story.stored_files()) == files_of_two


@suite.case(
    "LIMIT-001", thorough=False, covers=f"{COVERED}_rest_api", needs=(SINCE, "server.restart")
)
@rejecting
@needs("server.files")
def test_upload_is_refused(rest: Rest, make: Maker, stored: Stored, story: Story) -> None:
    """In mode Reject, the upload of one patient too many is answered with 507, and leaves nothing behind."""
    stored.these(*(make.instance(PatientID=each) for each in "AB"))
    before = len(story.stored_files())

    answer = rest.post("/instances", make.instance(PatientID="C").data, expect=FULL)

    assert answer.json()["Message"]
    assert_only_two(rest, story, before)


@suite.case(
    "LIMIT-002", covers=f"{COVERED}_c_store", needs=(SINCE, "server.restart", "dimse.store")
)
@rejecting
@needs("server.files")
def test_c_store_is_refused(
    rest: Rest, dimse: Dimse, make: Maker, stored: Stored, story: Story
) -> None:
    """In mode Reject, the C-STORE of one patient too many is rejected as out of resources."""
    stored.these(*(make.instance(PatientID=each) for each in "AB"))
    before = len(story.stored_files())

    (status,) = dimse.store(make.instance(PatientID="C"))

    assert Status(status & 0xFF00) == OUT_OF_RESOURCES  # PS3.4 Table B.2-1
    assert_only_two(rest, story, before)


@suite.case(
    "LIMIT-003", covers=f"{COVERED}_dicomweb", needs=(SINCE, "server.restart", "dicomweb.stow")
)
@rejecting
@needs("server.files")
def test_stow_is_refused(
    rest: Rest, web: DicomWeb, make: Maker, stored: Stored, story: Story
) -> None:
    """In mode Reject, STOW-RS of one patient too many is answered with an error."""
    stored.these(*(make.instance(PatientID=each) for each in "AB"))
    before = len(story.stored_files())

    answer = web.stow([make.instance(PatientID="C").data], expect=None)

    assert 400 <= answer.status_code <= 599
    assert_only_two(rest, story, before)


@suite.case(
    "LIMIT-004",
    thorough=False,
    covers=f"{COVERED}_dicomweb_in_one_query",
    needs=(SINCE, "server.restart", "plugin.dicomweb>=1.10"),
)
@rejecting
@needs("server.files")
def test_stow_stores_what_has_room(rest: Rest, web: DicomWeb, make: Maker, story: Story) -> None:
    """Of three patients in one STOW-RS request, two are stored, and the third is reported with A700."""
    three = [make.instance(PatientID=each) for each in "ABC"]

    answer = web.stow([each.data for each in three], expect=202)

    (failed,) = json_values(answer.json(), "00081198")
    assert json_values(failed, FAILURE_REASON) == [OUT_OF_RESOURCES]
    assert json_values(failed, "00081155") == [three[2].sop_instance_uid]
    assert patients(rest) == ["A", "B"]
    assert len(story.stored_files()) == attachments(rest)


def half_megabyte(make: Maker, patient: str, number: int = 1) -> Sample:
    """Make an object of slightly more than half a megabyte."""
    return make.instance(PatientID=patient, number=number, rows=512, columns=512)


@suite.case("LIMIT-005", needs=(SINCE, "server.restart"))
@configured(MaximumStorageSize=1, MaximumStorageMode="Reject")
@needs("server.files")
def test_size_is_not_exceeded(rest: Rest, make: Maker, stored: Stored, story: Story) -> None:
    """In mode Reject, an object that would exceed MaximumStorageSize is rejected; the others are kept."""
    first = stored.these(half_megabyte(make, "A"))[0]

    rest.post("/instances", half_megabyte(make, "B").data, expect=FULL)

    assert patients(rest) == ["A"]
    assert sum(each.stat().st_size for each in story.stored_files()) <= MEGABYTE
    assert rest.get(f"{orthanc_ids(first).path('instance')}/file").content == first.data


@suite.case("LIMIT-006", thorough=False, covers="MaxStorage.test_max_storage_pg.test_upload")
@configured(MaximumStorageSize=1)
@pytest.mark.parametrize(
    "place",
    [
        "files",
        *(pytest.param(each, marks=[configured(database=each), thorough()]) for each in DATABASES),
    ],
)
def test_oldest_gives_way_to_size(rest: Rest, make: Maker, place: str) -> None:
    """With MaximumStorageSize, the oldest patients are deleted; the last one is stored, within the limit."""
    for number in range(6):
        sample = half_megabyte(make, f"P{number}")
        assert rest.upload(sample.data)["Status"] == "Success"
        assert int(rest.json("/statistics")["TotalDiskSize"]) <= MEGABYTE

    assert patients(rest) == ["P5"]
    assert rest.get(f"{orthanc_ids(sample).path('instance')}/file").content == sample.data


@suite.case("LIMIT-007", thorough=False, needs="server.restart")
@configured(MaximumStorageSize=1)
@needs("server.files")
def test_files_of_what_gave_way_are_gone(rest: Rest, make: Maker, story: Story) -> None:
    """Deleted patients leave no files behind: the size of the files on disk is what the server reports."""
    for number in range(4):
        rest.upload(half_megabyte(make, f"P{number}").data)

    sizes = [each.stat().st_size for each in story.stored_files()]
    assert sum(sizes) == int(rest.json("/statistics")["TotalDiskSize"])


@suite.case("LIMIT-008", ref="Orthanc Book: REST API, protecting patients")
@configured(MaximumPatientCount=2)
def test_patient_with_new_object_is_not_the_oldest(rest: Rest, stored: Stored) -> None:
    """A patient that receives another object counts as the newest: the other one is deleted."""
    stored.instance(PatientID="A")
    stored.instance(PatientID="B")
    stored.instance(PatientID="A", number=2)

    stored.instance(PatientID="C")

    assert patients(rest) == ["A", "C"]


@suite.case("LIMIT-009", thorough=False, ref="Orthanc Book: REST API, protecting patients")
@configured(MaximumPatientCount=2)
def test_nothing_gives_way_if_all_are_protected(rest: Rest, make: Maker, stored: Stored) -> None:
    """If every patient is protected, a new one is rejected with 507, and none is lost."""
    for each in "AB":
        rest.put(f"{orthanc_ids(stored.instance(PatientID=each)).path('patient')}/protected", "1")

    rest.post("/instances", make.instance(PatientID="C").data, expect=FULL)

    assert patients(rest) == ["A", "B"]


@suite.case("LIMIT-010", ref="Orthanc Book: REST API, protecting patients")
@configured(MaximumPatientCount=2)
def test_patient_can_give_way_again(rest: Rest, stored: Stored) -> None:
    """A patient whose protection has ended can be deleted, after those that are older by then."""
    first = orthanc_ids(stored.instance(PatientID="A"))
    rest.put(f"{first.path('patient')}/protected", "1")
    stored.instance(PatientID="B")
    rest.put(f"{first.path('patient')}/protected", "0")

    stored.instance(PatientID="C")
    assert patients(rest) == ["A", "C"]
    stored.instance(PatientID="D")
    assert patients(rest) == ["C", "D"]


@suite.case("LIMIT-011", needs=("server.configure", "server.restart"))
def test_limit_below_what_is_stored(rest: Rest, stored: Stored, story: Story) -> None:
    """A server started with a limit below its contents deletes the oldest patients."""
    for each in "ABCD":
        stored.instance(PatientID=each)
    story.end("SIGKILL")

    story.start(MaximumPatientCount=2)

    stored.instance(PatientID="E")
    assert patients(rest) == ["D", "E"]
