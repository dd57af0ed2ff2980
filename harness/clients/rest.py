"""The REST client of the cases: one persistent connection, with detailed failure messages."""

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError

from harness.certificates import TlsClient
from harness.clients.answers import Malformed
from harness.corpus import Sample
from harness.model import Credentials, Endpoint

BODY_SHOWN = 600
PAUSE = 0.4  # seconds without a request after which a new connection is opened
KEPT = 0.9  # seconds for which servers keep an idle connection, at least
LOCAL_MODALITY = "/modalities/orthanctest"
"""The local server's path in the REST API, from its name in the remote's configuration."""


class UnexpectedStatus(AssertionError):  # noqa: N818 - inside a case it is the server's failure
    """The server answered, but not with a status that the case expects."""


class NoAnswer(AssertionError):  # noqa: N818 - inside a case it is the server's failure
    """The server did not answer a request, or not completely."""


def cause_of(error: requests.RequestException) -> str:
    """Return the underlying cause of an error of requests, without the layers of its libraries."""
    below: BaseException = error
    while isinstance(below.args[0] if below.args else None, BaseException):
        below = below.args[0]
    reason = getattr(below, "reason", None)
    text = str(reason or (below.args[0] if below.args else below))
    return text.rpartition(": ")[2].strip("')\"") or str(error)


def _was_cut(error: requests.ConnectionError) -> bool:
    """Return whether an open connection was closed before any answer."""
    return bool(error.args) and isinstance(error.args[0], ProtocolError)


class MissingMember(AssertionError, KeyError):  # noqa: N818 - inside a case it is the server's failure
    """A JSON object does not have the member that the case reads."""

    __str__ = Exception.__str__  # KeyError's would put the message in quotes


class JsonObject(dict[str, Any]):
    """An object in an answer: reading a missing member fails the case."""

    def __missing__(self, key: str) -> Any:
        there = ", ".join(sorted(self)) or "nothing"
        raise MissingMember(f"the answer has no member {key!r}; it has {there}")


class Answer(requests.Response):
    """An answer of the server; the case fails if it expects JSON and the body is not."""

    def json(self, **options: Any) -> Any:
        """Return the body as JSON, its objects as JsonObject."""
        try:
            return super().json(object_hook=JsonObject, **options)
        except ValueError as error:
            start = self.content[:BODY_SHOWN].decode(errors="replace")
            raise Malformed(f"{self.url}: the answer is not JSON ({error}): {start}") from error


class _Adapter(HTTPAdapter):
    def __init__(self, tls: TlsClient | None) -> None:
        self._tls = tls
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        if self._tls is not None:
            options |= {"ssl_context": self._tls.context, "assert_hostname": False}
        super().init_poolmanager(*args, **options)

    def cert_verify(self, *args: Any) -> None:
        """Leave the connection unchanged: the TLS context defines what is trusted."""

    def build_response(self, request: requests.PreparedRequest, response: Any) -> Answer:
        answer = super().build_response(request, response)
        answer.__class__ = Answer
        return answer  # type: ignore[return-value]


class Rest(contextlib.AbstractContextManager["Rest"]):
    """An HTTP client of one server. Every method fails the case on an unexpected status."""

    def __init__(
        self,
        base: Endpoint,
        credentials: Credentials | None = None,
        time_limit: float = 10.0,
        note: Callable[[str], None] = lambda _: None,
        tls: TlsClient | None = None,
    ) -> None:
        """Send requests to `base`; `note` is called when a request had to be repeated."""
        self._note = note
        self.base = f"{'http' if tls is None else 'https'}://{base}"
        self.time_limit = time_limit
        self._last_use = 0.0
        self.session = requests.Session()
        self.session.mount(self.base, _Adapter(tls))
        self.session.trust_env = False  # ignore a proxy in the environment
        if credentials is not None:
            self.session.auth = (credentials.username, credentials.password)

    @property
    def user(self) -> str:
        """The user whose credentials are sent; empty if none are."""
        return self.session.auth[0] if isinstance(self.session.auth, tuple) else ""

    def request(
        self, method: str, path: str, *, expect: int | tuple[int, ...] | None = 200, **options: Any
    ) -> requests.Response:
        """Send a request and return the answer; `options` are those of `requests`.

        `expect` is the expected status or statuses; None accepts any. Redirects are not followed.
        Raises UnexpectedStatus with the answer's text, or NoAnswer if there is none.
        """
        options.setdefault("timeout", self.time_limit)
        options.setdefault("allow_redirects", False)
        try:
            answer = self._answer(method, path, options)
        except requests.RequestException as error:
            raise NoAnswer(f"{method} {path}: no answer: {cause_of(error)}") from error
        expected = (expect,) if isinstance(expect, int) else expect
        if expected is not None and answer.status_code not in expected:
            raise UnexpectedStatus(_told(method, path, expected, answer))
        return answer

    def _answer(self, method: str, path: str, options: dict[str, Any]) -> requests.Response:
        """Send a request, on a new connection after a pause.

        Orthanc before 1.11.3 closes a connection after a second without a request, and a request
        sent at that moment fails, which is not a defect. On a very busy computer, sending can be
        delayed that long. Only if the connection was idle longer than servers keep one is the
        request sent again, and this is noted in the record. A request that is dropped at any other
        time has failed.
        """
        last = self._last_use
        fresh = time.monotonic() - last > PAUSE
        if fresh:
            self.session.close()
        try:
            return self.session.request(method, self.base + path, **options)
        except requests.ConnectionError as error:
            gap = time.monotonic() - last
            if fresh or gap < KEPT or not _was_cut(error):
                raise
            self._note(
                f"{method} {path} was sent twice: the server had closed the connection, which had been "
                f"idle for {gap:.1f} s"
            )
            self.session.close()
            return self.session.request(method, self.base + path, **options)
        finally:
            self._last_use = time.monotonic()

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET `path`."""
        return self.request("GET", path, **options)

    def json(self, path: str, **params: Any) -> Any:
        """GET `path` with query arguments `params`, and return the JSON of the answer."""
        return self.get(path, params=params).json()

    def post(self, path: str, body: object = b"", **options: Any) -> requests.Response:
        """POST `body`: bytes and text as they are, anything else as JSON."""
        return self.request("POST", path, data=_encoded(body), **options)

    def put(self, path: str, body: object = b"", **options: Any) -> requests.Response:
        """PUT `body`: bytes and text as they are, anything else as JSON."""
        return self.request("PUT", path, data=_encoded(body), **options)

    def delete(self, path: str, **options: Any) -> requests.Response:
        """DELETE `path`."""
        return self.request("DELETE", path, **options)

    @contextlib.contextmanager
    def setting(self, path: str, value: object) -> Iterator[None]:
        """Change the setting at `path` with PUT, and restore its previous value at the end."""
        before = self.get(path).content
        self.put(path, value)
        try:
            yield
        finally:
            self.put(path, before)

    @contextlib.contextmanager
    def temporary(self, path: str, definition: object) -> Iterator[None]:
        """PUT something new at `path`, such as a modality, and DELETE it at the end."""
        self.put(path, definition)
        try:
            yield
        finally:
            self.delete(path)

    def upload(self, data: bytes) -> dict[str, Any]:
        """POST one DICOM file to `/instances`, and return the server's answer (ID, Status, ...)."""
        answer: dict[str, Any] = self.post("/instances", data).json()
        return answer

    def find(self, level: str, query: Mapping[str, str], **options: object) -> list[Any]:
        """POST a search to `/tools/find`; return identifiers or, with Expand, the resources."""
        asked = {"Level": level, "Query": query, **options}
        found: list[Any] = self.post("/tools/find", asked).json()
        return found

    def upload_all(self, objects: Iterable[Sample]) -> None:
        """Upload each object; fails the case unless each is stored."""
        for each in objects:
            status = self.upload(each.data)["Status"]
            assert status == "Success", f"the upload of an object was answered with {status!r}"

    def close(self) -> None:
        """Close the connection."""
        self.session.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def _encoded(body: object) -> bytes:
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def _told(method: str, path: str, expected: tuple[int, ...], answer: requests.Response) -> str:
    wanted = " or ".join(str(status) for status in expected)
    body = answer.content[:BODY_SHOWN].decode(errors="replace").strip()
    more = " ..." if len(answer.content) > BODY_SHOWN else ""
    return f"{method} {path}: expected status {wanted}, received {answer.status_code}\n{body}{more}"
