"""Requests to a DICOMweb service over HTTP/1.1: connections, credentials, retries and errors.

    async with WebClient(WebRemote("https://pacs.org/dicom-web")) as client:
        seconds = await client.echo()

The connections are those of httpx, which is imported with this module.
"""

import asyncio
import email.utils
import logging
import ssl
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Container,
    Iterator,
    Mapping,
    Sequence,
)  # fmt: skip
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import httpx

from dcm.data.account import Account
from dcm.data.json_model import JSON, BadJson, read_answers
from dcm.errors import LocalProtocolError
from dcm.net.errors import ConnectionFailed, ConnectionLost, NetworkError, TimedOut, TlsFailed
from dcm.net.tls import Tls
from dcm.web.errors import RequestFailed, WrongAnswer, first_words
from dcm.web.media import MediaType
from dcm.web.multipart import Buffer
from dcm.web.remote import WebRemote, same_origin

if TYPE_CHECKING:
    from dcm.web.qido import WebFinder

_LOG: Final = logging.getLogger(__name__)
_MAX_BODY: Final = 1 << 28
"""The longest answer that is held in memory, in bytes."""
_BODY_SHOWN: Final = 1 << 12
_REDIRECTS: Final = 5
_URL_SHOWN: Final = 200
_PLAIN: Final = "*,^:/@!$'()?"
"""Characters that are sent as they are, as browsers do: Orthanc 1.10.1 decodes nothing in a query."""
_CERTIFICATE: Final = (
    "is its certificate for this host, and from an authority that is trusted here?"
)
_TLS: Final = "does it speak TLS on this port?"

Taken = TypeVar("Taken")


class WebClient:
    """Connections to one service, which are kept for the next request while the block runs.

    All methods raise `NetworkError` for what goes wrong with the network or the service, and
    `UnprotectedIdentity` if credentials would be sent without TLS.
    """

    def __init__(self, remote: WebRemote) -> None:
        self.remote: Final = remote
        self._http: httpx.AsyncClient | None = None
        self._blocks = 0
        self._slots: Final = asyncio.Semaphore(remote.max_connections)

    async def __aenter__(self) -> Self:
        self._blocks += 1
        if self._http is None:
            self.remote.check_credentials()
            self._http = _connections(self.remote)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._blocks -= 1
        if not self._blocks and self._http is not None:
            http, self._http = self._http, None
            await http.aclose()

    async def echo(self) -> float:
        """Ask for one study; return the seconds that it took. Raises `NetworkError` if that is no answer."""
        began = time.perf_counter()
        await self.answers("studies", [("limit", "1")])
        return time.perf_counter() - began

    def finder(self, account: Account) -> "WebFinder":
        """Return what makes queries while its block runs; account: for remarks. See `dcm.web.qido`."""
        from dcm.web.qido import WebFinder  # noqa: PLC0415 - which needs this module

        return WebFinder(self, account)

    async def answers(
        self, path: str, parameters: Sequence[tuple[str, str]]
    ) -> tuple[list[Any], str]:
        """Return the objects of an answer in DICOM JSON, and the Warning headers (PS3.18 8.3.4.4).

        Raises `NetworkError`, of which `WrongAnswer` is for what is not DICOM JSON.
        """
        query = "&".join(f"{name}={quote(value, safe=_PLAIN)}" for name, value in parameters)
        url = f"{self.remote.base}/{path}?{query}"
        doing = shown("GET", url)

        async def taken(response: httpx.Response) -> tuple[list[Any], str]:
            if response.status_code == 204:
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
                    f"{JSON} was asked for, and {content_type or 'a body without Content-Type'} came:"
                    f" {self.words(body)}",
                    "is its url the base of DICOMweb?",
                )  # fmt: skip
            text = body.decode(media.parameters.get("charset", "utf-8").strip() or "utf-8")
            return read_answers(text.removeprefix("\ufeff"))
        except (BadJson, ValueError, LookupError) as error:
            words = self.remote.redacted(str(error))
            raise WrongAnswer(str(self.remote), doing, f"what came is no answer: {words}") from None

    async def repeated(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        taken: Callable[[httpx.Response], Awaitable[Taken]],
    ) -> Taken:
        """Make a request until it is answered, as `Retry` and the time limit `busy` allow.

        taken: reads the answer, whose status is success. What breaks it off is tried again from the start.
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
        content: AsyncGenerator[Buffer, None] | None = None,
        also: Container[int] = (),
    ) -> AsyncIterator[httpx.Response]:
        """Make one request; the block reads the body of its answer, whose status is success or one of `also`.

        GET follows redirections, to another host without our credentials. Raises `NetworkError`.
        """
        async with self, self._slots:
            doing = shown(method, url)
            with self.errors(doing):
                response = await self._sent(method, url, headers, content)
                try:
                    if not response.is_success and response.status_code not in also:
                        raise await self._failure(response, doing)
                    yield response
                finally:
                    await response.aclose()

    async def _sent(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: AsyncGenerator[Buffer, None] | None,
    ) -> httpx.Response:
        assert self._http is not None
        began = urlsplit(self.remote.base)
        for _ in range(_REDIRECTS):
            all_headers = dict(headers)
            if same_origin(urlsplit(url), began):
                all_headers |= self.remote.secret_headers()
            request = self._http.build_request(method, url, headers=all_headers, content=content)  # type: ignore[arg-type]  # views do as well
            response = await self._http.send(request, stream=True)
            if method != "GET" or not response.has_redirect_location:
                return response
            target = urljoin(url, response.headers["location"])
            self._check_redirect(target, began, shown(method, url))
            await response.aclose()
            url = target
        raise WrongAnswer(str(self.remote), shown(method, url), "it redirects again and again")

    def _check_redirect(self, target: str, began: SplitResult, doing: str) -> None:
        parts = urlsplit(target)
        elsewhere = not same_origin(parts, began)
        if parts.scheme not in ("http", "https") or (began.scheme == "https" != parts.scheme):
            why = "which is not protected as it is itself"
        elif elsewhere and self.remote.tls is not None and self.remote.tls.certificate is not None:
            why = "to which our certificate is not shown"
        else:
            return
        raise WrongAnswer(
            str(self.remote), doing,
            f"it redirects to {parts.scheme}://{parts.hostname}, {why}",
            "set its url to that, if it is meant",
        )  # fmt: skip

    async def _failure(self, response: httpx.Response, doing: str) -> RequestFailed:
        body, advice = await self.beginning(response), ""
        if "location" in response.headers:
            parts = urlsplit(urljoin(self.remote.base, response.headers["location"]))
            advice = (
                f"it redirects to {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}:"
            )
            advice += " set its url accordingly"
        return RequestFailed(
            str(self.remote), doing, response.status_code,
            body=body, advice=advice,
            retry_after=_retry_after(response.headers.get("retry-after", "")),
        )  # fmt: skip

    async def beginning(self, response: httpx.Response) -> str:
        """Return the first words of the body of an answer, of which no more is read."""
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) >= _BODY_SHOWN:
                break
        return self.words(bytes(body))

    def words(self, body: bytes) -> str:
        """Return the first words of a body, without our secrets."""
        return self.remote.redacted(first_words(body[:_BODY_SHOWN]))

    async def read(self, response: httpx.Response, doing: str) -> bytes:
        """Return the whole body of an answer, unless it is too long. Raises `WrongAnswer`."""
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _MAX_BODY:
                raise WrongAnswer(
                    str(self.remote), doing, f"its answer is longer than {_MAX_BODY} bytes"
                )
        return bytes(body)

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Raise the errors of httpx as our own."""
        remote, limits = str(self.remote), self.remote.limits
        try:
            yield
        except httpx.ConnectTimeout:
            words = f"no connection within {limits.connect:g} s"
            raise TimedOut(remote, doing, words) from None
        except httpx.TimeoutException:
            words = f"nothing came within {limits.response:g} s"
            raise TimedOut(
                remote, doing, words, "a longer time limit is time_limits.response"
            ) from None
        except httpx.ProxyError as error:
            raise ConnectionFailed(remote, doing, f"the proxy: {self._said(error)}") from None
        except httpx.ConnectError as error:
            if (cause := _tls_cause(error)) is not None:
                words = getattr(cause, "verify_message", "") or cause.reason or str(cause)
                verifies = isinstance(cause, ssl.SSLCertVerificationError)
                raise TlsFailed(remote, doing, words, _CERTIFICATE if verifies else _TLS) from None
            raise ConnectionFailed(remote, doing, self._said(error)) from None
        except httpx.DecodingError as error:
            raise WrongAnswer(remote, doing, f"its Content-Encoding: {self._said(error)}") from None
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            raise ConnectionLost(
                remote, doing, self._said(error) or "the connection broke"
            ) from None
        except httpx.LocalProtocolError as error:
            raise LocalProtocolError(f"{remote}: {doing}: {self._said(error)}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NetworkError(remote, doing, self._said(error)) from None

    def _said(self, error: Exception) -> str:
        return self.remote.redacted(str(error).rstrip("."))


class Waiting:
    """Waits while a service has no time (429, 503), together no longer than the time limit `busy`."""

    def __init__(self, remote: WebRemote) -> None:
        self._left = remote.limits.busy
        self._pause = remote.retry.pause
        self._longest: Final = remote.retry.longest

    async def allows(self, error: RequestFailed) -> bool:
        """Wait until the request may be made again; return False if that is of no use or too late."""
        seconds = self._pause if error.retry_after is None else error.retry_after
        if not error.is_for_now or seconds > self._left or self._left <= 0:
            return False
        _LOG.info("%s; asking again in %g s", error, seconds)
        self._left -= max(seconds, self._pause)
        self._pause = min(2 * self._pause, self._longest)
        await asyncio.sleep(seconds)
        return True


def shown(method: str, url: str) -> str:
    """Return a request in words. Queries are a part of it, credentials never are a part of a URL."""
    parts = urlsplit(url)
    text = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return f"{method} {text if len(text) <= _URL_SHOWN else text[:_URL_SHOWN] + '...'}"


def _connections(remote: WebRemote) -> httpx.AsyncClient:
    limits = remote.limits
    return httpx.AsyncClient(
        verify=(remote.tls or Tls()).to_connect(),
        proxy=remote.proxy,
        trust_env=remote.proxy
        is None,  # the proxies of the environment; nothing else is read there
        timeout=httpx.Timeout(limits.response, connect=limits.connect, pool=None),
        limits=httpx.Limits(
            max_connections=remote.max_connections,
            max_keepalive_connections=remote.max_connections,
            keepalive_expiry=5.0,  # many servers close after some seconds, while a request is on its way
        ),
        headers={"User-Agent": "dcm", "Accept-Encoding": "gzip, deflate"},
    )


def _tls_cause(error: BaseException | None) -> ssl.SSLError | None:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _retry_after(text: str) -> float | None:
    """Read Retry-After: seconds, or a date (RFC 9110 10.2.3)."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
