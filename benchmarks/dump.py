"""What it costs to read elements of many files, and to compare folders: dcm, dcmdump and pydicom.

    TMPDIR=/dev/shm python benchmarks/dump.py [--files 100000] [--rounds 3]

Files of 10 kB. dcmdump runs once for each file, as people loop over files, and pydicom in one process; both
on fewer files, from which their time is multiplied. What dcm printed is checked, off the clock. Figures are
medians.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measuring import DCM, Cost, Invalid, environment, run

from harness.corpus import make

SIDE = 66  # pixels of 8.7 kB
NUMBER = b"000000"
PYDICOM = """
import os, sys
import pydicom
folder, count = sys.argv[1], int(sys.argv[2])
for name in sorted(os.listdir(folder))[:count]:
    found = pydicom.dcmread(f"{folder}/{name}", stop_before_pixels=True, specific_tags=["PatientID"])
    print(name, found.PatientID)
"""
LOOP = 'cd "$1"; ls | head -n "$2" | while read name; do dcmdump +P 0010,0020 "$name"; done'


def write_files(folder: Path, count: int) -> None:
    """Write images, each with its own Patient ID."""
    data = make.instance(number=1, PatientID=NUMBER.decode(), rows=SIDE, columns=SIDE).data
    before, after = data.split(NUMBER)
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:06}.dcm").write_bytes(b"%s%06d%s" % (before, number, after))


def check(command: Sequence[str | Path], count: int) -> None:
    """Require that the Patient IDs of all files are printed, in order."""
    done = subprocess.run(
        command, env=environment(nodelay=True), stdout=subprocess.PIPE, check=True, timeout=600
    )
    lines = [line for line in done.stdout.decode().splitlines() if ".dcm," in line]
    if [line[-6:] for line in lines] != [f"{number:06}" for number in range(count)]:
        raise Invalid("not all Patient IDs are there")


def median(costs: Sequence[Cost], factor: float = 1) -> tuple[float, float, float]:
    """Return the median of wall and CPU time, multiplied by `factor`, and the peak memory."""
    wall = statistics.median(each.wall for each in costs) * factor
    cpu = statistics.median(each.cpu for each in costs) * factor
    return wall, cpu, max(each.memory for each in costs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    count = options.files
    with tempfile.TemporaryDirectory() as temporary:
        folder, few, copy = (Path(temporary) / name for name in ("files", "few", "copy"))
        write_files(folder, count)
        write_files(few, count // 10)
        write_files(copy, count // 10)
        one: list[str | Path] = [*DCM, "dump", folder, "-i", "PatientID"]
        tenth: list[str | Path] = [*DCM, "dump", few, "-i", "PatientID"]
        table = ["--out-format", "csv"]
        pydicom: list[str | Path] = [sys.executable, "-c", PYDICOM, folder]
        check([*one, *table], count)
        some = min(count, 2000)
        rows: dict[str, tuple[list[str | Path], float]] = {
            "dcm dump, one element": (one, 1),
            "... with one process": ([*one, "--jobs", "1"], 1),
            "... as CSV": ([*one, *table], 1),
            "... as CSV, a tenth": ([*tenth, *table], 1),
            "... as Parquet": ([*one, "--out-format", "parquet", "-o", f"{temporary}/t"], 1),
            "... as JSON": ([*one, "--out-format", "json"], 1),
            "pydicom, one element": ([*pydicom, str(some * 5)], count / some / 5),
            "dcmdump, one element": (["sh", "-c", LOOP, "sh", folder, str(some)], count / some),
            "dcm dump, a tenth, all": ([*DCM, "dump", few], 1),
            "dcm dump, a tenth, JSON": ([*DCM, "dump", few, "--out-format", "json"], 1),
            "dcm diff, a tenth, same": ([*DCM, "diff", few, copy], 1),
        }  # fmt: skip
        costs: dict[str, list[Cost]] = {name: [] for name in rows}
        for _ in range(options.rounds):
            for name, (command, _) in rows.items():
                costs[name].append(run(command, nodelay=True))
    print(f"{count} files, medians of {options.rounds} rounds")
    print(f"{'':26}{'wall s':>9}{'CPU s':>9}{'x wall':>9}{'x CPU':>9}{'peak MB':>9}")
    wall_1, cpu_1, _ = median(costs["dcm dump, one element"])
    for name, (_, factor) in rows.items():
        wall, cpu, memory = median(costs[name], factor)
        times = f"{wall / wall_1:>9.2f}{cpu / cpu_1:>9.2f}"
        print(f"{name:26}{wall:>9.2f}{cpu:>9.2f}{times}{memory:>9.0f}")


if __name__ == "__main__":
    main()
