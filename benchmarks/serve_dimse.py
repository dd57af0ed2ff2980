"""The DIMSE services of `dcm serve` beside Orthanc and dcmqrscp: C-FIND, C-GET and C-STORE, in turn.

    python benchmarks/serve_dimse.py                 # all
    python benchmarks/serve_dimse.py find get-small --rounds 5

find: 1,000 studies by one C-FIND of findscu. get-small, get-ct: 1,000 objects of 10 kB and 300 of 0.5 MB
by one C-GET, of getscu and of `dcm get`. store-small, store-ct: the same by `dcm store`, each time
into an empty archive. Wall time is the client's, "x" is the ratio to the first archive, round by round; a run
that lost or changed an object is not counted. CPU time of the archives is printed at the end of each kind.
"""

import argparse
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from images import ROOT
from measuring import (
    DCM,
    HERE,
    Cost,
    Invalid,
    Server,
    check,
    dcmqrscp,
    digests,
    environment,
    free_port,
    orthanc,
    run,
    serving,
)
from tables import Row, measure

from harness.servers.locate import find_orthanc

Command = Sequence[str | Path]
KINDS = {
    "find": (1000, "small"),
    "get-small": (1000, "medium"),
    "get-ct": (300, "large"),
    "store-small": (1000, "medium"),
    "store-ct": (300, "large"),
}
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it


def dcm_serve(folder: Path, port: int) -> list[str | Path]:
    """Return the command for a writable `dcm serve`."""
    into = folder / "served"
    into.mkdir()
    where = ["--dicom-port", str(port), "--no-web", "--ae-title", "ANY-SCP", "--quiet"]
    return [*DCM, "serve", into, "--writable", *where]


ARCHIVES: dict[str, Callable[[Path, int], list[str | Path]]] = {
    "Orthanc": lambda folder, port: orthanc(find_orthanc().executable, folder, port),
    "dcmqrscp": dcmqrscp,
    "dcm serve": dcm_serve,
}


@contextmanager
def archive(name: str, folder: Path) -> Iterator[Server]:
    """Run an empty archive."""
    home = folder / name
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    port = free_port()
    with serving(port, ARCHIVES[name](home, port), nodelay=True) as server:
        yield server


def store(port: int, source: Path) -> Command:
    """Return the command that stores."""
    return [*DCM, "store", f"127.0.0.1:ANY-SCP:{port}", source]


def clients(kind: str, port: int, target: Path) -> dict[str, Command]:
    """Return the commands that query or retrieve."""
    where = ["-aec", "ANY-SCP", "127.0.0.1", str(port)]
    if kind == "find":
        names = ("QueryRetrieveLevel=STUDY", "StudyInstanceUID", "PatientName", "PatientID",
                 "StudyDate", "StudyDescription", "AccessionNumber")  # fmt: skip
        keys = [word for name in names for word in ("-k", name)]
        return {"findscu": ["findscu", "-q", "-S", *keys, *where]}
    study = f"StudyInstanceUID={ROOT}.1"
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", study]
    return {
        "getscu": ["getscu", "+B", "-S", *keys, *where, "-od", target],
        "dcm get": [*DCM, "get", f"127.0.0.1:ANY-SCP:{port}", study, "-o", target],
    }


class Kind:
    """One kind of work, in its own folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.source, self.target = folder / "source", folder / "target"
        self.target.mkdir()
        self.count, images = KINDS[name]
        make = [sys.executable, HERE / "images.py", self.source, str(self.count), images]
        subprocess.run(make, check=True, timeout=600, env=environment(nodelay=False))
        self.size = next(self.source.iterdir()).stat().st_size
        self.expected = digests(self.source)
        self.used: dict[str, list[float]] = {}
        """CPU time of the archives that store instances."""

    def measure(self, rounds: int) -> None:
        """Measure, and print."""
        title = f"{self.name}: {self.count} x {self.size:,} bytes"
        if self.name.startswith("store"):
            works = {name: self._storing(name) for name in ("Orthanc", "dcm serve")}
            measure([Row(title, works, self.count, self.size)], rounds, ())
            for each, used in self.used.items():
                median = statistics.median(used)
                print(f"  {each}: {median:.2f} s of CPU time, start and end included")
            return
        with ExitStack() as stack:
            servers = {each: stack.enter_context(archive(each, self.folder)) for each in ARCHIVES}
            for server in servers.values():
                run(store(server.port, self.source), nodelay=True)
            commands = {
                each: clients(self.name, server.port, self.target)
                for each, server in servers.items()
            }
            rows = [
                Row(
                    f"{title}, {client}",
                    {each: self._asking(commands[each][client]) for each in servers},
                    self.count,
                    self.size if self.name != "find" else 0,
                )
                for client in commands["Orthanc"]
            ]
            measure(rows, rounds, ())
        for each, server in servers.items():
            cost = server.cost
            print(
                f"  {each}: {cost.cpu:.2f} s of CPU time in all, {cost.memory:.0f} MB at its peak"
            )

    def _asking(self, command: Command) -> Callable[[], Cost]:
        def once() -> Cost:
            for path in self.target.iterdir():
                path.unlink()
            cost = run(command, nodelay=True)
            if self.name != "find":
                check(self.target, self.expected)
            return cost

        return once

    def _storing(self, name: str) -> Callable[[], Cost]:
        def once() -> Cost:
            with archive(name, self.folder) as server:
                cost = run(store(server.port, self.source), nodelay=True)
            check(self.folder / name, self.expected)
            self.used.setdefault(name, []).append(server.cost.cpu)
            return cost

        return once


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"all if none: {', '.join(KINDS)}")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if unknown := {*options.kinds} - {*KINDS}:
        parser.error(f"no such kind: {', '.join(unknown)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that cleaning up happens then, too
    memory = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    for name in options.kinds or KINDS:
        with tempfile.TemporaryDirectory(prefix="serve-", dir=memory) as folder:
            try:
                Kind(name, Path(folder)).measure(options.rounds)
            except Invalid as why:
                print(f"\n{name}: skipped: {why}")


if __name__ == "__main__":
    main()
