"""The errors of the toolkit, in one tree.

    DcmError
      AnswerError               an answer that cannot be part of a result
      ProtocolError             never raised itself: its two subclasses distinguish whose fault it is
        LocalProtocolError      we broke the protocol, or were about to; nothing was sent
        RemoteProtocolError     the peer broke it; the error says how to answer

This distinction is essential for a conformance tool, so the two are never confused.
"""

from enum import IntEnum


class AbortSource(IntEnum):
    """Which side aborts an association (PS3.8 9.3.8)."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """Why the service provider aborts an association (PS3.8 9.3.8)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PDU_PARAMETER = 4
    UNEXPECTED_PDU_PARAMETER = 5
    INVALID_PDU_PARAMETER_VALUE = 6


class DcmError(Exception):
    """Base of all errors that the toolkit raises on purpose."""


class AnswerError(DcmError):
    """An answer that cannot be part of a result."""


class ProtocolError(DcmError):
    """Base of the two protocol errors; only these can be instantiated."""

    def __init__(self, message: str) -> None:
        if type(self) is ProtocolError:
            raise TypeError("raise LocalProtocolError or RemoteProtocolError: whose fault is it?")
        super().__init__(message)


class LocalProtocolError(ProtocolError):
    """Something that would break the protocol: a mistake on our side, detected before anything is sent."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol.

    `source` and `reason` are the fields of the A-ABORT PDU to answer with (PS3.8 9.3.8): the service
    provider if a PDU is wrong, the service user if a message in it is wrong.
    """

    def __init__(
        self,
        message: str,
        *,
        source: AbortSource = AbortSource.SERVICE_PROVIDER,
        reason: AbortReason = AbortReason.INVALID_PDU_PARAMETER_VALUE,
    ) -> None:
        super().__init__(message)
        self.source = source
        self.reason = reason if source is AbortSource.SERVICE_PROVIDER else AbortReason(0)
