"""A server that speaks DICOM and is a child process: what the small servers have in common."""

import abc
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pynetdicom.sop_class import Verification

from harness.clients.dimse import NATIVE, Dimse
from harness.model import AETitle, Credentials, Endpoint
from harness.servers.base import Identity
from harness.servers.capabilities import CRASH, Capabilities
from harness.servers.libraries import libraries_of
from harness.servers.process import StartedServer, free_port
from harness.servers.product import Found, Role

# Servers that are built on dcmtk leave Nagle's algorithm on, which costs 40 ms and more for each message.
ENVIRONMENT = {"TCP_NODELAY": "1"}
DATA = Path("data")
"""The folder of its data as the process sees it: what a server reads names it so, and see HERE for why."""
PATIENCE = 10.0
"""Seconds for an answer before a server is said to hang: a busy computer needs some."""


class DicomProcess(StartedServer):
    """Starts `command()`, waits until it answers, and keeps its data in `data`, which is there and empty."""

    rest: Endpoint | None = None
    dicomweb: str | None = None
    credentials: Credentials | None = None
    worklists: Path | None = None
    can: Iterable[str] = ()
    """What it can do, by the names in capabilities.py."""

    def __init__(self, role: Role, found: Found) -> None:
        super().__init__(role.name, found.product, role.guard)
        self.role = role
        self.identity: Identity = found.identity(role.ae_title)
        self.capabilities = Capabilities(dict.fromkeys((*self.can, CRASH)))
        self.data = self.folder / DATA
        self.start()

    @abc.abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Say what is to be run, after writing the configuration that it needs into `folder`."""

    def environment(self) -> Mapping[str, str]:
        """Return what the process finds in its environment besides our own."""
        return ENVIRONMENT

    def start_once(self, *, keep: bool) -> None:
        """Start it on a port that the kernel chose, empty or, with `keep`, with what it has stored."""
        if not keep:
            shutil.rmtree(self.data, ignore_errors=True)
            self.data.mkdir()
        self.dicom = Endpoint("127.0.0.1", free_port())
        self._process.start(
            [str(word) for word in self.command()],
            environment=self.environment(),
            ready=lambda: self._process.listens() and self.answers(),
        )
        self.capabilities = self.capabilities.built_with(libraries_of(self.pid))

    def crash(self) -> None:
        """End it by force and start it again with what it has stored; its port may change."""
        self._process.kill()
        self.start(keep=True)

    def answers(self, time_limit: float = 2.0) -> bool:
        """Return whether it answers a request for an association, be it with a rejection.

        Some reject while others are open, and take their time to end them.
        """
        client = Dimse(self.dicom, self.identity.ae_title, AETitle("HARNESS"), time_limit)
        association = client.request_association([(Verification, NATIVE)])
        if association.is_established:
            association.release()
            return True
        return bool(association.is_rejected)

    def trouble(self) -> str | None:
        """Say how the process ended, or that it no longer answers."""
        return self.died() or (None if self.answers(PATIENCE) else "does not answer any more")

    def reset(self, *, unsettled: bool) -> None:  # noqa: ARG002 - most have no work in the background
        """Empty it by deleting its files: most of these servers look into their folder for each request."""
        for path in self.data.rglob("*"):
            if path.is_file():
                path.unlink(missing_ok=True)
