"""What passes between a `Connection` and its caller, beside the PDUs of association, release and abort.

A PDU stands for the service primitive that it carries: an `AssociateRQ` that is sent is the A-ASSOCIATE
request, one that is received is the indication. Messages pass in parts, so that nobody must hold bulk data.
"""

from collections.abc import Sequence

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
    """A part of the data set of the last `Command`. Sent.

    data: an even number of bytes, of any length: it is cut into PDUs without being copied.
    last: whether the message ends here.
    """

    context_id: int
    data: Buffer
    last: bool


class DataFragments(Frozen):
    """What has arrived of the data set of the last `Command`. Received.

    parts: views of what the caller fed, valid until it overwrites that; cut as they arrived.
    last: whether the message ends here.
    """

    context_id: int
    parts: Sequence[Buffer]
    last: bool

    @property
    def data(self) -> bytes:
        """A copy of all parts."""
        return b"".join(self.parts)


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


_Primitive = AssociateRQ | AssociateAC | AssociateRJ | ReleaseRQ | ReleaseRP | Abort
Sent = _Primitive | Command | DataFragment | TransportOpened | TimerExpired
"""What a caller may give to `Connection.send`."""
_ToDo = OpenTransport | CloseTransport | StartTimer | StopTimer | ConnectionLost
Received = _Primitive | Command | DataFragments | _ToDo
"""What `Connection.next_events` returns."""
