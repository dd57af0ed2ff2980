"""Plugins that continue their work after the server is killed: delayed deletion, housekeeper."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pydicom.uid import JPEGLSLossless

from harness.cases import Rest, Stored, Story, Suite, needs, orthanc_ids, wait_until

suite = Suite(level="product", needs=("rest", "server.configure", "server.restart"), thorough=True)
DELETION = "/plugins/delayed-deletion/status"
HOUSEKEEPER = "/plugins/housekeeper/status"
SERVER = "one-for-both-lives"
"""The queue belongs to a server, which must have the same identifier after the restart."""
EXTRA = {
    "Patient": ["PatientComments"],
    "Study": ["NameOfPhysiciansReadingStudy"],
    "Series": ["ScanOptions"],
    "Instance": ["AcquisitionDate"],
}
VALUES = {
    "PatientComments": "Nothing to add",
    "NameOfPhysiciansReadingStudy": "Reader^Rita",
    "ScanOptions": "FAT",
    "AcquisitionDate": "20240115",
}


def deleting(throttle: int) -> dict[str, object]:
    """Return the settings of a server that deletes one file every `throttle` milliseconds."""
    return {
        "DelayedDeletion": {"Enable": True, "ThrottleDelayMs": throttle},
        "DatabaseServerIdentifier": SERVER,
    }


@suite.case(
    "DELAY-001",
    thorough=False,
    ref="Orthanc Book: delayed deletion plugin",
    covers="DelayedDeletion.test_delayed_deletion.test_resumes_pending_deletion",
    needs="plugin.delayed-deletion",
)
@needs("server.files")
def test_deletion_goes_on(story: Story, rest: Rest, stored: Stored) -> None:
    """Files still waiting for deletion when the server is killed are deleted after its restart."""
    story.start(**deleting(throttle=1000))
    study = stored.study(instances=20)
    kept = stored.instance(study="kept")
    rest.delete(orthanc_ids(study[0]).path("study"))
    story.end("SIGKILL")
    assert len(story.stored_files()) > len(study) // 2  # otherwise no work is left to continue

    story.start(**deleting(throttle=0))

    wait_until(
        lambda: rest.json(DELETION)["FilesPendingDeletion"] == 0, what="the end of the deletion"
    )
    sizes = [each.stat().st_size for each in story.stored_files()]
    assert sum(sizes) == int(rest.json("/statistics")["TotalDiskSize"])
    assert rest.get(f"{orthanc_ids(kept).path('instance')}/file").content == kept.data


@suite.case(
    "DELAY-002", ref="Orthanc Book: delayed deletion plugin", needs="plugin.delayed-deletion"
)
@needs("server.files")
def test_resource_is_gone_before_its_files(story: Story, rest: Rest, stored: Stored) -> None:
    """Deleted resources are no longer listed, even while their files still exist."""
    story.start(**deleting(throttle=1000))
    study = stored.study(instances=5)

    rest.delete(orthanc_ids(study[0]).path("study"))

    assert rest.json("/instances") == []
    assert rest.json(DELETION)["FilesPendingDeletion"] > 0
    assert story.stored_files()


Change = Mapping[str, object]
Done = Callable[[Mapping[str, Any]], bool]

COMPRESSION: tuple[Change, Done] = (
    {"StorageCompression": True},
    lambda configuration: bool(configuration["StorageCompressionEnabled"]),
)
TRANSCODING: tuple[Change, Done] = (
    {"IngestTranscoding": str(JPEGLSLossless), "Gdcm": {"Enable": False}},
    lambda configuration: bool(configuration["IngestTranscoding"] == JPEGLSLossless),
)


@suite.case(
    "HKEEP-001",
    thorough=False,
    ref="Orthanc Book: housekeeper plugin",
    covers=(
        "Housekeeper.test_housekeeper.test_before_after_reconstruction",
        "Housekeeper.test_housekeeper2.test_before_after_reconstruction",
    ),
    needs="plugin.housekeeper",
)
@pytest.mark.parametrize(
    ("change", "done"), [COMPRESSION, TRANSCODING], ids=["compression", "transcoding"]
)
@needs("server.files")
def test_housekeeper_brings_up_to_date(
    story: Story, rest: Rest, stored: Stored, change: Change, done: Done
) -> None:
    """Objects stored before a change of the configuration are updated as if they were stored after it."""
    story.start(Housekeeper={"Enable": False})
    sample = stored.instance(rows=64, columns=64, **VALUES)
    path = orthanc_ids(sample).path("instance")
    came = {name: rest.get(f"{path}/metadata/{name}").text for name in ("ReceptionDate", "Origin")}
    story.end("SIGKILL")
    before = {each.name for each in story.stored_files()}

    story.start(Housekeeper={"Enable": True}, ExtraMainDicomTags=EXTRA, **change)

    def is_done() -> bool:
        status = rest.json(HOUSEKEEPER)
        return (
            done(status["LastProcessedConfiguration"])
            and status["LastChangeToProcess"] == status["LastProcessedChange"]
        )

    wait_until(is_done, what="the housekeeper to have seen every change", within=20)
    for level, keywords in EXTRA.items():
        (keyword,) = keywords
        resource = rest.json(orthanc_ids(sample).path(level))
        assert resource["MainDicomTags"][keyword] == VALUES[keyword]
    assert {each.name for each in story.stored_files()}.isdisjoint(before)
    assert int(rest.get(f"{path}/attachments/dicom/compressed-size").text) < len(sample.data)
    assert rest.json(f"{path}/tags?simplify")["SOPInstanceUID"] == sample.sop_instance_uid
    assert {name: rest.get(f"{path}/metadata/{name}").text for name in came} == came
