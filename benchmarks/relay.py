"""What the relay costs: the same work direct and relayed, interleaved, on real programs.

    python benchmarks/relay.py [--rounds 9]

Small REST requests over one kept-alive connection to a real Orthanc, 50 x 0.5 MB of C-STORE by dcmtk's
storescu to the same Orthanc, and 500 MB copied over a plain socket between two processes.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import requests
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from harness.model import Endpoint
from harness.relay import RelayLoop
from harness.servers.locate import find_orthanc
from harness.waiting import wait_until

MEGABYTE = 2**20


@dataclass(frozen=True)
class Unit:
    """The unit in which a figure is printed."""

    name: str
    factor: float


SECONDS = Unit("s", 1)
MILLISECONDS = Unit("ms", 1000)


def free_ports(count: int) -> list[int]:
    """Ask the kernel for ports."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def orthanc(folder: Path) -> Iterator[tuple[Endpoint, Endpoint]]:
    """Run an Orthanc; yield its HTTP and its DICOM endpoint."""
    web, dicom = free_ports(2)
    settings = {
        "HttpPort": web,
        "DicomPort": dicom,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "OverwriteInstances": True,
        "KeepAlive": True,
        "TcpNoDelay": True,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    environment = {**os.environ, "TCP_NODELAY": "1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(find_orthanc().executable), str(folder / "orthanc.json")],
            stderr=log,
            stdout=log,
            env=environment,
        )

    def answers() -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{web}/system", timeout=2).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers, what="Orthanc", within=20)
        yield Endpoint("127.0.0.1", web), Endpoint("127.0.0.1", dicom)
    finally:
        process.terminate()
        process.wait(20)


def make_images(folder: Path, count: int = 50) -> list[str]:
    """Write objects of half a megabyte."""
    pixels = np.random.default_rng(1).integers(0, 4096, 512 * 512, np.uint16).tobytes()
    series = generate_uid()
    for number in range(count):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID = SecondaryCaptureImageStorage
        image.SOPInstanceUID = generate_uid()
        image.StudyInstanceUID = image.SeriesInstanceUID = series
        image.PatientID = "BENCH"
        image.Rows = image.Columns = 512
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation, image.SamplesPerPixel = 15, 0, 1
        image.PhotometricInterpretation = "MONOCHROME2"
        image.PixelData = pixels
        image["PixelData"].VR = "OW"
        image.save_as(folder / f"{number:03}.dcm", enforce_file_format=True)
    return [str(path) for path in sorted(folder.glob("*.dcm"))]


def rest(endpoint: Endpoint, requests_per_run: int = 300) -> float:
    """Return the mean seconds of a small request on a kept-alive connection."""
    with requests.Session() as session:
        url = f"http://{endpoint}/system"
        session.get(url, timeout=10)
        begin = time.perf_counter()
        for _ in range(requests_per_run):
            session.get(url, timeout=10)
        return (time.perf_counter() - begin) / requests_per_run


def plain_rest(endpoint: Endpoint, requests_per_run: int = 500) -> float:
    """Do the same with less overhead, which might hide the cost of the relay."""
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=10)
    with closing(connection):
        begin = time.perf_counter()
        for _ in range(requests_per_run):
            connection.request("GET", "/system", headers={"Connection": "keep-alive"})
            connection.getresponse().read()
        return (time.perf_counter() - begin) / requests_per_run


def store(endpoint: Endpoint, files: list[str]) -> float:
    """Send files with storescu."""
    begin = time.perf_counter()
    subprocess.run(
        ["storescu", endpoint.host, str(endpoint.port), *files],
        check=True,
        timeout=60,
        env={**os.environ, "TCP_NODELAY": "1"},
    )
    return time.perf_counter() - begin


def sink(port: "multiprocessing.Queue[int]") -> None:
    """Discard the data of connections, and respond to each with one byte at its end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port.put(listener.getsockname()[1])
        buffer = bytearray(MEGABYTE)
        while True:
            sock, _ = listener.accept()
            with sock:
                while sock.recv_into(buffer):
                    pass
                sock.sendall(b".")


def pour(endpoint: Endpoint, megabytes: int = 500) -> float:
    """Copy bytes through a socket, from a separate process, like dcmtk's programs."""
    block = bytes(MEGABYTE)
    begin = time.perf_counter()
    child = os.fork()
    if child == 0:
        with socket.create_connection((endpoint.host, endpoint.port), 10) as sock:
            for _ in range(megabytes):
                sock.sendall(block)
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)
        os._exit(0)
    os.waitpid(child, 0)
    return time.perf_counter() - begin


class Comparison:
    """Does work direct and relayed in alternation, and prints both medians."""

    def __init__(self, loop: RelayLoop, rounds: int) -> None:
        self.loop, self.rounds = loop, rounds

    def run(
        self, name: str, work: Callable[[Endpoint], float], direct: Endpoint, unit: Unit
    ) -> None:
        """Compare `work` at the endpoint `direct` and behind a relay."""
        relay = self.loop.open(name, target=direct, protocol="http")
        seconds: dict[str, list[float]] = {"direct": [], "relayed": []}
        for number in range(self.rounds):
            turns = [("direct", direct), ("relayed", relay.endpoint)]
            for way, endpoint in turns if number % 2 else reversed(turns):
                self.loop.start_tape(f"{name}-{number}")
                seconds[way].append(work(endpoint))
        self.loop.stop_tape()
        one, other = (statistics.median(seconds[way]) * unit.factor for way in seconds)
        print(
            f"{name:22} direct {one:8.3f} {unit.name:2}  relayed {other:8.3f} {unit.name:2}"
            f"  difference {other - one:+7.3f}  ratio {other / one:5.2f}",
            flush=True,
        )


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    port: multiprocessing.Queue[int] = multiprocessing.Queue()
    swallower = multiprocessing.Process(target=sink, args=(port,), daemon=True)
    swallower.start()
    swallow = Endpoint("127.0.0.1", port.get(timeout=10))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = make_images(folder)
        with orthanc(folder) as (web, dicom), RelayLoop() as loop:
            comparison = Comparison(loop, rounds)
            comparison.run("REST, requests", rest, web, MILLISECONDS)
            comparison.run("REST, http.client", plain_rest, web, MILLISECONDS)
            comparison.run("C-STORE 50 x 0.5 MB", lambda at: store(at, files), dicom, SECONDS)
            comparison.run("500 MB over a socket", pour, swallow, SECONDS)
    swallower.terminate()
    swallower.join(10)


if __name__ == "__main__":
    main()
