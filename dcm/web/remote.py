"""The configuration of a DICOMweb service: its URL, and how to communicate with it."""

import re
from base64 import b64encode
from typing import Final
from urllib.parse import SplitResult, urlsplit

from dcm.errors import LocalProtocolError
from dcm.frozen import Frozen
from dcm.net.limits import TimeLimits
from dcm.net.remote import UnprotectedIdentity
from dcm.net.retry import Retry
from dcm.net.tls import Tls

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS: Final = frozenset(
    ("accept", "authorization", "content-length", "content-type", "host", "transfer-encoding")
)


class WebRemote(Frozen, secret=("token", "password", "proxy", "headers")):
    """A DICOMweb service and how to communicate with it (PS3.18 8.2: `url` is its base URI).

    token: a bearer token (RFC 6750). user, password: for basic authentication (RFC 7617).
    tls: the trusted authorities, and the client certificate; None with an https URL means the
    authorities of this system. proxy: the URL of a proxy, with its user and password; None to use
    the environment.
    headers: additional headers of each request, as pairs; they are treated as secrets.
    allow_plaintext: whether secrets may be sent without TLS to another machine.
    max_connections: the maximum number of simultaneous requests.
    limits: `connect`, `response` (without a byte), and `busy` (while it answers 429 or 503).
    retry: when to try again after a connection has failed.
    """

    url: str
    token: str | None = None
    user: str | None = None
    password: str | None = None
    tls: Tls | None = None
    proxy: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    allow_plaintext: bool = False
    max_connections: int = 4
    limits: TimeLimits = TimeLimits()
    retry: Retry = Retry()

    def __post_init__(self) -> None:
        self._check_url()
        if self.token is not None and self.user is not None:
            raise LocalProtocolError("use either a token or a user, not both")
        if self.max_connections < 1:
            raise LocalProtocolError(
                f"max_connections is {self.max_connections}, but must be 1 or more"
            )
        for name, value in self.headers:
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
                raise LocalProtocolError(f"{name!r} is not allowed as a header")
            _check_secret(f"the header {name}", value)
        _check_secret("the token", self.token or "")
        _check_secret("the user", self.user or "")
        _check_secret("the password", self.password or "")
        if self.user is not None and ":" in self.user:
            raise LocalProtocolError(f"the user {self.user!r} has a colon (RFC 7617 2)")
        if self.proxy is not None and urlsplit(self.proxy).scheme not in ("http", "https"):
            raise LocalProtocolError("the proxy must be a URL like http://proxy.org:3128")

    def _check_url(self) -> None:
        try:
            parts = urlsplit(self.url)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise LocalProtocolError(f"{self.url!r} is not a URL: {error}") from None
        if "@" in parts.netloc:
            raise LocalProtocolError(
                "a user and a password cannot be in the URL: set user and password"
            )
        if parts.scheme not in ("http", "https") or not host:
            raise LocalProtocolError(
                f"{self.url!r} is not the URL of a DICOMweb service, like https://pacs.org/dicom-web"
            )
        if (
            parts.query
            or parts.fragment
            or any(c.isspace() or not c.isprintable() for c in self.url)
        ):
            raise LocalProtocolError(f"{self.url!r} must not have a query, a fragment or spaces")

    @classmethod
    def at(cls, url: "WebRemote | str", limits: TimeLimits | None = None) -> "WebRemote":
        """Return the service at a URL; a `WebRemote` is returned as it is."""
        return url if isinstance(url, WebRemote) else cls(url, limits=limits or TimeLimits())

    @property
    def base(self) -> str:
        """The URL without a trailing slash."""
        return self.url.rstrip("/")

    @property
    def has_secrets(self) -> bool:
        """Whether requests have credentials or additional headers."""
        return self.token is not None or self.user is not None or bool(self.headers)

    def secret_headers(self) -> dict[str, str]:
        """Return the headers with credentials, which must not be sent to other hosts."""
        found = dict(self.headers)
        if self.token is not None:
            found["Authorization"] = f"Bearer {self.token}"
        elif self.user is not None:
            pair = f"{self.user}:{self.password or ''}".encode()
            found["Authorization"] = f"Basic {b64encode(pair).decode()}"
        return found

    def check_credentials(self) -> None:
        """Raise `UnprotectedIdentity` if secrets would be readable on the network."""
        parts = urlsplit(self.url)
        if self.has_secrets and not (
            parts.scheme == "https" or self.allow_plaintext or is_this_machine(parts)
        ):
            raise UnprotectedIdentity(
                f"{self}: the credentials are not sent, because without TLS others can read them (use an"
                " https URL; or allow_plaintext or --allow-plaintext, if the network can be trusted)"
            )

    def redacted(self, text: str) -> str:
        """Return a text with secrets removed: a service may repeat them in an error message."""
        known = [self.token, self.password, *(value for _, value in self.headers)]
        known += self.secret_headers().values()
        if self.proxy and (password := urlsplit(self.proxy).password):
            known.append(password)
        for secret in sorted(filter(None, known), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def __str__(self) -> str:
        return self.base


def is_this_machine(parts: SplitResult) -> bool:
    """Return whether a URL points to this machine."""
    import ipaddress  # noqa: PLC0415 - many have no secrets

    host = (parts.hostname or "").lower()
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def same_origin(one: SplitResult, other: SplitResult) -> bool:
    """Return whether two URLs have the same scheme, host and port."""
    return _origin(one) == _origin(other)


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _check_secret(what: str, value: str) -> None:
    if not value.isprintable() or (what != "the password" and not value.isascii()):
        raise LocalProtocolError(f"{what} has characters that cannot be sent")
