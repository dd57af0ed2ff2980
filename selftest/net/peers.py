"""Real peers: dcmtk's programs, Orthanc and others; and scripted liars."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from dcm.net import DcmNode, Listen, Remote, TimeLimits
from harness.waiting import wait_until

US = Listen("127.0.0.1", "TOOLKIT", 0)
QUICK = TimeLimits(connect=3, association=5, response=5, idle=5, release=1, busy=0.2)

CARGO = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo") / "bin"
"""Path of the dicom-rs programs."""


def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry failures without delay."""
    for name in ("pause", "later"):
        monkeypatch.setitem(vars(Remote.retry), name, 0.001)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Return whether a server listens at the port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def installed(name: str) -> str:
    """Return the path of a program, or skip the test."""
    found = shutil.which(name) or shutil.which(name, path=CARGO)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@contextlib.contextmanager
def running(title: str, port: int, *command: str | Path, cwd: Path) -> Iterator[DcmNode]:
    """Run a server until the block ends."""
    program = installed(str(command[0]))
    with (cwd / f"{title}.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *map(str, command[1:])], stdout=log, stderr=log, cwd=cwd,
            env={**os.environ, "TCP_NODELAY": "1"},
        )  # fmt: skip
    try:
        wait_until(lambda: answers(port), what=f"{command[0]} listens", within=30)
        yield DcmNode("127.0.0.1", title, port)
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def storescp(folder: Path, *options: str) -> Iterator[DcmNode]:
    """Run dcmtk's storescp, which writes to `folder`."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    with running("STORESCP", port, "storescp", "+B", *options, port, cwd=folder) as node:
        yield node


@contextlib.contextmanager
def dicom_storescp(folder: Path) -> Iterator[DcmNode]:
    """Run the storescp of dicom-rs, which writes to `folder`."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    options = ("--promiscuous", "--non-blocking", "-p", port, "-o", folder)
    with running("RS", port, "dicom-storescp", *options, cwd=folder) as node:
        yield node


@contextlib.contextmanager
def orthanc(folder: Path, program: str, **more: object) -> Iterator[DcmNode]:
    """Run an empty Orthanc that accepts every peer; `more`: additional settings."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    settings = {
        "DicomAet": "ORTHANC", "DicomPort": port, "HttpServerEnabled": False, "Name": "net",
        "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "storage"),
        "DicomAlwaysAllowStore": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True,
        "DicomModalities": {"toolkit": ["TOOLKIT", "127.0.0.1", 1]},
        **more,
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with running("ORTHANC", port, program, folder / "orthanc.json", cwd=folder) as node:
        yield node


@contextlib.contextmanager
def liar(behaviour: Callable[[socket.socket], None]) -> Iterator[DcmNode]:
    """Serve each connection with `behaviour`, in a thread."""

    def serve(server: socket.socket) -> None:
        while True:
            try:
                taken, _ = server.accept()
            except OSError:
                return
            with taken, contextlib.suppress(OSError):
                taken.settimeout(10)
                behaviour(taken)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield DcmNode("127.0.0.1", "LIAR", server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    thread.join(15)


@contextlib.contextmanager
def cutter(node: DcmNode, after: int, times: int = 1) -> Iterator[DcmNode]:
    """Run a proxy to `node` that cuts the first connections after this number of bytes to it."""
    left = [times]

    def back(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def relay(taken: socket.socket) -> None:
        allowed = after if left[0] > 0 else 1 << 40
        left[0] -= 1
        with socket.create_connection((node.host, node.port), timeout=10) as server:
            answers = threading.Thread(target=back, args=(server, taken), daemon=True)
            answers.start()
            while allowed and (data := taken.recv(min(65536, allowed))):
                server.sendall(data)
                allowed -= len(data)
            server.shutdown(socket.SHUT_WR)
            if not allowed:
                taken.shutdown(socket.SHUT_RDWR)
            answers.join(10)

    with liar(relay) as standing:
        yield DcmNode(standing.host, node.ae_title, standing.port)


@contextlib.contextmanager
def dcmqrscp(folder: Path, *options: str, hosts: Iterable[DcmNode] = ()) -> Iterator[DcmNode]:
    """Run dcmtk's archive, which accepts everything; `hosts`: its possible C-MOVE destinations."""
    folder.mkdir(exist_ok=True)
    (folder / "archive").mkdir()
    port = free_port()
    settings = folder / "dcmqrscp.cfg"
    known = "".join(f"h{n.port} = ({n.ae_title}, {n.host}, {n.port})\n" for n in hosts)
    settings.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 16\n"
        f"HostTable BEGIN\n{known}HostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nDCMQRSCP {folder / 'archive'} RW (200, 1024mb) ANY\nAETable END\n"
    )
    with running("DCMQRSCP", port, "dcmqrscp", *options, "-c", settings, cwd=folder) as node:
        yield node


@contextlib.contextmanager
def qrscp(folder: Path) -> Iterator[DcmNode]:
    """Run pynetdicom's archive."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    settings = folder / "qrscp.cfg"
    settings.write_text(
        f"[DEFAULT]\nae_title: QRSCP\nport: {port}\nmax_pdu: 16382\nacse_timeout: 30\n"
        "dimse_timeout: 30\nnetwork_timeout: 30\nbind_address: 127.0.0.1\n"
        f"instance_location: {folder / 'instances'}\ndatabase_location: {folder / 'index.sqlite'}\n"
    )
    module = ("-m", "pynetdicom", "qrscp", "-c", settings)
    with running("QRSCP", port, sys.executable, *module, cwd=folder) as node:
        yield node


@contextlib.contextmanager
def tiny_pacs(folder: Path) -> Iterator[DcmNode]:
    """Run tiny-pacs, without HTTP."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    parts = {
        "Database": {"on": True, "db_name": str(folder / "index"), "mode": "rwc"},
        "Devices": {"on": True, "devices": {}, "auto_add": False},
        "PACS": {"on": True},
        "InMemoryStorage": {"on": False},
        "FileStorage": {"on": True, "overwrite": True, "storage_dir": str(folder / "objects")},
    }
    settings = {"ae": {"ae_title": ["TINYPACS"], "port": port}, "components": parts}
    (folder / "tiny-pacs.json").write_text(json.dumps(settings))
    module = ("-m", "tiny_pacs", "run", "-c", folder / "tiny-pacs.json")
    with running("TINYPACS", port, sys.executable, *module, cwd=folder) as node:
        yield node
