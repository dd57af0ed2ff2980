"""What an index costs: the first one of a folder, its check, queries, and instances that are stored.

    python benchmarks/index.py [--files 100000] [--entries 10000 100000 1000000] [--folder /dev/shm]
    python benchmarks/index.py --kills 50            # no times: is anything lost or half-written

The files are small CT images of 1 kB, one to a study, a thousand to a folder: the least favourable case. Wall
times, each a whole command or call; the peak memory is that of the process and of those that it started.
"""

import argparse
import asyncio
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from dcm.data.header import Header, scan_bytes
from dcm.data.levels import Level
from dcm.sinks import Folder, Head, Sink
from dcm.store.directory import Directory
from dcm.store.index import Index
from dcm.store.index_rows import WANTED
from dcm.wire import CStoreRQ

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "selftest"))

from store.objects import CT, EXPLICIT, content  # noqa: E402
from store.test_directory_kills import check, killed  # noqa: E402

NAMES = ("Muller", "Mulder", "Smith", "Jones", "Garcia", "Chen", "Nguyen", "Ivanov", "Rossi", "Ali")
QUERIES = {
    "name and dates, 100 studies, with numbers": (
        {
            "PatientName": "Mul*", "StudyDate": "20100101-20121231", "PatientID": "", "AccessionNumber": "",
            "StudyDescription": "", "ModalitiesInStudy": "", "NumberOfStudyRelatedSeries": "",
            "NumberOfStudyRelatedInstances": "",
        },
        Level.STUDY, 100,
    ),
    "name that nobody has": ({"PatientName": "*nobody*"}, Level.STUDY, 100),
    "one study, all instances": ({"StudyInstanceUID": "1.2.3.77"}, Level.IMAGE, None),
    "accession number": ({"AccessionNumber": "A4711"}, Level.STUDY, 100),
    "modality in study and dates": (
        {"ModalitiesInStudy": "MR", "StudyDate": "20240101-"}, Level.STUDY, 100,
    ),
    "the first 100 instances": ({}, Level.IMAGE, 100),
    "the last page of 100 studies": ({}, Level.STUDY, 100),
}  # fmt: skip
LIMIT = 3600


def attributes(number: int, per_study: int = 1) -> dict[str, str]:
    """Return the attributes of an image; each study belongs to a different patient."""
    study = number // per_study
    chance = random.Random(study)
    day = f"{chance.randint(2000, 2024)}{chance.randint(1, 12):02}{chance.randint(1, 28):02}"
    return {
        "SpecificCharacterSet": "ISO_IR 192", "ImageType": "ORIGINAL\\PRIMARY\\AXIAL", "SOPClassUID": CT,
        "SOPInstanceUID": f"1.2.3.{study}.1.{number}", "StudyDate": day, "SeriesDate": day,
        "ContentDate": day, "StudyTime": f"{chance.randint(0, 23):02}3015", "ContentTime": "101010",
        "AccessionNumber": f"A{study}", "Modality": chance.choice(("CT", "MR", "US")),
        "Manufacturer": "Maker", "InstitutionName": "Hospital", "ReferringPhysicianName": "Doe^Jane",
        "StudyDescription": "Abdomen with contrast", "SeriesDescription": f"Series {study}",
        "PatientName": f"{chance.choice(NAMES)}^{study}", "PatientID": f"P{study}",
        "PatientBirthDate": "19600101", "PatientSex": chance.choice("MF"),
        "StudyInstanceUID": f"1.2.3.{study}", "SeriesInstanceUID": f"1.2.3.{study}.1",
        "StudyID": str(study), "SeriesNumber": "1", "InstanceNumber": str(number % per_study),
        "SamplesPerPixel": "1", "PhotometricInterpretation": "MONOCHROME2", "Rows": "4", "Columns": "4",
        "BitsAllocated": "16", "BitsStored": "12", "PixelRepresentation": "0",
    }  # fmt: skip


def write_files(folder: Path, count: int, per_study: int) -> None:
    """Write files, a thousand to a folder."""
    for number in range(count):
        if number % 1000 == 0:
            below = folder / f"{number // 1000:04}"
            below.mkdir()
        (below / f"{number}.dcm").write_bytes(content(attributes(number, per_study), pixels=32))


def first_index(folder: Path, count: int) -> None:
    """Time the first index of a folder, and its checks, in separate processes."""
    program = (
        "import resource, sys, time; from dcm.store.index import Index; begun = time.perf_counter()\n"
        "with Index(sys.argv[1]) as index: updated = index.update()\n"
        "who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN\n"
        "print(time.perf_counter() - begun, max(resource.getrusage(each).ru_maxrss for each in who),"
        " updated.files, updated.scanned)"
    )
    for what in ("first index", "check", "check"):
        run = subprocess.run(
            [sys.executable, "-c", program, folder],
            capture_output=True, text=True, check=True, timeout=LIMIT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        taken, memory, files, scanned = run.stdout.split()
        assert int(files) == count
        print(
            f"  {what:44}{float(taken):8.2f} s  {count / float(taken):9,.0f} files/s"
            f"  {int(memory) / 1024:6.0f} MB  {scanned} scanned"
        )
    print(f"  {'size of the index':44}{(folder / '.dcm-index.sqlite').stat().st_size >> 20:8} MB")


def queries(index: Index, rounds: int = 7) -> None:
    """Time queries, `rounds` times each: the median and the longest."""
    for what, (query, level, limit) in QUERIES.items():
        offset = max(0, index.count({}, Level.STUDY) - 100) if "last" in what else 0
        times, found = [], 0
        for _ in range(rounds):
            begun = time.perf_counter()
            found = sum(1 for _ in index.find(query, level, limit=limit, offset=offset))
            times.append(time.perf_counter() - begun)
        print(
            f"  {what:44}{statistics.median(times) * 1000:8.1f} ms {max(times) * 1000:8.1f} ms  {found}"
        )


def entries(count: int) -> Iterator[tuple[str, int, int, Header]]:
    """Yield entries for an index, ten instances to a study, without files."""
    for number in range(count):
        header = scan_bytes(content(attributes(number, 10)), WANTED)
        yield f"{number // 1000}/{number}.dcm", 1000, number, header


def simulated(count: int, folder: Path) -> None:
    """Insert entries in a separate process, and print its peak memory."""
    program = (
        "import resource, sys; sys.path[:0] = sys.argv[3:]; import index as benchmark\n"
        "from dcm.store.index import Index\n"
        "with Index('/nowhere', sys.argv[1]) as index:\n"
        "    index.add_entries(benchmark.entries(int(sys.argv[2])))\n"
        "    inserted = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        "    benchmark.queries(index, 3)\n"
        "print('  inserted', sys.argv[2], 'entries with', inserted, 'MB at most, with queries',"
        " resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, 'MB')"
    )
    file = folder / f"{count}.sqlite"
    paths = [str(ROOT / "benchmarks"), str(ROOT), str(ROOT / "selftest")]
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", program, file, str(count), *paths], check=True, timeout=LIMIT
    )
    print(
        f"  {time.perf_counter() - begun:.1f} s in all; the index has {file.stat().st_size >> 20} MB"
    )
    file.unlink()


async def store(sink: Sink, objects: list[tuple[str, bytes]]) -> None:
    """Store instances like a listener."""
    for uid, data in objects:
        request = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid=uid)
        part = sink.begin(Head(request, EXPLICIT, "", "", ""))
        part.write([data])
        await part.commit()


async def stored(folder: Path, count: int, rounds: int = 5) -> None:
    """Store instances of 10 kB in a folder and in directories, interleaved."""
    objects = []
    for number in range(count):
        made = attributes(number, 10)
        data = content(made, pixels=10_000)
        objects.append((made["SOPInstanceUID"], data[scan_bytes(data, ()).data_set_offset :]))
    costs: dict[str, list[tuple[float, float]]] = {}
    for turn in range(rounds):
        for what in ("a folder", "a directory", "a directory, without checksums"):
            target = folder / f"{turn}-{what}"
            target.mkdir()
            async with Directory(target, checksums="without" not in what) as directory:
                begun, cpu = time.perf_counter(), time.process_time()
                if what == "a folder":
                    await store(Folder(target), objects)
                else:
                    await store(directory.sink, objects)
                    directory.index.count({"SOPInstanceUID": "1"}, Level.IMAGE)  # all is written
                cost = time.perf_counter() - begun, time.process_time() - cpu
            costs.setdefault(what, []).append(cost)
    for what, each in costs.items():
        wall, cpu = (statistics.median(values) for values in zip(*each, strict=True))
        print(f"  {what:44}{count / wall:8,.0f} /s   CPU {cpu / count * 1e6:6.0f} us each")


def kills(folder: Path, count: int) -> None:
    """Kill a process that stores, repeatedly, and check everything each time."""
    chance = random.Random()
    committed: set[int] = set()
    for kill in range(count):
        delay = chance.random() * 0.1
        committed.update(killed(folder, kill * 20_000, chance.randrange(1, 60), delay))
        check(folder, committed)
    print(f"{count} kills: {len(committed)} committed, all there, whole and indexed")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--per-study", type=int, default=1, help="files of a study: one by default")
    parser.add_argument("--entries", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--stored", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))  # noqa: S108
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        if options.kills:
            kills(folder, options.kills)
            return
        data = folder / "data"
        data.mkdir()
        write_files(data, options.files, options.per_study)
        print(f"{options.files:,} files")
        first_index(data, options.files)
        print("queries, median and longest, answers")
        with Index(data) as index:
            queries(index)
        for count in options.entries:
            print(f"{count:,} entries")
            simulated(count, folder)
        print(f"{options.stored:,} instances of 10 kB")
        asyncio.run(stored(folder, options.stored))
    print(
        f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB"
    )


if __name__ == "__main__":
    main()
