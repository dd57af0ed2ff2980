"""The error for an invalid command line."""

from dcm.errors import DcmError


class UsageError(DcmError):
    """Something on the command line is invalid; the message says what, and what is allowed."""
