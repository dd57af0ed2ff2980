"""What transfers cost: ours, dcmtk's programs and pynetdicom's on the same work, interleaved.

    python benchmarks/transfers.py [--quick] [--rounds 3] [--rows store get query scp start]

All are whole processes, with servers at their defaults (D) and with TCP_NODELAY=1 for all (N). Ratios are
medians over the rounds of what was measured side by side; a run that lost or changed an object counts as
invalid and not as a time. At the defaults dcmtk's programs wait 40 ms for each object: there a tenth of the
objects is sent, which is to our disadvantage, as our start-up then weighs more.
"""

import argparse
import compileall
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from images import ROOT
from measuring import (
    DCM,
    HERE,
    Cost,
    Server,
    check,
    dcmqrscp,
    digests,
    environment,
    free_port,
    listener,
    orthanc,
    run,
    serving,
    storescp,
)
from tables import Row, Work, measure

from harness.servers.locate import find_orthanc

PYNETDICOM = (sys.executable, "-m", "pynetdicom")
STUDY = ("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={ROOT}.1")
QUERY = (
    *("QueryRetrieveLevel=STUDY", "StudyInstanceUID=", "PatientName=", "PatientID=", "StudyDate="),
    *("StudyTime=", "AccessionNumber=", "StudyID=", "StudyDescription=", "ReferringPhysicianName="),
)
NOTHING = (*QUERY[:3], "PatientID=NOBODY", *QUERY[4:])
GIVEN_BACK = 2.5
"""Seconds after which freed memory has been returned to the host."""


class Bench:
    """The data, and the rows that use it."""

    def __init__(self, folder: Path, count: int, scale: int) -> None:
        self.folder = folder
        self.count = count
        self.source = self._images("large", count)
        self.few = folder / "few"
        self.few.mkdir()
        for path in sorted(self.source.iterdir())[: max(1, count // scale)]:
            (self.few / path.name).hardlink_to(path)
        self.last_target = self._new_folder()
        self.size = next(self.source.iterdir()).stat().st_size
        self.expected = {each: digests(each) for each in (self.source, self.few)}
        self.orthanc = find_orthanc().executable

    def _images(self, kind: str, count: int) -> Path:
        folder = self.folder / kind
        command = [sys.executable, HERE / "images.py", folder, str(count), kind]
        subprocess.run(command, check=True, timeout=600, env=environment(nodelay=False))
        return folder

    def _target(self) -> Path:
        """Return a new folder, and empty the previous one's files, which are removed at the end.

        For minutes, ext4 creates files slowly where others were removed, and memory that is free
        for two seconds may be returned to the host of a virtual machine: the next program would pay
        for both.
        """
        time.sleep(GIVEN_BACK)  # the host has taken freed memory; what is freed next is reused
        for path in self.last_target.rglob("*"):
            if path.is_file():
                os.truncate(path, 0)
        self.last_target = self._new_folder()
        return self.last_target

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))

    def _source(self, *, nodelay: bool) -> Path:
        return self.source if nodelay else self.few

    def plain(self) -> Row:
        """Return the minimum: the same bytes without a protocol."""

        def copy() -> Cost:
            target = self._target()
            return run([sys.executable, HERE / "plain_copy.py", self.source, target], nodelay=True)

        return Row(
            "Plain copy: files, socket, files (both ends)", {"plain": copy}, self.count, self.size
        )

    def store(self, what: str, *, nodelay: bool) -> Row:
        """Return a row for C-STORE; `what` is the server."""
        source = self._source(nodelay=nodelay)

        def sent(command: Callable[[Server], Sequence[str | Path]]) -> Work:
            def work() -> Cost:
                target = self._target()
                with serving(*self._server(what, target), nodelay=nodelay) as server:
                    cost = run(command(server), nodelay=nodelay)
                check(target, self.expected[source])
                return cost

            return work

        return Row(
            f"C-STORE to {what}, {'N' if nodelay else 'D'}",
            {name: sent(command) for name, command in _senders(source).items()},
            len(self.expected[source]),
            self.size,
        )

    def listen(self) -> Row:
        """Return a row with the wall time of each sender, and CPU time and memory of the server."""
        programs: dict[str, Work] = {}

        def both(sender: str, server_kind: str) -> Work:
            def work() -> Cost:
                target = self._target()
                place = self._server(server_kind, target)
                with serving(*place, nodelay=True) as server:
                    cost = run(_senders(self.source)[sender](server), nodelay=True)
                check(target, self.expected[self.source])
                return Cost(cost.wall, server.cost.cpu, server.cost.memory)

            return work

        for sender in ("storescu", "dcm"):
            for server in ("storescp", "listener"):
                programs[f"{sender}>{server}"] = both(sender, server)
        title = "As provider: sender > server (CPU is the server's, N)"
        return Row(title, programs, self.count, self.size)

    def _server(self, what: str, target: Path) -> tuple[int, Sequence[str | Path]]:
        port = free_port()
        if what == "Orthanc":
            return port, orthanc(self.orthanc, target, port)
        kinds = {"storescp": storescp, "dcmqrscp": dcmqrscp, "listener": listener}
        return port, kinds[what](target, port)

    @contextmanager
    def get(self, what: str, *, nodelay: bool) -> Iterator[list[Row]]:
        """Yield rows for C-GET to disk, from an archive that is filled first."""
        source = self._source(nodelay=nodelay)

        def brought(command: Callable[[Path], Sequence[str | Path]], *, identical: bool) -> Work:
            def work() -> Cost:
                target = self._target()
                cost = run(command(target), nodelay=nodelay)
                check(target, self.expected[source], identical=identical)
                return cost

            return work

        with serving(*self._server(what, self._new_folder()), nodelay=nodelay) as server:
            run([*DCM, "store", server.node(), source], nodelay=nodelay)
            port = str(server.port)
            keys = [part for key in STUDY for part in ("-k", key)]
            getscu = ["getscu", "+B", "-S", *keys, "-aec", "ANY-SCP", "127.0.0.1", port, "-od"]
            py = [*PYNETDICOM, "getscu", "127.0.0.1", port, "-S", *keys, "-q", "-od"]
            row = Row(
                f"C-GET to disk from {what}, {'N' if nodelay else 'D'}",
                {
                    "getscu +B": brought(lambda target: [*getscu, target], identical=True),
                    "dcm": brought(
                        lambda target: [*DCM, "get", server.node(), STUDY[1], "-o", target],
                        identical=True,
                    ),
                    "pynetdicom": brought(lambda target: [*py, target], identical=False),
                },
                len(self.expected[source]),
                self.size,
            )
            yield [row]

    @contextmanager
    def query(self) -> Iterator[list[Row]]:
        """Yield rows for C-FIND at the level STUDY, and for one without a match."""
        with serving(*self._server("Orthanc", self._new_folder()), nodelay=True) as server:
            run([*DCM, "store", server.node(), self._images("small", self.count)], nodelay=True)
            port = str(server.port)

            def asking(keys: Sequence[str]) -> dict[str, Work]:
                commands = {
                    "findscu -q": ["findscu", "-q", "-S", *_k(keys), "-aec", "ANY-SCP", "127.0.0.1", port],
                    "dcm": [*DCM, "query", "-y", "--level", "study", server.node(), *keys[1:]],
                    "dcm.net": [sys.executable, HERE / "ours.py", server.node(), *keys],
                    "pynetdicom": [*PYNETDICOM, "findscu", "127.0.0.1", port, "-S", *_k(keys), "-q"],
                }  # fmt: skip
                return {
                    name: lambda command=command: run(command, nodelay=True)
                    for name, command in commands.items()
                }

            start = Row("C-FIND, STUDY, no match (start-up)", asking(NOTHING))
            full = Row(
                f"C-FIND, STUDY, {self.count} matches, N (CPU x: beyond start-up)",
                asking(QUERY), self.count, minus=start,
            )  # fmt: skip
            yield [start, full]

    @contextmanager
    def start(self) -> Iterator[list[Row]]:
        """Yield rows for starting, associating, C-ECHO and ending."""
        with serving(*self._server("storescp", self._new_folder()), nodelay=True) as server:
            port = str(server.port)
            commands = {
                "echoscu": ["echoscu", "127.0.0.1", port],
                "dcm": [*DCM, "echo", server.node()],
                "pynetdicom": [*PYNETDICOM, "echoscu", "127.0.0.1", port, "-q"],
                "python -c pass": [sys.executable, "-c", "pass"],
                "+ asyncio": [sys.executable, "-c", "import asyncio; asyncio.Runner().close()"],
            }
            programs: dict[str, Work] = {
                name: lambda command=command: run(command, nodelay=True)
                for name, command in commands.items()
            }
            yield [Row("Start-up with a C-ECHO", programs)]


def _k(keys: Sequence[str]) -> list[str]:
    return [part for key in keys for part in ("-k", key)]


def _senders(source: Path) -> dict[str, Callable[[Server], Sequence[str | Path]]]:
    return {
        "storescu": lambda server: ["storescu", "+sd", "127.0.0.1", str(server.port), source],
        "dcm": lambda server: [*DCM, "store", server.node(), source],
        "pynetdicom": lambda server: [
            *(*PYNETDICOM, "storescu", "127.0.0.1", str(server.port), source, "-r", "-cx", "-q")
        ],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="images of 0.5 MB")
    parser.add_argument("--quick", action="store_true", help="200 images")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--defaults", action="store_true", help="all images also at the defaults")
    parser.add_argument("--only", nargs="*", default=(), metavar="PROGRAM", help="and the first")
    parser.add_argument("--servers", nargs="*", default=("N", "D"), choices=("N", "D"))
    rows = ("plain", "store", "get", "query", "scp", "start")
    parser.add_argument("--rows", nargs="*", default=rows, choices=rows)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that cleaning up happens then, too
    folder = Path(tempfile.mkdtemp(prefix="transfers-"))
    try:
        count = 200 if options.quick else options.count
        bench = Bench(folder, count, 1 if options.defaults else 10)
        compileall.compile_dir(HERE.parent / "dcm", quiet=1)
        _all(bench, options)
    finally:
        shutil.rmtree(folder)


def _all(bench: Bench, options: argparse.Namespace) -> None:
    print(f"{bench.count} images of {bench.size:,} bytes, medians of {options.rounds} rounds")
    for rows in _rows(bench, options.rows, [server == "N" for server in options.servers]):
        with rows as found:
            measure(found, options.rounds, options.only)


def _rows(
    bench: Bench, names: Sequence[str], nodelays: Sequence[bool]
) -> Iterator[AbstractContextManager[list[Row]]]:
    if "plain" in names:
        yield nullcontext([bench.plain()])
    for nodelay in nodelays if "store" in names else ():
        for server in ("storescp", "Orthanc"):
            yield nullcontext([bench.store(server, nodelay=nodelay)])
    for nodelay in nodelays if "get" in names else ():
        for server in ("dcmqrscp", "Orthanc"):
            yield bench.get(server, nodelay=nodelay)
    if "query" in names:
        yield bench.query()
    if "scp" in names:
        yield nullcontext([bench.listen()])
    if "start" in names:
        yield bench.start()


if __name__ == "__main__":
    main()
