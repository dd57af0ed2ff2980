"""Requests to a DICOMweb service over HTTP/1.1: credentials, redirections, retries and errors.

async with WebClient(WebRemote("https://pacs.org/dicom-web")) as client:
    seconds = await client.echo()
"""

import asyncio
import email.utils
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from dcm.data.account import Account
from dcm.data.json_model import JSON, BadJson, read_answers
from dcm.net.errors import ConnectionFailed, ConnectionLost, NetworkError, TimedOut
from dcm.web.connections import Connections, Content, Response
from dcm.web.errors import RequestFailed, WrongAnswer, first_words
from dcm.web.http import BadHttp
from dcm.web.media import MediaType
from dcm.web.qido import WebFinder
from dcm.web.remote import WebRemote, same_origin

_LOG: Final = logging.getLogger(__name__)
_MAX_BODY: Final = 1 << 28
"""The longest response held in memory, in bytes."""
_BODY_SHOWN: Final = 1 << 12
_REDIRECTS: Final = 5
_REDIRECTED: Final = (301, 302, 303, 307, 308)
_URL_SHOWN: Final = 200
_URL: Final = "%/:=&?~#+!$,;'@()*[]^"
_PLAIN: Final = "*,^:/@!$'()?"
"""Characters sent unencoded, as browsers do: Orthanc 1.10.1 decodes nothing in a query."""
_CERTIFICATE: Final = "check that its certificate is for this host, and from a trusted CA"
_TLS: Final = "does it speak TLS on this port?"

Taken = TypeVar("Taken")


class WebClient:
    """Connections to one service, kept open for further requests while the block runs.

    All methods raise `NetworkError` for errors of the network or the service, and
    `UnprotectedIdentity` if credentials would be sent without TLS.
    """

    def __init__(self, remote: WebRemote) -> None:
        self.remote: Final = remote
        self._connections: Final = Connections(str(remote), remote.limits, remote.tls, remote.proxy)
        self._blocks = 0
        self._slots: Final = asyncio.Semaphore(remote.max_connections)

    async def __aenter__(self) -> Self:
        self.remote.check_credentials()
        self._blocks += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._blocks -= 1
        if not self._blocks:
            self._connections.close()

    async def echo(self) -> float:
        """Query one study; return the seconds taken. Raises `NetworkError` if that fails."""
        began = time.perf_counter()
        await self.answers("studies", [("limit", "1")])
        return time.perf_counter() - began

    def finder(self, account: Account) -> WebFinder:
        """Return a context manager for queries; account: receives remarks. See `dcm.web.qido`."""
        return WebFinder(self, account)

    async def answers(
        self, path: str, parameters: Sequence[tuple[str, str]]
    ) -> tuple[list[Any], str]:
        """Return the objects of a response in DICOM JSON, and its Warning headers (PS3.18 8.3.4.4).

        Raises `NetworkError`, or its subclass `WrongAnswer` if the response is not DICOM JSON.
        """
        query = "&".join(f"{name}={quote(value, safe=_PLAIN)}" for name, value in parameters)
        url = f"{self.remote.base}/{path}?{query}"
        doing = shown("GET", url)

        async def taken(response: Response) -> tuple[list[Any], str]:
            if response.status == 204:
                return [], response.headers.get("warning", "")
            body = await self.read(response, doing)
            warning = response.headers.get("warning", "")
            if not body.strip():
                return [], warning
            return self._objects(body, response.headers.get("content-type", ""), doing), warning

        return await self.repeated("GET", url, {"Accept": JSON}, taken)

    def _objects(self, body: bytes, content_type: str, doing: str) -> list[Any]:
        try:
            media = MediaType.parse(content_type or "missing/missing")
            if not (media.name.endswith(("/json", "+json"))):
                raise WrongAnswer(
                    str(self.remote), doing,
                    f"expected {JSON}, received {content_type or 'a body without Content-Type'}:"
                    f" {self.words(body)}",
                    "check that its url is the base of DICOMweb",
                )  # fmt: skip
            text = body.decode(media.parameters.get("charset", "utf-8").strip() or "utf-8")
            return read_answers(text.removeprefix("\ufeff"))
        except (BadJson, ValueError, LookupError) as error:
            words = self.remote.redacted(str(error))
            raise WrongAnswer(str(self.remote), doing, f"invalid response: {words}") from None

    async def repeated(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        taken: Callable[[Response], Awaitable[Taken]],
    ) -> Taken:
        """Repeat a request until it is answered, within `Retry` and the time limit `busy`.

        taken: reads a successful response. If reading is interrupted, the request starts over.
        """
        patience, failures = Waiting(self.remote), 0
        while True:
            try:
                async with self.stream(method, url, headers) as response:
                    return await taken(response)
            except RequestFailed as error:
                if not await patience.allows(error):
                    raise
            except (ConnectionFailed, ConnectionLost, TimedOut) as error:
                failures += 1
                if failures >= self.remote.retry.attempts:
                    raise
                await self.remote.retry.wait(failures, error)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Content | None = None,
        also: Container[int] = (),
    ) -> AsyncIterator[Response]:
        """Make one request; the block reads the body if the status is success or in `also`.

        GET follows redirections, but does not send credentials to another host. Raises
        `NetworkError`.
        """
        async with self, self._slots:
            began, more = urlsplit(self.remote.base), 0
            while True:
                doing = shown(method, url)
                sent = {"User-Agent": "dcm", "Accept-Encoding": "gzip", **headers}
                if same_origin(urlsplit(url), began):
                    sent |= self.remote.secret_headers()
                async with self._connections.exchange(
                    method, url, sent, content, doing=doing
                ) as response:
                    _LOG.debug("%s: %s: %d", self.remote, doing, response.status)
                    if method != "GET" or response.status not in _REDIRECTED:
                        if not response.is_success and response.status not in also:
                            raise await self._failure(response, doing)
                        yield response
                        return
                    target = self._target(url, response.headers.get("location", url), doing)
                url, more = target, more + 1
                if more > _REDIRECTS:
                    raise WrongAnswer(str(self.remote), doing, "too many redirects")

    def _target(self, url: str, location: str, doing: str) -> str:
        """Return the URL of a redirection. Raises `WrongAnswer` if it must not be followed."""
        began = urlsplit(self.remote.base)
        try:
            target = quote(urljoin(url, location), safe=_URL)
            parts = urlsplit(target)
            elsewhere = not same_origin(parts, began)
        except ValueError:
            raise WrongAnswer(str(self.remote), doing, "it redirects to an invalid URL") from None
        if parts.scheme not in ("http", "https") or (
            began.scheme == "https" and parts.scheme != "https"
        ):
            why = "which is less protected"
        elif elsewhere and self.remote.tls is not None and self.remote.tls.certificate is not None:
            why = "to which our certificate is not sent"
        else:
            return target
        raise WrongAnswer(
            str(self.remote), doing,
            f"it redirects to {parts.scheme}://{parts.hostname}, {why}",
            "set its url to that, if it is correct",
        )  # fmt: skip

    async def _failure(self, response: Response, doing: str) -> RequestFailed:
        body, advice = await self.beginning(response), ""
        if response.status in _REDIRECTED and "location" in response.headers:
            advice = "it redirects: set its url to the new one"
        return RequestFailed(
            str(self.remote), doing, response.status,
            body=body, advice=advice,
            retry_after=_retry_after(response.headers.get("retry-after", "")),
        )  # fmt: skip

    async def beginning(self, response: Response) -> str:
        """Return the first words of a response's body, without reading the rest."""
        body = bytearray()
        try:
            async with aclosing(response.pieces()) as pieces:
                async for piece in pieces:
                    body += piece
                    if len(body) >= _BODY_SHOWN:
                        break
        except (NetworkError, BadHttp):
            pass  # the status matters, not the missing words
        return self.words(bytes(body))

    def words(self, body: bytes) -> str:
        """Return the first words of a body, with secrets removed."""
        return self.remote.redacted(first_words(body[:_BODY_SHOWN]))

    async def read(self, response: Response, doing: str) -> bytes:
        """Return the whole body of a response. Raises `WrongAnswer` if it is too long."""
        body = bytearray()
        try:
            async with aclosing(response.pieces()) as pieces:
                async for piece in pieces:
                    body += piece
                    if len(body) > _MAX_BODY:
                        words = f"its response is longer than {_MAX_BODY} bytes"
                        raise WrongAnswer(str(self.remote), doing, words)
        except BadHttp as error:
            raise WrongAnswer(str(self.remote), doing, str(error)) from None
        return bytes(body)


class Waiting:
    """Waits while a service is busy (429, 503), in total no longer than the time limit `busy`."""

    def __init__(self, remote: WebRemote) -> None:
        self._left = remote.limits.busy
        self._pause = remote.retry.pause
        self._longest: Final = remote.retry.longest

    async def allows(self, error: RequestFailed) -> bool:
        """Wait until the request may be repeated; return False if that is useless or too late."""
        seconds = self._pause if error.retry_after is None else error.retry_after
        if not error.is_for_now or seconds > self._left or self._left <= 0:
            return False
        _LOG.info("%s; retrying in %g s", error, seconds)
        self._left -= max(seconds, self._pause)
        self._pause = min(2 * self._pause, self._longest)
        await asyncio.sleep(seconds)
        return True


def shown(method: str, url: str) -> str:
    """Describe a request, including its query. Credentials are never part of a URL."""
    parts = urlsplit(url)
    text = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return f"{method} {text if len(text) <= _URL_SHOWN else text[:_URL_SHOWN] + '...'}"


def _retry_after(text: str) -> float | None:
    """Read Retry-After: seconds, or a date (RFC 9110 10.2.3)."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
