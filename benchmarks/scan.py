"""What a header scan costs: ours, pydicom's and dcmdump's, interleaved, on the same files.

    python benchmarks/scan.py [--files 1000] [--rounds 5]

CT images of 0.5 MB, 14 elements of each, from the page cache. dcmdump runs as a whole process, the
others as calls; figures are medians of the rounds, by CPU time (which is less disturbed than wall time).
"""

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom

from dcm.data.dictionary import tag_of
from dcm.data.header import COMMON, scan
from harness.corpus import make

SIDE = 512
LIMIT = 600.0


def write_images(folder: Path, count: int) -> list[str]:
    """Write images with zeros as pixels, which take no space on the disk."""
    paths = []
    for number in range(1, count + 1):
        sample = make.instance(number=number, rows=4, columns=4)
        data = sample.data[: -4 * 4 * 2 - 4] + (SIDE * SIDE * 2).to_bytes(4, "little")
        path = folder / f"{number}.dcm"
        with path.open("wb") as file:
            file.write(data)
            file.truncate(len(data) + SIDE * SIDE * 2)
        paths.append(str(path))
    return paths


def floor(paths: Sequence[str]) -> None:
    """Open, read 4 KiB, close: the minimum in Python."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.pread(descriptor, 4096, 0)
        os.close(descriptor)


def ours(paths: Sequence[str]) -> None:
    """Scan the header."""
    for path in paths:
        scan(path)


def ours_as_text(paths: Sequence[str]) -> None:
    """Scan the header, and decode every element of it."""
    for path in paths:
        header = scan(path)
        for keyword in COMMON:
            header.text(keyword)


def pydicom_before_pixels(paths: Sequence[str]) -> None:
    """Read up to the pixels."""
    for path in paths:
        pydicom.dcmread(path, stop_before_pixels=True)


def pydicom_specific(paths: Sequence[str]) -> None:
    """Read up to the pixels, and keep 14 elements."""
    for path in paths:
        pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(COMMON))


def dcmdump(paths: Sequence[str]) -> None:
    """Print 14 elements, skip long values, and stop after the last one."""
    wanted = [f"{tag_of(each) >> 16:04x},{tag_of(each) & 0xFFFF:04x}" for each in COMMON]
    command = ["dcmdump", "-q", "-M", "+sb", "0020,0014"]
    for each in wanted:
        command += ["+P", each]
    subprocess.run([*command, *paths], stdout=subprocess.DEVNULL, timeout=LIMIT, check=True)


CONTESTANTS: tuple[Callable[[Sequence[str]], None], ...] = (
    ours,
    ours_as_text,
    floor,
    dcmdump,
    pydicom_specific,
    pydicom_before_pixels,
)


def cost(work: Callable[[Sequence[str]], None], paths: Sequence[str]) -> tuple[float, float]:
    """Return CPU and wall time, including child processes."""
    wall, cpu = time.perf_counter(), cpu_time()
    work(paths)
    return cpu_time() - cpu, time.perf_counter() - wall


def cpu_time() -> float:
    """Return the CPU time of this process and its children so far."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_images(Path(folder), options.files)
        floor(paths)  # warms the cache
        rounds = [[cost(work, paths) for work in CONTESTANTS] for _ in range(options.rounds)]
    print(f"{options.files} files, medians of {options.rounds} rounds")
    print(f"{'':24}{'files/s (CPU)':>15}{'files/s (wall)':>16}{'x our CPU':>12}")
    reference = statistics.median(each[0][0] for each in rounds)
    for number, work in enumerate(CONTESTANTS):
        cpu = statistics.median(each[number][0] for each in rounds)
        wall = statistics.median(each[number][1] for each in rounds)
        speeds = f"{options.files / cpu:>15,.0f}{options.files / wall:>16,.0f}"
        print(f"{work.__name__:24}{speeds}{cpu / reference:>12.2f}")


if __name__ == "__main__":
    main()
