"""`dcm.filt.files`: a file is either the old or the new one at every moment."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filt.conftest import Make, made
from pydicom import dcmread

from dcm.data.header import scan
from dcm.filt.edits import make_edit_filter
from dcm.filt.files import FileEditor
from dcm.part_file import PartFile
from harness.corpus import make
from harness.waiting import wait_until

__all__ = ["made"]


def editor(**edits: object) -> FileEditor:
    """Make an editor that sets elements."""
    return FileEditor(make_edit_filter(edits))  # type: ignore[arg-type]


def names(folder: Path) -> list[str]:
    """Return the names in a folder, including hidden files."""
    return sorted(path.name for path in folder.iterdir())


def test_file_meta_stays_but_for_the_identity(made: Make, tmp_path: Path) -> None:
    """PS3.10 7.1: the group length is updated; preamble and private information are kept."""
    path = made()
    data_set = dcmread(path)
    data_set.preamble = b"II*\0" + bytes(range(124))
    data_set.file_meta.SourceApplicationEntityTitle = "MODALITY"
    data_set.file_meta.PrivateInformationCreatorUID = "1.2.3.4"
    data_set.file_meta.PrivateInformation = b"own"
    data_set.save_as(path, enforce_file_format=True)
    done = editor(SOPInstanceUID="1.2.3", SOPClassUID="1.2.840.10008.5.1.4.1.1.4").into(
        path, str(tmp_path / "new.dcm")
    )
    found = dcmread(tmp_path / "new.dcm")
    assert found.preamble == data_set.preamble
    assert found.file_meta.MediaStorageSOPInstanceUID == found.SOPInstanceUID == "1.2.3"
    assert (
        found.file_meta.MediaStorageSOPClassUID == found.SOPClassUID == "1.2.840.10008.5.1.4.1.1.4"
    )
    assert found.file_meta.SourceApplicationEntityTitle == "MODALITY"
    assert found.file_meta.PrivateInformation.rstrip(b"\0") == b"own"
    length = found.file_meta.FileMetaInformationGroupLength
    assert scan(tmp_path / "new.dcm").data_set_offset == 144 + length
    assert (done.before, done.sop_instance_uid) == (str(data_set.SOPInstanceUID), "1.2.3")


def test_a_file_without_preamble_is_edited(tmp_path: Path) -> None:
    """A file that is only a data set stays one."""
    data = make.instance().data
    path = tmp_path / "raw"
    path.write_bytes(data[scan(_written(tmp_path, data)).data_set_offset :])
    editor(SOPInstanceUID="1.2.3").in_place(str(path))
    header = scan(path)
    assert (header.sop_instance_uid, header.data_set_offset) == ("1.2.3", 0)


def _written(folder: Path, data: bytes) -> Path:
    path = folder / "whole.dcm"
    path.write_bytes(data)
    return path


def test_in_place_keeps_permissions_and_links(made: Make, tmp_path: Path) -> None:
    """A symbolic link leads to the new file; the folder has no other new files."""
    path = Path(made())
    path.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(path)
    done = editor(PatientID="X").in_place(str(link))
    assert done.changed
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert scan(path).text("PatientID") == "X"
    assert names(tmp_path) == ["image.dcm", "link"]


def test_in_place_flushes_before_it_replaces(made: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a power failure could leave an empty file in place of the old one."""
    done: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def noted(*words: object, name: str = name, real: Callable[..., None] = real) -> None:
            done.append(name)
            real(*words)

        monkeypatch.setattr(os, name, noted)
    editor(PatientID="X").in_place(made())
    assert done == ["fsync", "replace", "fsync"]


def test_what_does_not_change_is_not_written(made: Make, tmp_path: Path) -> None:
    """In place the file is not changed; elsewhere it is copied byte for byte."""
    path = Path(made(PatientID="X"))
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert not editor(PatientID="X").in_place(str(path)).changed
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert not editor(PatientID="X").into(str(path), str(tmp_path / "b" / "copy.dcm")).changed
    assert (tmp_path / "b" / "copy.dcm").read_bytes() == path.read_bytes()


def test_nothing_is_overwritten(made: Make, tmp_path: Path) -> None:
    """An identical file is accepted, another one is an error and is kept."""
    path, target = made(), str(tmp_path / "target.dcm")
    assert not editor(PatientID="X").into(path, target).already_there
    assert editor(PatientID="X").into(path, target).already_there
    with pytest.raises(FileExistsError) as met:
        editor(PatientID="Y").into(path, target)
    assert met.value.filename == target
    assert scan(target).text("PatientID") == "X"
    assert names(tmp_path) == ["image.dcm", "target.dcm"]


def test_file_systems_without_files_without_a_name(
    made: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS: a file being written has a name."""
    monkeypatch.setattr("dcm.part_file._only_named", {str(tmp_path)})
    path, target = made(), str(tmp_path / "target.dcm")
    editor(PatientID="X").in_place(path)
    editor(PatientID="Y").into(path, target)
    assert (scan(path).text("PatientID"), scan(target).text("PatientID")) == ("X", "Y")
    assert names(tmp_path) == ["image.dcm", "target.dcm"]


def test_a_part_file_replaces_without_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This needs hard links."""
    (tmp_path / "there").write_bytes(b"old")
    monkeypatch.delattr("shutil.copyfile")
    with PartFile(str(tmp_path)) as part:
        part.write([b"new"])
        part.replace(str(tmp_path / "there"))
    assert (tmp_path / "there").read_bytes() == b"new"
    assert names(tmp_path) == ["there"]


@pytest.mark.kills
@pytest.mark.parametrize("in_place", [True, False])
def test_killed_at_any_moment_each_file_is_whole(in_place: bool, tmp_path: Path) -> None:
    """Old or new; after a second run all are new, and no other file has a name."""
    source = tmp_path / "source"
    source.mkdir()
    pixels = bytes(100_000)
    for number in range(COUNT):
        data = make.instance(number=number + 1, rows=4, columns=4, PatientID="EDITED-0").data
        data = data[:-36] + len(pixels).to_bytes(4, "little") + pixels
        (source / f"{number:03}.dcm").write_bytes(data)
    sizes = {path.name: path.stat().st_size for path in source.iterdir()}
    cut = 0
    for moment in range(1, 6):
        folder = source if in_place else tmp_path / f"target-{moment}"
        words = ["--in-place"] if in_place else ["-o", str(folder)]
        edited = f"EDITED-{moment}"
        command = [
            sys.executable, "-m", "dcm", "edit", str(source), *words, "-e", f"PatientID={edited}",
        ]  # fmt: skip
        first = folder / f"{moment * 10:03}.dcm"
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
            wait_until(lambda: first.exists() and patient(first) == edited, what="work", within=20)  # noqa: B023
            running.kill()
        found = sorted(folder.glob("*.dcm"))
        assert all(path.stat().st_size == sizes[path.name] for path in found)
        patients = [patient(path) for path in found]
        assert edited in patients
        cut += len(found) < COUNT or patients.count(edited) < COUNT
        if in_place:
            assert len(found) == COUNT
        assert subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0
        assert {patient(path) for path in folder.glob("*.dcm")} == {edited}
        assert len([*folder.glob("*.dcm")]) == COUNT
    assert cut, "each run was done before it was killed"


COUNT = 150


def is_edited(path: Path, edited: str) -> bool:
    """Return whether a file exists and is edited."""
    return path.exists() and patient(path) == edited


def patient(path: Path) -> str:
    """Return the Patient ID in a file."""
    return scan(path).text("PatientID")
