"""Kills `dcm` at random moments of a transfer, and looks at what is left.

    python benchmarks/kills.py [ROUNDS]

Sender, receiver and `dcm get` in turn, ROUNDS times each (50). What must hold: a file under its final name
is the whole instance; what a sender was told is stored is there; the same command again brings the rest.
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
DCM = (sys.executable, "-m", "dcm")
LONGEST = 1.5
"""Seconds after which a process is killed at the latest: most transfers end within them."""


def main() -> None:
    """Run all rounds, and print how many ended before the kill."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        source = work / "source"
        source.mkdir()
        for number in range(FILES):
            make(source, number, size=10_000)
        whole = data_sets(source)
        for scenario in (kill_sender, kill_receiver, kill_get):
            before = [scenario(work, source, whole) for _ in range(rounds)]
            print(f"{scenario.__name__}: {rounds} kills, {sum(before)} of them after the end")


def kill_sender(work: Path, source: Path, whole: dict[str, bytes]) -> bool:
    """Kill `dcm store`: the receiver has whole instances only."""
    with receiver(work) as (node, target, _):
        ended = killed([*DCM, "store", node, str(source)])
        wait_until(lambda: not list(target.glob(".*")), what="the receiver to tidy up")
        require_whole(target, whole)
    return ended


def kill_receiver(work: Path, source: Path, whole: dict[str, bytes]) -> bool:
    """Kill `dcm listen`: what the sender was told is stored is there, and whole."""
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
    """Kill `dcm get`: the folder has whole instances only, and the same command brings the rest."""
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
    """Return the UIDs of the instances that have their final name; each must be whole."""
    found = set()
    for path in folder.rglob("[!.]*.dcm"):
        uid = scan(path).sop_instance_uid
        assert data_set(path) == whole[uid], f"{path} is not whole"
        found.add(uid)
    return found


if __name__ == "__main__":
    main()
