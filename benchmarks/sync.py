"""Copying from one archive to another: dcm sync, and getscu followed by storescu, interleaved.

    python benchmarks/sync.py [ct small wan nothing] [--rounds 3] [--orthanc PATH]

ct: 1,000 images of 0.5 MB; small: 3,000 objects of 10 kB; wan: 300 of them, with a round trip of 20 ms to
both archives; nothing: 1,000 small objects that both have (the CPU time beyond `dcm --help` counts). Both
archives are Orthanc, or dcmqrscp if no Orthanc is named, on a RAM disk; the destination is a new one each
time, and is asked afterwards whether it has everything. "x" is the median of the ratios.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from images import ROOT
from kinds import DELAY, SHARED_MEMORY, program
from measuring import (
    DCM,
    HERE,
    Cost,
    Invalid,
    Server,
    dcmqrscp,
    environment,
    free_port,
    orthanc,
    run,
    serving,
)
from tables import Row, measure

SIZES = {
    "ct": (1000, "large"),
    "small": (3000, "medium"),
    "wan": (300, "medium"),
    "nothing": (1000, "medium"),
}
STUDY = f"StudyInstanceUID={ROOT}.1"


class Copying:
    """One kind of copying, in its own folder."""

    def __init__(self, name: str, folder: Path, orthanc_path: Path | None) -> None:
        self.name = name
        self.folder = folder
        self.count, self.images = SIZES[name]
        self._orthanc = orthanc_path
        self._number = 0

    @contextmanager
    def row(self) -> Iterator[Row]:
        """Run the source, and yield what is to be measured."""
        files = self.folder / "files"
        make = [sys.executable, HERE / "images.py", files, str(self.count), self.images]
        subprocess.run(make, check=True, timeout=600, env=environment(nodelay=False))
        size = next(files.iterdir()).stat().st_size
        with ExitStack() as stack:
            source, near = self._archive(stack)
            self._send(source, files)
            works: dict[str, Callable[[], Cost]] = {
                "getscu, storescu": lambda: self._by_dcmtk(near),
                "dcm sync": lambda: self._by_dcm(near),
            }
            if self.name == "nothing":
                target, near_target = self._archive(stack)
                self._send(target, files)
                works = {
                    "dcm --help": lambda: run([*DCM, "--help"], nodelay=True),
                    "dcm sync": lambda: run(_sync(near, near_target), nodelay=True),
                }
            yield Row(f"{self.name}: {self.count} x {size:,} bytes", works, self.count, size)

    def _archive(self, stack: ExitStack) -> tuple[Server, Server]:
        """Start an empty archive; return it, and the server through which to reach it."""
        self._number += 1
        folder, port = self.folder / f"archive{self._number}", free_port()
        folder.mkdir()
        command = orthanc(self._orthanc, folder, port) if self._orthanc else dcmqrscp(folder, port)
        server = stack.enter_context(serving(port, command, nodelay=True))
        if self.name != "wan":
            return server, server
        far = free_port()
        proxy = [sys.executable, HERE / "distance.py", str(far), str(port), DELAY]
        return server, stack.enter_context(serving(far, proxy, nodelay=True))

    def _send(self, to: Server, files: Path) -> None:
        run(_storescu(to, files), nodelay=True)

    def _by_dcm(self, source: Server) -> Cost:
        with ExitStack() as stack:
            server, near = self._archive(stack)
            cost = run(_sync(source, near), nodelay=True)
            self._check(server)
        return cost

    def _by_dcmtk(self, source: Server) -> Cost:
        with ExitStack() as stack:
            server, near = self._archive(stack)
            between = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self.folder)))
            keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", STUDY, "-od", between, "+B"]
            where = ["-aec", "ANY-SCP", "127.0.0.1", str(source.port)]
            fetched = run([program("getscu"), "-S", *keys, *where], nodelay=True)
            stored = run(_storescu(near, between), nodelay=True)
            self._check(server)
        return Cost(fetched.wall + stored.wall, fetched.cpu + stored.cpu, fetched.memory)

    def _check(self, server: Server) -> None:
        """Require that an archive lists everything."""
        asked = [*DCM, "query", server.node(), STUDY, "--level", "image"]
        done = subprocess.run(
            [*asked, "--out-format", "json"], capture_output=True, text=True, check=True,
            timeout=60, env=environment(nodelay=True),
        )  # fmt: skip
        listed = done.stdout.count('"SOPInstanceUID"')
        if listed != self.count:
            raise Invalid(f"{listed} of {self.count} objects arrived")


def _sync(source: Server, target: Server) -> Sequence[str]:
    return [*DCM, "sync", "-s", source.node(), target.node(), "-q", STUDY]


def _storescu(to: Server, files: Path) -> Sequence[str | Path]:
    return [program("storescu"), "-aec", "ANY-SCP", "+sd", "127.0.0.1", str(to.port), files]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"all if none: {', '.join(SIZES)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--orthanc", metavar="PATH", type=Path, help="the program")
    options = parser.parse_args()
    if unknown := {*options.kinds} - {*SIZES}:
        parser.error(f"no such kind: {', '.join(unknown)}")
    memory = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    for name in options.kinds or SIZES:
        with (
            tempfile.TemporaryDirectory(prefix="sync-", dir=memory) as folder,
            Copying(name, Path(folder), options.orthanc).row() as row,
        ):
            measure([row], options.rounds, ())


if __name__ == "__main__":
    main()
