"""Limits on what a peer may announce."""

from dcm.errors import LocalProtocolError
from dcm.frozen import Frozen, fields


class Limits(Frozen):
    """The largest lengths and counts that are accepted from a peer; all lengths are in bytes.

    Anything above a limit raises `RemoteProtocolError` when it is announced, before it is buffered.
    The number of presentation contexts needs no limit here: the standard allows 128 (PS3.8 9.3.2.2).
    """

    association_pdu: int = 1 << 20
    """The PDU length of an A-ASSOCIATE-RQ or -AC."""
    p_data_pdu: int = 1 << 20
    """The PDU length of a P-DATA-TF, and thus the largest maximum length we may announce (PS3.8 D.1)."""
    p_data_pdu_sent: int = 1 << 18
    """The PDU length of a P-DATA-TF sent to a peer that has no maximum, or a larger one."""
    items: int = 4096
    """The number of items, or of sub-items of one item, in an association PDU."""
    command_set: int = 1 << 16
    """The length of the command set of one message."""
    user_identity: int = 1 << 15
    """The length of a user identity sub-item (PS3.7 D.3.3.7); Kerberos tickets, for example, are long."""

    def __post_init__(self) -> None:
        for name in fields(type(self)):
            if getattr(self, name) < 1:
                raise LocalProtocolError(f"the limit {name} must be at least 1")
