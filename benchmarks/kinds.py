"""The kinds of transfers that cost people time, by dcm and by the programs to beat, interleaved.

    python benchmarks/kinds.py [store-small get-ct ...] [--rounds 5] [--dcm PATH]

small: 5,000 objects of 10 kB; wan: 300 of them over a round trip of 20 ms; ct: 1,000 images of 0.5 MB. They
are stored to dcmtk's `storescp --fork` and fetched from its dcmqrscp, beside storescu and `getscu +B`.
store-rs: 3,000 objects of 10 kB to dicom-rs's `dicom-storescp`, beside `dicom-storescu -c 4`. help: how long
`dcm --help` takes.

All are whole processes on a RAM disk, with TCP_NODELAY=1 for all of them. "x" is the median over the rounds
of the ratio to the first program; a run that lost or changed an object is not counted.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
    run,
    serving,
    storescp,
)
from tables import Row, Work, measure

Command = Sequence[str | Path]

SIZES = {
    "small": (5000, "medium"),
    "wan": (300, "medium"),
    "ct": (1000, "large"),
    "rs": (3000, "medium"),
}
NAMES = (
    "store-small",
    "get-small",
    "store-wan",
    "get-wan",
    "store-ct",
    "get-ct",
    "store-rs",
    "help",
)
DELAY = "0.01"
"""The one-way delay for "wan", in seconds."""
CARGO = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo") / "bin"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it


def program(name: str) -> str:
    """Return the path of a program. Raises `Invalid` if it is not installed."""
    found = shutil.which(name) or shutil.which(name, path=CARGO)
    if found is None:
        raise Invalid(f"{name} is not installed")
    return found


class Kind:
    """One kind of transfer in its own folder; `dcm` is the command."""

    def __init__(self, name: str, folder: Path, dcm: Sequence[str]) -> None:
        self.name = name
        self.what, _, self.size = name.partition("-")
        self.dcm = dcm
        self.folder = folder
        self.source, self.target = folder / "source", folder / "target"
        self.target.mkdir()
        self.port = free_port()

    @contextmanager
    def row(self) -> Iterator[Row]:
        """Run the server, and yield what is to be measured."""
        if self.name == "help":
            commands = {
                "python -c pass": [sys.executable, "-c", "pass"],
                "dcm": [*self.dcm, "--help"],
            }
            yield Row("dcm --help", {each: self._work(commands[each], {}) for each in commands})
            return
        command = self._server()
        count, images = SIZES[self.size]
        make = [sys.executable, HERE / "images.py", self.source, str(count), images]
        subprocess.run(make, check=True, timeout=600, env=environment(nodelay=False))
        expected = digests(self.source)
        size = next(self.source.iterdir()).stat().st_size
        with serving(self.port, command, nodelay=True) as server:
            if self.what == "get":
                run(self._store(self.port)["storescu"], nodelay=True)
            with self._distance() if self.size == "wan" else nullcontext(server) as near:
                commands = (self._get if self.what == "get" else self._store)(near.port)
                works = {each: self._work(commands[each], expected) for each in commands}
                yield Row(f"{self.name}: {count} x {size:,} bytes", works, count, size)

    def _distance(self) -> AbstractContextManager[Server]:
        port = free_port()
        proxy = [sys.executable, HERE / "distance.py", str(port), str(self.port), DELAY]
        return serving(port, proxy, nodelay=True)

    def _server(self) -> Command:
        if self.what == "get":
            return dcmqrscp(self.folder, self.port)
        if self.size == "rs":
            options = ["--promiscuous", "--non-blocking", "-p", str(self.port)]
            return [program("dicom-storescp"), *options, "-o", self.target]
        return [*storescp(self.target, self.port), "--fork"]

    def _store(self, port: int) -> dict[str, Command]:
        dcm = [*self.dcm, "store", f"127.0.0.1:ANY-SCP:{port}", self.source]
        if self.size == "rs":
            rs = [program("dicom-storescu"), "-c", "4", f"ANY-SCP@127.0.0.1:{port}", self.source]
            return {"storescu -c 4": rs, "dcm": dcm}
        dcmtk = [program("storescu"), "-aec", "ANY-SCP", "+sd", "127.0.0.1", str(port), self.source]
        return {"storescu": dcmtk, "dcm": dcm}

    def _get(self, port: int) -> dict[str, Command]:
        study = f"StudyInstanceUID={ROOT}.1"
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", study]
        where = ["-aec", "ANY-SCP", "127.0.0.1", str(port), "-od", self.target]
        return {
            "getscu +B": [program("getscu"), "+B", "-S", *keys, *where],
            "dcm": [*self.dcm, "get", f"127.0.0.1:ANY-SCP:{port}", study, "-o", self.target],
        }

    def _work(self, command: Command, expected: dict[str, bytes]) -> Work:
        def once() -> Cost:
            for path in self.target.iterdir():
                path.unlink()
            cost = run(command, nodelay=True)
            check(self.target, expected)
            return cost

        return once


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"all if none: {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dcm", metavar="PATH", help="an installed command, not this checkout's")
    options = parser.parse_args()
    if unknown := {*options.kinds} - {*NAMES}:
        parser.error(f"no such kind: {', '.join(unknown)}")
    # An installed command works without this PYTHONPATH.
    dcm = ("env", "-u", "PYTHONPATH", options.dcm) if options.dcm else DCM
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that cleaning up happens then, too
    memory = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    for name in options.kinds or NAMES:
        with tempfile.TemporaryDirectory(prefix="kinds-", dir=memory) as folder:
            try:
                with Kind(name, Path(folder), dcm).row() as row:
                    measure([row], options.rounds, ())
            except Invalid as why:
                print(f"\n{name}: skipped: {why}")


if __name__ == "__main__":
    main()
