"""Selects the server to fuzz: one that we start, or one that the user allowed us to break."""

from dataclasses import dataclass, replace
from pathlib import Path

from harness.config.settings import LOCAL, REMOTE, Node, Pair
from harness.errors import ConfigError
from harness.fuzz.network import Address, Doors
from harness.fuzz.playing import Patience
from harness.fuzz.subject import Subject
from harness.model import AETitle, Port
from harness.servers.attached import attach
from harness.servers.guard import Guard
from harness.servers.product import Role
from harness.servers.registry import find


@dataclass(frozen=True)
class Where:
    """A server: a `spec` to start, or a `host` that the user named."""

    spec: str
    host: str | None = None
    ae_title: str = "ORTHANC"
    dicom: int = 4242
    rest: int | None = None
    dicomweb: str | None = None

    @property
    def ours(self) -> bool:
        """Whether we start it."""
        return self.host is None

    def addresses(self) -> frozenset[Address]:
        """Return the addresses that the user named; none for a server that we start."""
        if self.host is None:
            return frozenset()
        node = self.node()
        doors = {"dicom": node.dicom_endpoint, "http": node.rest_endpoint}
        return Doors({name: each for name, each in doors.items() if each is not None}).addresses

    def node(self) -> Node:
        """Return the server that the user named."""
        assert self.host is not None
        rest = None if self.rest is None else Port(self.rest)
        title = AETitle(self.ae_title)
        return replace(REMOTE, ae_title=title, host=self.host, dicom=Port(self.dicom), rest=rest)


def consented(where: Where, word: str | None) -> None:
    """Raise ConfigError unless the user consented to breaking a server that is already running."""
    if where.host is not None and word != where.host:
        raise ConfigError(
            f"a fuzzer may crash {where.host}, and fill it with objects. If you may break it, use "
            f"--consent {where.host}"
        )


def resolved(where: Where) -> Where:
    """Return it with the host name resolved, so that a later change of the name has no effect."""
    if where.host is None:
        return where
    host = next(iter(Doors({"dicom": where.node().dicom_endpoint}).addresses))[0]
    return replace(where, host=host)


def begin(where: Where, patience: Patience) -> Subject:
    """Return the server, to be entered. Raises ConfigError or ServerNotFound if there is none."""
    if where.host is None:
        return Subject(find(where.spec), patience)
    role = Role("remote", Pair(where.node(), LOCAL), Guard())
    deployment = attach(
        role, None, 10.0, is_orthanc=where.rest is not None and where.dicomweb is None,
        dicomweb=where.dicomweb,
    )  # fmt: skip
    return Subject(deployment, patience)


def folder_for(where: Where, seed: int) -> Path:
    """Return the default folder for a run."""
    name = "".join(each if each.isalnum() else "-" for each in Path(where.spec).name)
    return Path("runs") / f"fuzz-{name}-{seed}"
