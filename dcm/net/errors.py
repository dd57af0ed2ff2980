"""What goes wrong between two nodes; each error says with whom, while doing what, and what to try.

    DcmError
      NetworkError              base: `remote` and `doing` name the peer and the step
        ConnectionFailed        no TCP connection: refused, unreachable, no such host
        TlsFailed               the two sides cannot agree on TLS, or one does not speak it
        TimedOut                a time limit passed
          NoProgress            an operation goes on, and nothing comes of it
        AssociationRejected     the peer said no, with result, source and reason
        AssociationAborted      the peer ended the association at once
        ConnectionLost          the TCP connection ended without a word
        NotAccepted             the association stands, but without the presentation context that is needed
        OperationFailed         the peer ended an operation with a status other than success
        NotAllRetrieved         some instances did not come; the report says which, and why
        NotAllFound             the answers to a query are not all, or not all can be used
        KeyIgnored              a key of a query has no effect at the peer, and none here

`dcm.net.node.UnprotectedIdentity` and `dcm.net.tls.UnusableTls` are raised before anything is sent. What
breaks the protocol raises `dcm.errors.RemoteProtocolError` or `LocalProtocolError`, as in `dcm.wire`.
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
    """Base of what goes wrong with one peer."""

    def __init__(self, remote: str, doing: str, what: str, advice: str = "") -> None:
        super().__init__(f"{remote}: {doing}: {what}" + (f" ({advice})" if advice else ""))
        self.remote = remote
        self.doing = doing
        self.what = what


class ConnectionFailed(NetworkError):  # noqa: N818 - reads as the sentence it is
    """The TCP connection could not be established."""


class TlsFailed(NetworkError):  # noqa: N818
    """There is a TCP connection, but no TLS on it that both sides accept."""


class TimedOut(NetworkError):  # noqa: N818
    """Nothing happened within a time limit."""


class NoProgress(TimedOut):
    """A C-MOVE or C-GET made no progress within its time limit; making it again is of no use."""


class AssociationRejected(NetworkError):  # noqa: N818
    """The peer refused the association; `permanent` unless it may say yes later."""

    def __init__(self, remote: str, what: str, advice: str, *, permanent: bool) -> None:
        super().__init__(remote, "association", what, advice)
        self.permanent = permanent


class AssociationAborted(NetworkError):  # noqa: N818
    """The peer ended the association at once."""


class ConnectionLost(NetworkError):  # noqa: N818
    """The TCP connection ended in the middle."""


class NotAccepted(NetworkError):  # noqa: N818
    """The peer accepted no presentation context for what was to be done."""


class OperationFailed(NetworkError):  # noqa: N818
    """The peer answered with a failure, or was cancelled; `status` is what it said."""

    def __init__(self, remote: str, doing: str, status: Status, comment: str | None) -> None:
        words = str(status) + (f": {readable(comment)}" if comment else "")
        super().__init__(remote, doing, words)
        self.status = status


class KeyIgnored(NetworkError):  # noqa: N818
    """The peer neither filters by a key of a query nor says anything of it: nobody knows what matches."""

    def __init__(self, remote: str, keyword: str) -> None:
        super().__init__(
            remote, "query", f"it says nothing of {keyword}, so what matches is not known",
            f"leave {keyword} out",
        )  # fmt: skip
        self.keyword = keyword


class NotAllFound(NetworkError):  # noqa: N818
    """The answers to a query are not all, or not all can be used: `problems` says why.

    found: what was found, if the query was made by `LocalEntity.query`.
    """

    def __init__(self, remote: str, problems: Sequence[str]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(remote, "query", f"these are not all the answers: {problems[0]}{more}")
        self.problems = problems
        self.found: QueryResult | None = None


class NotAllRetrieved(NetworkError):  # noqa: N818
    """Some of the instances that were asked for did not come; `report` says why."""

    def __init__(self, remote: str, report: Report) -> None:
        lost = report.lost
        words = f"{len(lost)} instances did not come" if lost else "not all instances are known"
        why = lost[0].words if lost else report.trouble
        super().__init__(remote, "retrieve", f"{words}: {why}")
        self.report = report
