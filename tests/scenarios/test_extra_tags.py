"""Additional main DICOM tags that the server keeps in its index: ExtraMainDicomTags."""

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from harness.cases import (
    DicomWeb,
    Maker,
    Rest,
    Sample,
    Stored,
    Story,
    Suite,
    configured,
    json_values,
    needs,
    orthanc_ids,
    single,
    study_path,
)

suite = Suite(
    level="product",
    ref="Orthanc Book: ExtraMainDicomTags",
    needs=("orthanc>=1.11.0", "rest", "server.configure"),
    thorough=True,
)
COVERED = "ExtraMainDicomTags.test_extra_main_dicom_tags"
SINCE_SEQUENCES = "orthanc>=1.11.1"

TAGS = {
    "patient": ("PatientComments", "Nothing to add"),
    "study": ("NameOfPhysiciansReadingStudy", "Reader^Rita"),
    "series": ("ScanOptions", "FAT"),
    "instance": ("AcquisitionDate", "20240115"),
}
"""An element of each level that is not a main tag of Orthanc by default, and its value."""
EXTRA = {level.capitalize(): [keyword] for level, (keyword, _) in TAGS.items()}
SEQUENCE = "RequestAttributesSequence"
SEQUENCES = {"Series": [SEQUENCE], "Instance": ["AcquisitionDate", SEQUENCE]}
NUMBERS = {
    "PatientComments": "0010,4000",
    "NameOfPhysiciansReadingStudy": "0008,1060",
    "ScanOptions": "0018,0022",
    "AcquisitionDate": "0008,0022",
}


def object_of(make: Maker) -> Sample:
    """Make an object with an extra element at each level."""
    return make.instance(**dict(TAGS.values()))


def with_sequence(make: Maker) -> Sample:
    """Make an object with a sequence."""
    item = Dataset()
    item.RequestedProcedureID, item.ScheduledProcedureStepID = "RP1", "SPS1"
    return make.instance(AcquisitionDate="20240115", RequestAttributesSequence=Sequence([item]))


def main_tags(rest: Rest, sample: Sample, level: str) -> dict[str, Any]:
    """Return the main tags of the resource at a level; a study includes those of the patient."""
    tags: dict[str, Any] = rest.json(orthanc_ids(sample).path(level))["MainDicomTags"]
    return tags


on_each_level = pytest.mark.parametrize("level", TAGS)


@suite.case("XTAGS-001", thorough=False, covers=f"{COVERED}.test_main_dicom_tags")
@configured(ExtraMainDicomTags=EXTRA)
@on_each_level
def test_tags_are_in_the_index(rest: Rest, make: Maker, stored: Stored, level: str) -> None:
    """An extra tag is among the main tags of resources of its level, and of no others."""
    (sample,) = stored.these(object_of(make))

    keyword, value = TAGS[level]
    assert main_tags(rest, sample, level)[keyword] == value
    for other in TAGS.keys() - {level}:
        assert keyword not in main_tags(rest, sample, other)


@suite.case("XTAGS-002", covers=f"{COVERED}.test_main_dicom_tags", needs=SINCE_SEQUENCES)
@configured(ExtraMainDicomTags=SEQUENCES)
@pytest.mark.parametrize("level", ["series", "instance"])
def test_sequences_are_in_the_index(rest: Rest, make: Maker, stored: Stored, level: str) -> None:
    """An extra tag can be a sequence, whose items are among the main tags."""
    (sample,) = stored.these(with_sequence(make))

    (item,) = main_tags(rest, sample, level)[SEQUENCE]
    assert item["RequestedProcedureID"] == "RP1"


@suite.case("XTAGS-003", covers=f"{COVERED}.test_main_dicom_tags_full")
@configured(ExtraMainDicomTags=EXTRA)
@on_each_level
def test_full_form_has_them(rest: Rest, make: Maker, stored: Stored, level: str) -> None:
    """With `?full`, an extra tag is listed by its number."""
    (sample,) = stored.these(object_of(make))

    found = rest.get(f"{orthanc_ids(sample).path(level)}?full").json()["MainDicomTags"]

    keyword, value = TAGS[level]
    assert (found[NUMBERS[keyword]]["Name"], found[NUMBERS[keyword]]["Value"]) == (keyword, value)


@suite.case("XTAGS-004", covers=f"{COVERED}.test_main_reconstruct", needs=SINCE_SEQUENCES)
@configured(ExtraMainDicomTags=SEQUENCES)
def test_reconstruction_keeps_them(rest: Rest, make: Maker, stored: Stored) -> None:
    """After an instance is reconstructed, its extra tags are as before."""
    (sample,) = stored.these(with_sequence(make))
    before = main_tags(rest, sample, "instance")

    rest.post(f"{orthanc_ids(sample).path('instance')}/reconstruct", b"{}")

    assert main_tags(rest, sample, "instance") == before
    assert {SEQUENCE, "AcquisitionDate"} <= before.keys()


@suite.case("XTAGS-005", thorough=False, needs="server.restart")
@on_each_level
def test_reconstruction_adds_them(
    story: Story, rest: Rest, make: Maker, stored: Stored, level: str
) -> None:
    """Objects stored before the tag was configured do not have it until they are reconstructed."""
    (sample,) = stored.these(object_of(make))
    story.end("SIGKILL")
    story.start(ExtraMainDicomTags=EXTRA)
    keyword, value = TAGS[level]
    assert keyword not in main_tags(rest, sample, level)

    rest.post(f"{orthanc_ids(sample).path('study')}/reconstruct", b"{}")

    assert main_tags(rest, sample, level)[keyword] == value


@suite.case(
    "XTAGS-006", thorough=False, covers=f"{COVERED}.test_tools_find", needs="orthanc>=1.12.5"
)
@configured(ExtraMainDicomTags=EXTRA, MaximumStorageCacheSize=0)
@on_each_level
@needs("server.files")
def test_search_reads_no_file(
    story: Story, rest: Rest, make: Maker, stored: Stored, level: str
) -> None:
    """A search that requests an extra tag is answered from the index: it works without the files."""
    stored.these(object_of(make))
    remove_files(story)

    keyword, value = TAGS[level]
    (found,) = rest.find(level.capitalize(), {}, Expand=True, RequestedTags=[keyword])

    assert found["RequestedTags"][keyword] == value


@suite.case(
    "XTAGS-007",
    covers=f"{COVERED}.test_dicom_web_metadata",
    needs=("plugin.dicomweb>=1.9", SINCE_SEQUENCES),
)
@configured(
    ExtraMainDicomTags={"Instance": ["Rows", SEQUENCE]},
    DicomWeb={"StudiesMetadata": "MainDicomTags", "SeriesMetadata": "MainDicomTags"},
)
def test_metadata_of_main_tags(web: DicomWeb, make: Maker, stored: Stored) -> None:
    """DICOMweb metadata in the mode MainDicomTags has the extra tags, and no others from the file."""
    (sample,) = stored.these(with_sequence(make))

    found = single(web.metadata(study_path(sample)), "data set")

    assert json_values(found, "00280010") == [16]
    assert len(json_values(found, "00400275")) == 1
    assert "00280011" not in found


@suite.case(
    "XTAGS-008",
    covers=f"{COVERED}.test_storage_accesses_for_dicom_web",
    needs=("plugin.dicomweb>=1.9", "orthanc>=1.12.5"),
)
@configured(ExtraMainDicomTags=EXTRA, MaximumStorageCacheSize=0)
@pytest.mark.parametrize("path", ["/studies", "/series"])
@needs("server.files")
def test_qido_reads_no_file(
    story: Story, web: DicomWeb, make: Maker, stored: Stored, path: str
) -> None:
    """QIDO-RS is answered from the index: it works without the files."""
    (sample,) = stored.these(object_of(make))
    remove_files(story)

    found = single(web.qido(path, PatientID=sample.patient_id), "data set")

    assert json_values(found, "00100020") == [sample.patient_id]


def remove_files(story: Story) -> None:
    """Delete the files of the storage area without the server's knowledge."""
    files = story.stored_files()
    assert files
    for each in files:
        each.unlink()
