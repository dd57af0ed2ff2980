"""Time limits."""

from dcm.errors import LocalProtocolError
from dcm.frozen import Frozen, fields


class TimeLimits(Frozen):
    """Time limits in seconds, each for one kind of silence."""

    connect: float = 10.0
    """Until the TCP connection stands."""
    association: float = 30.0
    """Until the association is accepted or rejected; as acceptor, until it is asked for (ARTIM)."""
    response: float = 60.0
    """Without a byte from the peer while an answer is due, or while it takes no byte of ours."""
    busy: float = 60.0
    """While the peer rejects the association for now, as a busy one does: it is asked again."""
    idle: float = 300.0
    """As acceptor, without a byte between two messages."""
    operation: float = 300.0
    """Without progress of a C-MOVE or C-GET: neither an instance nor a response with other numbers came.

    Pending responses that repeat the same numbers are taken for five times `response` at most.
    """
    release: float = 5.0
    """Until the peer answers a release, or closes the connection after an abort."""

    def __post_init__(self) -> None:
        for name in fields(type(self)):
            if not getattr(self, name) > 0:
                raise LocalProtocolError(f"the time limit {name} must be more than 0 seconds")
