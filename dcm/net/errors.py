"""Errors between two nodes; each names the peer, the step that failed, and what to try.

    DcmError
      NetworkError              base: `remote` and `doing` name the peer and the step
        ConnectionFailed        no TCP connection: refused, unreachable, no such host
        TlsFailed               the two sides cannot agree on TLS, or one does not speak it
        TimedOut                a time limit expired
          NoProgress            an operation continues without making progress
        AssociationRejected     the peer rejected the association, with result, source and reason
        AssociationAborted      the peer aborted the association
        ConnectionLost          the TCP connection ended unexpectedly
        NotAccepted             the peer did not accept the presentation context that is needed
        OperationFailed         the peer ended an operation with a status other than success
        NotAllRetrieved         some instances were not received; the report says which, and why
        NotAllFound             some answers to a query are missing or unusable
        KeyIgnored              a key of a query is ignored by the peer, and cannot be checked here

`dcm.net.node.UnprotectedIdentity` and `dcm.net.tls.UnusableTls` are raised before anything is sent. Protocol
errors raise `dcm.errors.RemoteProtocolError` or `LocalProtocolError`, as in `dcm.wire`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcm.errors import DcmError
from dcm.wire.status import readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dcm.data.query_result import QueryResult
    from dcm.outcome import Report
    from dcm.wire.status import Status


class NetworkError(DcmError):
    """Base of the errors with one peer."""

    def __init__(self, remote: str, doing: str, what: str, advice: str = "") -> None:
        super().__init__(f"{remote}: {doing}: {what}" + (f" ({advice})" if advice else ""))
        self.remote = remote
        self.doing = doing
        self.what = what


class ConnectionFailed(NetworkError):  # noqa: N818 - reads as the sentence it is
    """The TCP connection could not be established."""


class TlsFailed(NetworkError):  # noqa: N818
    """TLS could not be established on the TCP connection."""


class TimedOut(NetworkError):  # noqa: N818
    """Nothing happened within a time limit."""


class NoProgress(TimedOut):
    """A C-MOVE or C-GET made no progress within its time limit; repeating it is useless."""


class AssociationRejected(NetworkError):  # noqa: N818
    """The peer rejected the association; `permanent` unless it may accept it later."""

    def __init__(self, remote: str, what: str, advice: str, *, permanent: bool) -> None:
        super().__init__(remote, "association", what, advice)
        self.permanent = permanent


class AssociationAborted(NetworkError):  # noqa: N818
    """The peer aborted the association."""


class ConnectionLost(NetworkError):  # noqa: N818
    """The TCP connection ended unexpectedly."""


class NotAccepted(NetworkError):  # noqa: N818
    """The peer accepted no presentation context for the operation."""


class OperationFailed(NetworkError):  # noqa: N818
    """The peer answered with a failure, or was cancelled; `status` is that of its response."""

    def __init__(self, remote: str, doing: str, status: Status, comment: str | None) -> None:
        words = str(status) + (f": {readable(comment)}" if comment else "")
        super().__init__(remote, doing, words)
        self.status = status


class KeyIgnored(NetworkError):  # noqa: N818
    """The peer ignores a key of a query, and does not return it: it is unknown what matches."""

    def __init__(self, remote: str, keyword: str) -> None:
        super().__init__(
            remote, "query", f"it does not return {keyword}, so what matches is not known",
            f"leave {keyword} out",
        )  # fmt: skip
        self.keyword = keyword


class NotAllFound(NetworkError):  # noqa: N818
    """Some answers to a query are missing or unusable: `problems` says why.

    found: what was found, if the query was made by `LocalEntity.query`.
    """

    def __init__(self, remote: str, problems: Sequence[str]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(
            remote, "query", f"some answers are missing or unusable: {problems[0]}{more}"
        )
        self.problems = problems
        self.found: QueryResult | None = None


class NotAllRetrieved(NetworkError):  # noqa: N818
    """Some of the requested instances were not received; `report` says why."""

    def __init__(self, remote: str, report: Report) -> None:
        lost = report.lost
        words = (
            f"{len(lost)} instances were not received" if lost else "not all instances are known"
        )
        why = lost[0].words if lost else report.trouble
        super().__init__(remote, "retrieve", f"{words}: {why}")
        self.report = report
