"""How fast images are de-identified, on one core and a RAM disk.

    python benchmarks/deidentify.py [--images 400] [--rounds 3]

CT images of 0.5 MB with some 130 attributes, sequences and private elements among them. The figures are
medians of images a second, by wall time and by CPU time: files written by `FileDeidentifier`; the filter
alone, whose result is sent and not written; and what writing costs without it.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import generate_uid

from dcm.deidentify import FileDeidentifier, make_deidentify_filter
from dcm.deidentify.table import table
from dcm.filt.files import FileEditor
from dcm.filt.reject import make_reject_filter
from dcm.instances import SLICE, instance_of
from dcm.store.layout import Layout
from harness.corpus import Maker

SIDE = 512
KEY = b"a key for the benchmark"
LAYOUT = Layout("{SOPInstanceUID}.dcm")
PROFILES = {
    "basic": "",
    "dates and words": "modified-dates,clean-descriptors,retain-device",
}
Work = Callable[[Sequence[str], Path], None]


def write_files(folder: Path, count: int) -> list[str]:
    """Write images as a scanner makes them."""
    folder.mkdir()
    data_set = Maker("BENCH").instance(Modality="CT").dataset()
    data_set.Rows = data_set.Columns = SIDE
    data_set.BitsAllocated = data_set.BitsStored = 16
    data_set.HighBit = 15
    data_set.PixelData = os.urandom(SIDE * SIDE * 2)
    data_set["PixelData"].VR = "OW"
    _fill(data_set)
    paths = []
    for number in range(count):
        data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data_set.InstanceNumber = number + 1
        path = folder / f"{number}.dcm"
        data_set.save_as(path)
        paths.append(str(path))
    return paths


def _fill(data_set: Dataset) -> None:
    """Add elements that scanners add."""
    texts = {
        "StudyDescription": "CT Thorax with contrast", "SeriesDescription": "Thorax 1.5 mm B30",
        "InstitutionName": "General Hospital", "StationName": "CT01", "OperatorsName": "Miller^Ann",
        "DeviceSerialNumber": "4711", "ProtocolName": "Thorax routine", "PatientAge": "042Y",
        "AcquisitionDate": "20240131", "AcquisitionTime": "101112.5", "StudyDate": "20240131",
        "SeriesDate": "20240131", "ContentDate": "20240131", "FilterType": "FLAT", "KVP": "120",
    }  # fmt: skip
    for keyword, text in texts.items():
        setattr(data_set, keyword, text)
    items = []
    for _ in range(2):
        item = Dataset()
        item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        item.ReferencedSOPInstanceUID = generate_uid()
        items.append(item)
    data_set.ReferencedImageSequence = items
    data_set.SourceImageSequence = items
    block = data_set.private_block(0x0019, "ACME 1.0", create=True)
    for number in range(40):
        block.add_new(number, "LO", f"private {number}")
    for number in range(30):
        data_set.add_new(0x00189300 + number + 1, "FD", float(number))


def files(options: str) -> Work:
    """De-identify into a folder."""
    through = make_deidentify_filter(options, key=KEY)

    def work(paths: Sequence[str], target: Path) -> None:
        writer = FileDeidentifier(through, str(target), LAYOUT)
        for path in paths:
            writer.write(path)

    return work


def alone(options: str) -> Work:
    """De-identify, and discard the slices."""
    through = make_deidentify_filter(options, key=KEY)
    memory = bytearray(SLICE)

    def work(paths: Sequence[str], _: Path) -> None:
        for path in paths:
            for _part in through.apply(instance_of(path)).slices(memory, []):
                pass

    return work


def copied(paths: Sequence[str], target: Path) -> None:
    """Copy files like a filter that changes nothing."""
    editor = FileEditor(make_reject_filter("Modality == XX"))
    for path in paths:
        editor.into(path, str(target / Path(path).name))


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    table()
    shm = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a RAM disk
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        paths = write_files(Path(folder) / "source", arguments.images)
        works: dict[str, Work] = {"copied": copied}
        for name, options in PROFILES.items():
            works[f"{name}: files"] = files(options)
            works[f"{name}: in memory"] = alone(options)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
        for number in range(arguments.rounds):
            for name, work in works.items():
                with tempfile.TemporaryDirectory(dir=folder) as target:
                    began, used = time.perf_counter(), time.process_time()
                    work(paths, Path(target) / f"out-{number}")
                    times[name].append((time.perf_counter() - began, time.process_time() - used))
    print(f"images of {SIDE * SIDE * 2 / 1e6:.1f} MB a second, median of {arguments.rounds}")
    print(f"  {'':30}    wall     CPU")
    for name, measured in times.items():
        wall, cpu = (statistics.median(each) for each in zip(*measured, strict=True))
        print(f"  {name:30}{arguments.images / wall:8.0f}{arguments.images / cpu:8.0f}")


if __name__ == "__main__":
    main()
