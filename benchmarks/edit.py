"""How fast files are edited: `dcm edit` beside pydicom and dcmodify, on a RAM disk.

    python benchmarks/edit.py [--small 2000] [--images 400] [--rounds 3]

Objects of 10 kB, and CT images of 0.5 MB. Two edits: Patient ID and name, and all UIDs. The figures are
medians of files a second, by CPU time, which other programs disturb less, and by wall time. dcmodify runs as
one process for all files. "in memory" is what a sender does: nothing is written.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom

from dcm.filt import UidFilter, make_edit_filter
from dcm.filt.base import Filter
from dcm.filt.files import FileEditor
from dcm.instances import SLICE, instance_of
from harness.corpus import make

SIDE = 512
LIMIT = 600
KEY = b"a key for the benchmark"
EDITS = {"PatientID": "EDITED", "PatientName": "Edited^Name"}
Work = Callable[[Sequence[str], Path], object]


def write_files(folder: Path, count: int, *, small: bool) -> list[str]:
    """Write objects of 10 kB, or images of 0.5 MB with random pixels."""
    folder.mkdir()
    pixels = os.urandom(SIDE * SIDE * 2)
    paths = []
    for number in range(1, count + 1):
        sample = make.instance(number=number, rows=64 if small else 4, columns=68 if small else 4)
        data = sample.data
        if not small:
            data = data[: -4 * 4 * 2 - 4] + len(pixels).to_bytes(4, "little") + pixels
        path = folder / f"{number}.dcm"
        path.write_bytes(data)
        paths.append(str(path))
    return paths


def ours(through: Filter) -> Work:
    """Edit into another folder."""

    def work(paths: Sequence[str], target: Path) -> None:
        editor = FileEditor(through)
        for path in paths:
            editor.into(path, str(target / Path(path).name))

    return work


def in_memory(through: Filter) -> Work:
    """Edit, and iterate over the data that would be sent."""

    def work(paths: Sequence[str], _: Path) -> None:
        memory = bytearray(SLICE)
        for path in paths:
            for _part in through.apply(instance_of(path)).slices(memory, []):
                pass

    return work


def command(paths: Sequence[str], target: Path) -> None:
    """Run the command, including its start."""
    words = [f"--edit={key}={value}" for key, value in EDITS.items()]
    source = str(Path(paths[0]).parent)
    subprocess.run(
        [sys.executable, "-m", "dcm", "edit", source, "-o", str(target), *words],
        check=True, timeout=LIMIT, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def of_pydicom(paths: Sequence[str], target: Path) -> None:
    """Read, set and write."""
    for path in paths:
        data_set = pydicom.dcmread(path)
        data_set.PatientID, data_set.PatientName = EDITS["PatientID"], EDITS["PatientName"]
        data_set.save_as(target / Path(path).name)


def dcmodify(paths: Sequence[str], target: Path) -> None:
    """Edit copies of the files in place; copying is included, as for the others."""
    copies = [str(shutil.copy(path, target)) for path in paths]
    words = [part for key, value in EDITS.items() for part in ("-i", f"{key}={value}")]
    subprocess.run(["dcmodify", "-nb", "-ie", *words, *copies], check=True, timeout=LIMIT)


CONTESTANTS: dict[str, Work] = {
    "two elements": ours(make_edit_filter(EDITS)),
    "two elements, in memory": in_memory(make_edit_filter(EDITS)),
    "all UIDs": ours(UidFilter(KEY)),
    "all UIDs, in memory": in_memory(UidFilter(KEY)),
    "dcm edit": command,
    "pydicom": of_pydicom,
    "dcmodify": dcmodify,
}


def rates(work: Work, paths: Sequence[str], folder: Path) -> tuple[float, float]:
    """Return the files per second, by CPU time and by wall time."""
    target = folder / "target"
    target.mkdir()
    wall, cpu = time.perf_counter(), cpu_time()
    work(paths, target)
    found = len(paths) / (cpu_time() - cpu), len(paths) / (time.perf_counter() - wall)
    shutil.rmtree(target)
    return found


def cpu_time() -> float:
    """Return the CPU time of this process and its children so far."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", type=int, default=2000)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - the RAM disk
    with tempfile.TemporaryDirectory(dir=place) as name:
        folder = Path(name)
        kinds = {
            "10 kB": write_files(folder / "small", options.small, small=True),
            "0.5 MB": write_files(folder / "images", options.images, small=False),
        }
        heads = [f"{kind}, {how}" for kind in kinds for how in ("CPU", "wall")]
        print(f"{'files a second':26}" + "".join(f"{head:>14}" for head in heads))
        for label, work in CONTESTANTS.items():
            if label == "dcmodify" and shutil.which("dcmodify") is None:
                continue
            row = []
            for paths in kinds.values():
                found = [rates(work, paths, folder) for _ in range(options.rounds)]
                row += [statistics.median(column) for column in zip(*found, strict=True)]
            print(f"{label:26}" + "".join(f"{each:>14,.0f}" for each in row))


if __name__ == "__main__":
    main()
