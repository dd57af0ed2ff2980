"""What goes wrong with a DICOMweb service; each error says what was asked, what came, and what to try.

    NetworkError                `doing` is the request: its method and URL, without secrets
      ConnectionFailed, TlsFailed, TimedOut, ConnectionLost   as with DICOM nodes: see `dcm.net.errors`
      OperationFailed
        RequestFailed           the service answered with another status than success
        AnswersMissing          it does not give all answers to a query
      WrongAnswer               it answered with success, and with what is no answer to the request

`MalformedMultipart` and `BadJson` are about the content of an answer.
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
    403: "its administrator decides who may do this",
    404: "is its url the base of DICOMweb, to which /studies is added?",
    405: "is its url the base of DICOMweb, to which /studies is added?",
    407: "the proxy asks for a user and a password: they are a part of its URL",
    413: "it accepts only smaller requests",
    429: "try again later",
    503: "try again later",
}


class RequestFailed(OperationFailed):
    """The service answered with a status other than success.

    http_status: what it said. body: the first words of its answer. retry_after: the seconds after which it
    may be asked again, if it says so.
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
        """Whether the credentials are not enough."""
        return self.http_status in (401, 403, 407)


class AnswersMissing(OperationFailed):
    """The service does not give all answers to a query."""

    def __init__(self, remote: str, doing: str, what: str) -> None:
        NetworkError.__init__(self, remote, doing, what)
        self.status = Status(0, StatusClass.FAILURE, what)


class WrongAnswer(NetworkError):  # noqa: N818
    """The service answered with success, and with what is no answer to the request."""


def status_words(status: int) -> str:
    """Return an HTTP status in words."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def first_words(body: bytes) -> str:
    """Return the first words of the body of an answer, for an error message: a line without markup."""
    text = body.decode("utf-8", "replace")
    if text.lstrip()[:1] == "<":
        text = html.unescape(_TAGS.sub(" ", text))
    line = " ".join(readable(text.replace("\n", " ").replace("\r", " ").replace("\t", " ")).split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
