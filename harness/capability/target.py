"""What is probed: where it is, who we are to it, and how long anything may take."""

from dataclasses import dataclass, field
from pathlib import Path

from harness.model import AETitle, Credentials, Endpoint


@dataclass(frozen=True)
class Limits:
    """Time limits in seconds, and the bound for associations at once."""

    exchange: float = 3.0
    whole: float = 180.0
    associations: int = 24


@dataclass(frozen=True)
class Target:
    """A server that runs, and what of it is within reach."""

    dicom: Endpoint
    ae_title: AETitle
    calling: AETitle
    """The title by which the server knows us; where it sends what a C-MOVE asks for."""
    listen: Endpoint | None = None
    """Where the server finds us by that title; None: it was not told, and no C-MOVE to us is tried."""
    rest: Endpoint | None = None
    """Orthanc's REST interface."""
    web: str | None = None
    """The base URI of DICOMweb (PS3.18 8.2)."""
    credentials: Credentials | None = None
    worklists: Path | None = None
    """A folder from which it answers worklist queries, where we can write to it."""
    product: str = ""
    version: str = ""
    read_only: bool = False
    """Nothing is to be stored."""
    ours: bool = False
    """We started it: what we leave in it ends with it."""
    limits: Limits = field(default_factory=Limits)
