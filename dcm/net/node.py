"""The address and the AE title of a DICOM application entity."""

import re
from typing import Self

from dcm.errors import DcmError, LocalProtocolError
from dcm.frozen import Frozen
from dcm.net.tls import Tls
from dcm.wire import UserIdentityRQ
from dcm.wire.values import check_ae_title

_HOST = re.compile(r"[^\s\[\]]+")


class UnprotectedIdentity(DcmError):  # noqa: N818 - reads as the sentence it is
    """A user identity would be sent without TLS, which `DcmNode.allow_plaintext` does not allow."""


class DcmNode(Frozen):
    """An application entity: `host`, `ae_title` and TCP `port`. Port 0, for a listener: a free one.

    tls: how to reach it by TLS; for our own node, how it listens. None: without TLS.
    user_identity: sent when we ask it for an association; see `dcm.net.identity`.
    allow_plaintext: whether the user identity may be sent without TLS, where anybody on the way can read it.
    """

    host: str
    ae_title: str
    port: int
    tls: Tls | None = None
    user_identity: UserIdentityRQ | None = None
    allow_plaintext: bool = False

    def __post_init__(self) -> None:
        if not _HOST.fullmatch(self.host):
            raise LocalProtocolError(f"host is {self.host!r}: it must be a name or an IP address")
        check_ae_title("AE title", self.ae_title)
        if not 0 <= self.port < 1 << 16:
            raise LocalProtocolError(f"port is {self.port}: it must be from 0 to 65535")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `host:ae_title:port`, an IPv6 address in brackets or not."""
        host, ae_title, port = ["", "", *text.rsplit(":", 2)][-3:]
        if not (host and port.isascii() and port.isdigit() and len(port) <= 5):
            raise LocalProtocolError(
                f"{text!r} is not a node: host:ae_title:port is needed, as in mypacs.org:MYPACS:11112"
            )
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        return cls(host, ae_title, int(port))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.ae_title}:{self.port}"


def check_identity(remote: DcmNode) -> None:
    """Refuse to send a user identity that anybody on the way can read. Raises `UnprotectedIdentity`."""
    if remote.user_identity and remote.tls is None and not remote.allow_plaintext:
        raise UnprotectedIdentity(
            f"{remote}: the user identity is not sent: without TLS anybody on the way can read it (set tls"
            " for this node; or allow_plaintext or --allow-plaintext, if the network can be trusted)"
        )
