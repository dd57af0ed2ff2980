"""Descriptions of statuses, rejections and aborts.

Statuses: PS3.7 Annex C for all services; PS3.4 B.2.3 (storage), C.4.1.1.4 and K.4.1.1.4 (query and worklist),
C.4.2.1.5 (C-MOVE), C.4.3.1.4 (C-GET). Storage commitment has no status codes of its own (PS3.4 J.3), but
failure reasons for single instances (PS3.3 C.14.1.1).
"""

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Final

from dcm.frozen import Frozen
from dcm.wire.dimse import (
    CFindRSP,
    CGetRSP,
    CMoveRSP,
    CStoreRSP,
    Response,
)
from dcm.wire.pdu import Abort, AssociateRJ


def readable(text: str | None) -> str:
    """Return an Error Comment or a file name as text for people; empty if it is None.

    A comment should be ASCII (PS3.7 E.1), but servers use any encoding, and file names may be in any, too.
    Bytes that are not UTF-8 are replaced.
    """
    return (text or "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class StatusClass(Enum):
    """The class of a status (PS3.7 Annex C)."""

    SUCCESS = "success"
    PENDING = "pending"
    CANCEL = "cancel"
    WARNING = "warning"
    FAILURE = "failure"


class Status(Frozen):
    """A status code with its class and meaning; `str()` returns a line for people."""

    code: int
    kind: StatusClass
    words: str

    def __str__(self) -> str:
        words = f": {self.words}" if self.words else ""
        return f"{self.code:04X}H {self.kind.value}{words}"


_Words = Mapping[int, str]

_GENERAL: Final[_Words] = {
    0x0000: "",
    0x0001: "requested optional attributes are not supported",
    0x0105: "no such attribute",
    0x0106: "invalid attribute value",
    0x0107: "attribute list error",
    0x0110: "processing failure",
    0x0111: "duplicate SOP instance",
    0x0112: "no such SOP instance",
    0x0113: "no such event type",
    0x0114: "no such argument",
    0x0115: "invalid argument value",
    0x0116: "attribute value out of range",
    0x0117: "invalid SOP instance",
    0x0118: "no such SOP class",
    0x0119: "class-instance conflict",
    0x0120: "missing attribute",
    0x0121: "missing attribute value",
    0x0122: "refused: SOP class not supported",
    0x0123: "no such action type",
    0x0124: "refused: not authorized",
    0x0210: "duplicate invocation",
    0x0211: "unrecognized operation",
    0x0212: "mistyped argument",
    0x0213: "resource limitation",
    0xFE00: "ended by a cancel request",
}

_STORAGE: Final[_Words] = {
    0xA700: "refused: out of resources",
    0xA900: "data set does not match SOP class",
    0xC000: "cannot understand",
    0xB000: "data elements were coerced",
    0xB006: "elements were discarded",
    0xB007: "data set does not match SOP class",
}

_FIND: Final[_Words] = {
    0xA700: "refused: out of resources",
    0xA710: "refused: invalid prior record key",
    0xA900: "identifier does not match SOP class",
    0xB001: "the limit of responses is reached; query again for more",
    0xC000: "unable to process",
    0xFF00: "a match, more to come; optional keys are supported like required ones",
    0xFF01: "a match, more to come; some optional keys are not supported",
}

_RETRIEVE: Final[_Words] = {
    0xA701: "refused: out of resources, unable to calculate the number of matches",
    0xA702: "refused: out of resources, unable to perform sub-operations",
    0xA801: "refused: move destination unknown",
    0xA900: "identifier does not match SOP class",
    0xAA00: "none of the requested frames was found",
    0xAA01: "unable to create a new object for this SOP class",
    0xAA02: "unable to extract frames",
    0xAA03: "time-based request for an instance that is not time-based",
    0xAA04: "invalid request for frames",
    0xB000: "sub-operations complete, one or more failures or warnings",
    0xC000: "unable to process",
    0xFF00: "sub-operations are continuing",
}

_BY_MESSAGE: Final[Mapping[int, _Words]] = {
    CStoreRSP.COMMAND_FIELD: _STORAGE,
    CFindRSP.COMMAND_FIELD: _FIND,
    CGetRSP.COMMAND_FIELD: _RETRIEVE,
    CMoveRSP.COMMAND_FIELD: _RETRIEVE,
}

COMMITMENT_FAILURES: Final[_Words] = {
    code: _GENERAL[code] for code in (0x0110, 0x0112, 0x0119, 0x0122, 0x0213)
} | {0x0131: "duplicate transaction UID"}
"""Failure Reason (0008,1197) of an instance that is not committed (PS3.3 C.14.1.1)."""


def status_class(code: int) -> StatusClass:
    """Return the class of a status, known or not (PS3.7 Annex C)."""
    if code == 0x0000:
        return StatusClass.SUCCESS
    if code in (0xFF00, 0xFF01):
        return StatusClass.PENDING
    if code == 0xFE00:
        return StatusClass.CANCEL
    if code in (0x0001, 0x0107, 0x0116) or code & 0xF000 == 0xB000:
        return StatusClass.WARNING
    return StatusClass.FAILURE


def describe(code: int, response: type[Response] | None = None) -> Status:
    """Describe a status, in the service of `response` or in general.

    The server chooses the last digits of A7xx, A9xx and Cxxx. A code without a meaning of its own has that of
    its range.
    """
    return _described(code, response.COMMAND_FIELD if response else 0)


@lru_cache(maxsize=256)
def _described(code: int, command_field: int) -> Status:
    words = {**_GENERAL, **_BY_MESSAGE.get(command_field, {})}
    ranges = {0xA700: code & 0xFF00, 0xA900: code & 0xFF00, 0xC000: code & 0xF000}
    family = next((first for first, masked in ranges.items() if masked == first), code)
    return Status(code, status_class(code), words.get(code, words.get(family, "")))


_RESULTS: Final = {1: "rejected permanently", 2: "rejected transiently"}
_SOURCES: Final = {
    1: "service user",
    2: "service provider, association",
    3: "service provider, presentation",
}
_REASONS: Final = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE title not recognized",
    (1, 7): "called AE title not recognized",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}
_ABORTS: Final = {
    0: "reason not specified",
    1: "unrecognized PDU",
    2: "unexpected PDU",
    4: "unrecognized PDU parameter",
    5: "unexpected PDU parameter",
    6: "invalid PDU parameter value",
}


def rejection(pdu: AssociateRJ) -> str:
    """Describe why an association was rejected (PS3.8 9.3.4)."""
    result = _RESULTS.get(pdu.result, f"result {pdu.result}")
    source = _SOURCES.get(pdu.source, f"source {pdu.source}")
    reason = _REASONS.get((pdu.source, pdu.reason), f"reason {pdu.reason}")
    return f"{result} by the {source}: {reason}"


def describe_abort(pdu: Abort) -> str:
    """Describe which side aborted an association, and why (PS3.8 9.3.8)."""
    if pdu.source == 0:
        return "aborted by the service user"
    source = "service provider" if pdu.source == 2 else f"source {pdu.source}"
    return f"aborted by the {source}: {_ABORTS.get(pdu.reason, f'reason {pdu.reason}')}"
