"""Time limits."""

from dcm.errors import LocalProtocolError
from dcm.frozen import Frozen, fields


class TimeLimits(Frozen):
    """Time limits in seconds, each for one kind of waiting."""

    connect: float = 10.0
    """Until the TCP connection is established."""
    association: float = 30.0
    """Until the association is accepted or rejected; as acceptor, until it is requested (ARTIM)."""
    response: float = 60.0
    """Without a byte from the peer while waiting for a response, or without it accepting a byte of ours."""
    busy: float = 60.0
    """While the peer rejects the association transiently, as a busy one does: the request is repeated."""
    idle: float = 300.0
    """As acceptor, without a byte between two messages."""
    operation: float = 300.0
    """Without progress in a C-MOVE or C-GET: no instance, and no response with new numbers.

    Pending responses that repeat the same numbers are accepted for at most five times `response`.
    """
    release: float = 5.0
    """Until the peer answers a release, or closes the connection after an abort."""

    def __post_init__(self) -> None:
        for name in fields(type(self)):
            if not getattr(self, name) > 0:
                raise LocalProtocolError(f"the time limit {name} must be greater than 0 seconds")
