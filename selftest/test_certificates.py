"""Certificates made for a run: who accepts them, and who can read the keys."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.certificates import Authority, Certificate, client_context, server_context

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def authority() -> Authority:
    """An authority that issues certificates."""
    return Authority()


def agree(server: ssl.SSLContext, client: ssl.SSLContext, name: str = HOST) -> dict[str, object]:
    """Do a handshake over a pair of sockets, and return the server's view of the client."""
    ours, theirs = socket.socketpair()
    known: list[object] = []

    def serve() -> None:
        with contextlib.suppress(OSError), server.wrap_socket(theirs, server_side=True) as sock:
            known.append(sock.getpeercert() or {})
            sock.sendall(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours, client.wrap_socket(ours, server_hostname=name) as sock:
            assert sock.recv(1) == b"x"
    finally:
        thread.join(10)
        theirs.close()
    return known[0]  # type: ignore[return-value]


@pytest.mark.parametrize("name", [HOST, "localhost"])
def test_certificate_is_for_each_of_its_names(authority: Authority, name: str) -> None:
    """A client that trusts the authority accepts the server by any of its names."""
    server = server_context(authority.issue(HOST, "localhost"))
    assert agree(server, client_context(authority.certificate), name) == {}


def test_server_may_require_a_certificate(authority: Authority) -> None:
    """It accepts a certificate of the authority, and names it; a client without one is rejected."""
    server = server_context(authority.issue(HOST), clients=authority.certificate)
    shown = client_context(authority.certificate, authority.issue("modality"))
    assert (("commonName", "modality"),) in agree(server, shown)["subject"]  # type: ignore[operator]
    with pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"):
        agree(server, client_context(authority.certificate))


@pytest.mark.parametrize(
    ("issue", "words"),
    [
        (lambda own: own.issue(HOST, expired=True), "expired"),
        (lambda _: Authority().issue(HOST), "unable to get local issuer"),
        (lambda own: own.issue("elsewhere.example"), "mismatch"),
    ],
    ids=["expired", "another authority's", "another name"],
)
def test_certificate_that_must_not_be_accepted(
    issue: Callable[[Authority], Certificate], words: str, authority: Authority
) -> None:
    """Each certificate for tests of servers has the intended error."""
    shown = issue(authority)
    with pytest.raises(ssl.SSLCertVerificationError, match=words):
        agree(server_context(shown), client_context(authority.certificate))


def test_key_is_written_for_its_owner_alone(authority: Authority, tmp_path: Path) -> None:
    """The files can be loaded; other users cannot read the key, even in place of an older file."""
    (tmp_path / "server.key").write_text("older")
    (tmp_path / "server.key").chmod(0o644)
    files = authority.issue(HOST).write(tmp_path, "server")
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)
    assert files.key.stat().st_mode & 0o777 == 0o600


def test_key_is_not_shown(authority: Authority) -> None:
    """A certificate in the text of a failure does not reveal its key."""
    assert "PRIVATE" not in repr(authority.issue(HOST))
