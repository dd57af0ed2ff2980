"""The DICOM protocol without I/O: bytes in, events out; events in, bytes out.

No socket, thread, clock, file or logging. `Connection` is one association seen from one side. `build` and
`parse` are for single PDUs, `build_message` and `parse_message` for single command sets; `Framer`
cuts what others said. What the standard forbids is built by `dcm.wire.raw`.
"""

from dcm.wire.codec import build, parse, parse_body, split_pdvs
from dcm.wire.connection import Connection
from dcm.wire.dimse import (
    DATA_SET,
    MESSAGES,
    NO_DATA_SET,
    CCancelRQ,
    CEchoRQ,
    CEchoRSP,
    CFindRQ,
    CFindRSP,
    CGetRQ,
    CGetRSP,
    CMoveRQ,
    CMoveRSP,
    CStoreRQ,
    CStoreRSP,
    Message,
    NActionRQ,
    NActionRSP,
    NCreateRQ,
    NCreateRSP,
    NDeleteRQ,
    NDeleteRSP,
    NEventReportRQ,
    NEventReportRSP,
    NGetRQ,
    NGetRSP,
    NSetRQ,
    NSetRSP,
    Priority,
    Request,
    Response,
)
from dcm.wire.dimse_codec import build_message, parse_message, store_request, store_response
from dcm.wire.events import (
    CloseTransport,
    Command,
    ConnectionLost,
    DataFragment,
    DataFragments,
    OpenTransport,
    Received,
    Sent,
    StartTimer,
    StopTimer,
    TimerExpired,
    TransportOpened,
)
from dcm.wire.framing import Framer
from dcm.wire.items import ContextResult, PresentationContextAC, PresentationContextRQ, RawItem
from dcm.wire.limits import Limits
from dcm.wire.message_writer import fragments
from dcm.wire.negotiation import AcceptedContext, answer_contexts, incomplete
from dcm.wire.pdu import (
    DICOM_APPLICATION_CONTEXT,
    PDU,
    PDV,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDataTF,
    ReleaseRP,
    ReleaseRQ,
)
from dcm.wire.state import Role, State
from dcm.wire.status import (
    Status,
    StatusClass,
    describe,
    describe_abort,
    readable,
    rejection,
    status_class,
)
from dcm.wire.user_items import (
    AsynchronousOperationsWindow,
    ImplementationClassUID,
    ImplementationVersionName,
    MaximumLength,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    UserIdentityType,
    UserItem,
)
from dcm.wire.values import Buffer

# fmt: off
__all__ = [
    "DATA_SET", "DICOM_APPLICATION_CONTEXT", "MESSAGES", "NO_DATA_SET", "PDU", "PDV", "Abort",
    "AcceptedContext", "AssociateAC", "AssociateRJ", "AssociateRQ", "AsynchronousOperationsWindow",
    "Buffer", "CCancelRQ", "CEchoRQ", "CEchoRSP", "CFindRQ", "CFindRSP", "CGetRQ", "CGetRSP",
    "CMoveRQ", "CMoveRSP", "CStoreRQ", "CStoreRSP", "CloseTransport", "Command", "Connection",
    "ConnectionLost", "ContextResult", "DataFragment", "DataFragments", "Framer",
    "ImplementationClassUID", "ImplementationVersionName", "Limits", "MaximumLength", "Message",
    "NActionRQ", "NActionRSP", "NCreateRQ", "NCreateRSP", "NDeleteRQ", "NDeleteRSP",
    "NEventReportRQ", "NEventReportRSP", "NGetRQ", "NGetRSP", "NSetRQ", "NSetRSP", "OpenTransport",
    "PDataTF", "PresentationContextAC", "PresentationContextRQ", "Priority", "RawItem", "Received",
    "ReleaseRP", "ReleaseRQ", "Request", "Response", "Role", "RoleSelection",
    "SOPClassCommonExtendedNegotiation", "SOPClassExtendedNegotiation", "Sent", "StartTimer",
    "State", "Status", "StatusClass", "StopTimer", "TimerExpired", "TransportOpened",
    "UserIdentityAC", "UserIdentityRQ", "UserIdentityType", "UserItem", "answer_contexts", "build",
    "build_message", "describe", "describe_abort", "fragments", "incomplete", "parse", "parse_body",
    "parse_message", "readable", "rejection", "split_pdvs", "status_class", "store_request",
    "store_response",
]
# fmt: on
