"""Errors of DICOMweb services; each message says what was requested, what happened, and what to try.

    NetworkError                `doing` is the request: its method and URL, without secrets
        ConnectionFailed, TlsFailed, TimedOut, ConnectionLost   as in `dcm.net.errors`
        OperationFailed
            RequestFailed           the service answered with a status other than success
            AnswersMissing          the service does not return all answers to a query
        WrongAnswer               it reported success, but the content is not an answer

`MalformedMultipart` and `BadJson` are about the content of a response.
"""

import html
import re
from http import HTTPStatus
from typing import Final

from dcm.net.errors import NetworkError, OperationFailed
from dcm.wire.status import Status, StatusClass, readable

_SHOWN: Final = 160
_TAGS: Final = re.compile(r"<(script|style|title)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_ADVICE: Final = {
    401: "set token, or user and password, for this service",
    403: "ask its administrator for permission",
    404: "check that its url is the base of DICOMweb, to which /studies is added",
    405: "check that its url is the base of DICOMweb, to which /studies is added",
    407: "the proxy needs a user and a password in its URL",
    413: "it accepts only smaller requests",
    429: "try again later",
    503: "try again later",
}


class RequestFailed(OperationFailed):
    """The service answered with a status other than success.

    http_status: the status. body: the first words of the response. retry_after: the seconds to wait
    before the next request, if the service sent them.
    """

    def __init__(
        self,
        remote: str,
        doing: str,
        http_status: int,
        *,
        body: str = "",
        advice: str = "",
        retry_after: float | None = None,
    ) -> None:
        words = f"it answered {status_words(http_status)}" + (f": {body}" if body else "")
        NetworkError.__init__(self, remote, doing, words, advice or _ADVICE.get(http_status, ""))
        self.status = Status(http_status, StatusClass.FAILURE, words)
        self.http_status = http_status
        self.body = body
        self.retry_after = retry_after

    @property
    def is_for_now(self) -> bool:
        """Whether the same request may succeed later."""
        return self.http_status in (408, 429, 502, 503, 504)

    @property
    def is_denied(self) -> bool:
        """Whether the credentials are insufficient."""
        return self.http_status in (401, 403, 407)


class AnswersMissing(OperationFailed):
    """The service does not return all answers to a query."""

    def __init__(self, remote: str, doing: str, what: str) -> None:
        NetworkError.__init__(self, remote, doing, what)
        self.status = Status(0, StatusClass.FAILURE, what)


class WrongAnswer(NetworkError):  # noqa: N818
    """The service reported success, but the content is not an answer to the request."""


def status_words(status: int) -> str:
    """Describe an HTTP status."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def first_words(body: bytes) -> str:
    """Return the first words of a body for an error message, on one line without markup."""
    text = body.decode("utf-8", "replace")
    if text.lstrip()[:1] == "<":
        text = html.unescape(_TAGS.sub(" ", text))
    line = " ".join(readable(text.replace("\n", " ").replace("\r", " ").replace("\t", " ")).split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
