"""The records of a DICOMDIR, and the names of files on media."""

import struct
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store.medium import FILES, mutated, written

from dcm.data.header import NotDicom
from dcm.store.dicomdir import Directory, Reference
from dcm.store.medium_files import MediumFiles, directory_file

LEVELS = ["PATIENT", "STUDY", "SERIES", "IMAGE"]


def read(data: bytes, folder: Path) -> Directory:
    """Read a DICOMDIR."""
    path = folder / "DICOMDIR"
    path.write_bytes(data)
    return Directory.read(str(path))


def named(directory: Directory) -> dict[str, str]:
    """Return the instance that each file should hold."""
    return {each.file_id: each.record.sop_instance_uid for each in directory.references()}


def above(reference: Reference) -> list[str]:
    """Return the levels of a file's record and its ancestors."""
    return [each.kind for each in reference.path]


def test_records_of_dcmtk(medium: Path) -> None:
    """Each file has its place in the hierarchy, and its record describes it."""
    directory = Directory.read(str(medium / "DICOMDIR"))
    found = list(directory.references())
    assert named(directory) == FILES
    assert [above(each) for each in found] == [LEVELS] * len(FILES)
    assert (directory.remarks, directory.damaged) == ([], "")
    header = directory.values(found[0])
    study = found[0].record.sop_instance_uid[: len("1.2.77.0")]
    assert header.sop_class_uid == "1.2.840.10008.5.1.4.1.1.2"
    assert header.sop_instance_uid == found[0].record.sop_instance_uid
    assert header.transfer_syntax_uid == "1.2.840.10008.1.2.1"
    assert header.text("StudyInstanceUID") == study
    assert header.text("PatientName") == "Müller^J"
    assert header.text("Modality") == "CT"


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("undefined", [False, True])
def test_records_of_pydicom(medium: Path, tmp_path: Path, implicit: bool, undefined: bool) -> None:
    """Sequences and items with and without lengths; also implicit VR, which is not allowed."""
    directory = read(written(medium, implicit=implicit, undefined=undefined), tmp_path)
    assert named(directory) == FILES
    assert [above(each) for each in directory.references()] == [LEVELS] * len(FILES)
    assert directory.remarks == []


def test_offsets_that_lead_nowhere(medium: Path, tmp_path: Path) -> None:
    """The hierarchy is then found from the order of the records."""
    data = written(medium, offset=lambda value: value + 2)
    directory = read(data, tmp_path)
    assert named(directory) == FILES
    assert [above(each) for each in directory.references()] == [LEVELS] * len(FILES)
    count = len(FILES) + 1 + 2 + 4
    assert directory.remarks == [
        f"no offset leads to {count} of {count} records, whose place is taken from their order"
    ]


@pytest.mark.parametrize("offset", [lambda _: 0, lambda value: value // 2, lambda _: 0xFFFFFFFF])
def test_offsets_that_are_wrong(medium: Path, tmp_path: Path, offset: object) -> None:
    """No record is lost."""
    directory = read(written(medium, offset=offset), tmp_path)
    assert named(directory) == FILES


def test_offsets_in_a_circle(medium: Path, tmp_path: Path) -> None:
    """Each record counts once."""
    first = next(iter(Directory.read(str(medium / "DICOMDIR")).references())).path[0].position
    directory = read(written(medium, offset=lambda value: value and first), tmp_path)
    assert named(directory) == FILES


def test_record_that_is_not_in_use(medium: Path, tmp_path: Path) -> None:
    """Deleted records and those below them do not count."""

    def delete(record: object, number: int) -> None:
        if number == 1:  # the first study
            record.RecordInUseFlag = 0  # type: ignore[attr-defined]

    directory = read(written(medium, change=delete), tmp_path)
    assert named(directory) == {
        name: uid for name, uid in FILES.items() if not uid.startswith("1.2.77.0")
    }


def test_files_named_by_another_record(medium: Path, tmp_path: Path) -> None:
    """A retired way to share a file between several records."""

    def change(record: object, number: int) -> None:
        if number == 3:
            record.MRDRDirectoryRecordOffset = 1  # type: ignore[attr-defined]

    data = bytearray(written(medium, change=change))
    directory = read(bytes(data), tmp_path)
    records = [each.path[-1] for each in directory.references()]
    at = data.index(struct.pack("<HH2sHI", 4, 0x1504, b"UL", 4, 1))
    data[at + 8 : at + 12] = struct.pack("<I", records[1].position)
    at = data.index(struct.pack("<HH2s", 4, 0x1500, b"CS"), records[0].position)
    size = struct.unpack_from("<H", data, at + 6)[0]
    data[at + 8 : at + 8 + size] = b" " * size
    found = list(read(bytes(data), tmp_path).references())
    assert found[0].file_id == found[1].file_id
    assert found[0].record.sop_instance_uid != found[1].record.sop_instance_uid


def test_record_with_a_wrong_length(medium: Path, tmp_path: Path) -> None:
    """The following records are found, with a note that some may be missing."""
    data = bytearray(written(medium))
    references = list(read(bytes(data), tmp_path).references())
    position = references[3].record.position
    data[position + 4 : position + 8] = struct.pack("<I", 1 << 20)
    directory = read(bytes(data), tmp_path)
    assert named(directory) == FILES
    assert "it is damaged at byte" in directory.damaged


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_directory_that_was_cut(medium: Path, tmp_path: Path, part: float) -> None:
    """The existing records are used, with a note that some may be missing."""
    data = (medium / "DICOMDIR").read_bytes()
    directory = read(data[: int(len(data) * part)], tmp_path)
    found = named(directory)
    assert 0 < len(found) < len(FILES)
    assert found.items() < FILES.items()
    assert "records may be missing" in directory.damaged


def test_character_sets_differ_between_records(medium: Path, tmp_path: Path) -> None:
    """Each record is decoded in its own."""

    def change(record: object, number: int) -> None:
        if number == 1:
            record.SpecificCharacterSet = "ISO_IR 144"  # type: ignore[attr-defined]
            record.StudyDescription = "Голова"  # type: ignore[attr-defined]

    directory = read(written(medium, change=change), tmp_path)
    header = directory.values(next(iter(directory.references())))
    assert header.text("PatientName") == "Müller^J"
    assert header.text("StudyDescription") == "Голова"


def test_other_files_are_no_directory(medium: Path, tmp_path: Path) -> None:
    """An image, a text, and an empty file."""
    image = next(path for path in medium.rglob("IM*") if path.is_file())
    for data in (image.read_bytes(), b"text", b""):
        with pytest.raises(NotDicom):
            read(data, tmp_path)


@given(st.data())
def test_any_damage_is_survived(
    medium: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Only `NotDicom` is raised, whatever the bytes, and each record is read once."""
    content = mutated((medium / "DICOMDIR").read_bytes(), data)
    folder = tmp_path_factory.getbasetemp()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            directory = read(content, folder)
    except NotDicom:
        return
    found = list(directory.references())
    assert len({each.record.position for each in found}) == len(found)
    for each in found:
        directory.values(each)


@pytest.mark.parametrize(
    ("real", "file_id"),
    [
        ("DICOM/ST0/IM0", "DICOM\\ST0\\IM0"),
        ("dicom/st0/im0", "DICOM\\ST0\\IM0"),
        ("dicom/st0/im0.;1", "DICOM\\ST0\\IM0"),
        ("DICOM/ST0/IM0;1", "DICOM\\ST0\\IM0"),
        ("Dicom/St0/Im0", "dicom/st0/im0"),
        ("DICOM/IM0.DCM", "\\DICOM\\.\\IM0.dcm "),
    ],
)
def test_names_as_file_systems_show_them(tmp_path: Path, real: str, file_id: str) -> None:
    """In upper and lower case, with and without the version number of ISO 9660."""
    path = tmp_path / real
    path.parent.mkdir(parents=True)
    path.touch()
    assert MediumFiles(str(tmp_path)).find(file_id) == str(path)


@pytest.mark.parametrize(
    "file_id", ["..\\secret", "DICOM\\..\\..\\secret", "", "\\", "DICOM", "no"]
)
def test_file_ids_that_name_no_file_of_the_medium(tmp_path: Path, file_id: str) -> None:
    """None leads out of the medium."""
    (tmp_path / "secret").touch()
    root = tmp_path / "root"
    (root / "DICOM").mkdir(parents=True)
    assert MediumFiles(str(root)).find(file_id) is None


def test_directory_is_found_in_any_case(tmp_path: Path) -> None:
    """Given its folder, or its own path."""
    assert directory_file(str(tmp_path)) is None
    (tmp_path / "dicomdir;1").touch()
    assert directory_file(str(tmp_path)) == f"{tmp_path}/dicomdir;1"
    assert directory_file("some/DICOMDIR") == "some/DICOMDIR"
