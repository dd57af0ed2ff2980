"""The attributes that all DICOM clients of the cases share, whatever library they use."""

from dataclasses import dataclass

from harness.certificates import TlsClient
from harness.model import AETitle, Endpoint


@dataclass(frozen=True)
class Client:
    """Calls one server as the application entity `calling`; `time_limit` is in seconds."""

    peer: Endpoint
    called: AETitle
    calling: AETitle
    time_limit: float = 10.0
    tls: TlsClient | None = None
