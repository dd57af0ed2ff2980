"""What passes between a `Connection` and its caller, beside the PDUs of association, release and abort.

A PDU stands for the service primitive that it carries: an `AssociateRQ` that is sent is the A-ASSOCIATE
request, one that is received is the indication. Messages pass in parts, so that nobody must hold bulk data.
"""

from enum import Enum

from dcm.frozen import Frozen
from dcm.wire.dimse import Message
from dcm.wire.pdu import Abort, AssociateAC, AssociateRJ, AssociateRQ, ReleaseRP, ReleaseRQ
from dcm.wire.values import Buffer


class Command(Frozen):
    """A message begins; without a data set, that is all of it. Sent and received.

    context_id: the presentation context on which it passes.
    message: the decoded command set.
    """

    context_id: int
    message: Message


class DataFragment(Frozen):
    """A part of the data set of the last `Command` in the same direction. Sent and received.

    data: an even number of bytes. When received, a view of what the caller fed, to be used before he
    overwrites that; only the rest of a fragment, where `Connection.next_fragments` gave a part of it. When
    sent, it may have any length: it is cut into PDUs without being copied.
    last: whether the message ends here.
    """

    context_id: int
    data: Buffer
    last: bool


class TransportOpened(Frozen):
    """The TCP connection is open. From the caller: a requestor's own, or one that an acceptor took."""


class TimerExpired(Frozen):
    """The ARTIM timer has expired (PS3.8 9.1.5). From the caller."""


class OpenTransport(Frozen):
    """To the caller: open the TCP connection, if it is not open yet, then send `TransportOpened`."""


class CloseTransport(Frozen):
    """To the caller: write what is left to send, then close the TCP connection."""


class StartTimer(Frozen):
    """To the caller: start the ARTIM timer, from the beginning if it runs (PS3.8 9.1.5)."""


class StopTimer(Frozen):
    """To the caller: stop the ARTIM timer, if it runs."""


class ConnectionLost(Frozen):
    """To the caller: the TCP connection was closed while it was needed (A-P-ABORT, PS3.8 7.4)."""


class NeedData(Enum):
    """To the caller: there is no event; receive more, or do something."""

    NEED_DATA = "NEED_DATA"


NEED_DATA = NeedData.NEED_DATA

Sent = (
    AssociateRQ
    | AssociateAC
    | AssociateRJ
    | Command
    | DataFragment
    | ReleaseRQ
    | ReleaseRP
    | Abort
    | TransportOpened
    | TimerExpired
)
"""What a caller may give to `Connection.send`."""

Received = (
    AssociateRQ
    | AssociateAC
    | AssociateRJ
    | Command
    | DataFragment
    | ReleaseRQ
    | ReleaseRP
    | Abort
    | OpenTransport
    | CloseTransport
    | StartTimer
    | StopTimer
    | ConnectionLost
)
"""What `Connection.next_event` gives."""
