"""Events between a `Connection` and its caller, in addition to the PDUs of association, release and abort.

A PDU represents its service primitive: an `AssociateRQ` that is sent is the A-ASSOCIATE request, one that is
received is the indication. Messages are passed in parts, so that bulk data need not be held in memory.
"""

from collections.abc import Sequence

from dcm.frozen import Frozen
from dcm.wire.dimse import Message
from dcm.wire.pdu import Abort, AssociateAC, AssociateRJ, AssociateRQ, ReleaseRP, ReleaseRQ
from dcm.wire.values import Buffer


class Command(Frozen):
    """The beginning of a message, or all of it if it has no data set. Sent and received.

    context_id: the presentation context of the message.
    message: the decoded command set.
    """

    context_id: int
    message: Message


class DataFragment(Frozen):
    """A part of the data set of the last `Command`. Sent.

    data: any even number of bytes, which are split into PDUs without being copied.
    last: whether the message ends here.
    """

    context_id: int
    data: Buffer
    last: bool


class DataFragments(Frozen):
    """The parts of the data set of the last `Command` that have arrived. Received.

    parts: views, as they arrived, into the buffers that the caller passed in; valid until it reuses them.
    last: whether the message ends here.
    """

    context_id: int
    parts: Sequence[Buffer]
    last: bool

    @property
    def data(self) -> bytes:
        """A copy of all parts, joined."""
        return b"".join(self.parts)


class TransportOpened(Frozen):
    """From the caller: the TCP connection is open (requestor) or was accepted (acceptor)."""


class TimerExpired(Frozen):
    """From the caller: the ARTIM timer has expired (PS3.8 9.1.5)."""


class OpenTransport(Frozen):
    """To the caller: open the TCP connection, if it is not open yet, then send `TransportOpened`."""


class CloseTransport(Frozen):
    """To the caller: write everything that is left to send, then close the TCP connection."""


class StartTimer(Frozen):
    """To the caller: start the ARTIM timer, or restart it if it is running (PS3.8 9.1.5)."""


class StopTimer(Frozen):
    """To the caller: stop the ARTIM timer, if it is running."""


class ConnectionLost(Frozen):
    """To the caller: the TCP connection was closed while it was needed (A-P-ABORT, PS3.8 7.4)."""


_Primitive = AssociateRQ | AssociateAC | AssociateRJ | ReleaseRQ | ReleaseRP | Abort
Sent = _Primitive | Command | DataFragment | TransportOpened | TimerExpired
"""The events that `Connection.send` accepts."""
_ToDo = OpenTransport | CloseTransport | StartTimer | StopTimer | ConnectionLost
Received = _Primitive | Command | DataFragments | _ToDo
"""The events that `Connection.next_events` returns."""
