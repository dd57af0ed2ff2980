"""What a contact sheet costs: the whole command `dcm view`, and its peak memory.

    python benchmarks/view.py [--images 10000] [--folder /dev/shm]

The images are CT of 256 x 256 pixels, 131 kB each, in series of 500. Peak memory: of the greatest of the
processes, the one that writes or those that decode.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from index import attributes
from measuring import DCM, run
from pydicom import dcmread
from store.objects import content

SIDE = 256


def write_images(folder: Path, count: int) -> None:
    """Write images with different numbers."""
    first = folder / "first"
    first.write_bytes(content(attributes(0), pixels=2))
    ds = dcmread(first)
    first.unlink()
    ds.Rows = ds.Columns = SIDE
    ds.PixelRepresentation, ds.HighBit, ds.BitsAllocated, ds.BitsStored = 0, 11, 16, 12
    ds.WindowCenter, ds.WindowWidth, ds.PixelSpacing = "1000", "2000", ["0.7", "0.7"]
    steps = np.arange(SIDE, dtype="<u2")
    for number in range(count):
        ds.PixelData = (
            ((steps[:, None] * steps[None, :] // 16 + number) % 4096).astype("<u2").tobytes()
        )
        ds.InstanceNumber = str(number % 500)
        ds.SeriesNumber = str(number // 500)
        ds.SeriesInstanceUID = f"1.2.3.{number // 500}"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = (
            f"1.2.3.{number // 500}.{number}"
        )
        ds.save_as(folder / f"{number:06}.dcm")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))  # noqa: S108
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name, "images")
        folder.mkdir()
        write_images(folder, options.images)
        for output in ("page.html", "sheet.png"):
            path = Path(name, output)
            cost = run([*DCM, "view", folder, "-o", path, "--size", "128"], nodelay=False)
            print(
                f"{output:12}{cost.wall:8.2f} s {options.images / cost.wall:7,.0f} images/s"
                f"   CPU {cost.cpu:6.2f} s {cost.memory:6.0f} MB"
                f"   {path.stat().st_size / 1e6:6.1f} MB written"
            )


if __name__ == "__main__":
    main()
