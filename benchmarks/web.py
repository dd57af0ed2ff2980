"""What DICOMweb costs: ours and dicomweb-client (with requests) on the same service, interleaved.

    python benchmarks/web.py [--count 1000] [--rounds 3] [--rows store get] [--connections 4]

The service is Orthanc with its DICOMweb plugin, empty at the beginning of each storage. All are whole
processes; a run that lost or changed an object counts as invalid and not as a time. dicomweb-client holds
all instances of a request in memory, so it stores them in requests of 50.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from images import ROOT
from measuring import HERE, Cost, Server, check, digests, free_port, run, serving
from tables import Row, measure

from harness.servers.locate import find_orthanc

STUDY = f"{ROOT}.1"
AT_ONCE = 50


def main() -> None:
    """Measure, or run as one of the measured programs."""
    if sys.argv[1:2] == ["--program"]:
        program(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", default=["store", "get"])
    parser.add_argument("--connections", default="4")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(Path(folder), asked.count, asked.connections)
        rows = {
            "store": Row("STOW to Orthanc", {"dcm": lambda: bench.store("ours"),
                         "dicomweb-client": lambda: bench.store("theirs")}, asked.count, bench.size),
            "get": Row("WADO from Orthanc", {"dcm": lambda: bench.get("ours"),
                       "dicomweb-client": lambda: bench.get("theirs")}, asked.count, bench.size),
        }  # fmt: skip
        chosen = [rows[name] for name in asked.rows]
        with bench.filled():
            measure(chosen, asked.rounds, ())


class Bench:
    """The instances, and a service that contains them."""

    def __init__(self, folder: Path, count: int, connections: str) -> None:
        self.folder = folder
        self.files = folder / "large"
        self.connections = connections
        run([sys.executable, HERE / "images.py", self.files, str(count), "large"], nodelay=False)
        self.expected = digests(self.files)
        self.size = next(self.files.iterdir()).stat().st_size
        self.full: Server | None = None

    @contextmanager
    def filled(self) -> Iterator[None]:
        """Run a service that contains the instances."""
        with self._service("full") as self.full:
            self._run("ours", "store", self.full, self.files)
            yield

    def store(self, who: str) -> Cost:
        """Store everything in an empty service."""
        with self._service("empty") as server:
            cost = self._run(who, "store", server, self.files)
            kept = self.folder / "kept"
            self._run("ours", "get", server, kept)
            check(kept, self.expected)
            shutil.rmtree(kept)
        return cost

    def get(self, who: str) -> Cost:
        """Retrieve everything."""
        assert self.full is not None
        into = self.folder / "into"
        try:
            cost = self._run(who, "get", self.full, into)
            check(into, self.expected, identical=who == "ours")
        finally:
            shutil.rmtree(into, ignore_errors=True)
        return cost

    def _run(self, who: str, what: str, server: Server, folder: Path) -> Cost:
        url = f"http://127.0.0.1:{server.port}/dicom-web"
        words = ("--program", who, what, url, folder, self.connections)
        return run([sys.executable, HERE / "web.py", *words], nodelay=False)

    @contextmanager
    def _service(self, name: str) -> Iterator[Server]:
        folder, port, found = self.folder / name, free_port(), find_orthanc()
        folder.mkdir()
        settings = {
            "DicomServerEnabled": False, "HttpServerEnabled": True, "HttpPort": port, "Name": "bench",
            "AuthenticationEnabled": False, "RemoteAccessAllowed": True,
            "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "index"),
            "Plugins": [str(each) for each in found.plugins if "DicomWeb" in each.name],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
        }  # fmt: skip
        (folder / "orthanc.json").write_text(json.dumps(settings))
        try:
            with serving(
                port, [found.executable, folder / "orthanc.json"], nodelay=False
            ) as server:
                yield server
        finally:
            shutil.rmtree(folder)


# The programs. Each imports only what it needs.


def program(who: str, what: str, url: str, folder: str, connections: str) -> None:
    """Store or retrieve, and fail if anything is missing."""
    path = Path(folder)
    path.mkdir(exist_ok=True)
    if who == "ours":
        asyncio.run(_ours(what, url, path, int(connections)))
    else:
        _theirs(what, url, path)


async def _ours(what: str, url: str, folder: Path, connections: int) -> None:
    from dcm.net.store import store  # noqa: PLC0415
    from dcm.sinks import Folder  # noqa: PLC0415
    from dcm.store.web import WebPlace  # noqa: PLC0415
    from dcm.web.remote import WebRemote  # noqa: PLC0415

    files = sorted(folder.iterdir()) if what == "store" else []  # noqa: ASYNC240 - at the start
    async with WebPlace(WebRemote(url, max_connections=connections)) as place:
        if what == "store":
            async with place.writer() as writer:
                report = await store(writer, files)
        else:
            report = await place.fetch({"StudyInstanceUID": STUDY}, Folder(folder))
    if not report.complete:
        sys.exit(str(report))


def _theirs(what: str, url: str, folder: Path) -> None:
    from dicomweb_client import DICOMwebClient  # noqa: PLC0415
    from pydicom import dcmread  # noqa: PLC0415

    client = DICOMwebClient(url)
    if what == "store":
        paths = sorted(folder.iterdir())
        for at in range(0, len(paths), AT_ONCE):
            client.store_instances([dcmread(path) for path in paths[at : at + AT_ONCE]])
        return
    for found in client.iter_study(STUDY):
        found.save_as(folder / f"{found.SOPInstanceUID}.dcm")


if __name__ == "__main__":
    main()
