"""`dcm serve` beside Orthanc with its DICOMweb plugin: STOW, WADO and QIDO, by one plain client.

    python benchmarks/serve.py                      # all
    python benchmarks/serve.py stow-small --rounds 5

Prints wall time, CPU time and peak memory of the server, and the ratio to Orthanc, round by round in turn.
`qido` is of `dcm serve` alone, over 100,000 studies: milliseconds for each kind of search.
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from images import image
from measuring import DCM, Cost, Server, free_port, run, serving

from dcm.data.header import scan_bytes
from harness.servers.locate import find_orthanc

HERE = Path(__file__).resolve().parent
RELATED = 'multipart/related; type="application/dicom"'
BOUNDARY = "benchmark-of-serve"
TOGETHER = 20_000_000
"""The number of bytes in one Store request."""
KINDS = {"ct": ("large", 1000), "small": ("medium", 3000)}
STUDIES = 100_000
SEARCHES = (
    "limit=101&includefield=00081030,00080060",
    "limit=101&offset=99000",
    "PatientName=*H5000*&limit=101",
    "PatientID=BENCH00050000",
    "StudyDate=20240102-20240103&limit=101",
    "ModalitiesInStudy=CT&limit=101&offset=50000",
    "AccessionNumber=50000",
    "PatientName=nobody*",
)


def dcm_serve(folder: Path, port: int) -> list[str | Path]:
    """Return the command for a writable `dcm serve`."""
    return [*DCM, "serve", folder, "--writable", "--port", str(port), "--no-dicom", "--quiet"]


def orthanc(folder: Path, port: int) -> list[str | Path]:
    """Return the command for Orthanc with its DICOMweb plugin, as in Debian."""
    program = find_orthanc().executable
    plugins = program.parents[1] / "share/orthanc/plugins/libOrthancDicomWeb.so"
    settings = {
        "HttpPort": port, "DicomServerEnabled": False, "Name": "bench", "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False, "StorageDirectory": str(folder), "IndexDirectory": str(folder),
        "Plugins": [str(plugins)], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    return [program, folder / "orthanc.json"]


SERVERS: dict[str, Callable[[Path, int], list[str | Path]]] = {
    "Orthanc": orthanc,
    "dcm serve": dcm_serve,
}


def bodies(files: Sequence[Path]) -> Iterator[tuple[int, bytes]]:
    """Yield the bodies of requests of moderate size, with their numbers of instances."""
    head = f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    some: list[bytes] = []
    size = 0
    for file in files:
        some.append(file.read_bytes())
        size += len(some[-1])
        if size > TOGETHER or file is files[-1]:
            parts = b"".join(part for content in some for part in (head, content))
            yield len(some), parts + f"\r\n--{BOUNDARY}--\r\n".encode()
            some, size = [], 0


def store(port: int, requests: Sequence[tuple[int, bytes]]) -> None:
    """Store the bodies, one after the other on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    headers = {
        "Content-Type": f"{RELATED}; boundary={BOUNDARY}",
        "Accept": "application/dicom+json",
    }
    for count, body in requests:
        connection.request("POST", "/dicom-web/studies", body, headers)
        answer = connection.getresponse()
        module = json.loads(answer.read())
        if answer.status != 200 or len(module["00081199"]["Value"]) != count:
            raise SystemExit(f"not all was stored: {answer.status}")


def retrieve(port: int, study: str, least: int) -> None:
    """Retrieve a study as it is stored, and discard it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    accept = f"{RELATED}; transfer-syntax=*"
    connection.request("GET", f"/dicom-web/studies/{study}", headers={"Accept": accept})
    answer = connection.getresponse()
    buffer, size = bytearray(1 << 20), 0
    while count := answer.readinto(buffer):
        size += count
    if answer.status != 200 or size < least:
        raise SystemExit(f"not all came: {answer.status}, {size} of {least} bytes")


@contextmanager
def running(name: str, folder: Path) -> Iterator[Server]:
    """Run a server over a folder."""
    port = free_port()
    with serving(port, SERVERS[name](folder, port), nodelay=True) as server:
        yield server


def transfers(kind: str, rounds: int) -> None:
    """Store in an empty server and retrieve from it; print wall time of each, CPU time of both."""
    side, count = KINDS[kind]
    with tempfile.TemporaryDirectory() as place:
        source = Path(place, "source")
        made = [sys.executable, str(HERE / "images.py"), str(source), str(count), side]
        subprocess.run(made, check=True)
        files = sorted(source.iterdir())
        study = scan_bytes(files[0].read_bytes()).text("StudyInstanceUID")
        size = sum(each.stat().st_size for each in files)
        requests = [*bodies(files)]
        found: dict[str, list[tuple[float, float, Cost]]] = {name: [] for name in SERVERS}
        for _ in range(rounds):
            for name, times in found.items():
                folder = Path(place, "archive")
                folder.mkdir()
                with running(name, folder) as server:
                    begun = time.perf_counter()
                    store(server.port, requests)
                    stored = time.perf_counter()
                    retrieve(server.port, study, size)
                    times.append((stored - begun, time.perf_counter() - stored, server.cost))
                times[-1] = (*times[-1][:2], server.cost)
                shutil.rmtree(folder)
        _show(kind, count, size, found)


def _show(
    kind: str, count: int, size: int, found: dict[str, list[tuple[float, float, Cost]]]
) -> None:
    print(f"\n{kind}: {count} instances, {size / 1e6:.0f} MB")
    print(f"  {'':12}{'STOW s':>9}{'x':>7}{'WADO s':>9}{'x':>7}{'CPU s':>9}{'x':>7}{'peak MB':>9}")
    first = found["Orthanc"]
    for name, times in found.items():
        line = f"  {name:12}"
        for value in (lambda one: one[0], lambda one: one[1], lambda one: one[2].cpu):
            ratio = statistics.median(
                value(a) / value(b) for a, b in zip(times, first, strict=True)
            )
            line += f"{statistics.median(map(value, times)):>9.2f}{ratio:>7.2f}"
        print(line + f"{max(each[2].memory for each in times):>9.0f}", flush=True)


def searches(rounds: int) -> None:
    """Time searches over many studies."""
    with tempfile.TemporaryDirectory() as place:
        print(f"\nQIDO over {STUDIES} studies", flush=True)
        _make_studies(Path(place))
        begun = time.perf_counter()
        run([*DCM, "index", place], nodelay=True)
        print(f"  {'indexed in':54}{time.perf_counter() - begun:>8.1f} s", flush=True)
        begun = time.perf_counter()
        port = free_port()
        with serving(port, dcm_serve(Path(place), port), nodelay=True):
            print(f"  {'served after':54}{time.perf_counter() - begun:>8.1f} s")
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
            for search in SEARCHES:
                times = []
                for _ in range(max(rounds, 9)):
                    begun = time.perf_counter()
                    connection.request("GET", f"/dicom-web/studies?{search}")
                    count = len(json.loads(connection.getresponse().read()))
                    times.append(time.perf_counter() - begun)
                print(f"  {search:44}{count:>6} found{statistics.median(times) * 1000:>8.1f} ms")


def _make_studies(folder: Path) -> None:
    """Write studies of one small image: copies of one image, with different numbers."""
    one = image(11111111, 8, 99999999)
    for number in range(STUDIES):
        if number % 1000 == 0:
            under = folder / f"{number:08}"
            under.mkdir()
        data = one.replace(b"99999999", b"%08d" % (10_000_000 + number))
        data = data.replace(b"11111111", b"%08d" % (10_000_000 + number))
        data = data.replace(b"BENCH1", b"BENCH0")
        (under / f"{number:08}.dcm").write_bytes(data)


def main() -> None:
    """Run the requested measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", choices=[*KINDS, "qido", []], help="all by default")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for what in arguments.what or (*KINDS, "qido"):
        if what == "qido":
            searches(arguments.rounds)
        else:
            transfers(what, arguments.rounds)


if __name__ == "__main__":
    os.environ.setdefault("TCP_NODELAY", "1")
    main()
