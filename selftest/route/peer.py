"""Peers of a forwarder: pynetdicom destinations, and the forwarder as a process."""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from net.peers import QUICK, free_port
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, Verification

from dcm.net import DcmNode, Listen, LocalEntity, Remote
from dcm.net.retry import Retry
from dcm.outcome import InstanceResult
from harness.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
SYNTAX = "1.2.840.10008.1.2.1"


class Came(NamedTuple):
    """A received object: its UID, the digest of its data set, and the time."""

    uid: str
    digest: str
    at: float


class Destination:
    """A storage SCP. answer: returns the status for a UID; it may block."""

    def __init__(self, answer: Callable[[str], int] = lambda _: 0, port: int = 0) -> None:
        self.came: list[Came] = []
        self.associations = 0
        self.port = port or free_port()
        self._answer = answer
        self._server: Any = None

    @property
    def address(self) -> str:
        """Its address."""
        return f"127.0.0.1:DEST:{self.port}"

    @property
    def uids(self) -> list[str]:
        """The SOP Instance UIDs in the order in which they came."""
        return [each.uid for each in self.came]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start listening."""
        ae = AE("DEST")
        ae.add_supported_context(Verification)
        ae.add_supported_context(CTImageStorage, SYNTAX)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_ACCEPTED, self._accepted)]
        self._server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def stop(self) -> None:
        """Stop, and end all associations."""
        if self._server is not None:
            self._server.shutdown()
            self._server.ae.shutdown()
            self._server = None

    def _accepted(self, _event: Any) -> None:
        self.associations += 1

    def _store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        status = self._answer(uid)
        if status == 0:
            data = event.request.DataSet.getvalue()
            self.came.append(Came(uid, hashlib.sha256(data).hexdigest(), time.monotonic()))
        return status

    def wait(self, uids: Sequence[str] | set[str], within: float = 60) -> None:
        """Wait until all of these have arrived."""
        wanted = set(uids)
        wait_until(
            lambda: wanted <= set(self.uids), what=f"{len(wanted)} objects arrive", within=within
        )


def send(port: int | str, paths: Sequence[Path], title: str = "SENDER") -> dict[str, int]:
    """Send files in order on one association; return the status by UID of those answered."""
    remote = Remote(
        DcmNode("127.0.0.1", "FWD", int(port)), QUICK, retry=Retry(1, 1), max_associations=1
    )
    answered: dict[str, int] = {}

    def told(result: InstanceResult) -> None:
        if result.status is not None:
            answered[result.sop_instance_uid] = result.status

    asyncio.run(LocalEntity(Listen(ae_title=title)).store(remote, paths, on_result=told))
    return answered


class Forwarding:
    """`dcm forward` as a process. log: its stderr; several processes of a test may share it."""

    def __init__(self, spool: Path, log: Path, *arguments: str | Path, port: int = 0) -> None:
        self.spool, self.log = spool, log
        self.port = port or free_port()
        self._arguments = [
            *map(str, arguments), "--spool", str(spool), "--min-free", "0",
            "--retry-pause", "0.2", "--local", f"127.0.0.1:FWD:{self.port}",
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it, and wait until it listens."""
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dcm", "forward", *self._arguments],
                stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        wait_until(
            lambda: b"listening at" in self.log.read_bytes()[before:] or self.process.poll() is not None,  # type: ignore[union-attr]
            what="dcm forward listens", within=30,
        )  # fmt: skip
        assert self.process.poll() is None, self.log.read_text()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def kill(self) -> None:
        """Kill it (SIGKILL)."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(30)

    def end(self) -> int:
        """End it cleanly (SIGTERM); return the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def status(self) -> dict[str, Any]:
        """Return the `--status` output for each destination."""
        done = subprocess.run(
            [sys.executable, "-m", "dcm", "forward", "--status", "--json", "--spool", str(self.spool)],
            capture_output=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout)["destinations"]
        return found

    def retry_dead(self) -> None:
        """Retry the dead letters."""
        subprocess.run(
            [sys.executable, "-m", "dcm", "forward", "--retry-dead", "--spool", str(self.spool)],
            check=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def remarks(self, uid: str) -> int:
        """Count the log lines that say that an object may have arrived twice."""
        lines = self.log.read_text().splitlines()
        said = ("may be there twice", "already delivered there")
        return sum(f" {uid}: " in line and any(each in line for each in said) for line in lines)


def objects_in(spool: Path) -> list[str]:
    """Return the waiting files of a spool."""
    return sorted(path.name for path in (spool / "objects").iterdir())


@contextlib.contextmanager
def in_thread(work: Callable[[], object]) -> Iterator[None]:
    """Run a function in a thread during the block."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
        assert not thread.is_alive()
