"""An index is built, refreshed and repaired: it always matches the folder."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from store.objects import CT, content, instance, write

from dcm.data.header import scan
from dcm.data.levels import Level
from dcm.store.index import FILE, Index, Updated
from dcm.store.index_database import UnusableIndex
from dcm.store.index_rows import WANTED


def patients(index: Index) -> list[str]:
    """Return the patients in an index."""
    return sorted(str(each["PatientID"]) for each in index.find({}, Level.PATIENT))


def settled(path: Path) -> Path:
    """Make a file look as if it had been written some time ago."""
    os.utime(path, ns=(10**18, 10**18 + int(path.stat().st_mtime_ns % 10**9)))
    return path


def test_update_scans_only_what_has_changed(tmp_path: Path) -> None:
    """Unchanged files are not read again, DICOM or not; removed ones are dropped."""
    one, two, three = (
        settled(write(tmp_path / f"a/{each}/x.dcm", instance(each))) for each in (1, 2, 3)
    )
    settled(Path(shutil.copy(__file__, tmp_path / "a/text")))
    with Index(tmp_path) as index:
        assert index.update() == Updated(files=4, scanned=4, removed=0)
        assert index.update() == Updated(files=4, scanned=0, removed=0)
        shutil.rmtree(one.parent)
        two.unlink()
        settled(write(three, instance(4)))
        settled(write(tmp_path / "5.dcm", instance(5)))
        assert index.update() == Updated(files=3, scanned=2, removed=2)
        assert patients(index) == ["P4", "P5"]
        assert index.count({}, Level.STUDY) == 2


def test_file_that_was_just_written_is_scanned_again(tmp_path: Path) -> None:
    """Within one clock tick a file can change without a new modification time."""
    path = write(tmp_path / "x.dcm", instance(1))
    with Index(tmp_path) as index:
        path.touch()
        index.update()
        status = path.stat()
        write(path, instance(2))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert path.stat().st_size == status.st_size
        index.update()
        assert patients(index) == ["P2"]


def test_many_files_are_scanned_by_other_processes(tmp_path: Path) -> None:
    """With 2,500 files in 25 folders each is indexed once, and progress is reported."""
    for number in range(2500):
        write(tmp_path / str(number // 100) / f"{number}.dcm", instance(number))
    told: list[int] = []
    with Index(tmp_path) as index:
        assert index.update(told.append).scanned == 2500
        assert index.count({}, Level.IMAGE) == 2500
    assert told == sorted(told)
    assert told[-1] == 2500


def test_any_program_can_start_it(tmp_path: Path) -> None:
    """A script without a main guard is not run again by the scanning processes."""
    for number in range(1500):
        write(tmp_path / f"{number}.dcm", instance(number))
    script = tmp_path.parent / f"{tmp_path.name}.py"
    script.write_text(
        f"print('once')\nfrom dcm.store.index import Index\nprint(Index({str(tmp_path)!r}).update())\n"
    )
    run = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.count("once") == 1
    assert "scanned=1500" in run.stdout
    assert run.stderr == ""


def test_scanning_processes_that_end_are_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no other process can scan, this one does."""
    for number in range(1500):
        write(tmp_path / f"{number}.dcm", instance(number))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Index(tmp_path) as index:
        assert index.update().scanned == 1500
        assert index.count({}, Level.IMAGE) == 1500


def test_odd_files_are_listed_with_the_reason(tmp_path: Path) -> None:
    """Text is not DICOM; truncated files and objects without UID are damaged."""
    whole = content(instance(1))
    (tmp_path / "text").write_text("not DICOM at all")
    (tmp_path / "empty").touch()
    (tmp_path / "cut").write_bytes(whole[:-15])
    write(tmp_path / "nameless", instance(2, SOPInstanceUID=""))
    os.mkfifo(tmp_path / "pipe")
    with Index(tmp_path) as index:
        assert index.update().files == 4
        damaged = {Path(each.path).name: each.words for each in index.odd_files(damaged=True)}
        others = {Path(each.path).name: each.words for each in index.odd_files(damaged=False)}
    assert set(damaged) == {"cut", "nameless"}
    assert "the file ends" in damaged["cut"]
    assert damaged["nameless"] == "it has no SOP Instance UID"
    assert others == {
        "text": "it has neither the prefix DICM nor a data set at its beginning",
        "empty": "the file is empty",
    }


def test_links_are_followed_once(tmp_path: Path) -> None:
    """A link to a parent folder does not cause an endless loop."""
    write(tmp_path / "a/x.dcm", instance(1))
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    with Index(tmp_path) as index:
        assert index.update().files == 1


def test_names_that_are_not_text(tmp_path: Path) -> None:
    """A name of any bytes is stored unchanged."""
    folder = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(folder)  # noqa: PTH102 - bytes
    path = os.fsdecode(folder + b"/\xfd.dcm")
    Path(path).write_bytes(content(instance(1)))
    with Index(tmp_path) as index:
        index.update()
        [found] = index.instances({})
        assert found.instance.path == path
        assert index.files("1.2.3.1.3") == [path]


@pytest.mark.parametrize("kind", ["text", "zeros", "cut", "foreign", "other version"])
def test_unusable_file_is_set_aside_or_made_anew(tmp_path: Path, kind: str) -> None:
    """Whatever is at the index's path: the index is right, and possible user data is kept."""
    write(tmp_path / "x.dcm", instance(1))
    file = tmp_path / FILE
    with Index(tmp_path) as index:
        index.update()
    if kind == "text":
        file.write_text("something else")
    elif kind == "zeros":
        file.write_bytes(bytes(8192))
    elif kind == "cut":
        file.write_bytes(file.read_bytes()[: 4096 * 3 + 100])
    else:
        with sqlite3.connect(file) as connection:
            name = "application_id" if kind == "foreign" else "user_version"
            connection.execute(f"PRAGMA {name} = 77")
        connection.close()
    with Index(tmp_path) as index:
        index.update()
        assert patients(index) == ["P1"]
        [remark] = index.remarks
        assert "recreated" in remark
    aside = tmp_path / f"{FILE}.set-aside-1"
    assert aside.exists() == (kind != "other version")


def test_damage_within_is_repaired_by_the_next_update(tmp_path: Path) -> None:
    """Damaged pages are an error of a query, and the next comparison builds the index again."""
    for number in range(300):
        write(tmp_path / f"{number}.dcm", instance(number, StudyDescription="d" * 60))
    with Index(tmp_path) as index:
        index.update()
    data = bytearray((tmp_path / FILE).read_bytes())
    for page in range(32 * 4096, len(data) - 4096, 4096):  # after the tables and their first pages
        data[page : page + 512] = b"\x55" * 512
    (tmp_path / FILE).write_bytes(data)
    with Index(tmp_path) as index:
        with pytest.raises(UnusableIndex, match="dcm index"):
            list(index.find({"StudyDescription": "d*"}, Level.STUDY))
        index.update()
        assert index.count({"StudyDescription": "d*"}, Level.STUDY) == 300


def test_several_processes_update_and_add(tmp_path: Path) -> None:
    """After concurrent comparisons and additions each file is in the index once."""
    program = (
        "import sys; from pathlib import Path; from store.objects import *\n"
        "from dcm.store.index import Index\n"
        "folder, first = Path(sys.argv[1]), int(sys.argv[2])\n"
        "with Index(folder) as index:\n"
        "    for number in range(first, first + 100):\n"
        "        index.add(str(write(folder / f'{number}.dcm', instance(number))))\n"
        "        if not number % 10: index.update()\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path, str(first)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for first in (0, 100, 200)
    ]
    assert [each.wait(120) for each in processes] == [0, 0, 0]
    with Index(tmp_path) as index:
        assert index.count({}, Level.IMAGE) == 300
        assert len(list(index.instances({}))) == 300
        index.update()
        assert index.count({}, Level.PATIENT) == 300


def test_threads_ask_while_another_adds(tmp_path: Path) -> None:
    """Every query sees one state, including everything added before it began."""
    failures: list[BaseException] = []
    with Index(tmp_path) as index:

        def ask(count: int) -> None:
            try:
                for _ in range(20):
                    assert index.count({"PatientID": "P*"}, Level.STUDY) >= count
            except BaseException as error:  # noqa: BLE001 - shown below
                failures.append(error)

        threads = []
        for number in range(100):
            index.add(str(write(tmp_path / f"{number}.dcm", instance(number))))
            if not number % 10:
                threads.append(threading.Thread(target=ask, args=(number + 1,)))
                threads[-1].start()
        for each in threads:
            each.join()
    assert failures == []


def test_removed_file_takes_its_entities_along(tmp_path: Path) -> None:
    """The last instance of a series removes series, study and patient, and no others."""
    one, two = (
        write(tmp_path / f"{each}.dcm", instance(1, SOPInstanceUID=f"1.{each}")) for each in (1, 2)
    )
    with Index(tmp_path) as index:
        index.update()
        index.remove(str(one))
        assert index.count({}, Level.PATIENT) == 1
        [answer] = index.find({"NumberOfStudyRelatedInstances": ""}, Level.STUDY)
        assert answer["NumberOfStudyRelatedInstances"] == "1"
        index.remove(str(two))
        assert [index.count({}, level) for level in Level] == [0, 0, 0, 0]
        with index._database.reading() as connection:
            for table in ("patient", "study", "series", "file"):
                sql = f"SELECT COUNT(*) FROM {table}"  # noqa: S608
                assert connection.execute(sql).fetchone() == (0,)


def test_duplicates_and_conflicts(tmp_path: Path) -> None:
    """Copies are duplicates, other data with the same UID is a conflict, and both are shown."""
    write(tmp_path / "1.dcm", instance(1))
    write(tmp_path / "1-copy.dcm", instance(1))
    write(tmp_path / "2.dcm", instance(2))
    write(tmp_path / "2-other.dcm", instance(2, PatientName="Other"))
    write(tmp_path / "3.dcm", instance(3))
    with Index(tmp_path) as index:
        index.update()
        shared = {each.sop_instance_uid: each for each in index.shared_uids()}
        assert set(shared) == {"1.2.3.1.3", "1.2.3.2.3"}
        assert shared["1.2.3.1.3"].has_duplicates
        assert not shared["1.2.3.1.3"].is_conflict
        assert shared["1.2.3.2.3"].is_conflict
        assert not shared["1.2.3.2.3"].has_duplicates
        assert len(list(index.instances({"SOPInstanceUID": "1.2.3.1.3"}))) == 2
        assert index.count({}, Level.IMAGE) == 3


def test_verify_finds_what_changed_in_silence(tmp_path: Path) -> None:
    """A flipped bit changes neither size nor time; a truncated file is damaged."""
    bad, cut, good = (
        settled(write(tmp_path / f"{each}.dcm", instance(each), pixels=5000)) for each in (1, 2, 3)
    )
    with Index(tmp_path) as index:
        index.update()
        assert index.verify() == (3, (), ())
        times = bad.stat()
        data = bytearray(bad.read_bytes())
        data[-100] ^= 1
        bad.write_bytes(data)
        os.utime(bad, ns=(times.st_atime_ns, times.st_mtime_ns))
        cut.write_bytes(cut.read_bytes()[:-1000])
        settled(cut)
        assert index.update().scanned == 1
        assert list(index.odd_files(damaged=True)) == []
        verified = index.verify()
        assert [each.path for each in verified.changed] == [str(bad)]
        assert [each.path for each in verified.damaged] == [str(cut)]
        assert [each.path for each in index.odd_files(damaged=True)] == [str(cut)]
        assert [each.path for each in index.verify().changed] == [str(bad)]  # until it is repaired
        assert str(good) not in str(verified)


def test_index_in_memory_of_entries(tmp_path: Path) -> None:
    """Entries of an archive are found like files, and nothing is written."""
    path = write(tmp_path / "x.dcm", instance(1))
    header = scan(path, WANTED)
    with Index("/archive.zip", "") as index:
        index.add_entries([("a/1.dcm", 10, 0, header), ("2.dcm", 10, 0, header)])
        [answer] = index.find({"PatientName": "", "SOPClassUID": CT}, Level.IMAGE)
        assert answer["PatientName"] == "Name^1"
        paths = [each.instance.path for each in index.instances({})]
        assert sorted(paths) == ["/archive.zip/2.dcm", "/archive.zip/a/1.dcm"]
        assert list(index.find({"StationName": "X"}, Level.STUDY)) != []  # which is unknown
    assert [each.name for each in tmp_path.iterdir()] == ["x.dcm"]


def test_index_in_another_file(tmp_path: Path) -> None:
    """The file may be anywhere; the folder is only read."""
    write(tmp_path / "data/x.dcm", instance(1))
    with Index(tmp_path / "data", tmp_path / "elsewhere.sqlite") as index:
        index.update()
        assert patients(index) == ["P1"]
    assert [each.name for each in (tmp_path / "data").iterdir()] == ["x.dcm"]


def test_folder_that_takes_no_index(tmp_path: Path) -> None:
    """If the folder is not writable the index is in memory; a named index file is an error."""
    write(tmp_path / "x.dcm", instance(1))
    (tmp_path / FILE).mkdir()
    with Index(tmp_path) as index:
        index.update()
        assert patients(index) == ["P1"]
        [remark] = index.remarks
        assert "the index is kept in memory" in remark
    with pytest.raises(UnusableIndex, match="unable to open"):
        Index(tmp_path, tmp_path / FILE)


def test_patient_who_was_renamed_is_found_by_both_names(tmp_path: Path) -> None:
    """Contradicting instances of one study are found by either name, and are one study."""
    shared = {"PatientID": "P", "StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.1"}
    write(tmp_path / "1.dcm", instance(1, **shared, PatientName="Maiden^Name"))
    write(tmp_path / "2.dcm", instance(2, **shared, PatientName="Married^Name"))
    with Index(tmp_path) as index:
        index.update()
        for name in ("Maiden*", "Married*"):
            [study] = index.find({"PatientName": name}, Level.STUDY)
            assert str(study["PatientName"]).startswith(name[:-1])
        assert index.count({}, Level.STUDY) == index.count({}, Level.PATIENT) == 1
