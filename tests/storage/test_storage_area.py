"""Files that the server writes to disk, and data that it must not write."""

from pathlib import Path

import pytest

from harness.cases import Rest, Stored, Suite, configured, file_of, orthanc_ids

suite = Suite(level="product", needs="rest", ref="Orthanc REST API: POST /instances/{id}/export")


@suite.case(
    "AREA-001",
    ref="Orthanc: release notes of 1.12.0",
    covers="Orthanc.test_rest_api_write_to_file_system",
    needs="orthanc>=1.12.0",
)
def test_clients_cannot_write_to_the_disk(rest: Rest, stored: Stored, tmp_path: Path) -> None:
    """A client cannot make the server write a file, unless the configuration allows that."""
    target = tmp_path / "written.dcm"

    rest.post(f"{orthanc_ids(stored.instance()).path('instance')}/export", str(target), expect=403)

    assert not target.exists()


@suite.case("AREA-002", ref="Orthanc Book: configuration, RestApiWriteToFileSystemEnabled")
@configured(RestApiWriteToFileSystemEnabled=True)
def test_writing_to_the_disk_can_be_allowed(rest: Rest, stored: Stored) -> None:
    """With RestApiWriteToFileSystemEnabled, the server writes the file to the given path."""
    sample = stored.instance()
    target = "/tmp/dicom-harness-export.dcm"  # noqa: S108 - seen by the server only

    rest.post(f"{orthanc_ids(sample).path('instance')}/export", target)

    read = (
        f"file = io.open('{target}', 'rb') data = file:read('*a') file:close() os.remove('{target}') "
        "print((data:gsub('.', function(c) return string.format('%02x', string.byte(c)) end)))"
    )
    assert bytes.fromhex(rest.post("/tools/execute-script", read).text) == sample.data


@suite.case(
    "AREA-003", ref="Orthanc REST API: GET /instances/{id}/attachments/{name}/compressed-data"
)
@pytest.mark.parametrize(
    "compressed",
    [
        pytest.param(True, marks=configured(StorageCompression=True), id="compressed"),
        pytest.param(False, marks=configured(StorageCompression=False), id="plain"),
    ],
)
def test_compression_of_what_is_stored(rest: Rest, stored: Stored, compressed: bool) -> None:
    """With StorageCompression, a file takes less space on disk, and is the same for clients."""
    sample = stored.instance(rows=64, columns=64)
    path = orthanc_ids(sample).path("instance")

    size = int(rest.get(f"{path}/attachments/dicom/compressed-size").text)

    assert (size < len(sample.data)) == compressed
    assert rest.get(f"{path}/file").content == sample.data
    total = int(rest.json("/statistics")["TotalDiskSize"])
    assert (total < len(sample.data)) == compressed


@suite.case("AREA-004", ref="Orthanc Book: configuration, MaximumPatientCount")
@configured(MaximumPatientCount=2)
def test_oldest_patient_gives_way(rest: Rest, stored: Stored) -> None:
    """With MaximumPatientCount, the oldest patient is deleted for a new one."""
    patients = [orthanc_ids(stored.instance(PatientID=each)).patient for each in "ABC"]

    assert sorted(rest.json("/patients")) == sorted(patients[1:])


@suite.case("AREA-005", ref="Orthanc Book: REST API, protecting patients")
@configured(MaximumPatientCount=2)
def test_protected_patient_stays(rest: Rest, stored: Stored) -> None:
    """A protected patient is not deleted for a new one; the next oldest is."""
    first = orthanc_ids(stored.instance(PatientID="A"))
    rest.put(f"{first.path('patient')}/protected", "1")

    others = [orthanc_ids(stored.instance(PatientID=each)).patient for each in "BC"]

    assert sorted(rest.json("/patients")) == sorted([first.patient, others[1]])


@suite.case("AREA-006", ref="Orthanc Book: configuration, OverwriteInstances")
@pytest.mark.parametrize(
    ("status", "kept"),
    [
        pytest.param("Success", "new1", marks=configured(OverwriteInstances=True), id="overwrite"),
        pytest.param(
            "AlreadyStored", "old1", marks=configured(OverwriteInstances=False), id="keep"
        ),
    ],
)
def test_object_that_is_there_already(rest: Rest, stored: Stored, status: str, kept: str) -> None:
    """An object with the identifiers of another one replaces it or is rejected, as configured."""
    sample = stored.instance(StudyDescription="old1")
    other = sample.dataset()
    other.StudyDescription = "new1"

    assert rest.upload(file_of(other))["Status"] == status

    path = orthanc_ids(sample).path("instance")
    assert rest.get(f"{path}/content/0008-1030").text == kept
