"""Rejected requests, with an HTTP status and a message."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dcm.errors import DcmError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


class Refusal(DcmError):  # noqa: N818 - reads as the sentence it is
    """Raised to respond with a failure status (PS3.18 8.5); its message is the body."""

    def __init__(self, status: int, words: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(words)
        self.status = status
        self.headers = dict(headers or {})


def refused(request: "Request", error: Exception) -> "Response":
    """Respond with the message of a `Refusal`, in JSON if only that is accepted."""
    from starlette.responses import JSONResponse, PlainTextResponse  # noqa: PLC0415 - an extra

    assert isinstance(error, Refusal)
    accept = request.headers.get("accept", "")
    if "json" in accept and "text/" not in accept:
        return JSONResponse({"error": str(error)}, error.status, error.headers)
    return PlainTextResponse(f"{error}\n", error.status, error.headers)
