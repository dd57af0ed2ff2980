"""References stay valid, and a key gives the same UIDs, pseudonyms and dates in every run."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from dcm.deidentify import FileDeidentifier, make_deidentify_filter
from dcm.deidentify.dates import days_of, shifted
from dcm.store.layout import Layout
from harness.corpus import Maker

KEY, OTHER = b"a key of the selftests", b"another key of selftests"
LAYOUT = Layout("{SOPInstanceUID}.dcm")


def written(folder: Path, name: str, **values: Any) -> Path:
    """Make a CT image; attributes that are None are omitted."""
    data_set = Maker("DEID").instance(Modality="CT").dataset()
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    path = folder / name
    data_set.save_as(path)
    return path


def deidentified(path: Path, folder: Path, options: str = "", key: bytes = KEY) -> Dataset:
    """De-identify a file in a separate run."""
    through = make_deidentify_filter(options, key=key)
    return dcmread(FileDeidentifier(through, str(folder), LAYOUT).write(str(path)).file)


def test_references_hold_across_files_and_runs(tmp_path: Path) -> None:
    """A reference to an image points to the new image; its SOP class stays."""
    image = written(tmp_path, "a.dcm")
    original = dcmread(image)
    reference = Dataset()
    reference.ReferencedSOPClassUID = original.SOPClassUID
    reference.ReferencedSOPInstanceUID = original.SOPInstanceUID
    referring = written(
        tmp_path, "b.dcm", SOPInstanceUID="1.2.3.4.5", SourceImageSequence=[reference],
        StudyInstanceUID=original.StudyInstanceUID,
    )  # fmt: skip
    one, other = deidentified(image, tmp_path / "1"), deidentified(referring, tmp_path / "2")
    found = other.SourceImageSequence[0]
    assert found.ReferencedSOPInstanceUID == one.SOPInstanceUID != original.SOPInstanceUID
    assert found.ReferencedSOPClassUID == original.SOPClassUID
    assert one.StudyInstanceUID == other.StudyInstanceUID != original.StudyInstanceUID
    assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID


def test_same_key_gives_the_same_file_and_another_key_another(tmp_path: Path) -> None:
    """A second run finds all files done."""
    path = written(tmp_path, "a.dcm", StudyDate="20240131")
    options = "modified-dates"
    first = FileDeidentifier(
        make_deidentify_filter(options, key=KEY), str(tmp_path / "out"), LAYOUT
    ).write(str(path))
    again = FileDeidentifier(
        make_deidentify_filter(options, key=KEY), str(tmp_path / "out"), LAYOUT
    ).write(str(path))
    assert (again.file, again.already_there) == (first.file, True)
    one, other = dcmread(first.file), deidentified(path, tmp_path / "other", options, OTHER)
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "PatientID", "StudyDate"):
        assert one[keyword].value != other[keyword].value


def test_intervals_of_a_patient_stay(tmp_path: Path) -> None:
    """The interval between two studies of a patient and the times of day do not change."""
    first = written(tmp_path, "a.dcm", StudyDate="20231230", StudyTime="101112", PatientID="P1")
    second = written(tmp_path, "b.dcm", StudyDate="20240301", PatientID="P1")
    third = written(tmp_path, "c.dcm", StudyDate="20240301", PatientID="P2")
    dates = [
        deidentified(path, tmp_path / path.stem, "modified-dates").StudyDate
        for path in (first, second, third)
    ]
    days = [date(int(each[:4]), int(each[4:6]), int(each[6:])) for each in dates]
    assert (days[1] - days[0]).days == 62
    assert days[1] != days[2]
    found = deidentified(first, tmp_path / "again", "modified-dates")
    assert found.StudyTime == "101112"
    assert found.LongitudinalTemporalInformationModified == "MODIFIED"


@pytest.mark.parametrize(
    ("vr", "text", "expected"),
    [
        ("DA", "20240301", "20240229"),
        ("DA", "2024.03.01", "20240229"),
        ("DA", "20240301\\20230301", "20240229\\20230228"),
        ("DA", "20240301\\", "20240229\\"),
        ("DT", "20240301101112.5+0100", "20240229101112.5+0100"),
        ("DT", "202403", "202402"),
        ("DT", "2024", "2023"),
        ("TM", "101112.123456", "101112.123456"),
        ("DA", "20240231", None),
        ("DA", "unknown", None),
        ("DA", "00010101", None),
        ("DT", "Anna 1970", None),
        ("TM", "MUELLER", None),
    ],
)
def test_dates_move(vr: str, text: str, expected: str | None) -> None:
    """They move by one day; an invalid date stays invalid."""
    assert shifted(vr, text, -1) == expected


def test_dates_move_by_days_that_the_key_tells() -> None:
    """The shift is between one and ten years back, and rarely the same for two patients."""
    found = {days_of(KEY, f"patient {number}") for number in range(500)}
    assert all(-3650 <= each <= -365 for each in found)
    assert len(found) > 400
    assert days_of(KEY, "x") != days_of(OTHER, "x")


def test_a_patient_has_one_pseudonym(tmp_path: Path) -> None:
    """The key determines the Patient ID, and the name with it; an empty value stays empty."""
    one = deidentified(written(tmp_path, "a.dcm", PatientID="P1"), tmp_path / "1")
    two = deidentified(written(tmp_path, "b.dcm", PatientID="P1", PatientName="X"), tmp_path / "2")
    none = deidentified(written(tmp_path, "c.dcm", PatientID=""), tmp_path / "3")
    assert one.PatientID == two.PatientID == str(two.PatientName)
    assert len(one.PatientID) == 12
    assert none.PatientID == ""


def test_object_says_what_was_done(tmp_path: Path) -> None:
    """(0012,0062) to (0012,0064) and (0028,0303), whatever they were before."""
    path = written(
        tmp_path, "a.dcm", DeidentificationMethod="by hand, Dr. Anna", PatientIdentityRemoved="NO"
    )
    found = deidentified(path, tmp_path / "out", "retain-uids,full-dates")
    codes = [each.CodeValue for each in found.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113106", "113110"]
    assert found.PatientIdentityRemoved == "YES"
    assert "PS3.15" in found.DeidentificationMethod
    assert found.LongitudinalTemporalInformationModified == "UNMODIFIED"
    basic = deidentified(path, tmp_path / "basic")
    assert basic.LongitudinalTemporalInformationModified == "REMOVED"


def test_dates_that_were_modified_before_are_not_called_unmodified(tmp_path: Path) -> None:
    """With full dates, the earlier note on modified dates stays."""
    path = written(tmp_path, "a.dcm", LongitudinalTemporalInformationModified="MODIFIED")
    found = deidentified(path, tmp_path / "out", "full-dates")
    assert found.LongitudinalTemporalInformationModified == "MODIFIED"


def test_safe_private_elements_stay_with_their_creator_only(tmp_path: Path) -> None:
    """Those of Table E.3.10-1, by the creator of their block."""
    data_set = Maker("DEID").instance(Modality="MR").dataset()
    block = data_set.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x09, "LO", "Anna")
    data_set.private_block(0x0019, "ACME", create=True).add_new(0x0C, "IS", "4711")
    data_set.save_as(tmp_path / "a.dcm")
    found = deidentified(tmp_path / "a.dcm", tmp_path / "out", "retain-safe-private")
    assert [(each.tag, each.value) for each in found if each.tag.is_private] == [
        (0x00190010, "SIEMENS MR HEADER"),
        (0x0019100C, 1000),
    ]
    basic = deidentified(tmp_path / "a.dcm", tmp_path / "basic")
    assert not [each for each in basic if each.tag.is_private]


def test_descriptions_keep_only_known_words(tmp_path: Path) -> None:
    """Names in them are removed, and so is any description without known words."""
    path = written(
        tmp_path, "a.dcm", StudyDescription="CT Thorax Mueller 1.5 mm 19700102 contrast",
        SeriesDescription="Mueller, Anna",
    )  # fmt: skip
    found = deidentified(path, tmp_path / "out", "clean-descriptors")
    assert found.StudyDescription == "CT Thorax 1.5 mm contrast"
    assert "SeriesDescription" not in found


def test_attributes_go_forward_as_objects_do(tmp_path: Path) -> None:
    """Attributes for comparison in a sync get the same values as the objects."""
    path = written(tmp_path, "a.dcm", PatientID="P1")
    through = make_deidentify_filter(key=KEY)
    original, found = dcmread(path), deidentified(path, tmp_path / "out")
    keys = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    told = through.forward({key: str(original[key].value) for key in keys})
    assert told == {key: str(found[key].value) for key in keys}
    assert through.backward(told) is None


def test_safe_private_elements_of_another_vr_are_not_safe(tmp_path: Path) -> None:
    """A number encoded as text, and text of unknown VR, are removed."""
    data_set = Maker("DEID").instance(Modality="MR").dataset()
    data_set.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "LO", "Anna")
    block = data_set.private_block(0x0099, "NQHeader", create=True)
    block.add_new(0x05, "LT", "Anna")
    block.add_new(0x10, "FL", 1.5)
    data_set.save_as(tmp_path / "a.dcm")
    found = deidentified(tmp_path / "a.dcm", tmp_path / "out", "retain-safe-private")
    private = [
        each.tag for each in found if each.tag.is_private and not each.tag.is_private_creator
    ]
    assert private == [0x00991010]
