"""What a peer may announce before we stop believing it."""

from dcm.errors import LocalProtocolError
from dcm.frozen import Frozen, fields


class Limits(Frozen):
    """The largest lengths and counts that are accepted from a peer; all lengths are in bytes.

    What is beyond a limit raises `RemoteProtocolError` when it is announced, before it is buffered.
    The number of presentation contexts needs no limit here: the standard allows 128 (PS3.8 9.3.2.2).
    """

    association_pdu: int = 1 << 20
    """PDU length of an A-ASSOCIATE-RQ or -AC."""
    p_data_pdu: int = 1 << 20
    """PDU length of a P-DATA-TF, and so the largest maximum length that we may announce (PS3.8 D.1)."""
    p_data_pdu_sent: int = 1 << 18
    """PDU length of a P-DATA-TF that we send to a peer without a maximum, or with a larger one."""
    items: int = 4096
    """Number of items, or of sub-items, on one level of an association PDU."""
    command_set: int = 1 << 16
    """Length of the command set of one message."""
    user_identity: int = 1 << 15
    """Length of a user identity sub-item (PS3.7 D.3.3.7): a Kerberos ticket or SAML assertion is long."""

    def __post_init__(self) -> None:
        for name in fields(type(self)):
            if getattr(self, name) < 1:
                raise LocalProtocolError(f"the limit {name} must be at least 1")
