"""What every DICOM client of the cases is made of, whatever it speaks through."""

from dataclasses import dataclass

from harness.certificates import TlsClient
from harness.model import AETitle, Endpoint


@dataclass(frozen=True)
class Client:
    """Speaks with one server as the application entity `calling`; `time_limit` is in seconds."""

    peer: Endpoint
    called: AETitle
    calling: AETitle
    time_limit: float = 10.0
    tls: TlsClient | None = None
