"""`dcm edit`: edits files, and reports an outcome for each."""

import json
import sqlite3
from pathlib import Path

import pytest
from net.files import make
from pydicom import dcmread

from dcm.cli import main
from dcm.data.header import scan

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with two instances, one of them in a subfolder, and another file."""
    folder = tmp_path / "source"
    (folder / "below").mkdir(parents=True)
    make(folder, 1)
    make(folder / "below", 2)
    (folder / "README").write_text("This is not DICOM.\n")
    return folder


def files(folder: Path) -> dict[str, Path]:
    """Return all files below a folder by their relative names."""
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def counts(line: str) -> dict[str, int]:
    """Return the number of files for each outcome."""
    words = (each.split(" ", 1) for each in line.strip().split(" | "))
    return {outcome: int(count) for count, outcome in words}


def test_a_folder_is_edited_into_another(source: Path, tmp_path: Path, capsys: Shown) -> None:
    """Subfolders are included; the report has each file, and a second run finds all done."""
    before = {name: path.read_bytes() for name, path in files(source).items()}
    report, target = tmp_path / "report.json", tmp_path / "target"
    words = [
        "edit",
        str(source),
        "-o",
        str(target),
        "-e",
        "PatientID=X=Y",
        "-e",
        "PerformedLocation=Room 7",
    ]
    assert main([*words, "--report", str(report)]) == 0
    shown = capsys.readouterr()
    assert counts(shown.out) == {"passed over": 1, "edited": 2}
    assert "README: passed over: it has neither the prefix DICM nor" in shown.err
    assert files(target).keys() == {"00001.dcm", "below/00002.dcm"}
    for path in files(target).values():
        found = dcmread(path)
        assert (found.PatientID, found.PerformedLocation) == ("X=Y", "Room 7")
    assert {name: path.read_bytes() for name, path in files(source).items()} == before
    told = json.loads(report.read_text())
    assert told["counts"] == {"passed over": 1, "edited": 2}
    assert sorted(entry.get("file", "") for entry in told["files"]) == [
        "", str(target / "00001.dcm"), str(target / "below" / "00002.dcm"),
    ]  # fmt: skip
    assert main(words) == 0
    assert counts(capsys.readouterr().out) == {"passed over": 1, "already there": 2}


def test_in_place(source: Path, capsys: Shown) -> None:
    """Files are edited, or already as wanted."""
    assert (
        main(["edit", str(source), "--in-place", "-e", "PatientID=X", "--delete", "StudyID"]) == 0
    )
    assert counts(capsys.readouterr().out) == {"passed over": 1, "edited": 2}
    assert "StudyID" not in dcmread(source / "00001.dcm")
    assert main(["edit", str(source), "--in-place", "-e", "PatientID=X", "-v"]) == 0
    shown = capsys.readouterr()
    assert counts(shown.out) == {"passed over": 1, "unchanged": 2}
    assert "00001.dcm: unchanged" in shown.err
    assert files(source).keys() == {"00001.dcm", "below/00002.dcm", "README"}


def test_what_cannot_be_edited_is_reported(source: Path, tmp_path: Path, capsys: Shown) -> None:
    """The others are edited; the exit status shows the failure."""
    data = (source / "00001.dcm").read_bytes()
    (source / "cut.dcm").write_bytes(data[:-100])
    (source / "empty.dcm").touch()
    (source / "named.dcm").write_text("no DICOM")
    target = tmp_path / "target"
    words = [str(source), str(source / "named.dcm"), str(source / "missing"), "-o", str(target)]
    assert main(["edit", *words, "-e", "PatientID=X"]) == 1
    shown = capsys.readouterr()
    assert counts(shown.out) == {"passed over": 1, "edited": 2, "failed": 4}
    assert (
        "cut.dcm: failed: it ends within PixelData (7FE0,0010): 100 of 40000 bytes are" in shown.err
    )
    assert "empty.dcm: failed: the file is empty" in shown.err
    assert "named.dcm: failed: it has neither the prefix DICM" in shown.err
    assert "missing: failed: No such file or directory" in shown.err
    assert files(target).keys() == {"00001.dcm", "below/00002.dcm"}


def test_uids_are_remapped_and_restored(source: Path, tmp_path: Path, capsys: Shown) -> None:
    """The same key gives the same UIDs; file names with a UID change too; the map reverses it."""
    before = (source / "00001.dcm").read_bytes()
    (source / "00001.dcm").rename(source / "1.2.3.1.dcm")
    key, uids = tmp_path / "key", tmp_path / "uids.sqlite"
    remap = ["--remap-uids", "--key-file", str(key)]
    one, other, back = (tmp_path / name for name in ("one", "other", "back"))
    assert main(["edit", str(source), "-o", str(one), *remap, "--uid-map", str(uids)]) == 0
    assert main(["edit", str(source), "-o", str(other), *remap]) == 0
    assert files(one).keys() == files(other).keys()
    new = scan(one / "below" / "00002.dcm").sop_instance_uid
    assert new.startswith("2.25.")
    assert scan(other / "below" / "00002.dcm").sop_instance_uid == new
    (renamed,) = one.glob("*.dcm")
    assert renamed.stem == scan(renamed).sop_instance_uid
    assert main(["edit", str(one), "-o", str(back), "--restore-uids", "--uid-map", str(uids)]) == 0
    assert (back / "1.2.3.1.dcm").read_bytes() == before
    with sqlite3.connect(uids) as found:
        assert found.execute("SELECT count(*) FROM uids").fetchone() == (4,)
    found.close()
    capsys.readouterr()


def test_what_is_set_is_not_remapped(source: Path, tmp_path: Path) -> None:
    """For example the UID of a study."""
    target = tmp_path / "target"
    words = ["--remap-uids", "-e", "StudyInstanceUID=1.2.3"]
    assert main(["edit", str(source), "-o", str(target), *words]) == 0
    found = dcmread(target / "00001.dcm")
    assert found.StudyInstanceUID == "1.2.3"
    assert found.SeriesInstanceUID.startswith("2.25.")


@pytest.mark.parametrize(
    "document",
    [
        {"set": {"PatientID": "JSON", "StudyID": "7"}, "delete": ["Modality"]},
        {"PatientID": "JSON", "StudyID": "7", "Modality": None},
    ],
)
def test_edits_from_json(document: object, source: Path, tmp_path: Path) -> None:
    """The command line takes precedence."""
    path, target = tmp_path / "edits.json", tmp_path / "target"
    path.write_text(json.dumps(document))
    words = ["--edit-json", str(path), "-e", "0010,0020=LINE"]
    assert main(["edit", str(source), "-o", str(target), *words]) == 0
    found = dcmread(target / "00001.dcm")
    assert (found.PatientID, found.StudyID) == ("LINE", "7")
    assert "Modality" not in found


def test_only_what_is_selected_is_edited(source: Path, tmp_path: Path, capsys: Shown) -> None:
    """By text, or by the name of a selector of the configuration."""
    settings = tmp_path / "dcm_conf.toml"
    settings.write_text("[selectors.second]\nattr = 'SOPInstanceUID'\nrvalue = '1.2.3.2'\n")
    for number, selector in enumerate(("second", "SOPInstanceUID == 1.2.3.2")):
        target = tmp_path / f"target{number}"
        words = ["-e", "PatientID=X", "--only", selector, "--config", str(settings)]
        assert main(["edit", str(source), "-o", str(target), *words]) == 0
        assert capsys.readouterr().out == "2 passed over | 1 edited\n"
        assert files(target).keys() == {"below/00002.dcm"}
    assert (
        main(["edit", str(source), "-o", str(target), "-e", "PatientID=X", "--only", "secnd"]) == 2
    )
    assert "selector 'secnd', at character 1: there is no DICOM element" in capsys.readouterr().err


def test_a_target_within_the_source_is_not_edited_again(source: Path, capsys: Shown) -> None:
    """This holds for any number of runs."""
    for _ in range(2):
        assert main(["edit", str(source), "-o", str(source / "edited"), "-e", "PatientID=X"]) == 0
    assert counts(capsys.readouterr().out.splitlines()[-1]) == {
        "passed over": 1,
        "already there": 2,
    }
    assert len(files(source / "edited")) == 2


def test_the_folder_of_the_files_is_no_output(source: Path, capsys: Shown) -> None:
    """Source files must not be overwritten, so nothing would be done."""
    assert main(["edit", str(source / "below"), "-o", str(source), "-e", "PatientID=X"]) == 2
    assert (
        "contains the files to be edited: choose another folder, or use --in-place"
        in capsys.readouterr().err
    )


def test_two_files_of_one_name(source: Path, tmp_path: Path, capsys: Shown) -> None:
    """Neither is lost silently: the second one fails."""
    other = make(tmp_path, 3).rename(tmp_path / "00001.dcm")
    words = [str(source / "00001.dcm"), str(other), "-o", str(tmp_path / "target")]
    assert main(["edit", *words, "-e", "PatientID=X"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "1 edited | 1 failed\n"
    assert "target/00001.dcm: another file already exists" in shown.err


def test_a_text_that_the_character_set_lacks(source: Path, tmp_path: Path, capsys: Shown) -> None:
    """An ASCII data set becomes UTF-8, with a warning; one in another character set fails."""
    path = source / "00001.dcm"
    image = dcmread(path)
    image.SpecificCharacterSet = "ISO_IR 100"
    image.save_as(path)
    assert (
        main(["edit", str(source), "-o", str(tmp_path / "target"), "-e", "PatientName=山田"]) == 1
    )
    shown = capsys.readouterr()
    assert counts(shown.out) == {"passed over": 1, "edited": 1, "failed": 1}
    assert "00002.dcm: edited: its character set is now ISO_IR 192 (UTF-8)" in shown.err
    assert (
        "PatientName cannot be '山田': the character set of the data set cannot represent it: ISO_IR 100"
        in shown.err
    )
    assert str(dcmread(tmp_path / "target" / "below" / "00002.dcm").PatientName) == "山田"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no edits given"),
        (["--only", "Modality == CT"], "no edits given"),
        (["-e", "PatientID"], "'PatientID' is not KEY=VALUE; write PatientID= to make it empty"),
        (["-e", "PatientIdd=7"], "did you mean PatientID?"),
        (["-e", "StudyDate=yesterday"], "StudyDate cannot be 'yesterday': VR DA allows a date"),
        (["-e", "PatientID=1", "-e", "0010,0020=2"], r"PatientID is given twice; for several values, write "),
        (["--delete", "SOPInstanceUID"], "SOPInstanceUID cannot be deleted"),
        (["-e", "TransferSyntaxUID=1"], "part of the file meta information"),
        (["-e", "PatientID=1", "--key-file", "key"], "--key-file and --uid-map need --remap-uids"),
        (["--restore-uids"], "--restore-uids needs the --uid-map"),
        (["--restore-uids", "--remap-uids"], "cannot be used together"),
        (["--edit-json", "BAD"], "is not JSON"),
    ],
)  # fmt: skip
def test_wrong_use_edits_nothing(
    words: list[str], said: str, source: Path, tmp_path: Path, capsys: Shown
) -> None:
    """Exit status 2, and an error message."""
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    words = [str(bad) if word == "BAD" else word for word in words]
    before = {name: path.read_bytes() for name, path in files(source).items()}
    assert main(["edit", str(source), "--in-place", *words]) == 2
    assert said in capsys.readouterr().err
    assert {name: path.read_bytes() for name, path in files(source).items()} == before


def test_nothing_to_edit_is_a_failure(tmp_path: Path, capsys: Shown) -> None:
    """A misspelt folder, or an empty one."""
    (tmp_path / "empty").mkdir()
    assert main(["edit", str(tmp_path / "empty"), "--in-place", "-e", "PatientID=X"]) == 1
    assert "nothing to edit in" in capsys.readouterr().err
