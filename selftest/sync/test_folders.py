"""Links, copies and moves between folders, also if killed; which files of a folder count."""

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from net.files import data_set, make
from net.peers import US

from dcm.conf import Configuration
from dcm.data.header import scan
from dcm.opening import Opener
from dcm.outcome import Outcome
from dcm.store.place import CannotDo
from dcm.sync import CannotSync, Method, SamePlace, SyncReport, sync, sync_data

pytestmark = pytest.mark.timeout(120)

OPENER = Opener(Configuration("none"), US)
COUNT = 8


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder of eight files in two subfolders."""
    folder = tmp_path / "files"
    for number in range(COUNT):
        (folder / f"part{number % 2}").mkdir(parents=True, exist_ok=True)
        make(folder / f"part{number % 2}", number, size=2000, study="1.2.3.51")
    return folder


def run(source: Path, target: Path, method: Method, opener: Opener = OPENER) -> SyncReport:
    """Copy everything from one folder to another."""
    return asyncio.run(sync(str(source), f"{target}/", method=method, opener=opener))


def paths(folder: Path) -> dict[str, Path]:
    """Return the files below a folder by SOP Instance UID; each UID must be unique."""
    found = [path for path in folder.rglob("*.dcm") if path.is_file()]
    by_uid = {scan(path).sop_instance_uid: path for path in found}
    assert len(by_uid) == len(found)
    return by_uid


@pytest.mark.parametrize("method", [Method.LOCAL_COPY, Method.LINK, Method.SYMLINK, Method.MOVE])
def test_ways_between_folders(files: Path, tmp_path: Path, method: Method) -> None:
    """Each method has its effect, byte for byte; the second time nothing is done."""
    before = {uid: (path, path.read_bytes()) for uid, path in paths(files).items()}
    target = tmp_path / "target"
    report = run(files, target, method)
    assert report.complete, (report.failures, report.problems)
    assert [*report.counts.values()] == [{Outcome.STORED: COUNT}]
    there = paths(target)
    assert {uid: path.read_bytes() for uid, path in there.items()} == {
        uid: content for uid, (_, content) in before.items()
    }
    for uid, (path, _) in before.items():
        assert path.exists() == (method is not Method.MOVE)
        assert there[uid].is_symlink() == (method is Method.SYMLINK)
        same = method in (Method.LINK, Method.SYMLINK)
        assert path.exists() is False or there[uid].samefile(path) == same
    again = run(files, target, method)
    left = {} if method is Method.MOVE else {Outcome.ALREADY_THERE: COUNT}
    assert [*again.counts.values()] == [left]


@pytest.mark.kills
def test_a_move_that_was_killed_ends_with_one_of_each(tmp_path: Path) -> None:
    """After a kill each file is at one place or at both; in the end at one."""
    source, target, chosen = tmp_path / "source", tmp_path / "target", random.Random(1)
    source.mkdir()
    for number in range(300):
        make(source, number, size=3000, study="1.2.3.52")
    whole = {uid: data_set(path) for uid, path in paths(source).items()}
    command = [
        sys.executable,
        "-m",
        "dcm",
        "sync",
        "-s",
        str(source),
        f"{target}/",
        "-y",
        "-m",
        "move",
    ]
    for _ in range(6):
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(tmp_path),
        )
        time.sleep(chosen.uniform(0.2, 0.8))
        process.kill()
        process.wait(timeout=10)
        there = paths(target) if target.exists() else {}
        assert whole.keys() == paths(source).keys() | there.keys()
        assert all(data_set(path) == whole[uid] for uid, path in there.items())
    # Linked, but not yet removed, when it was killed:
    left = paths(source)
    if not left:
        path = next(iter(paths(target).values()))
        os.link(path, source / "again.dcm")
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=90, check=False, env=_environment(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert paths(source) == {}
    assert {uid: data_set(path) for uid, path in paths(target).items()} == whole


def _environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "XDG_STATE_HOME": str(tmp_path), "DCM_CONFIG_PATH": os.devnull}


def test_a_move_keeps_what_differs(files: Path, tmp_path: Path) -> None:
    """If another object with the same UID is at the destination, both are there afterwards."""
    target = tmp_path / "target"
    target.mkdir()
    other = make(target, 0, size=2200, study="1.2.3.51")
    mine = data_set(files / "part0" / "00000.dcm")
    report = run(files, target, Method.MOVE)
    assert report.complete, report.problems
    assert paths(files) == {}
    kept = [data_set(path) for path in target.rglob("*.dcm")]
    assert len(kept) == COUNT + 1
    assert mine in kept
    assert data_set(other) in kept


def test_which_files_count(files: Path, tmp_path: Path) -> None:
    """Without recursion those of the folder itself; with an extension only matching ones."""
    make(files, 90, size=2000, study="1.2.3.51")
    (files / "part1" / "00001.dcm").rename(files / "part1" / "00001.IMA")
    for number, (options, count) in enumerate(
        [({"recurse": False}, 1), ({"in_file_ext": "ima"}, 1), ({"in_file_ext": "dcm"}, COUNT)]
    ):
        opener = Opener(Configuration("none"), US, **options)
        report = run(files, tmp_path / str(number), Method.PROXY, opener)
        assert [*report.counts.values()] == [{Outcome.STORED: count}]


def test_the_configuration_says_which_files_count(files: Path, tmp_path: Path) -> None:
    """in_file_ext of a folder applies when it is read."""
    (files / "part1" / "00001.dcm").rename(files / "part1" / "00001.IMA")
    text = f'[local_dirs.scans]\npath = "{files}"\nin_file_ext = "ima"\n'
    opener = Opener(Configuration.parse(text, "here.toml"), US)
    report = asyncio.run(sync("scans", f"{tmp_path}/target/", opener=opener))
    assert [*report.counts.values()] == [{Outcome.STORED: 1}]


def test_the_same_folder_under_two_names(files: Path, tmp_path: Path) -> None:
    """Also for a folder in the other, by any name, before anything is done."""
    other = tmp_path / "other"
    other.symlink_to(files)
    for source, target in (
        (files, files), (files, other), (files, files / "new"), (files / "part0", files),
        (other / "part0", files / "part0" / "deep" / "er"),
    ):  # fmt: skip
        for method in (Method.PROXY, Method.MOVE):
            with pytest.raises(SamePlace):
                run(source, target, method)
    assert len(paths(files)) == COUNT
    assert not (files / "new").exists()
    report = run(files, tmp_path / "files-2", Method.PROXY)  # a name with the same beginning
    assert report.complete


@pytest.mark.parametrize(
    ("one", "other"),
    [("localhost:PACS:104", "127.0.0.1:PACS:104"), ("http://localhost/dicom-web", "http://127.0.0.1:80/dicom-web/"),
     ("LOCALHOST:PACS:104", "localhost:PACS:104")],
)  # fmt: skip
def test_the_same_node_under_two_names(one: str, other: str, tmp_path: Path) -> None:
    """A source and a destination, or two destinations, are the same: nothing is queried."""
    with pytest.raises(SamePlace):
        asyncio.run(sync(one, other, opener=OPENER))
    with pytest.raises(SamePlace):
        asyncio.run(sync_data([str(tmp_path)], [one, other], opener=OPENER))


def test_what_cannot_be_combined(files: Path, tmp_path: Path) -> None:
    """Methods between folders need folders; copies that bypass this process cannot be verified."""
    with pytest.raises(CannotSync, match="is not one"):
        asyncio.run(sync(str(files), "127.0.0.1:X:1", method=Method.LINK, opener=OPENER))
    with pytest.raises(CannotSync, match="verification"):
        asyncio.run(
            sync(str(files), f"{tmp_path}/t/", method=Method.MOVE, verify=True, opener=OPENER)
        )
    with pytest.raises(CannotSync, match="single destination"):
        asyncio.run(
            sync(str(files), f"{tmp_path}/1/", f"{tmp_path}/2/", method=Method.MOVE, opener=OPENER)
        )
    with pytest.raises((CannotDo, CannotSync)):
        asyncio.run(
            sync("http://127.0.0.1:1/x", "127.0.0.1:X:1", method=Method.REMOTE_COPY, opener=OPENER)
        )
