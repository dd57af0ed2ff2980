"""A relay between two TLS peers: plain bytes on the tape, and all else as without TLS."""

import contextlib
import hashlib
import random
import socket
import ssl
import threading
import time
from dataclasses import replace

import pytest
from relay.encrypted import Parties, read_to_end, receive, say_end, wait_for_reset
from relay.sockets import LIMIT, Serve, echo, read_all, reset

from harness.relay import Direction, Disturbance, HttpLie, RelayLoop
from harness.waiting import wait_until


@pytest.fixture(scope="module")
def parties() -> Parties:
    """All certificates."""
    return Parties()


def pour(sock: socket.socket) -> None:
    """Send a thousand bytes on request."""
    sock.recv(10)
    sock.sendall(bytes(range(100)) * 10)
    sock.recv(10)


@pytest.mark.parametrize("to_server", ["1.2", "1.3"])
@pytest.mark.parametrize("to_client", ["1.2", "1.3"])
def test_tape_holds_plain_bytes(
    to_client: str, to_server: str, loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """Data arrives in both directions, and the tape has the same bytes and the TLS parameters."""
    relay = parties.relay(loop, serve(parties.serving(echo, version=to_server)))
    tape = loop.start_tape("T-001")
    messages = [random.Random(size).randbytes(size) for size in (1, 1000, 16384, 100_000)]
    with parties.client(relay, version=to_client) as sock:
        for message in messages:
            sock.sendall(message)
            assert receive(sock, len(message)) == message

    track = tape.tracks[0]
    for direction in Direction:
        assert tape.content(track, direction) == b"".join(messages)
    client, server = track.tls.split(" with the client (no certificate), ")
    assert client.startswith(f"TLSv{to_client} ")
    assert server.startswith(f"TLSv{to_server} ")
    assert server.endswith(" with the server")


def test_later_tape_knows_the_agreement(loop: RelayLoop, serve: Serve, parties: Parties) -> None:
    """A connection opened during an earlier case is known to be encrypted."""
    relay = parties.relay(loop, serve(parties.serving(echo)))
    with parties.client(relay) as sock:
        tape = loop.start_tape("T-002")
        sock.sendall(b"x")
        receive(sock, 1)
    assert tape.tracks[0].continued
    assert tape.tracks[0].tls.startswith("TLSv1.3")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_end_of_one_direction_leaves_the_other_open(
    version: str, loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """A client may close its direction and still read the answer and the closure alert."""

    def answer_after_the_end(sock: socket.socket) -> None:
        answer = b"got %d bytes" % len(read_all(sock))
        time.sleep(0.1)  # until the client reads
        sock.sendall(answer)
        say_end(sock)

    target = serve(parties.serving(answer_after_the_end, version=version))
    relay = parties.relay(loop, target)
    tape = loop.start_tape("T-001")
    with parties.client(relay, version=version) as sock:
        sock.sendall(b"x" * 100_000)
        say_end(sock)
        assert read_to_end(sock) == b"got 100000 bytes"
    wait_until(lambda: tape.tracks[0].closed, what="the end of the connection")
    assert tape.tracks[0].ended == "closed by the client"


def test_end_with_a_notification_is_one_at_the_other_side(
    loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """An orderly end of the server is an orderly end for the client, after all data."""

    def speak(sock: socket.socket) -> None:
        sock.sendall(b"bye")
        say_end(sock)
        sock.recv(10)

    relay = parties.relay(loop, serve(parties.serving(speak)))
    tape = loop.start_tape("T-001")
    with parties.client(relay) as sock:
        assert read_all(sock) == b"bye"
    wait_until(lambda: tape.tracks[0].closed, what="the end of the connection")
    assert tape.tracks[0].ended == "closed by the server"


def test_end_without_a_notification_is_one_at_the_other_side(
    loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """If a server only closes TCP, the client sees a truncation, perhaps by an attacker."""
    relay = parties.relay(loop, serve(parties.serving(lambda sock: sock.sendall(b"bye"))))
    tape = loop.start_tape("T-001")
    with parties.client(relay) as sock:
        assert receive(sock, 3) == b"bye"
        with pytest.raises(ssl.SSLError, match=r"(?i)unexpected.eof|violation"):
            sock.recv(10)
    wait_until(lambda: tape.tracks[0].closed, what="the end of the connection")
    assert tape.tracks[0].ended == "closed by the server, without notification"


def test_reset_passes(loop: RelayLoop, serve: Serve, parties: Parties) -> None:
    """A reset is passed on as a reset, after the bytes before it."""

    def answer_and_reset(sock: socket.socket) -> None:
        sock.recv(10)
        sock.sendall(b"half an ans")
        reset(sock)

    relay = parties.relay(loop, serve(parties.serving(answer_and_reset)))
    tape = loop.start_tape("T-001")
    with parties.client(relay) as sock:
        sock.sendall(b"question")
        assert receive(sock, 11) == b"half an ans"
        wait_for_reset(sock)
    assert tape.tracks[0].ended == "reset by the server"


def test_bulk_passes_both_ways_at_once(loop: RelayLoop, serve: Serve, parties: Parties) -> None:
    """Both sides send 24 MB and read slowly at first; nothing is lost or truncated."""
    size = 24 * 2**20
    sent = {side: random.Random(side).randbytes(size) for side in ("client", "server")}
    got: dict[str, bytes] = {}

    def exchange(side: str, sock: socket.socket) -> None:
        """Send and read in turns; reading starts when 4 MB wait in the systems and the relay."""
        parts, view = [], memoryview(sent[side])
        at = read = 0
        sock.settimeout(0.02)
        while at < size or read < size:
            if at < size:
                with contextlib.suppress(TimeoutError):
                    at += sock.send(view[at : at + 2**14])
            if at == size or at > 2**22:
                with contextlib.suppress(TimeoutError):
                    parts.append(sock.recv(2**16))
                    read += len(parts[-1])
        got[side] = b"".join(parts)

    target = serve(parties.serving(lambda sock: exchange("server", sock)))
    relay = parties.relay(loop, target)
    tape = loop.start_tape("T-001")
    with parties.client(relay) as sock:
        exchange("client", sock)
        wait_until(lambda: "server" in got, what="all bytes at the server", within=30)

    assert got["client"] == sent["server"]
    assert got["server"] == sent["client"]
    for direction, side in ((Direction.TO_SERVER, "client"), (Direction.TO_CLIENT, "server")):
        seen = hashlib.sha256(tape.content(tape.tracks[0], direction)).digest()
        assert seen == hashlib.sha256(sent[side]).digest()


@pytest.mark.parametrize("way", ["to server", "to client"])
def test_receiver_that_does_not_read_stops_the_sender(
    way: str, loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """Back pressure: a sender blocks once the systems' buffers are full, and all arrives later."""
    sent, read = [0], [0]
    held_up = threading.Event()

    def pour_out(sock: socket.socket) -> None:
        sock.settimeout(0.5)
        try:
            while sent[0] < 100 * 2**20:
                sent[0] += sock.send(bytes(2**14))
        except TimeoutError:
            held_up.set()
        sock.settimeout(LIMIT)
        say_end(sock)

    def sit(sock: socket.socket) -> None:
        assert held_up.wait(30)
        try:
            while data := sock.recv(2**20):
                read[0] += len(data)
        except ssl.SSLEOFError:  # the sender had no room for its closure alert
            pass

    there, here = (sit, pour_out) if way == "to server" else (pour_out, sit)
    relay = parties.relay(loop, serve(parties.serving(there)))
    with parties.client(relay) as sock:
        here(sock)
    wait_until(lambda: read[0] >= sent[0], what="all bytes")
    assert 0 < sent[0] < 50 * 2**20


def test_delayed_bytes_arrive_before_the_end(
    loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """The end of a connection does not overtake delayed bytes, even if both came at once."""

    def speak(sock: socket.socket) -> None:
        sock.sendall(b"bye")
        say_end(sock)

    relay = parties.relay(loop, serve(parties.serving(speak)))
    relay.disturb = Disturbance(delay=0.1)
    begin = time.monotonic()
    with parties.client(relay) as sock:
        assert read_all(sock) == b"bye"
    assert time.monotonic() - begin >= 0.1


@pytest.mark.parametrize("count", [0, 1, 250, 1000])
def test_cut_comes_after_exactly_so_many_bytes(
    count: int, loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """The client gets the first plain bytes and then an orderly end."""
    relay = parties.relay(loop, serve(parties.serving(pour)))
    relay.disturb = Disturbance(cut_after=count)
    tape = loop.start_tape("T-001")
    with parties.client(relay) as sock:
        sock.sendall(b"go")
        assert read_all(sock) == (bytes(range(100)) * 10)[:count]
    assert tape.tracks[0].ended == f"cut on purpose after {count} bytes of the server's"


def test_cut_waits_for_a_slow_client(loop: RelayLoop, serve: Serve, parties: Parties) -> None:
    """Bytes before the cut are passed on, and so is the closure alert after them."""
    half = 20 * 2**20

    def answer(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        sock.recv(1000)

    relay = parties.relay(loop, serve(parties.serving(answer)))
    relay.lie = HttpLie(lambda _: True, lambda response: replace(response, body=bytes(2 * half)))
    relay.disturb = Disturbance(cut_after=half)
    tape = loop.start_tape("T-001")
    with parties.client(relay) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: tape.size > half, what="the answer")
        assert len(read_all(sock)) == half


@pytest.mark.parametrize("count", [None, 10])
def test_cut_by_reset(count: int | None, loop: RelayLoop, serve: Serve, parties: Parties) -> None:
    """A cut may be a reset, as if the server had crashed, also in place of an answer."""
    relay = parties.relay(loop, serve(parties.serving(pour)))
    relay.disturb = Disturbance(cut_after=count, reset=True)
    with parties.client(relay) as sock:
        sock.sendall(b"go")
        wait_for_reset(sock)
        assert receive(sock, count or 0) == bytes(range(count or 0))


def test_stall_lasts_until_it_is_taken_away(
    loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """Some bytes pass, then nothing; afterwards the rest arrives, with the end that followed it."""

    def speak(sock: socket.socket) -> None:
        sock.recv(10)
        sock.sendall(bytes(range(100)) * 10)
        say_end(sock)

    relay = parties.relay(loop, serve(parties.serving(speak)))
    relay.disturb = Disturbance(stall_after=123)
    with parties.client(relay) as sock:
        sock.sendall(b"go")
        first = receive(sock, 123)
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1000)
        relay.disturb = None
        sock.settimeout(LIMIT)
        assert first + read_all(sock) == bytes(range(100)) * 10


def test_cut_of_all_ends_a_handshake_too(loop: RelayLoop, serve: Serve, parties: Parties) -> None:
    """At a case's time limit, a client that has not even begun is disconnected at once."""
    relay = parties.relay(loop, serve(parties.serving(echo)))
    tape = loop.start_tape("T-001")
    address = (relay.endpoint.host, relay.endpoint.port)
    with parties.client(relay) as agreed, socket.create_connection(address, LIMIT) as sock:
        wait_until(lambda: len(tape.tracks) == 2, what="both connections on the tape")
        loop.cut("the time of the case was up")
        assert agreed.recv(10) == b""
        assert sock.recv(10) == b""
    assert {track.ended for track in tape.tracks} == {"cut: the time of the case was up"}


def test_request_without_an_answer_is_pending(
    loop: RelayLoop, serve: Serve, parties: Parties
) -> None:
    """Requests under way are named, including those of a server that has crashed."""
    die = threading.Event()

    def listen(sock: socket.socket) -> None:
        sock.recv(100)
        die.wait(LIMIT)

    relay = parties.relay(loop, serve(parties.serving(listen)))
    loop.start_tape("T-001")
    with parties.client(relay) as sock:
        assert relay.pending() == []
        sock.sendall(b"GET /studies HTTP/1.1\r\n\r\n")
        wait_until(relay.pending, what="the request")
        assert relay.pending() == ["GET /studies"]
        die.set()
        with pytest.raises(ssl.SSLError, match=r"(?i)unexpected.eof|violation"):
            sock.recv(10)
    assert relay.pending() == ["GET /studies"]
