"""Settings for the two sides of an association: a remote node, and our own listener."""

from typing import Self

from dcm.errors import DcmError, LocalProtocolError
from dcm.frozen import Frozen
from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.retry import Retry
from dcm.net.tls import Tls
from dcm.wire import UserIdentityRQ


class UnprotectedIdentity(DcmError):  # noqa: N818 - reads as the sentence it is
    """A user identity would be sent without TLS, but `Remote.allow_plaintext` is false."""


class Remote(Frozen):
    """A remote node and how to communicate with it.

    limits: the time limits for it. tls: the TLS settings; None: without TLS.
    user_identity: sent with each request for an association; see `dcm.net.identity`.
    allow_plaintext: whether the user identity may be sent without TLS, where others can read it.
    max_associations: the maximum number of associations with it at the same time.
    retry: the policy for retrying after an association has failed.
    """

    node: DcmNode
    limits: TimeLimits = TimeLimits()
    tls: Tls | None = None
    user_identity: UserIdentityRQ | None = None
    allow_plaintext: bool = False
    max_associations: int = 4
    retry: Retry = Retry()

    def __post_init__(self) -> None:
        if self.max_associations < 1:
            raise LocalProtocolError(
                f"max_associations is {self.max_associations}, but must be 1 or more"
            )

    @classmethod
    def at(
        cls, address: "Remote | DcmNode | str", limits: TimeLimits, retry: Retry | None = None
    ) -> "Remote":
        """Return a remote for an address (`host:ae_title:port`) with these limits; a `Remote` as it is."""
        if isinstance(address, Remote):
            return address
        node = DcmNode.parse(address) if isinstance(address, str) else address
        return cls(node, limits, retry=retry or Retry())

    def check_identity(self) -> None:
        """Raise `UnprotectedIdentity` if the user identity would be readable by others."""
        if self.user_identity and self.tls is None and not self.allow_plaintext:
            raise UnprotectedIdentity(
                f"{self}: the user identity is not sent, because without TLS others can read it (set tls"
                " for this node; or allow_plaintext or --allow-plaintext, if the network can be trusted)"
            )

    def __str__(self) -> str:
        return str(self.node)


class Listen(DcmNode):
    """Where we listen, and our AE title. Port 0 means any free port.

    tls: the TLS settings for listening; its certificate is also sent to remotes without one of their own.
    """

    host: str = "0.0.0.0"  # noqa: S104 - all addresses
    ae_title: str = "DCM"
    port: int = 11112
    tls: Tls | None = None

    @classmethod
    def of(cls, local: "Self | str") -> Self:
        """Return where to listen; a text is an AE title."""
        return cls(ae_title=local) if isinstance(local, str) else local
