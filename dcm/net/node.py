"""The address and the AE title of a DICOM application entity."""

import re
from typing import Self

from dcm.errors import LocalProtocolError
from dcm.frozen import Frozen
from dcm.wire.values import check_ae_title

_HOST = re.compile(r"[^\s\[\]]+")


class DcmNode(Frozen):
    """An application entity: `host`, `ae_title` and TCP `port`."""

    host: str
    ae_title: str
    port: int

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise LocalProtocolError(f"host is {self.host!r}: it must be a name or an IP address")
        check_ae_title("AE title", self.ae_title)
        if not 0 <= self.port < 1 << 16:
            raise LocalProtocolError(f"port is {self.port}: it must be from 0 to 65535")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `host:ae_title:port`; brackets around an IPv6 address are optional."""
        host, ae_title, port = ["", "", *text.rsplit(":", 2)][-3:]
        if not (host and port.isascii() and port.isdigit() and len(port) <= 5):
            raise LocalProtocolError(
                f"{text!r} is not a node: use host:ae_title:port, as in mypacs.org:MYPACS:11112"
            )
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        return cls(host, ae_title, int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.ae_title}:{self.port}"
