"""Media: file-sets with a DICOMDIR, which pydicom and dcmtk can read."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from harness.cases import (
    Corpus,
    Dcmtk,
    Maker,
    Rest,
    Sample,
    Stored,
    Suite,
    directory_of,
    entries_of,
    file_of,
    orthanc_ids,
    references_of,
)

suite = Suite(level="product", needs="rest", ref="Orthanc REST API: GET /studies/{id}/media")

LEVELS = ("patients", "studies", "series")
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


def media_of(rest: Rest, sample: Sample, level: str = "studies", ask: str = "") -> dict[str, bytes]:
    """Return the file-set of the resource that contains a sample."""
    return entries_of(rest.get(f"{orthanc_ids(sample).path(level)}/media{ask}"))


def records_of(entries: Mapping[str, bytes], kind: str) -> list[Dataset]:
    """Return the records of a DICOMDIR of one type: PATIENT, STUDY, SERIES, IMAGE, ..."""
    records = directory_of(entries).DirectoryRecordSequence
    return [each for each in records if each.DirectoryRecordType == kind]


@suite.case("MED-001", covers="Orthanc.test_media_archive")
@pytest.mark.parametrize("level", LEVELS)
def test_file_set_has_every_byte(rest: Rest, stored: Stored, level: str) -> None:
    """A file-set has the instances of the resource as IMAGES/IM0 and up, byte for byte, and a DICOMDIR."""
    samples = stored.study(series=2, instances=2, PatientID="ID-1")
    stored.instance(PatientID="ID-2")
    within = samples[:2] if level == "series" else samples

    entries = media_of(rest, samples[0], level)

    directory = {"DICOMDIR"}
    assert set(entries) - directory == {f"IMAGES/IM{number}" for number in range(len(within))}
    files = sorted(data for name, data in entries.items() if name not in directory)
    assert files == sorted(each.data for each in within)
    directory_of(entries)


@suite.case("MED-002", ref="PS3.10 8.6, PS3.3 F.3.2.2", covers="Orthanc.test_media_archive")
def test_directory_refers_to_each_file(rest: Rest, stored: Stored) -> None:
    """The DICOMDIR refers to each file of the set by its File ID, and to no other."""
    samples = stored.study(series=2, instances=2)

    entries = media_of(rest, samples[0])

    references = references_of(directory_of(entries))
    assert {uid: entries.get(name) for uid, name in references.items()} == {
        each.sop_instance_uid: each.data for each in samples
    }


@suite.case("MED-003", ref="PS3.3 F.3.2.2", covers="Orthanc.test_media_archive")
@pytest.mark.parametrize(
    ("kind", "keyword", "expected"),
    [
        ("PATIENT", "PatientID", ["ID-1", "ID-2"]),
        ("STUDY", "AccessionNumber", ["A-1", "A-2"]),
        ("SERIES", "SeriesNumber", [1, 1, 2, 2]),
        ("IMAGE", "InstanceNumber", [1, 1, 1, 1, 2, 2, 2, 2]),
    ],
)
def test_directory_has_a_record_for_each(
    rest: Rest, stored: Stored, kind: str, keyword: str, expected: list[object]
) -> None:
    """A DICOMDIR of two patients has a record for each patient, study, series and image."""
    resources = []
    for number in (1, 2):
        for series in (1, 2):
            for instance in (1, 2):
                sample = stored.instance(
                    PatientID=f"ID-{number}",
                    AccessionNumber=f"A-{number}",
                    series=str(series),
                    SeriesNumber=series,
                    number=instance,
                )
        resources.append(orthanc_ids(sample).patient)

    entries = entries_of(rest.post("/tools/create-media", resources))

    found = [each.get(keyword) for each in records_of(entries, kind)]
    assert sorted(found) == expected


@suite.case("MED-004", ref="PS3.3 F.3.2.2, F.5", covers="Orthanc.test_media_archive")
def test_records_are_nested(rest: Rest, stored: Stored) -> None:
    """Following the offsets from the root leads from patient to study, series and each image."""
    samples = stored.study(series=2, instances=2)

    directory = directory_of(media_of(rest, samples[0]))

    by_offset = {each.seq_item_tell: each for each in directory.DirectoryRecordSequence}
    offset = directory.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity
    assert walk(by_offset, offset) == {
        "PATIENT": 1,
        "STUDY": 1,
        "SERIES": 2,
        "IMAGE": len(samples),
    }


def walk(by_offset: Mapping[int, Dataset], offset: int) -> dict[str, int]:
    """Return the number of records of each type reachable from an offset (siblings, children)."""
    counts: dict[str, int] = {}
    while offset:
        assert offset in by_offset, f"no record begins at {offset}, where another one points"
        record = by_offset[offset]
        kind = str(record.DirectoryRecordType)
        counts[kind] = counts.get(kind, 0) + 1
        below = record.get("OffsetOfReferencedLowerLevelDirectoryEntity", 0)
        for name, count in walk(by_offset, below).items():
            counts[name] = counts.get(name, 0) + count
        offset = record.OffsetOfTheNextDirectoryRecord
    return counts


@suite.case("MED-005", ref="PS3.10 7.1, 8.6; PS3.6 A", covers="Orthanc.test_media_archive")
def test_directory_is_a_media_storage_directory(rest: Rest, stored: Stored) -> None:
    """The DICOMDIR is a Media Storage Directory in Explicit VR Little Endian."""
    directory = directory_of(media_of(rest, stored.instance()))

    meta = directory.file_meta
    assert meta.MediaStorageSOPClassUID == MEDIA_STORAGE_DIRECTORY
    assert meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert directory.FileSetConsistencyFlag == 0


@suite.case("MED-006", ref="PS3.10 8.2", covers="Orthanc.test_media_archive")
def test_file_ids_are_of_the_media_format(rest: Rest, stored: Stored) -> None:
    """Each component of a File ID has one to eight characters of A to Z, 0 to 9 and the underscore."""
    samples = stored.study(instances=12)

    references = references_of(directory_of(media_of(rest, samples[0])))

    parts = [part for name in references.values() for part in name.split("/")]
    assert len(references) == len(samples)
    assert [part for part in parts if not is_component(part)] == []


def is_component(part: str) -> bool:
    """Return whether PS3.10 8.2 allows the component of a File ID."""
    allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
    return 1 <= len(part) <= 8 and set(part) <= allowed


@suite.case("MED-007", ref="PS3.3 F.3.2.2, C.12.1.1.2", covers="Orthanc.test_media_encodings")
@pytest.mark.parametrize("name", ["c01", "c02", "c04", "c06", "c11", "c14", "c15"])
def test_names_in_their_character_set(rest: Rest, stored: Stored, name: str) -> None:
    """A patient record has the name of the patient, as it was stored, in the character set that it names."""
    sample = stored.sample(name)

    records = records_of(media_of(rest, sample, "patients"), "PATIENT")

    assert [str(each.PatientName).rstrip("=") for each in records] == [
        sample.properties["patient_name"]
    ]


@suite.case("MED-008", ref="PS3.3 F.3.2.2, C.12.1.1.2", covers="Orthanc.test_media_encodings")
def test_several_character_sets_in_one_file_set(rest: Rest, corpus: Corpus, stored: Stored) -> None:
    """A file-set of objects in three character sets has the name of each, and each file."""
    samples = [stored.sample(name) for name in ("c01", "c02", "h01-ct-1-1")]

    answer = rest.post("/tools/create-media", [orthanc_ids(each).study for each in samples])

    entries = entries_of(answer)
    names = {str(each.PatientName) for each in records_of(entries, "PATIENT")}
    assert {corpus[name].properties["patient_name"] for name in ("c01", "c02")} <= names
    assert set(references_of(directory_of(entries))) == {each.sop_instance_uid for each in samples}


@suite.case("MED-009", covers="Orthanc.test_extended_media")
@pytest.mark.parametrize("extended", [False, True], ids=["plain", "extended"])
def test_extended_directory_has_descriptions(rest: Rest, stored: Stored, extended: bool) -> None:
    """Series records have the description of the series only in an extended DICOMDIR."""
    sample = stored.instance(SeriesDescription="T2 axial")

    entries = media_of(rest, sample, ask="?extended" if extended else "")

    found = [each.get("SeriesDescription") for each in records_of(entries, "SERIES")]
    assert found == (["T2 axial"] if extended else [None])


@suite.case("MED-010", covers="Orthanc.test_extended_media")
@pytest.mark.parametrize(
    ("route", "found"),
    [("create-media", [None]), ("create-media-extended", ["T2 axial"])],
)
def test_extended_directory_of_several_resources(
    rest: Rest, stored: Stored, route: str, found: list[object]
) -> None:
    """The two routes for several resources differ in the descriptions of the DICOMDIR."""
    sample = stored.instance(SeriesDescription="T2 axial")

    answer = rest.post(f"/tools/{route}", [orthanc_ids(sample).study])

    records = records_of(entries_of(answer), "SERIES")
    assert [each.get("SeriesDescription") for each in records] == found


@suite.case("MED-011", covers="Orthanc.test_bitbucket_issue_124")
@pytest.mark.parametrize("missing", ["PatientID", "PatientName", "StudyDate", "SeriesNumber"])
def test_object_that_lacks_what_a_record_needs(rest: Rest, make: Maker, missing: str) -> None:
    """An object that lacks an element required by its records is in the file-set nevertheless."""
    sample = make.instance()
    ds = sample.dataset()
    delattr(ds, missing)
    series = rest.upload(file_of(ds))["ParentSeries"]

    entries = entries_of(rest.get(f"/series/{series}/media"))

    assert references_of(directory_of(entries)) == {sample.sop_instance_uid: "IMAGES/IM0"}
    assert entries["IMAGES/IM0"] == file_of(ds)


@suite.case("MED-012", ref="PS3.3 F.5")
@pytest.mark.parametrize(
    ("name", "kind"), [("h03-sr", "SR DOCUMENT"), ("h03-ko", "KEY OBJECT DOC"), ("p01", "IMAGE")]
)
def test_type_of_the_record(rest: Rest, stored: Stored, name: str, kind: str) -> None:
    """The type of a record depends on the class of the object."""
    sample = stored.sample(name)

    records = records_of(media_of(rest, sample), kind)

    assert [str(each.ReferencedSOPInstanceUIDInFile) for each in records] == [
        sample.sop_instance_uid
    ]


@suite.case("MED-013", ref="PS3.3 F.3.2.2")
@pytest.mark.parametrize("name", ["p01", "p09-rle-gray", "p12-jpeg-2000", "h03-sr"])
def test_record_names_the_file(rest: Rest, stored: Stored, name: str) -> None:
    """A record has the class, instance and transfer syntax of its file."""
    sample = stored.sample(name)

    directory = directory_of(media_of(rest, sample))

    record = next(each for each in directory.DirectoryRecordSequence if "ReferencedFileID" in each)
    assert record.ReferencedSOPClassUIDInFile == sample.sop_class_uid
    assert record.ReferencedSOPInstanceUIDInFile == sample.sop_instance_uid
    assert record.ReferencedTransferSyntaxUIDInFile == sample.transfer_syntax


@suite.case("MED-014")
def test_file_set_of_nothing(rest: Rest) -> None:
    """A file-set of no resources is a DICOMDIR without records."""
    entries = entries_of(rest.post("/tools/create-media", []))

    assert list(entries) == ["DICOMDIR"]
    assert len(directory_of(entries).get("DirectoryRecordSequence") or []) == 0


@suite.case("MED-015", covers="Orthanc.test_media_archive")
@pytest.mark.parametrize("level", LEVELS)
def test_file_set_by_post(rest: Rest, stored: Stored, level: str) -> None:
    """A file-set requested by POST has the same files and references."""
    sample = stored.study(series=2)[0]

    posted = entries_of(rest.post(f"{orthanc_ids(sample).path(level)}/media", {}))

    got = media_of(rest, sample, level)
    assert references_of(directory_of(posted)) == references_of(directory_of(got))
    assert {**posted, "DICOMDIR": b""} == {**got, "DICOMDIR": b""}


@suite.case("MED-016", covers="Orthanc.test_media_archive", needs="dcmtk")
def test_dcmtk_reads_the_directory(
    rest: Rest, stored: Stored, dcmtk: Dcmtk, tmp_path: Path
) -> None:
    """The programs of dcmtk read the DICOMDIR without complaint, and find each instance in it."""
    samples = stored.study(series=2, instances=2)
    path = tmp_path / "DICOMDIR"
    path.write_bytes(media_of(rest, samples[0])["DICOMDIR"])

    run = dcmtk.run("dcmdump", path)

    output = run.stdout + run.stderr
    assert [line for line in output.splitlines() if line.startswith(("E:", "W:"))] == []
    assert [each for each in samples if each.sop_instance_uid not in output] == []
