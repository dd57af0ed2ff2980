"""Kills `dcm` at random moments of a transfer, and checks what is left.

    python benchmarks/kills.py [ROUNDS] [SCENARIO ...]

Sender, receiver, `dcm get`, and `dcm sync` of 1,000 instances from an archive to an archive, to a
folder and by moving files, in turn, ROUNDS times each (50). Requirements: a file under its final
name is a complete instance; instances whose storage was confirmed to the sender exist; repeating
the command completes the transfer. After a sync, everything exists once, byte for byte.
"""

import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "selftest")]

from net.files import data_set, data_sets, make  # noqa: E402 - the path comes first
from net.peers import answers, dcmqrscp, free_port  # noqa: E402

from dcm.data.header import scan  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

FILES = 300
SYNCED = 1000
DCM = (sys.executable, "-m", "dcm")
LONGEST = 1.5
"""The latest time of a kill, in seconds: most transfers end before it."""


def main() -> None:
    """Run all rounds, and print how many ended before the kill."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    scenarios = (kill_sender, kill_receiver, kill_get, kill_sync, kill_sync_to_folder, kill_move)
    chosen = [each for each in scenarios if not sys.argv[2:] or each.__name__ in sys.argv[2:]]
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        source = work / "source"
        source.mkdir()
        for scenario in chosen:
            shutil.rmtree(source)
            source.mkdir()
            for number in range(FILES if scenario in scenarios[:3] else SYNCED):
                make(source, number, size=10_000)
            whole = data_sets(source)
            before = [scenario(work, source, whole) for _ in range(rounds)]
            print(f"{scenario.__name__}: {rounds} kills, {sum(before)} of them after the end")


def kill_sender(work: Path, source: Path, whole: dict[str, bytes]) -> bool:
    """Kill `dcm store`: the receiver must have only complete instances."""
    with receiver(work) as (node, target, _):
        ended = killed([*DCM, "store", node, str(source)])
        wait_until(lambda: not list(target.glob(".*")), what="the receiver to tidy up")
        require_whole(target, whole)
    return ended


def kill_receiver(work: Path, source: Path, whole: dict[str, bytes]) -> bool:
    """Kill `dcm listen`: instances whose storage was confirmed must exist and be complete."""
    report = work / "report.json"
    with receiver(work) as (node, target, process):
        sender = subprocess.Popen(
            [*DCM, "store", node, str(source), "--report", str(report), "--quiet"],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        time.sleep(random.uniform(0, LONGEST))
        ended = sender.poll() is not None
        process.kill()
        sender.wait(timeout=120)
        there = require_whole(target, whole)
    told = json.loads(report.read_text())["instances"]
    assert len(told) == FILES, f"{len(told)} outcomes of {FILES}"
    stored = {each["sop_instance_uid"] for each in told if each["outcome"] == "stored"}
    assert stored <= there, f"said to be stored, and not there: {stored - there}"
    return ended


def kill_get(work: Path, source: Path, whole: dict[str, bytes]) -> bool:
    """Kill `dcm get`: the folder must have only complete instances; repeating completes it."""
    archive = work / "archive"
    target = work / "got"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    with contextlib.ExitStack() as stack:
        shutil.rmtree(archive, ignore_errors=True)
        node = str(stack.enter_context(dcmqrscp(archive)))
        subprocess.run([*DCM, "store", node, str(source)], check=True, stdout=subprocess.DEVNULL)
        get = [*DCM, "get", node, "StudyInstanceUID=1.2.3.4.1", "-o", str(target)]
        ended = killed(get)
        require_whole(target, whole)
        subprocess.run(get, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert require_whole(target, whole) == whole.keys()
    return ended


def kill_sync(work: Path, source: Path, whole: dict[str, bytes]) -> bool:
    """Kill `dcm sync` between archives: after repeating it, everything must be there unchanged."""
    back = work / "back"
    for each in (back, work / "target"):
        shutil.rmtree(each, ignore_errors=True)
    with archive(work, source) as node, dcmqrscp(work / "target") as target:
        sync = [*DCM, "sync", "-y", "-s", node, str(target)]
        ended = killed(sync)
        quietly(sync)
        quietly([*DCM, "sync", "-y", "-s", str(target), f"{back}/"])
        assert require_whole(back, whole) == whole.keys()
        assert len([*back.rglob("*.dcm")]) == len(whole)
    return ended


def kill_sync_to_folder(work: Path, source: Path, whole: dict[str, bytes]) -> bool:
    """Kill `dcm sync` into a folder: named files are complete, and finally each is there once."""
    target = work / "target"
    shutil.rmtree(target, ignore_errors=True)
    with archive(work, source) as node:
        sync = [*DCM, "sync", "-y", "-s", node, f"{target}/"]
        ended = killed(sync)
        if target.exists():
            require_whole(target, whole)
        quietly(sync)
        assert require_whole(target, whole) == whole.keys()
        assert len([*target.rglob("*.dcm")]) == len(whole)
    return ended


def kill_move(work: Path, source: Path, whole: dict[str, bytes]) -> bool:
    """Kill `dcm sync -m move`: no file is lost, and finally each is only at the destination."""
    target, moved = work / "target", work / "moved"
    for each in (target, moved):
        shutil.rmtree(each, ignore_errors=True)
    shutil.copytree(source, moved)
    sync = [*DCM, "sync", "-y", "-s", str(moved), f"{target}/", "-m", "move"]
    ended = killed(sync)
    there = require_whole(target, whole) if target.exists() else set()
    assert there | require_whole(moved, whole) == whole.keys()
    quietly(sync)
    assert require_whole(target, whole) == whole.keys()
    assert len([*target.rglob("*.dcm")]) == len(whole)
    assert not [*moved.rglob("*.dcm")]
    return ended


_archives = contextlib.ExitStack()
_running: dict[Path, str] = {}


@contextlib.contextmanager
def archive(work: Path, source: Path) -> Iterator[str]:
    """Provide an archive with all files, which runs until the program ends."""
    if work not in _running:
        node = str(_archives.enter_context(dcmqrscp(work / "full")))
        quietly([*DCM, "store", node, str(source)])
        _running[work] = node
    yield _running[work]


def quietly(command: list[str]) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def receiver(work: Path) -> Iterator[tuple[str, Path, subprocess.Popen[bytes]]]:
    """Run `dcm listen` with an empty folder."""
    target, port = work / "target", free_port()
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    process = subprocess.Popen(
        [*DCM, "listen", "-o", str(target), "--host", "127.0.0.1", "--port", str(port), "--quiet"],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(port), what="dcm listen", within=30)
        yield f"127.0.0.1:DCM:{port}", target, process
    finally:
        process.kill()
        process.wait()


def killed(command: list[str]) -> bool:
    """Run a command and kill it at a random moment; return whether it had ended before."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(random.uniform(0, LONGEST))
    ended = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return ended


def require_whole(folder: Path, whole: dict[str, bytes]) -> set[str]:
    """Return the UIDs of the instances under their final names; each must be complete."""
    found = set()
    for path in folder.rglob("[!.]*.dcm"):
        uid = scan(path).sop_instance_uid
        assert data_set(path) == whole[uid], f"{path} is not whole"
        found.add(uid)
    return found


if __name__ == "__main__":
    with _archives:
        main()
