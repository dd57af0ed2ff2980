"""What sorting costs: files by hard link, copy and move, and the undoing of it.

    python benchmarks/sort.py [--files 100000] [--folder /dev/shm]

The files are small CT images of 1 kB, a thousand to a folder; each goes into three new folders.
Wall times of the whole command `dcm sort`; the peak memory is that of the process that sorts.
"""

import argparse
import tempfile
from pathlib import Path

from index import write_files
from measuring import DCM, run

TEMPLATE = "{PatientID}/{StudyInstanceUID}/{Modality}/{SOPInstanceUID}.dcm"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))  # noqa: S108
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        source = Path(name, "source")
        source.mkdir()
        write_files(source, options.files)
        for method in ("link", "copy", "move"):
            target = Path(name, method)
            words = ["sort", source, "-o", target, "--dir-format", TEMPLATE, "--method", method]
            tell(options.files, method, [*DCM, *words, "--no-progress"])
            assert sum(1 for _ in target.rglob("*.dcm")) == options.files
            [journal] = target.glob(".dcm-sort-*")
            tell(options.files, f"undo {method}", [*DCM, "sort", "--undo", journal])
            assert not [*target.rglob("*")]
            assert sum(1 for _ in source.rglob("*.dcm")) == options.files


def tell(count: int, what: str, command: list[str | Path]) -> None:
    """Run a command, and print what it used."""
    cost = run(command, nodelay=False)
    print(
        f"{what:12}{cost.wall:8.2f} s {count / cost.wall:9,.0f} files/s   CPU {cost.cpu:6.2f} s"
        f"   {cost.memory:5.0f} MB"
    )


if __name__ == "__main__":
    main()
