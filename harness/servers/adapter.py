"""What the harness must know about a kind of server: how to start, identify and empty it."""

import abc
import contextlib
import enum
import sqlite3
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from pynetdicom.sop_class import Verification

from harness.clients.dimse import NATIVE, Dimse
from harness.config.overrides import Override
from harness.model import AETitle, Credentials, Endpoint
from harness.servers.capabilities import Capabilities, Identity
from harness.servers.launcher import DATA, Launch, Seat
from harness.servers.product import Build, Role

# Servers based on dcmtk leave Nagle's algorithm on, which costs 40 ms and more for each message.
ENVIRONMENT = {"TCP_NODELAY": "1"}
PATIENCE = 5.0  # seconds for a transaction of the server itself to end


class Lasting(enum.IntEnum):
    """What a request may have left behind in addition to objects, from the least to the most.

    WORK: a job that may still run, and must be ended before the server is emptied. SETTINGS:
    anything that only a fresh start restores.
    """

    NOTHING = 0
    WORK = 1
    SETTINGS = 2


class Adapter(abc.ABC):
    """One kind of server, in one role. The defaults suit a DICOM program that stores files."""

    doors: tuple[str, ...] = ("dicom",)
    """Its interfaces: `dicom`, and `http` for RESTful services, Orthanc's own or DICOMweb."""
    dicomweb: str | None = None
    """The path of its DICOMweb service (the base URI of PS3.18 8.2)."""
    credentials: Credentials | None = None
    can: Iterable[str] = ()
    """Its capabilities for cases, by the names in `harness.vocabulary`."""
    has_worklists: bool = False
    """Whether it answers worklist queries from a folder that the harness writes to."""
    more: Endpoint | None = None
    """An additional port, if its configuration needs one; there is no relay in front of it."""
    index: str | None = None
    """The SQLite database in its data folder, if it keeps an index there while it runs."""
    index_keeps: tuple[str, ...] = ()
    """Tables of the index that do not refer to objects."""

    def __init__(self, role: Role, build: Build) -> None:
        """Create the adapter for a role; `build` is what to start."""
        self.role, self.build = role, build
        self.ae_title: AETitle = role.ae_title
        self.endpoints: Mapping[str, Endpoint] = {}

    @property
    def program(self) -> str:
        """The path of the executable that was found; in an image, its name."""
        return str(self.build.executable or self.build.product)

    @property
    def python(self) -> str:
        """The Python interpreter that runs it, if it is written in Python."""
        return sys.executable if self.build.image is None else "python3"

    @abc.abstractmethod
    def launch(self, seat: Seat) -> Launch:
        """Return the program to run, with its arguments and the files that it reads."""

    def reach(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Record the addresses at which it can be reached now."""
        self.endpoints = endpoints

    def worklists_in(self, shared: Path) -> Path:
        """Return where cases put worklist items, within the folder shared with the server."""
        return shared

    def answers(self, time_limit: float) -> bool:
        """Return whether it answers an association request, even with a rejection.

        Some servers reject requests while other associations are open, and take a while to end
        those.
        """
        client = Dimse(
            self.endpoints["dicom"],
            self.ae_title,
            AETitle("HARNESS"),
            time_limit,
            self.role.tls_at("dicom"),
        )
        association = client.request_association([(Verification, NATIVE)])
        if association.is_established:
            association.release()
            return True
        return bool(association.is_rejected)

    def describe(self) -> tuple[Identity, Capabilities]:
        """Return its identity and what it can do, now that it is running."""
        return self.build.identity(self.ae_title), Capabilities(dict.fromkeys(self.can))

    def empty(self, folder: Path | None, worklists: Path | None, *, unsettled: bool) -> bool:  # noqa: ARG002
        """Delete everything it has stored; return False if that takes a restart.

        Most servers look into their data folder for each request. `folder` is the server's own, or
        None if it is out of reach; `worklists` is the one that cases write to. `unsettled`: work
        may be in progress, which must be ended first.
        """
        if folder is None:
            return False
        if self.index is not None:
            self._empty_index(folder / DATA / self.index)
        for path in (folder / DATA).rglob("*"):
            if path.is_file() and not (self.index and path.name.startswith(self.index)):
                path.unlink(missing_ok=True)
        return True

    def _empty_index(self, file: Path) -> None:
        """Delete the rows of its tables directly, as it has no interface for that."""
        with contextlib.closing(sqlite3.connect(file, timeout=PATIENCE)) as index, index:
            found = index.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in found:
                if table not in self.index_keeps:
                    index.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a name that SQLite gave

    def lasting(self, method: str, target: str) -> Lasting:  # noqa: ARG002 - nothing is, mostly
        """Return what an HTTP request may have left behind in addition to objects."""
        return Lasting.NOTHING

    changeable: frozenset[str] = frozenset()
    """Settings of its configuration that `change` can change while it runs."""

    def change(self, settings: Iterable[Override]) -> None:  # noqa: B027 - nothing is `changeable`
        """Change settings, all of them `changeable`, until `put_back`."""

    def put_back(self) -> None:  # noqa: B027 - most have nothing to put back
        """Undo, by requests, what a case may have changed other than objects; usually nothing."""

    def close(self) -> None:  # noqa: B027 - most have nothing open
        """Close the connections to the server."""
