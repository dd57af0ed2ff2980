"""What the harness asks of any server, whoever starts it and however."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.model import AETitle, Credentials, Endpoint, Version
from harness.servers.capabilities import Capabilities


@dataclass(frozen=True)
class Identity:
    """Who a server is: its product, its version and what was added to it."""

    product: str
    version: Version
    ae_title: AETitle
    plugins: Mapping[str, str] = field(default_factory=dict)
    executable: Path | None = None
    image: str | None = None
    """The container image that it was started from."""

    def as_json(self) -> dict[str, object]:
        """Return the identity for the record of a run."""
        return {
            "name": self.product,
            "version": str(self.version),
            "ae_title": self.ae_title,
            "plugins": dict(self.plugins),
            "executable": None if self.executable is None else str(self.executable),
            "image": self.image,
        }


class Server(Protocol):
    """A running server. Endpoints are its own; cases speak to the relay in front of it."""

    identity: Identity
    capabilities: Capabilities
    dicom: Endpoint
    rest: Endpoint | None
    """Where it offers RESTful services: Orthanc's own, DICOMweb or both; the capabilities say which."""
    dicomweb: str | None
    """The path below which DICOMweb is found there (the base URI of PS3.18 8.2), None without it."""
    credentials: Credentials | None
    worklists: Path | None
    """Folder from which the server answers worklist queries, where the harness can write to it."""

    def reset(self, *, unsettled: bool) -> None:
        """Forget every object and every record of what happened, so that a case starts from nothing.

        `unsettled`: the last case failed, and may have left work under way, which is to be ended first.
        """

    def outlasts_reset(self, method: str, target: str) -> bool:
        """Return whether a request may have changed what `reset` leaves as it is: settings, scripts, jobs."""

    def restore(self) -> None:
        """Bring the server back to how it was configured, and empty. Endpoints may change."""

    def died(self) -> str | None:
        """Say in words how the server ended, at no cost; None while it runs or where that is out of reach."""

    def trouble(self) -> str | None:
        """Say in words that the server died or no longer answers; None when it is well."""

    def restart(self) -> None:
        """End what is left of the server and start it again, empty. Endpoints may change."""

    def crash(self) -> None:
        """End it by SIGKILL and start it again with what it has stored: where it can `server.crash`."""

    def log_position(self) -> int:
        """Return the place in the log at which the next line will stand."""

    def log_since(self, position: int) -> str:
        """Return what was logged since `position`; empty where the log is out of reach."""

    def close(self) -> None:
        """End the server if the harness started it, and leave nothing of it behind."""
