"""The configuration of DICOMweb services: tables of remote nodes that have a `url`."""

from dcm.conf_table import Table
from dcm.credentials import Credentials, Secret
from dcm.frozen import Frozen, replace
from dcm.net.limits import TimeLimits
from dcm.net.tls import Tls
from dcm.web.remote import WebRemote

_TOKENS = ("token_file", "token_variable", "token")
KEYS = ("url", "user", *_TOKENS, "proxy", "headers", "allow_plaintext", "max_connections")
"""The settings of a service other than passwords, TLS and time limits."""


class WebNode(Frozen):
    """A service as configured in the file; its secrets are read when it is used."""

    known: WebRemote
    token: Secret | None = None
    credentials: Credentials | None = None

    def remote(self) -> WebRemote:
        """Return the service with its secrets. Raises `dcm.credentials.NoPassword`."""
        if self.token is not None:
            return replace(self.known, token=(self.token.read() or "").strip())
        if self.credentials is not None:
            password = self.credentials.secret().read()
            return replace(self.known, user=self.credentials.name, password=password)
        return self.known

    @property
    def holds_secrets(self) -> bool:
        """Whether the file itself contains a secret."""
        inside = self.token is not None and self.token.value is not None
        user = self.credentials
        proxy = "@" in (self.known.proxy or "")
        return inside or bool(self.known.headers) or proxy or bool(user and user.password)


def web_node(
    table: Table, limits: TimeLimits, tls: Tls | None, credentials: Credentials | None
) -> WebNode:
    """Read a table. Raises `dcm.conf_table.ConfigurationError`."""
    url, token = table.text("url"), None
    if table.has(*_TOKENS):
        if credentials is not None:
            raise table.fault("use either a token or a user, not both")
        if sum(table.has(each) for each in _TOKENS) > 1:
            raise table.fault(f"there are several tokens; use only one of {', '.join(_TOKENS)}")
        token = Secret(
            "token", url,
            table.text("token") if table.has("token") else None,
            table.file("token_file"),
            table.text("token_variable") if table.has("token_variable") else None,
        )  # fmt: skip
    with table.blamed():
        known = WebRemote(
            url,
            tls=tls,
            proxy=table.text("proxy") if table.has("proxy") else None,
            headers=tuple(table.texts("headers").items()),
            allow_plaintext=table.flag("allow_plaintext", default=False),
            max_connections=table.integer(
                "max_connections", WebRemote(url).max_connections, 1, 100
            ),
            limits=limits,
        )
    return WebNode(known, token, credentials)
