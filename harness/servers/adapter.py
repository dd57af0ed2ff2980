"""What the harness must know of a kind of server: how it is started, who it is, how it is emptied."""

import abc
import contextlib
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

# Servers that are built on dcmtk leave Nagle's algorithm on, which costs 40 ms and more for each message.
ENVIRONMENT = {"TCP_NODELAY": "1"}
PATIENCE = 5.0  # seconds for a transaction of the server's own to end


class Adapter(abc.ABC):
    """One kind of server, in one role. The defaults suit a program that speaks DICOM and keeps files."""

    doors: tuple[str, ...] = ("dicom",)
    """What it listens for: `dicom`, and `http` for RESTful services, Orthanc's own or DICOMweb."""
    dicomweb: str | None = None
    """The path below which it offers DICOMweb (the base URI of PS3.18 8.2)."""
    credentials: Credentials | None = None
    can: Iterable[str] = ()
    """What cases can ask it for, by the names in `harness.vocabulary`."""
    has_worklists: bool = False
    """It answers worklist queries from a folder that the harness writes to."""
    index: str | None = None
    """The SQLite database in its data folder, if it keeps an index there while it runs."""
    index_keeps: tuple[str, ...] = ()
    """Tables of the index in which no objects are noted."""

    def __init__(self, role: Role, build: Build) -> None:
        """Make it for a role; `build` is what is started."""
        self.role, self.build = role, build
        self.ae_title: AETitle = role.ae_title
        self.endpoints: Mapping[str, Endpoint] = {}

    @property
    def program(self) -> str:
        """The path of the executable that was found; in an image its name."""
        return str(self.build.executable or self.build.product)

    @property
    def python(self) -> str:
        """The Python that runs it, if it is written in that."""
        return sys.executable if self.build.image is None else "python3"

    @abc.abstractmethod
    def launch(self, seat: Seat) -> Launch:
        """Return the program that is to run, with its arguments and the files that it reads."""

    def reach(self, endpoints: Mapping[str, Endpoint]) -> None:
        """Take note of where its doors are now."""
        self.endpoints = endpoints

    def worklists_in(self, shared: Path) -> Path:
        """Return where cases put worklist items: in the folder that they share with the server."""
        return shared

    def answers(self, time_limit: float) -> bool:
        """Return whether it answers a request for an association, if only by a rejection.

        Some servers reject while other associations are open, and take their time to end those.
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
        """Return who it is and what it can do, now that it runs."""
        return self.build.identity(self.ae_title), Capabilities(dict.fromkeys(self.can))

    def empty(self, folder: Path | None, worklists: Path | None, *, unsettled: bool) -> bool:  # noqa: ARG002
        """Delete what it holds; return False if nothing but a fresh start does that.

        Most servers look into their data folder for each request. `folder` is the server's own, None if it
        is out of reach; `worklists` is the one that cases write to. `unsettled`: work may be under way,
        which is to be ended first.
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
        """Delete the rows of its tables from outside: there is no door for that."""
        with contextlib.closing(sqlite3.connect(file, timeout=PATIENCE)) as index, index:
            found = index.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in found:
                if table not in self.index_keeps:
                    index.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a name that SQLite gave

    def outlasts_emptying(self, method: str, target: str) -> bool:  # noqa: ARG002 - nothing does, mostly
        """Return whether an HTTP request may have changed what `empty` leaves as it is."""
        return False

    changeable: frozenset[str] = frozenset()
    """Settings of its configuration that `change` can change while it runs."""

    def change(self, settings: Iterable[Override]) -> None:  # noqa: B027 - nothing is `changeable`
        """Change settings, all of them `changeable`, until `put_back`."""

    def put_back(self) -> None:  # noqa: B027 - most have nothing to put back
        """Undo by requests what a case may have changed besides objects: nothing, for most servers."""

    def close(self) -> None:  # noqa: B027 - most have nothing open
        """Close the connections to the server."""
