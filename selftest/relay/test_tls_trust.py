"""Which certificates are shown over TLS, and what happens if one is rejected."""

import contextlib
import socket
import ssl
import time
from dataclasses import dataclass, replace

import pytest
from relay.encrypted import HOST, Parties, read_to_end, receive, say_end
from relay.sockets import Connect, Serve, echo, read_all

from harness.errors import ConfigError
from harness.model import Endpoint
from harness.relay import Direction, RelayLoop, Tape
from harness.waiting import wait_until


@pytest.fixture(scope="module")
def parties() -> Parties:
    """All certificates."""
    return Parties()


@dataclass(frozen=True)
class Stand:
    """The fixtures that most tests need."""

    loop: RelayLoop
    serve: Serve
    parties: Parties


@pytest.fixture
def stand(loop: RelayLoop, serve: Serve, parties: Parties) -> Stand:
    """Return the fixtures."""
    return Stand(loop, serve, parties)


def ended(tape: Tape) -> str:
    """Wait for the end of the only connection, and return how it ended."""
    wait_until(lambda: tape.tracks and tape.tracks[0].closed, what="the end of the connection")
    assert len(tape.tracks) == 1
    return tape.tracks[0].ended


def say_what_was_shown(sock: socket.socket) -> None:
    """Send back the client's certificate."""
    assert isinstance(sock, ssl.SSLSocket)
    sock.sendall(sock.getpeercert(binary_form=True) or b"none")
    sock.recv(10)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_server_sees_the_certificate_that_the_client_shows(
    version: str, loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """The relay has its key, and shows the same certificate; the tape names it."""
    handler = parties.serving(say_what_was_shown, require=True, version=version)
    relay = parties.relay(loop, serve(handler))
    tape = loop.start_tape("T-001")
    with parties.client(relay, "client", version) as sock:
        der = parties["client"].der
        assert receive(sock, len(der)) == der
    assert "with the client (certificate of 'client')" in tape.tracks[0].tls


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize(
    ("shown", "alert"),
    [
        (None, {"1.2": "handshake failure", "1.3": "certificate required"}),
        ("expired", {"1.2": "certificate expired", "1.3": "certificate expired"}),
        ("foreign", {"1.2": "unknown ca", "1.3": "unknown ca"}),
    ],
)
def test_server_rejects_the_client(
    shown: str | None, alert: dict[str, str], version: str, stand: Stand
) -> None:
    """The server's verdict on a client also ends the client's connection."""
    handler = stand.parties.serving(echo, require=True, version=version)
    relay = stand.parties.relay(stand.loop, stand.serve(handler))
    tape = stand.loop.start_tape("T-001")
    doing = {"1.2": "the handshake", "1.3": "the exchange"}[version]
    assert stand.parties.fails(relay, shown, version) == doing
    assert ended(tape) == f"TLS with the server failed: {alert[version]} (its alert)"


def test_server_that_wants_no_certificate_gets_what_the_client_shows_all_the_same(
    loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """An expired certificate does not matter to a server that asks for none."""
    relay = parties.relay(loop, serve(parties.serving(say_what_was_shown)))
    with parties.client(relay, "expired") as sock:
        assert receive(sock, 4) == b"none"


def test_client_with_an_unknown_certificate_is_rejected_at_the_door(
    loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """The relay has no key for it, and must not show another one instead."""
    relay = parties.relay(loop, serve(parties.serving(say_what_was_shown, require=True)))
    tape = loop.start_tape("T-001")
    assert parties.fails(relay, "unlisted")
    assert ended(tape).startswith("TLS with the client failed: its certificate is not accepted: ")


def test_stand_in_is_shown_for_an_unlisted_certificate(
    loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """If configured, a client whose key is not available is represented; a listed one is not."""
    target = serve(parties.serving(say_what_was_shown, require=True))
    relay = parties.relay(loop, target, stand_in=parties["server"])
    for shown, seen in (("unlisted", "server"), ("client", "client")):
        with parties.client(relay, shown) as sock:
            der = parties[seen].der
            assert receive(sock, len(der)) == der
    assert parties.fails(relay)


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ("expired", "certificate has expired"),
        ("foreign", "unable to get local issuer certificate"),
        ("elsewhere", f"IP address mismatch, certificate is not valid for '{HOST}'"),
    ],
)
def test_certificate_of_the_server_is_not_accepted(
    shown: str, words: str, loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """The relay checks what clients cannot see, and rejects both sides."""
    seen = []

    def note(sock: socket.socket) -> None:
        try:
            parties.serving(echo, shown=shown)(sock)
        except ssl.SSLError as error:
            seen.append(error.reason)
        else:
            seen.append("nothing")

    relay = parties.relay(loop, serve(note))
    tape = loop.start_tape("T-001")
    assert parties.fails(relay)
    assert ended(tape) == f"TLS with the server failed: its certificate is not accepted: {words}"
    wait_until(lambda: seen, what="what the server saw")
    assert "ALERT" in seen[0]


def test_client_that_does_not_accept_the_door(
    loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """A client that trusts another authority reports it, and the server only sees the end."""
    seen = []

    def note(sock: socket.socket) -> None:
        seen.append(sock.recv(100))

    relay = parties.relay(loop, serve(note), shown=parties["foreign"])
    tape = loop.start_tape("T-001")
    with pytest.raises(ssl.SSLCertVerificationError), parties.client(relay):
        pass
    assert ended(tape) == "TLS with the client failed: unknown ca (its alert)"
    wait_until(lambda: seen, what="what the server saw")
    assert seen == [b""]


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x01\x00" + (200).to_bytes(4, "big") + bytes(200),  # A-ASSOCIATE-RQ
        b"\xff" * 100_000,
        b"\x16\x03\x01\x00\x05hello",
    ],
    ids=["HTTP", "DICOM", "garbage", "record"],
)
def test_client_that_does_not_speak_tls(
    said: bytes, loop: RelayLoop, serve: Serve, connect: Connect, parties: Parties
) -> None:
    """It gets only an alert, and is closed; the server is not contacted."""
    relay = parties.relay(loop, serve(lambda sock: sock.recv(100)))
    tape = loop.start_tape("T-001")
    sock = connect(relay)
    sock.sendall(said)
    with contextlib.suppress(ConnectionResetError):
        assert read_all(sock)[:1] in (b"", b"\x15")
    assert ended(tape).startswith("TLS with the client failed: ")
    if not said.startswith(b"\x16"):
        assert ended(tape) == "TLS with the client failed: it does not speak TLS"
    for direction in Direction:
        assert tape.content(tape.tracks[0], direction) == b""


def test_client_that_breaks_the_handshake_off(
    loop: RelayLoop, serve: Serve, connect: Connect, parties: Parties
) -> None:
    """A client that leaves during the handshake, for example to check that the port answers."""
    relay = parties.relay(loop, serve(parties.serving(echo)))
    tape = loop.start_tape("T-001")
    connect(relay).close()
    words = "it closed the connection during the handshake"
    assert ended(tape) == f"TLS with the client failed: {words}"


def test_server_that_speaks_plain(loop: RelayLoop, serve: Serve, parties: Parties) -> None:
    """A server without TLS is distinguished from one that fails."""

    def refuse(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    relay = parties.relay(loop, serve(refuse))
    tape = loop.start_tape("T-001")
    assert parties.fails(relay)
    assert ended(tape) == "TLS with the server failed: it does not speak TLS"


@pytest.mark.parametrize("listens", [True, False])
def test_server_that_closes_at_once(
    listens: bool, loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """A server that is not running, or closes every connection, fails the client's handshake."""
    if listens:
        target = serve(lambda sock: sock.recv(1 << 16))  # unread bytes would cause a reset
        words = "it closed the connection during the handshake"
        expected = f"TLS with the server failed: {words}"
    else:
        with socket.create_server((HOST, 0)) as listener:
            target = Endpoint(*listener.getsockname())
        expected = f"{target} was not reached: Connection refused"
    relay = parties.relay(loop, target)
    tape = loop.start_tape("T-001")
    assert parties.fails(relay)
    assert ended(tape) == expected


def test_client_may_speak_and_end_before_the_server_has_agreed(stand: Stand) -> None:
    """Data sent with the end of the handshake waits and is not lost; nor is the client's end."""

    def count(sock: socket.socket) -> None:
        sock.sendall(b"%d" % len(read_to_end(sock)))
        sock.recv(10)

    def late(sock: socket.socket) -> None:
        wait_until(lambda: sent, what="the client's bytes")
        stand.parties.serving(count)(sock)

    sent: list[bool] = []
    relay = stand.parties.relay(stand.loop, stand.serve(late))
    with stand.parties.client(relay) as sock:
        sock.sendall(b"x" * 100_000)
        say_end(sock)
        socket.socket.shutdown(sock, socket.SHUT_WR)  # that of an SSLSocket would forget TLS
        time.sleep(0.1)  # until the relay has had time to read it
        sent.append(True)
        assert receive(sock, 6) == b"100000"


def test_client_that_complains_about_a_cut_has_not_failed(stand: Stand) -> None:
    """If a server ends without a closure alert, the tape names it, not the client that objects."""
    relay = stand.parties.relay(
        stand.loop, stand.serve(stand.parties.serving(lambda sock: sock.recv(100)))
    )
    tape = stand.loop.start_tape("T-001")
    with stand.parties.client(relay) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ssl.SSLError):  # it sends an alert
            sock.recv(10)
    assert ended(tape) == "closed by the server, without notification"
    assert relay.pending() == ["GET /"]


def test_unusable_settings_are_refused_at_once(parties: Parties) -> None:
    """Settings that OpenSSL rejects are reported before a connection needs them."""
    with pytest.raises(ConfigError, match="server_hostname"):
        replace(parties.tls, server_name="")
    with pytest.raises(ConfigError, match="TLS for"):
        replace(parties.tls, authorities=b"none")
    with pytest.raises(ConfigError, match=r"(?i)key values mismatch"):
        replace(parties.tls, shown=replace(parties["door"], key=parties["client"].key))
