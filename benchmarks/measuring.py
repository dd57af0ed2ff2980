"""Measures whole processes, and runs the servers that they use."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dcm.data.header import NotDicom, scan

HERE = Path(__file__).resolve().parent
DCM = (sys.executable, "-c", "import sys; from dcm.cli import main; sys.exit(main())")
"""The equivalent of the installed script `dcm`, for this checkout."""
LIMIT = 600
PATIENCE = 30
LAUNCH = (sys.executable, "-S", "-E", str(HERE / "launch.py"), str(LIMIT))


class Invalid(Exception):  # noqa: N818 - reads as the sentence it is
    """A run that failed or lost something, so its time does not count."""


@dataclass(frozen=True)
class Cost:
    """What a process used: seconds, and peak memory in MB."""

    wall: float
    cpu: float
    memory: float


def environment(*, nodelay: bool) -> dict[str, str]:
    """Return the environment of all programs; bytecode is cached, as in any installation."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    kept["PYTHONPATH"] = str(HERE.parent)
    kept["DCM_CONFIG_PATH"] = os.devnull
    kept.pop("TCP_NODELAY", None)
    return {**kept, "TCP_NODELAY": "1"} if nodelay else kept


def run(command: Sequence[str | Path], *, nodelay: bool) -> Cost:
    """Run a program, which must succeed."""
    launched = _launch(command, nodelay=nodelay)
    cost, status = _cost(launched)
    if status:
        raise Invalid(f"exit status {status}")
    return cost


def _launch(command: Sequence[str | Path], *, nodelay: bool) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*LAUNCH, *map(str, command)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(nodelay=nodelay),
    )


def _cost(launched: subprocess.Popen[str]) -> tuple[Cost, int]:
    status, *used = launched.communicate(timeout=2 * LIMIT)[0].split()
    return Cost(*map(float, used)), int(status)


class Server:
    """A running server: its port, and what it used once it has ended."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cost = Cost(0, 0, 0)

    def node(self, title: str = "ANY-SCP") -> str:
        """Return its address in the form that `dcm` expects."""
        return f"127.0.0.1:{title}:{self.port}"


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port


@contextmanager
def serving(port: int, command: Sequence[str | Path], *, nodelay: bool) -> Iterator[Server]:
    """Run a server until the block ends."""
    launched = _launch(command, nodelay=nodelay)
    server = Server(port)
    try:
        _wait_for(launched, port)
        yield server
    finally:
        launched.terminate()
        server.cost = _cost(launched)[0]


def _wait_for(launched: subprocess.Popen[str], port: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and launched.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise Invalid("a server does not listen")


def storescp(folder: Path, port: int) -> list[str | Path]:
    """Return the command for dcmtk's storage provider, which writes to `folder`."""
    return ["storescp", "-od", folder, str(port)]


def listener(folder: Path, port: int) -> list[str | Path]:
    """Return the command for `dcm listen`."""
    return [*DCM, "listen", "--host", "127.0.0.1", "--port", str(port), "-o", folder]


def dcmqrscp(folder: Path, port: int) -> list[str | Path]:
    """Return the command for dcmtk's archive, which is empty."""
    archive = folder / "archive"
    archive.mkdir()
    settings = folder / "dcmqrscp.cfg"
    settings.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nANY-SCP {archive} RW (2000, 4096mb) ANY\nAETable END\n"
    )
    return ["dcmqrscp", "-c", settings]


def orthanc(program: Path, folder: Path, port: int) -> list[str | Path]:
    """Return the command for an empty Orthanc without plugins that accepts all peers."""
    settings = {
        "DicomAet": "ANY-SCP", "DicomPort": port, "HttpServerEnabled": False, "Name": "bench",
        "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "index"),
        "DicomAlwaysAllowStore": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True,
        "LimitFindResults": 0, "LimitFindInstances": 0, "Plugins": [],
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    return [program, folder / "orthanc.json"]


def digests(folder: Path) -> dict[str, bytes]:
    """Return the digests of data sets below a folder by SOP Instance UID; of two, the longer."""
    found: dict[str, tuple[int, bytes]] = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size:
            try:
                header = scan(path)
            except NotDicom:
                continue
            data = memoryview(path.read_bytes())[header.data_set_offset :]
            one = (len(data), hashlib.md5(data, usedforsecurity=False).digest())
            found[header.sop_instance_uid] = max(one, found.get(header.sop_instance_uid, one))
    return {uid: digest for uid, (_, digest) in found.items()}


def check(folder: Path, expected: Mapping[str, bytes], *, identical: bool = True) -> None:
    """Require that all objects exist, byte for byte unless they were re-encoded (`identical`)."""
    found = digests(folder)
    if found.keys() != expected.keys():
        raise Invalid(f"{len(found)} of {len(expected)} objects arrived")
    changed = [uid for uid in expected if found[uid] != expected[uid]]
    if identical and changed:
        raise Invalid(f"{len(changed)} objects are not what was sent")
