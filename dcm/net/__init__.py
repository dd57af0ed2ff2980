"""DICOM networking on asyncio.

    async with LocalEntity("WORKSTATION") as entity:
        await entity.echo("mypacs.org:MYPACS:11112")

Names exported here are imported on first use, so programs start fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcm.errors import DcmError, LocalProtocolError, RemoteProtocolError
    from dcm.net.admission import Admission
    from dcm.net.entity import LocalEntity, Stream
    from dcm.net.errors import (  # isort: skip
        AssociationAborted, AssociationRejected, ConnectionFailed, ConnectionLost, KeyIgnored, NetworkError,
        NoProgress, NotAccepted, NotAllFound, NotAllRetrieved, OperationFailed, TimedOut, TlsFailed,
    )  # fmt: skip
    from dcm.net.identity import user
    from dcm.net.limits import TimeLimits
    from dcm.net.listener import Listener
    from dcm.net.node import DcmNode
    from dcm.net.remote import Listen, Remote, UnprotectedIdentity
    from dcm.net.sender import Sender
    from dcm.net.tls import Tls, UnusableTls
    from dcm.outcome import InstanceResult, Outcome, Report
    from dcm.sinks import Folder, ReceivedInstance, Refused

_EXPORTS = {
    "dcm.errors": ("DcmError", "LocalProtocolError", "RemoteProtocolError"),
    "dcm.net.admission": ("Admission",),
    "dcm.net.entity": ("LocalEntity", "Stream"),
    "dcm.net.errors": (
        "AssociationAborted", "AssociationRejected", "ConnectionFailed", "ConnectionLost", "KeyIgnored",
        "NetworkError", "NoProgress", "NotAccepted", "NotAllFound", "NotAllRetrieved", "OperationFailed",
        "TimedOut", "TlsFailed",
    ),
    "dcm.net.identity": ("user",),
    "dcm.net.limits": ("TimeLimits",),
    "dcm.net.listener": ("Listener",),
    "dcm.net.node": ("DcmNode",),
    "dcm.net.remote": ("Listen", "Remote", "UnprotectedIdentity"),
    "dcm.net.sender": ("Sender",),
    "dcm.net.tls": ("Tls", "UnusableTls"),
    "dcm.outcome": ("InstanceResult", "Outcome", "Report"),
    "dcm.sinks": ("Folder", "ReceivedInstance", "Refused"),
}  # fmt: skip
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = [
    "Admission", "AssociationAborted", "AssociationRejected", "ConnectionFailed", "ConnectionLost",
    "DcmError", "DcmNode", "Folder", "InstanceResult", "KeyIgnored", "Listen", "Listener", "LocalEntity",
    "LocalProtocolError", "NetworkError", "NoProgress", "NotAccepted", "NotAllFound", "NotAllRetrieved",
    "OperationFailed", "Outcome", "ReceivedInstance", "Refused", "Remote", "RemoteProtocolError", "Report",
    "Sender", "Stream", "TimeLimits", "TimedOut", "Tls", "TlsFailed", "UnprotectedIdentity", "UnusableTls",
    "user",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import an exported name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return found
