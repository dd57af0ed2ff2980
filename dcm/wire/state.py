"""The state machine of the upper layer (PS3.8 9.2), for requestor and acceptor, as data.

The order of events is defined only in this file, in the form of the standard's tables, so that the two can
be compared. The role matters in only one action, AR-8.
"""

from enum import Enum, IntEnum, auto
from typing import Final, Literal

from dcm.errors import LocalProtocolError
from dcm.frozen import Frozen

Role = Literal["requestor", "acceptor"]


class State(IntEnum):
    """The states of PS3.8 Tables 9-1 to 9-5."""

    STA1 = 1  # idle
    STA2 = 2  # transport connection open; awaiting A-ASSOCIATE-RQ
    STA3 = 3  # awaiting the local user's answer to the association
    STA4 = 4  # awaiting the transport connection to open
    STA5 = 5  # awaiting A-ASSOCIATE-AC or -RJ
    STA6 = 6  # association established, ready for data transfer
    STA7 = 7  # awaiting A-RELEASE-RP
    STA8 = 8  # awaiting the local user's answer to the release
    STA9 = 9  # release collision, requestor: awaiting the local user's answer
    STA10 = 10  # release collision, acceptor: awaiting A-RELEASE-RP
    STA11 = 11  # release collision, requestor: awaiting A-RELEASE-RP
    STA12 = 12  # release collision, acceptor: awaiting the local user's answer
    STA13 = 13  # association over; awaiting the transport connection to close


class StateEvent(IntEnum):
    """The events: the rows of PS3.8 Table 9-10."""

    ASSOCIATE_REQUEST = 1
    TRANSPORT_CONFIRM = 2
    ASSOCIATE_AC_PDU = 3
    ASSOCIATE_RJ_PDU = 4
    TRANSPORT_INDICATION = 5
    ASSOCIATE_RQ_PDU = 6
    ASSOCIATE_ACCEPT = 7
    ASSOCIATE_REJECT = 8
    P_DATA_REQUEST = 9
    P_DATA_PDU = 10
    RELEASE_REQUEST = 11
    RELEASE_RQ_PDU = 12
    RELEASE_RP_PDU = 13
    RELEASE_RESPONSE = 14
    ABORT_REQUEST = 15
    ABORT_PDU = 16
    TRANSPORT_CLOSED = 17
    ARTIM_EXPIRED = 18
    INVALID_PDU = 19


class Do(Enum):
    """The steps of an action."""

    OPEN_TRANSPORT = auto()
    CLOSE_TRANSPORT = auto()
    SEND = auto()
    """Send what the local user passed in."""
    SEND_REJECTION = auto()
    SEND_USER_ABORT = auto()
    SEND_PROVIDER_ABORT = auto()
    INDICATE = auto()
    """Pass on to the local user what was received: an indication or confirmation primitive."""
    INDICATE_PROVIDER_ABORT = auto()
    START_ARTIM = auto()
    STOP_ARTIM = auto()


class Action(Frozen):
    """An action of PS3.8 Tables 9-6 to 9-9: what to do, and the next state.

    Two actions have an alternative: AE-6 if the service provider does not accept the request, AR-8 for the
    acceptor.
    """

    name: str
    do: tuple[Do, ...]
    next_state: State
    otherwise: "Action | None" = None


_S: Final = State
# fmt: off
ACTIONS: Final = {action.name: action for action in (
    # Table 9-6, association establishment
    Action("AE-1", (Do.OPEN_TRANSPORT,), _S.STA4),
    Action("AE-2", (Do.SEND,), _S.STA5),
    Action("AE-3", (Do.INDICATE,), _S.STA6),
    Action("AE-4", (Do.INDICATE, Do.CLOSE_TRANSPORT), _S.STA1),
    Action("AE-5", (Do.START_ARTIM,), _S.STA2),
    Action("AE-6", (Do.STOP_ARTIM, Do.INDICATE), _S.STA3,
           Action("AE-6", (Do.STOP_ARTIM, Do.SEND_REJECTION, Do.START_ARTIM), _S.STA13)),
    Action("AE-7", (Do.SEND,), _S.STA6),
    Action("AE-8", (Do.SEND, Do.START_ARTIM), _S.STA13),
    # Table 9-7, data transfer
    Action("DT-1", (Do.SEND,), _S.STA6),
    Action("DT-2", (Do.INDICATE,), _S.STA6),
    # Table 9-8, association release
    Action("AR-1", (Do.SEND,), _S.STA7),
    Action("AR-2", (Do.INDICATE,), _S.STA8),
    Action("AR-3", (Do.INDICATE, Do.CLOSE_TRANSPORT), _S.STA1),
    Action("AR-4", (Do.SEND, Do.START_ARTIM), _S.STA13),
    Action("AR-5", (Do.STOP_ARTIM,), _S.STA1),
    Action("AR-6", (Do.INDICATE,), _S.STA7),
    Action("AR-7", (Do.SEND,), _S.STA8),
    Action("AR-8", (Do.INDICATE,), _S.STA9, Action("AR-8", (Do.INDICATE,), _S.STA10)),
    Action("AR-9", (Do.SEND,), _S.STA11),
    Action("AR-10", (Do.INDICATE,), _S.STA12),
    # Table 9-9, association abort
    Action("AA-1", (Do.SEND_USER_ABORT, Do.START_ARTIM), _S.STA13),
    Action("AA-2", (Do.STOP_ARTIM, Do.CLOSE_TRANSPORT), _S.STA1),
    Action("AA-3", (Do.INDICATE, Do.CLOSE_TRANSPORT), _S.STA1),
    Action("AA-4", (Do.INDICATE_PROVIDER_ABORT,), _S.STA1),
    Action("AA-5", (Do.STOP_ARTIM,), _S.STA1),
    Action("AA-6", (), _S.STA13),
    Action("AA-7", (Do.SEND_PROVIDER_ABORT,), _S.STA13),
    Action("AA-8", (Do.SEND_PROVIDER_ABORT, Do.INDICATE_PROVIDER_ABORT, Do.START_ARTIM), _S.STA13),
)}

_TABLE_9_10: Final = """
Evt  Sta1  Sta2  Sta3  Sta4  Sta5  Sta6  Sta7  Sta8  Sta9  Sta10 Sta11 Sta12 Sta13
  1  AE-1   .     .     .     .     .     .     .     .     .     .     .     .
  2   .     .     .    AE-2   .     .     .     .     .     .     .     .     .
  3   .    AA-1  AA-8   .    AE-3  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
  4   .    AA-1  AA-8   .    AE-4  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
  5  AE-5   .     .     .     .     .     .     .     .     .     .     .     .
  6   .    AE-6  AA-8   .    AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7
  7   .     .    AE-7   .     .     .     .     .     .     .     .     .     .
  8   .     .    AE-8   .     .     .     .     .     .     .     .     .     .
  9   .     .     .     .     .    DT-1   .    AR-7   .     .     .     .     .
 10   .    AA-1  AA-8   .    AA-8  DT-2  AR-6  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
 11   .     .     .     .     .    AR-1   .     .     .     .     .     .     .
 12   .    AA-1  AA-8   .    AA-8  AR-2  AR-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-6
 13   .    AA-1  AA-8   .    AA-8  AA-8  AR-3  AA-8  AA-8  AR-10 AR-3  AA-8  AA-6
 14   .     .     .     .     .     .     .    AR-4  AR-9   .     .    AR-4   .
 15   .     .    AA-1  AA-2  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1  AA-1   .
 16   .    AA-2  AA-3   .    AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-3  AA-2
 17   .    AA-5  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AA-4  AR-5
 18   .    AA-2   .     .     .     .     .     .     .     .     .     .    AA-2
 19   .    AA-1  AA-8   .    AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-8  AA-7
"""
# fmt: on

TRANSITIONS: Final = {
    (StateEvent(int(event)), state): ACTIONS[name]
    for event, *names in map(str.split, _TABLE_9_10.split("\n")[2:-1])
    for state, name in zip(State, names, strict=True)
    if name != "."
}
"""The action for each event in each state; the missing combinations cannot occur."""


class StateMachine:
    """The current state of an association."""

    __slots__ = ("role", "state")

    def __init__(self, role: Role) -> None:
        self.role: Final[Role] = role
        self.state = State.STA1

    def action(self, event: StateEvent, *, acceptable: bool = True) -> Action:
        """Return the action for `event`, without changing the state.

        acceptable: whether the service provider accepts an association request (AE-6). Raises
        `LocalProtocolError` for an event that is not in the table for this state.
        """
        found = TRANSITIONS.get((event, self.state))
        if found is None:
            event_name = event.name.lower().replace("_", " ")
            raise LocalProtocolError(
                f"{event_name} (Evt{event}) is not possible in Sta{self.state} ({self.role})"
            )
        if found.otherwise is None:
            return found
        first_half = self.role == "requestor" if found.name == "AR-8" else acceptable
        return found if first_half else found.otherwise

    def step(self, event: StateEvent, *, acceptable: bool = True) -> Action:
        """Change to the next state; return the action that leads there."""
        found = self.action(event, acceptable=acceptable)
        self.state = found.next_state
        return found
