"""`dcm diff`: differences between files and folders, and the exit status."""

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import Start
from cli.test_dump import on_terminal
from net.peers import free_port
from pydicom import Dataset, dcmread
from web.services import orthanc

from dcm.cli import main
from dcm.net import DcmNode
from harness.corpus import corpus, make
from harness.corpus.part10 import file_of
from harness.errors import ServerNotFound
from harness.servers.locate import find_orthanc

Shown = pytest.CaptureFixture[str]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}


def changed(path: Path, to: Path, change: Callable[[Any], object]) -> Path:
    """Write a file again after a change."""
    ds = dcmread(path)
    change(ds)
    to.write_bytes(file_of(ds))
    return to


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image with a sequence of two items."""
    ds = make.instance(number=1, PatientName="Doe^Jane").dataset()
    ds.ReferencedSeriesSequence = [Dataset(), Dataset()]
    for number, series in enumerate(ds.ReferencedSeriesSequence):
        series.SeriesInstanceUID = f"1.2.{number}"
    path = tmp_path / "image.dcm"
    path.write_bytes(file_of(ds))
    return path


def edit(ds: Any) -> None:
    """Change an element, one in an item, and pixels; add one element and remove one."""
    ds.PatientName = "Doe^John"
    ds.ReferencedSeriesSequence[1].SeriesInstanceUID = "1.2.9"
    ds.PixelData = ds.PixelData[:-2] + bytes((ds.PixelData[-2] ^ 1, ds.PixelData[-1]))
    ds.PatientWeight = "70"
    del ds.StudyID


def test_same_files(image: Path, tmp_path: Path, capsys: Shown) -> None:
    """There is no output, and exit status 0, also if only meaningless bytes differ."""
    copy = tmp_path / "copy.dcm"
    copy.write_bytes(image.read_bytes())
    assert main(["diff", str(image), str(copy)]) == 0
    copy.write_bytes(b"other".ljust(128, b"\0") + image.read_bytes()[128:])
    assert main(["diff", str(image), str(copy)]) == 0
    assert capsys.readouterr() == ("", "")


def test_different_files(image: Path, tmp_path: Path, capsys: Shown) -> None:
    """A line for each side of each element, with its path; the exit status is 1."""
    other = changed(image, tmp_path / "other.dcm", edit)
    assert main(["diff", str(image), str(other)]) == 1
    shown = capsys.readouterr()
    pixels = [sha256(dcmread(each).PixelData).hexdigest() for each in (image, other)]
    assert shown.out.splitlines() == [
        "< ReferencedSeriesSequence[1].SeriesInstanceUID UI 1.2.1",
        "> ReferencedSeriesSequence[1].SeriesInstanceUID UI 1.2.9",
        "< PatientName                        PN Doe^Jane",
        "> PatientName                        PN Doe^John",
        "> PatientWeight                      DS 70",
        "< StudyID                            SH 1",
        f"< PixelData                          OW 512 bytes, SHA-256 {pixels[0]}",
        f"> PixelData                          OW 512 bytes, SHA-256 {pixels[1]}",
        "  PixelData                             first difference at byte 510",
    ]
    assert shown.err == ""


def test_json(image: Path, tmp_path: Path, capsys: Shown) -> None:
    """One document contains everything."""
    other = changed(image, tmp_path / "other.dcm", edit)
    assert (
        main(["diff", str(image), str(other), "--out-format", "json", "--ignore", "PixelData"]) == 1
    )
    found = json.loads(capsys.readouterr().out)
    (instance,) = found.pop("instances")
    assert found == {
        "left": str(image), "right": str(other), "counts": {"different": 1}, "problems": [],
    }  # fmt: skip
    differences = instance.pop("differences")
    assert instance == {
        "sop_instance_uid": dcmread(image).SOPInstanceUID, "outcome": "different",
        "left": str(image), "right": str(other),
    }  # fmt: skip
    assert differences[0] == {
        "path": "ReferencedSeriesSequence[1].SeriesInstanceUID",
        "tags": ["00081115", 1, "0020000E"],
        "kind": "value",
        "left": {"vr": "UI", "value": "1.2.1"},
        "right": {"vr": "UI", "value": "1.2.9"},
    }
    assert [(each["path"], each["kind"]) for each in differences[1:]] == [
        ("PatientName", "value"), ("PatientWeight", "only right"), ("StudyID", "only left"),
    ]  # fmt: skip


def test_options_say_what_counts(image: Path, tmp_path: Path, capsys: Shown) -> None:
    """Each option removes a difference; all together leave none."""

    def change(ds: Any) -> None:
        ds.ReferencedSeriesSequence = [*ds.ReferencedSeriesSequence][::-1]
        ds.WindowCenter = "40.05"
        ds["WindowWidth"].value = "400.00"
        ds.PatientComments = "new"
        ds.file_meta.ImplementationVersionName = "OTHER"
        ds.PixelData = ds.PixelData[:-2] + bytes((ds.PixelData[-2] ^ 1, ds.PixelData[-1]))

    other = changed(image, tmp_path / "other.dcm", change)
    options = [
        ["--ignore-order"], ["--tolerance", "0.1"], ["--ignore", "*Comments"], ["--pixels"],
        ["--ignore-encoding"],
    ]  # fmt: skip
    everything = [word for words in options for word in words]

    def paths(*words: str) -> set[str]:
        assert main(["diff", str(image), str(other), *words]) in (0, 1)
        lines = capsys.readouterr().out.splitlines()
        return {line[2:].split()[0] for line in lines}

    first, second = (f"ReferencedSeriesSequence[{number}].SeriesInstanceUID" for number in (0, 1))
    all_ = {first, second, "WindowCenter", "WindowWidth", "PatientComments", "PixelData"}
    assert paths() == all_
    assert paths("--ignore-order") == all_ - {first, second}
    assert paths("--tolerance", "0.1") == all_ - {"WindowCenter", "WindowWidth"}
    assert paths("--ignore-encoding") == all_ - {"WindowWidth"}
    assert paths("--ignore", "PatientComments", "--ignore", "7FE0") == all_ - {
        "PatientComments",
        "PixelData",
    }
    assert paths("--meta") - all_ <= {"FileMetaInformationGroupLength", "ImplementationVersionName"}
    assert "ImplementationVersionName" in paths("--meta")
    assert paths(*everything) == {"PixelData"}
    assert paths(*everything, "--tolerance", "1") == set()
    assert (
        main(["diff", str(image), str(other), "--pixels", "--ignore", "*S*", "--ignore", "0010"])
        == 1
    )
    assert "1 of 256 samples differ, by at most 1\n" in capsys.readouterr().out


def test_folders(tmp_path: Path, capsys: Shown) -> None:
    """Files are paired by UID whatever their names, else by name; the rest is on one side only."""
    left, right = tmp_path / "left", tmp_path / "right"
    left.mkdir()
    (right / "below").mkdir(parents=True)
    uids = {}
    for number in range(1, 6):
        sample = make.instance(number=number, PatientID="FOLDERS")
        uids[number] = sample.sop_instance_uid
        (left / f"{number}.dcm").write_bytes(sample.data)
    (right / "below" / "one").write_bytes((left / "1.dcm").read_bytes())
    changed(left / "2.dcm", right / "two.dcm", lambda ds: setattr(ds, "PatientID", "OTHER"))
    changed(left / "3.dcm", right / "3.dcm", lambda ds: setattr(ds, "SOPInstanceUID", "1.2.3"))
    (left / "5.dcm").rename(right / "5.dcm")
    (right / "README").write_text("This is not DICOM.\n")
    assert main(["diff", str(left), str(right)]) == 1
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[:4] == [
        f"--- {left}/2.dcm",
        f"+++ {right}/two.dcm",
        "< PatientID                          LO FOLDERS",
        "> PatientID                          LO OTHER",
    ]
    assert lines[4:6] == [f"--- {left}/3.dcm", f"+++ {right}/3.dcm"]
    assert [line.split()[1] for line in lines[6:8]] == ["SOPInstanceUID", "SOPInstanceUID"]
    assert lines[8:] == [
        f"< only {left}/4.dcm ({uids[4]})",
        f"> only {right}/5.dcm ({uids[5]})",
        "1 same | 2 different | 1 only left | 1 only right",
    ]
    assert shown.err == f"dcm diff: {right}/README: passed over: it is not a DICOM file\n"


def test_same_folders(tmp_path: Path, capsys: Shown) -> None:
    """The exit status is 0."""
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        for number in (1, 2):
            (tmp_path / name / f"{number}.dcm").write_bytes(make.instance(number=number).data)
    assert main(["diff", str(tmp_path / "left"), str(tmp_path / "right")]) == 0
    assert capsys.readouterr() == ("2 same\n", "")


def test_file_and_folder(image: Path, tmp_path: Path, capsys: Shown) -> None:
    """The file is compared with its counterpart in the folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    changed(image, folder / "other.dcm", lambda ds: setattr(ds, "PatientID", "X"))
    (folder / "second.dcm").write_bytes(make.instance(number=2).data)
    for words in ([str(image), str(folder)], [str(folder), str(image)]):
        assert main(["diff", *words]) == 1
        assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == [
            "PatientID"
        ] * 2


@pytest.mark.parametrize("id_", ["x00-text", "x04-cut-in-header", "x04-cut-in-value", "missing"])
def test_trouble(id_: str, image: Path, tmp_path: Path, capsys: Shown) -> None:
    """An unreadable file is not a difference: exit status 2, and stderr says why."""
    broken = tmp_path / "broken.dcm"
    if id_ in corpus:
        broken.write_bytes(corpus[id_].data)
    assert main(["diff", str(image), str(broken)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"dcm diff: {broken}: ")
    assert shown.err.count(f"{broken}") == 1
    assert shown.err.count("\n") == 1


def test_trouble_with_one_of_many(tmp_path: Path, capsys: Shown) -> None:
    """The others are still compared, and the exit status is 2."""
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.dcm").write_bytes(make.instance(number=1, PatientID=name).data)
    (tmp_path / "left" / "empty.dcm").touch()
    words = ["diff", str(tmp_path / "left"), str(tmp_path / "right"), "--ignore", "*UID"]
    assert main(words) == 2
    shown = capsys.readouterr()
    assert "1 different\n" in shown.out
    assert shown.err == f"dcm diff: {tmp_path}/left/empty.dcm: the file is empty\n"
    assert main([*words, "--out-format", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["problems"] == [
        f"{tmp_path}/left/empty.dcm: the file is empty"
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ignore", "PatientNam"], "did you mean PatientName?"),
        (["--tolerance", "-1"], "must be 0 or more"),
        (["--tolerance", "nan"], "must be 0 or more"),
    ],
)
def test_what_cannot_be_asked(words: list[str], said: str, image: Path, capsys: Shown) -> None:
    """Exit status 2, and nothing on stdout."""
    assert main(["diff", str(image), str(image), *words]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_empty_folders_are_trouble(tmp_path: Path, capsys: Shown) -> None:
    """Nothing was compared, so the result is not "same"."""
    (tmp_path / "left").mkdir()
    (tmp_path / "right").mkdir()
    assert main(["diff", str(tmp_path / "left"), str(tmp_path / "right")]) == 2
    assert "nothing to compare" in capsys.readouterr().err


def test_terminal(image: Path, tmp_path: Path) -> None:
    """Colours, and lines shortened around the difference."""
    long = "x" * 300
    one = changed(
        image, tmp_path / "one.dcm", lambda ds: setattr(ds, "PatientComments", f"{long}1")
    )
    two = changed(
        image, tmp_path / "two.dcm", lambda ds: setattr(ds, "PatientComments", f"{long}2")
    )
    shown = on_terminal(["diff", one, two], 80, status=1)
    first, second = shown.splitlines()
    assert (first[:6], second[:6]) == ("\x1b[31m<", "\x1b[32m>")
    assert first.endswith("xxx1\x1b[0m")
    assert second.endswith("xxx2\x1b[0m")
    plain = on_terminal(["diff", one, two], 80, status=1, NO_COLOR="1")
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= 80


def test_locale_without_the_characters(tmp_path: Path, start: Start) -> None:
    """Question marks and a warning; in JSON, escapes that lose nothing."""
    first, second = tmp_path / "1.dcm", tmp_path / "2.dcm"
    sample = make.instance(number=1, PatientName="山田", character_set="ISO_IR 192")
    first.write_bytes(sample.data)
    changed(first, second, lambda ds: setattr(ds, "PatientName", "山本"))
    for form in ("text", "json"):
        process = start("diff", first, second, "--out-format", form, env={**os.environ, **ASCII})
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert out.isascii()
        assert ("they are shown as ?" in err) is (form == "text")
        if form == "json":
            (difference,) = json.loads(out)["instances"][0]["differences"]
            assert difference["right"] == {"vr": "PN", "value": "山本"}


def test_folder_and_node(archive: DcmNode, objects: Path, tmp_path: Path, capsys: Shown) -> None:
    """The archive is queried for the folder's studies; objects on one side only are reported."""
    words = ["--local", "127.0.0.1:US:0"]
    assert main(["diff", str(objects), str(archive), "--ignore-encoding", *words]) == 0
    assert capsys.readouterr() == ("4 same\n", "")
    folder = tmp_path / "folder"
    folder.mkdir()
    first, second, *_, last = sorted(objects.iterdir())
    changed(first, folder / "1.dcm", lambda ds: setattr(ds, "PatientID", "OTHER"))
    (folder / "2.dcm").write_bytes(second.read_bytes())
    changed(second, folder / "9.dcm", lambda ds: setattr(ds, "SOPInstanceUID", "1.2.3.999"))
    for arguments, signs in (((folder, archive), "<>"), ((archive, folder), "><")):
        assert main(["diff", *map(str, arguments), "--ignore-encoding", *words]) == 1
        shown = capsys.readouterr()
        lines = shown.out.splitlines()
        mine, others = signs
        assert f"{mine} PatientID                          LO OTHER" in lines
        assert f"{others} PatientID                          LO CLI1" in lines
        assert f"{mine} only {folder}/9.dcm (1.2.3.999)" in lines
        assert f"{others} only {archive}: 1.2.3.103 (1.2.3.103)" in lines
        assert lines[-1] == "1 same | 1 different | 1 only left | 1 only right"
        assert shown.err == ""
    # a study that the archive lacks is only in the folder
    changed(last, folder / "1.dcm", lambda ds: setattr(ds, "StudyInstanceUID", "1.2.3.5.77"))
    for name in ("2.dcm", "9.dcm"):
        (folder / name).unlink()
    assert main(["diff", str(folder), str(archive), *words]) == 1
    assert capsys.readouterr().out == f"< only {folder}/1.dcm (1.2.3.104)\n1 only left\n"
    assert main(["diff", str(folder / "1.dcm"), str(archive), *words]) == 1


def test_node_that_is_not_there_is_trouble(image: Path, capsys: Shown) -> None:
    """Exit status 2: nothing was compared."""
    node = f"127.0.0.1:GONE:{free_port()}"
    assert main(["diff", str(image), node, "--local", "127.0.0.1:US:0"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "GONE" in shown.err
    assert main(["diff", str(image), "unknown"]) == 2
    assert "no remote node is called 'unknown'" in capsys.readouterr().err
    assert main(["diff", "one", "two"]) == 2
    assert "one of the two must be a file or a folder" in capsys.readouterr().err


def test_folder_and_dicomweb_service(objects: Path, tmp_path: Path, capsys: Shown) -> None:
    """Any source of instances will do: here Orthanc's DICOMweb, by its URL."""
    try:
        found = find_orthanc()
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    first = min(objects.iterdir())
    other = changed(first, tmp_path / "1.dcm", lambda ds: setattr(ds, "PatientID", "OTHER"))
    with orthanc(tmp_path / "orthanc", found) as url:
        assert main(["store", url, str(objects), "--quiet"]) == 0
        capsys.readouterr()
        assert main(["diff", str(objects), url, "--ignore-encoding"]) == 0
        assert capsys.readouterr().out == "4 same\n"
        assert main(["diff", str(other), url, "--ignore-encoding"]) == 1
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["<", "PatientID"], [">", "PatientID"],
    ]  # fmt: skip
