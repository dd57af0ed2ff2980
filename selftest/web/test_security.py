"""Credentials, TLS, proxies and redirections."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from net.certificates import Authority
from net.peers import liar
from web.scripted import Asked, found, reply, service
from web.services import remote

from dcm.errors import DcmError, LocalProtocolError
from dcm.frozen import replace
from dcm.net import Tls
from dcm.net.errors import ConnectionFailed, TlsFailed
from dcm.net.remote import UnprotectedIdentity
from dcm.store.web import WebPlace
from dcm.web.errors import RequestFailed, WrongAnswer
from dcm.web.remote import WebRemote

TOKEN, PASSWORD, KEY = "t0ken-of-ours", "pass:word", "key-of-ours"
SECRETS = {
    "token": {"token": TOKEN},
    "password": {"user": "anna", "password": PASSWORD},
    "header": {"headers": (("X-Api-Key", KEY),)},
}


def echo(url: str, **more: object) -> float:
    """Send an echo to a service."""
    return asyncio.run(WebPlace(remote(url, **more)).echo())


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("token", "authorization", f"Bearer {TOKEN}"),
        ("password", "authorization", "Basic YW5uYTpwYXNzOndvcmQ="),
        ("header", "x-api-key", KEY),
    ],
)
def test_credentials_are_sent(kind: str, name: str, value: str) -> None:
    """With each request (RFC 6750, RFC 7617)."""
    with service(lambda _: found([])) as (url, requests):
        echo(url, **SECRETS[kind])

    assert requests[0].headers[name] == value


@pytest.mark.parametrize("kind", SECRETS)
def test_credentials_are_not_sent_in_plain_text(kind: str) -> None:
    """To another machine, unless this is allowed."""
    with pytest.raises(UnprotectedIdentity, match="https URL") as refusal:
        echo("http://192.0.2.1/dicomweb", **SECRETS[kind])
    assert not any(secret in str(refusal.value) for secret in (TOKEN, PASSWORD, KEY))
    allowed = WebRemote("http://192.0.2.1/", allow_plaintext=True, **SECRETS[kind])  # type: ignore[arg-type]
    allowed.check_credentials()
    WebRemote("https://192.0.2.1/", **SECRETS[kind]).check_credentials()  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", SECRETS)
def test_secrets_are_in_no_message(kind: str) -> None:
    """Even if the service repeats them; nor in a repr."""

    def answer(asked: Asked) -> bytes:
        return reply(401, f"bad: {asked.headers} {TOKEN} {PASSWORD} {KEY}".encode())

    with service(answer) as (url, _), pytest.raises(RequestFailed) as failure:
        echo(url, **SECRETS[kind])
    secret = {"token": TOKEN, "password": PASSWORD, "header": KEY}[kind]
    assert "401 Unauthorized: bad: " in str(failure.value)
    for shown in (str(failure.value), repr(remote("https://a", **SECRETS[kind]))):
        assert secret not in shown
        assert "YW5uYTpwYXNzOndvcmQ=" not in shown


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_credentials_are_not_sent_to_another_host(status: int) -> None:
    """A redirection to another host is followed without them; within the host, with them."""
    with service(lambda _: found([])) as (elsewhere, others):

        def answer(asked: Asked) -> bytes:
            if asked.path == "/dicomweb/studies":
                return reply(status, Location="/other/studies")
            return reply(status, Location=f"{elsewhere}/moved")

        with service(answer) as (url, requests):
            echo(url, **SECRETS["token"])
    assert [each.path for each in requests] == ["/dicomweb/studies", "/other/studies"]
    assert all(each.headers["authorization"] == f"Bearer {TOKEN}" for each in requests)
    assert [each.path for each in others] == ["/dicomweb/moved"]
    assert "authorization" not in others[0].headers


def test_endless_redirection_ends() -> None:
    """After a few."""
    with (
        service(lambda _: reply(302, Location="/again")) as (url, requests),
        pytest.raises(WrongAnswer, match="too many redirects"),
    ):
        echo(url)
    assert len(requests) == 6


@pytest.mark.parametrize("location", ["ftp://a/b", "http://[::1", "http://a:port/", "http://"])
def test_redirection_to_nowhere_is_an_error(location: str) -> None:
    """Whatever the service sends as target."""
    with service(lambda _: reply(302, Location=location)) as (url, _), pytest.raises(DcmError):
        echo(url)


def test_redirection_from_https_to_http_is_not_followed(secured: tuple[str, Tls]) -> None:
    """Nor is one to another host, if our certificate would be shown to it."""
    _, ours = secured
    server = replace(ours, require_certificate=False)
    for location in ("http://127.0.0.1/", "https://192.0.2.1/"):
        with (
            service(lambda _, to=location: reply(302, Location=to), server) as (url, _),
            pytest.raises(WrongAnswer, match="redirects to"),
        ):
            echo(url, tls=ours)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"url": "pacs:PACS:104"}, "not the URL"),
        ({"url": "https://anna:secret@pacs.org/"}, "set user and password"),
        ({"url": "https://pacs.org/?a=b"}, "must not have a query"),
        ({"url": "https://pacs.org/a b"}, "or spaces"),
        ({"url": "https://pacs.org:x/"}, "not a URL"),
        ({"token": "a", "user": "b"}, "not both"),
        ({"token": "a\r\nb"}, "cannot be sent"),
        ({"headers": (("Host", "x"),)}, "is not allowed"),
        ({"headers": (("A B", "x"),)}, "is not allowed"),
        ({"user": "a:b"}, "colon"),
        ({"max_connections": 0}, "1 or more"),
        ({"proxy": "socks5://p:1"}, "proxy must be"),
    ],
)
def test_remote_that_cannot_be_used_is_an_error(more: dict[str, object], words: str) -> None:
    """When it is created."""
    with pytest.raises(LocalProtocolError, match=words) as failure:
        WebRemote(**{"url": "https://pacs.org", **more})  # type: ignore[arg-type]
    assert "secret" not in str(failure.value)


# TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that both sides trust."""
    return Authority.make(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(scope="module")
def secured(authority: Authority) -> Iterator[tuple[str, Tls]]:
    """A service with TLS that requires a certificate, and a remote for it."""
    server = replace(authority.issue("server"), require_certificate=True)
    with service(lambda _: found([]), server) as (url, _):
        yield url, authority.issue("client")


def test_certificates_are_shown_and_checked(secured: tuple[str, Tls]) -> None:
    """On both sides."""
    url, ours = secured
    assert echo(url, tls=ours) < 5

    with pytest.raises(TlsFailed, match="certificate is not accepted"):
        echo(url.replace("127.0.0.1", "localhost"), tls=ours)
    with pytest.raises(TlsFailed, match="certificate is not accepted"):
        echo(url, tls=Tls(certificate=ours.certificate, key=ours.key))
    with pytest.raises(DcmError):
        echo(url, tls=Tls(ca=ours.ca))
    with pytest.raises(DcmError):
        echo(url.replace("https", "http"))


def test_service_without_tls_is_told_from_others() -> None:
    """The error says what to check."""
    with (
        service(lambda _: found([])) as (url, _),
        pytest.raises(TlsFailed, match=r"not TLS|closed"),
    ):
        echo(url.replace("http:", "https:"))


# Proxies.


@contextlib.contextmanager
def proxy(status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """Run a proxy for CONNECT; return its URL, with a user, and the heads of the requests."""
    heads: list[str] = []

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def relay(taken: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += taken.recv(1)
        heads.append(head.decode())
        if status != 200:
            taken.sendall(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n".encode())
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as server:
            taken.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=pump, args=(server, taken), daemon=True)
            back.start()
            pump(taken, server)
            back.join(10)

    with liar(relay) as node:
        yield f"http://anna:{PASSWORD.replace(':', '%3A')}@127.0.0.1:{node.port}", heads


def test_https_goes_through_a_tunnel(secured: tuple[str, Tls]) -> None:
    """The proxy sees neither the request nor the credentials in it."""
    url, ours = secured
    with proxy() as (through, heads):
        assert echo(url, tls=ours, proxy=through, token=TOKEN) < 5
    assert heads[0].startswith(f"CONNECT 127.0.0.1:{url.split(':')[2].split('/')[0]} HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic YW5uYTpwYXNzOndvcmQ=" in heads[0]
    assert TOKEN not in "".join(heads)

    with (
        proxy(407) as (through, _),
        pytest.raises(ConnectionFailed, match="407 to CONNECT") as error,
    ):
        echo(url, tls=ours, proxy=through)
    assert PASSWORD not in str(error.value)


def test_http_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets complete URLs, except for hosts that bypass it."""
    with service(lambda _: found([])) as (url, requests):
        monkeypatch.setenv("http_proxy", url.removesuffix("/dicomweb"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        echo("http://pacs.example/web")
        echo(url)
    assert [each.target for each in requests] == [
        "http://pacs.example/web/studies?limit=1",
        "/dicomweb/studies?limit=1",
    ]
