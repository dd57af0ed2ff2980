"""Sorted files: each is at the place that the layout gives, and none is lost or replaced."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from store.objects import content, instance, write

from dcm.cli import main
from dcm.data.header import scan
from dcm.sort import Fate, Method, SortError, SortReport, sort, undo
from dcm.sort.journal import read
from dcm.store.layout import LayoutError

LAYOUT = "{PatientID}/{InstanceNumber}.dcm"
MEMORY = Path("/dev/shm")  # noqa: S108
Shown = pytest.CaptureFixture[str]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three images of two patients."""
    for number in (1, 2, 3):
        patient = f"P{number % 2}"
        write(tmp_path / "source" / f"IM{number}", instance(number, PatientID=patient), pixels=2000)
    return tmp_path / "source"


def listed(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder except journals, by path, with their content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".dcm-sort-")
    }


def fates(report: SortReport) -> dict[str, str]:
    """Return the outcome of each file by name."""
    return {Path(each.source).name: each.fate.value for each in report.results}


def expected(source: Path) -> dict[str, bytes]:
    """Return the expected content of the target."""
    names = {1: "P1/1.dcm", 2: "P0/2.dcm", 3: "P1/3.dcm"}
    return {name: (source / f"IM{number}").read_bytes() for number, name in names.items()}


@pytest.mark.parametrize("method", Method)
def test_each_method(method: Method, source: Path, tmp_path: Path) -> None:
    """Files are at their places afterwards; after an undo, everything is as before."""
    target, before, wanted = tmp_path / "target", listed(source), expected(source)
    times = {path.name: path.stat().st_mtime_ns for path in source.iterdir()}
    (source / "IM1").chmod(0o640)
    report = sort([source], target, LAYOUT, method)
    assert report.complete
    assert set(listed(target)) == set(wanted)
    assert listed(target) == wanted
    one = target / "P1/1.dcm"
    assert one.stat().st_mtime_ns == times["IM1"]
    assert one.stat().st_mode & 0o777 == 0o640
    assert one.is_symlink() is (method is Method.SYMLINK)
    if method is Method.MOVE:
        assert listed(source) == {}
    else:
        assert listed(source) == before
        assert one.samefile(source / "IM1") is (method is not Method.COPY)
    undone = undo(report.journal)
    assert undone.complete
    assert len(undone.results) == 3
    assert listed(source) == before
    assert [*target.iterdir()] == []


@pytest.mark.parametrize("method", Method)
def test_again(method: Method, source: Path, tmp_path: Path) -> None:
    """Files already at their places stay; nothing exists twice."""
    target, wanted = tmp_path / "target", expected(source)
    sort([source], target, LAYOUT, method)
    again = sort([source, target], target, LAYOUT, method)
    assert again.complete
    assert {each.fate for each in again.results} <= {Fate.ALREADY_THERE, Fate.LEFT}
    assert listed(target) == wanted


def test_same_data_set_twice(source: Path, tmp_path: Path) -> None:
    """One of two files with the same data set is sorted, whatever their meta information."""
    data = bytearray((source / "IM1").read_bytes())
    data[:4] = b"odd!"  # in the preamble
    (source / "again").write_bytes(data)
    target = tmp_path / "target"
    report = sort([source], target, LAYOUT, Method.MOVE)
    assert report.complete
    assert fates(report)["again"] == "the same as another" or fates(report)["IM1"] == (
        "the same as another"
    )
    assert len(listed(target)) == 3
    [words] = [each.words for each in report.results if each.fate is Fate.SAME]
    assert words == f"the same data set as {source / 'IM1'}"
    assert [*listed(source)] == ["again"]


def test_different_objects_with_one_place(source: Path, tmp_path: Path) -> None:
    """Both are kept, the second next to the first, and a second run changes nothing."""
    write(source / "other", instance(1, PatientID="P1", PatientName="Other"), pixels=2000)
    target = tmp_path / "target"
    report = sort([source], target, LAYOUT)
    assert report.complete
    names = [*listed(target)]
    [beside] = [name for name in names if name.startswith("P1/1-")]
    assert len(names) == 4
    assert {scan(target / name).text("PatientName") for name in ("P1/1.dcm", beside)} == {
        "Name^1",
        "Other",
    }
    [words] = [each.words for each in report.results if each.words]
    assert words.endswith("another object: both are kept")
    again = sort([source], target, LAYOUT)
    assert {each.fate for each in again.results} == {Fate.ALREADY_THERE}
    assert [*listed(target)] == names


def test_what_is_at_the_place_is_never_replaced(source: Path, tmp_path: Path) -> None:
    """Not even a truncated file, or one that is not DICOM."""
    target = tmp_path / "target"
    (target / "P1").mkdir(parents=True)
    (target / "P1/1.dcm").write_bytes(b"")
    (target / "P1/3.dcm").mkdir()
    report = sort([source], target, LAYOUT, Method.MOVE)
    assert not report.complete
    assert (target / "P1/1.dcm").read_bytes() == b""
    assert len([*target.glob("P1/1-*.dcm")]) == 1
    assert fates(report)["IM3"] == "failed"
    assert (source / "IM3").exists()


def test_what_is_no_dicom_is_left(source: Path, tmp_path: Path) -> None:
    """It is listed; a damaged DICOM file is a failure."""
    (source / "note.txt").write_text("no DICOM")
    report = sort([source], tmp_path / "target", LAYOUT, Method.MOVE)
    assert report.complete
    assert [*listed(source)] == ["note.txt"]
    assert fates(report)["note.txt"] == "left: not DICOM"
    (source / "cut").write_bytes(content(instance(9))[:160])
    report = sort([source], tmp_path / "target", LAYOUT, Method.MOVE)
    assert not report.complete
    assert fates(report) == {"cut": "failed", "note.txt": "left: not DICOM"}


def test_target_in_source(source: Path, tmp_path: Path) -> None:
    """The content of the target is not sorted again."""
    target, wanted = source / "sorted", expected(source)
    for count in (3, 0):
        report = sort([source], target, "x/" + LAYOUT, Method.MOVE)
        assert len(report.results) == count
        assert listed(target) == {f"x/{name}": data for name, data in wanted.items()}
    assert set(listed(source)) == {f"sorted/x/{name}" for name in wanted}


def test_source_in_target(source: Path, tmp_path: Path) -> None:
    """Only the content of the source is sorted."""
    other = write(tmp_path / "other.dcm", instance(7))
    wanted = expected(source)
    assert sort([source], tmp_path, LAYOUT, Method.MOVE).complete
    assert listed(tmp_path) == wanted | {"other.dcm": other.read_bytes()}


def test_in_place_with_places_that_others_leave(tmp_path: Path) -> None:
    """A file that leaves a place is moved before the one that takes the place."""
    wanted = {}
    for number in range(10):
        data = content(instance(number, PatientID="P", InstanceNumber=str(number + 1)))
        path = tmp_path / "P" / f"{number}.dcm"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        wanted[f"P/{number + 1}.dcm"] = data
    before = listed(tmp_path)
    report = sort([tmp_path], tmp_path, LAYOUT, Method.MOVE)
    assert report.complete
    assert listed(tmp_path) == wanted
    assert undo(report.journal).complete
    assert listed(tmp_path) == before


def test_circle_is_refused(tmp_path: Path) -> None:
    """Two files that would swap places stay, and files that wait for them; others are sorted."""
    for number, own in ((1, 2), (2, 1), (3, 4)):
        write(tmp_path / "P" / f"{number}.dcm", instance(own, PatientID="P"))
    before = listed(tmp_path)
    report = sort([tmp_path], tmp_path, LAYOUT, Method.MOVE)
    assert fates(report) == {"1.dcm": "failed", "2.dcm": "failed", "3.dcm": "moved"}
    before["P/4.dcm"] = before.pop("P/3.dcm")
    assert listed(tmp_path) == before


def test_folder_by_another_way_is_not_emptied(source: Path, tmp_path: Path) -> None:
    """A target that reaches the source by a symbolic link has the same files, not copies."""
    sort([source], source, LAYOUT, Method.MOVE)
    before = listed(source)
    (tmp_path / "way").symlink_to(source)
    report = sort([source], tmp_path / "way", LAYOUT, Method.MOVE)
    assert {each.fate for each in report.results} == {Fate.ALREADY_THERE}
    assert listed(source) == before


def test_symbolic_links(source: Path, tmp_path: Path) -> None:
    """A move leaves them; other methods follow them, without endless loops."""
    (source / "link").symlink_to(source / "IM1")
    (source / "loop").symlink_to(source)
    (source / "IM1").rename(tmp_path / "real")
    (source / "link").unlink()
    (source / "link").symlink_to(tmp_path / "real")
    report = sort([source], tmp_path / "linked", LAYOUT, Method.LINK)
    assert report.complete
    assert (tmp_path / "linked/P1/1.dcm").samefile(tmp_path / "real")
    assert not (tmp_path / "linked/P1/1.dcm").is_symlink()
    assert undo(report.journal).complete
    report = sort([source], tmp_path / "moved", LAYOUT, Method.MOVE)
    assert fates(report)["link"] == "left: not DICOM"
    assert (source / "link").is_symlink()


def test_link_to_the_source_at_the_place(source: Path, tmp_path: Path) -> None:
    """A file stays if a symbolic link to it is at its new place, since the link needs it."""
    target = tmp_path / "target"
    sort([source], target, LAYOUT, Method.SYMLINK)
    wanted = listed(source)
    report = sort([source], target, LAYOUT, Method.MOVE)
    assert {each.fate for each in report.results} == {Fate.ALREADY_THERE}
    assert listed(source) == wanted


def test_names_that_are_not_text(source: Path, tmp_path: Path) -> None:
    """Their names are not changed by a move and its undo."""
    name = os.fsdecode(b"caf\xe9")
    (source / "IM1").rename(source / name)
    before = listed(source)
    report = sort([source], tmp_path / "target", LAYOUT, Method.MOVE)
    assert len(listed(tmp_path / "target")) == 3
    assert undo(report.journal).complete
    assert listed(source) == before


def test_many_files(tmp_path: Path) -> None:
    """They are scanned by several processes; each is at its place."""
    source, target = tmp_path / "source", tmp_path / "target"
    for number in range(2500):
        write(source / f"{number % 3}" / f"{number}", instance(number, PatientID=f"P{number % 50}"))
    (source / "note.txt").write_text("no DICOM")
    counted: list[tuple[str, int, int | None]] = []
    report = sort(
        [source], target, "{PatientID}/{SOPInstanceUID}.dcm", Method.LINK,
        on_progress=lambda *told: counted.append(told),
    )  # fmt: skip
    assert report.complete
    for number in range(2500):
        path = target / f"P{number % 50}" / f"1.2.3.{number}.3.dcm"
        assert path.samefile(source / f"{number % 3}" / f"{number}")
    assert counted[-1] == ("sorted", 2500, 2500)
    assert report.counts() == {Fate.LINKED: 2500, Fate.LEFT: 1}


def test_undo_leaves_what_was_changed(source: Path, tmp_path: Path) -> None:
    """Changed files, and those whose old place is taken, stay, as does the journal."""
    target, before = tmp_path / "target", listed(source)
    report = sort([source], target, LAYOUT, Method.MOVE)
    with (target / "P1/1.dcm").open("ab") as file:
        file.write(b"\0\0")
    (source / "IM2").write_text("new")
    undone = undo(report.journal)
    assert not undone.complete
    assert {Path(each.target).name: each.fate for each in undone.results} == {
        "IM1": Fate.REFUSED,
        "IM2": Fate.REFUSED,
        "IM3": Fate.PUT_BACK,
    }
    assert (target / "P1/1.dcm").exists()
    assert (target / "P0/2.dcm").exists()
    assert listed(source)["IM3"] == before["IM3"]
    (source / "IM2").unlink()
    again = undo(report.journal)
    assert {each.fate for each in again.results} == {Fate.REFUSED, Fate.PUT_BACK}
    assert listed(source)["IM2"] == before["IM2"]


@pytest.mark.parametrize("method", [Method.COPY, Method.LINK])
def test_undo_keeps_the_last_one(method: Method, source: Path, tmp_path: Path) -> None:
    """A copy or link whose source is gone is the only one, and stays."""
    report = sort([source], tmp_path / "target", LAYOUT, method)
    (source / "IM1").unlink()
    undone = undo(report.journal)
    assert undone.counts() == {Fate.REMOVED: 2, Fate.REFUSED: 1}
    assert [*listed(tmp_path / "target")] == ["P1/1.dcm"]


def test_torn_journal(source: Path, tmp_path: Path) -> None:
    """A truncated last line counts as not written; damage elsewhere is refused."""
    target = tmp_path / "target"
    report = sort([source], target, LAYOUT, Method.MOVE)
    journal = Path(report.journal)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + b'["en')
    again = sort([source], target, LAYOUT, Method.MOVE)
    assert again.journal == report.journal
    assert journal.read_bytes() == b"".join(lines)
    journal.write_bytes(lines[0] + b"{]\n" + lines[1])
    with pytest.raises(SortError, match="line 2"):
        undo(journal)
    journal.write_bytes(b"PATIENT,STUDY\n")
    with pytest.raises(SortError, match="not a journal of dcm sort"):
        undo(str(journal))
    assert journal.exists()


def test_several_interrupted_journals(source: Path, tmp_path: Path) -> None:
    """The same command ends all of them, so that none is continued again."""
    target = tmp_path / "target"
    journal = Path(sort([source], target, LAYOUT, Method.MOVE).journal)
    interrupted = b"".join(journal.read_bytes().splitlines(keepends=True)[:-1])
    journals = [target / f".dcm-sort-{number}{journal.suffix}" for number in (1, 2)]
    for each in journals:
        each.write_bytes(interrupted)
    assert Path(sort([source], target, LAYOUT, Method.MOVE).journal) == journals[0]
    assert [read(str(each)).finished for each in journals] == [True, True]
    undone = undo(str(journals[1]))
    assert undone.complete


def test_to_another_file_system(source: Path) -> None:
    """A move copies and removes; a hard link is refused before anything is changed."""
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == source.stat().st_dev:
        pytest.skip("there is no second file system")
    before, wanted = listed(source), expected(source)
    times = {path.name: path.stat().st_mtime_ns for path in source.iterdir()}
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        target = Path(name) / "target"
        with pytest.raises(SortError, match="hard links are not"):
            sort([source], target, LAYOUT, Method.LINK)
        assert not target.exists()
        report = sort([source], target, LAYOUT, Method.MOVE)
        assert report.complete
        assert listed(target) == wanted
        assert listed(source) == {}
        assert undo(report.journal).complete
    assert listed(source) == before
    assert {path.name: path.stat().st_mtime_ns for path in source.iterdir()} == times


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(mounted)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


@pytest.mark.parametrize("method", [Method.COPY, Method.MOVE])
def test_no_room(method: Method, tmp_path: Path, small: Path) -> None:
    """It is noticed before anything is changed; if space runs out meanwhile, nothing is lost."""
    source = tmp_path / "source"
    for number in range(8):
        write(source / f"{number}", instance(number, PatientID="P"), pixels=10_000)
    before = listed(source)
    with pytest.raises(SortError, match="bytes would be copied"):
        sort([source], small, LAYOUT, method)
    assert listed(source) == before
    assert listed(small) == {}
    shutil.rmtree(source)
    for number in range(20):
        write(source / f"{number}", instance(number, PatientID="P"), pixels=400)
    before = listed(source)

    filler = small / "filler"
    filler.write_bytes(bytes(20_000))  # files occupy whole pages, so the rest is not enough
    report = sort([source], small, LAYOUT, method)
    assert not report.complete
    counts = report.counts()
    assert counts[Fate.FAILED] == 1
    assert counts[Fate.NOT_TRIED] > 2
    for path, data in before.items():
        new = small / "P" / f"{path}.dcm"
        there = [each for each in (source / path, new) if each.exists()]
        assert there
        assert all(each.read_bytes() == data for each in there)
    filler.unlink()


def test_folders_that_cannot_be_written_to() -> None:
    """Nothing is changed, and the error names the folder."""
    if os.geteuid():
        pytest.skip("only root can be somebody else")
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        write(top / "source/1", instance(1))
        (top / "open").mkdir()
        (top / "open").chmod(0o777)
        os.seteuid(65534)
        try:
            with pytest.raises(SortError, match="is not writable: nothing was changed"):
                sort([top / "source"], top / "target", LAYOUT)
            with pytest.raises(SortError, match="source is not writable: nothing was changed"):
                sort([top / "source"], top / "open", LAYOUT, Method.MOVE)
            assert [*(top / "open").iterdir()] == []
            assert sort([top / "source"], top / "open", LAYOUT).complete
        finally:
            os.seteuid(0)


def test_file_where_a_folder_has_to_be(source: Path, tmp_path: Path) -> None:
    """It is noticed before anything is changed."""
    (tmp_path / "target").mkdir()
    (tmp_path / "target/P1").write_text("a file")
    with pytest.raises(SortError, match="P1 is a file, but should be a folder"):
        sort([source], tmp_path / "target", LAYOUT, Method.MOVE)
    assert len(listed(source)) == 3


def test_wrong_layout_and_folder(source: Path, tmp_path: Path) -> None:
    """They are refused."""
    with pytest.raises(LayoutError):
        sort([source], tmp_path / "target", "{PatintID}")
    with pytest.raises(SortError, match="is not a folder"):
        sort([tmp_path / "nothing"], tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_command(source: Path, tmp_path: Path, capsys: Shown) -> None:
    """It prints the outcomes, and how to undo; a report has all files."""
    target, report = tmp_path / "target", tmp_path / "report.json"
    (source / "note.txt").write_text("no DICOM")
    words = ["sort", str(source), "-o", str(target), "--dir-format", LAYOUT]
    assert main([*words, "--dry-run"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[:3] == [
        f"{source}/IM{number} -> {target}/P{number % 2}/{number}.dcm" for number in (1, 2, 3)
    ]
    assert lines[3] == "1 left: not DICOM | 3 to be sorted"
    assert not target.exists()
    assert main([*words, "--method", "move", "--remove-empty", "--report", str(report)]) == 0
    printed = capsys.readouterr()
    assert printed.out == "1 left: not DICOM | 3 moved\n"
    [journal] = target.glob(".dcm-sort-*")
    assert f"to undo this, run: dcm sort --undo {journal}" in printed.err
    assert "note.txt: left: not DICOM: " in printed.err
    told = json.loads(report.read_text())
    assert told["complete"]
    assert {each["outcome"] for each in told["files"]} == {"left: not DICOM", "moved"}
    assert main(["sort", "--undo", str(journal)]) == 0
    assert capsys.readouterr().out == "3 put back\n"
    assert len(listed(source)) == 4


def test_command_fails(source: Path, tmp_path: Path, capsys: Shown) -> None:
    """Exit status 1 if something cannot be done, 2 for a usage error."""
    (tmp_path / "target").write_text("a file")
    assert main(["sort", str(source), "-o", str(tmp_path / "target")]) == 1
    assert "is a file, but should be a folder" in capsys.readouterr().err
    assert main(["sort", str(source)]) == 2
    assert main(["sort", "--undo", str(tmp_path / "nothing")]) == 1
    assert main(["sort", "--undo", "x", "-o", "y"]) == 2
    assert main(["sort", str(source), "-o", str(tmp_path), "--dir-format", "{PatintID}"]) == 2


def test_empty_folders_are_removed_on_request(source: Path, tmp_path: Path) -> None:
    """Those in the sources, including ones that were empty before; not the source itself."""
    (source / "a/b").mkdir(parents=True)
    (source / "IM1").rename(source / "a/b/IM1")
    (source / "kept").mkdir()
    (source / "kept/note.txt").write_text("no DICOM")
    report = sort([source], tmp_path / "target", LAYOUT, Method.MOVE, remove_empty_folders=True)
    assert sorted(path.name for path in source.rglob("*")) == ["kept", "note.txt"]
    assert undo(report.journal).complete
    assert (source / "a/b/IM1").exists()
