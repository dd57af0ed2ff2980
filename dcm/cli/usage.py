"""The error for a command line that cannot be used."""

from dcm.errors import DcmError


class UsageError(DcmError):
    """Something on the command line cannot be as it is: the message says what, and what is allowed."""
