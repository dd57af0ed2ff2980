"""A disturbance has its effect on a connection, and can be removed."""

import socket
import threading
import time
from dataclasses import replace

import pytest
from relay.sockets import LIMIT, Connect, Serve, echo, read_all, read_until_reset

from harness.errors import ConfigError
from harness.relay import Disturbance, HttpLie, RelayLoop
from harness.waiting import wait_until


def pour(sock: socket.socket) -> None:
    """Send a thousand bytes on request."""
    sock.recv(10)
    sock.sendall(bytes(range(100)) * 10)
    sock.recv(10)


def test_delay_holds_every_chunk_back(loop: RelayLoop, serve: Serve, connect: Connect) -> None:
    """A round trip takes twice the delay, and the bytes are the same."""
    relay = loop.open("r", target=serve(echo), protocol="http")
    relay.disturb = Disturbance(delay=0.1)
    sock = connect(relay)
    begin = time.monotonic()
    sock.sendall(b"hello")
    assert sock.recv(10) == b"hello"
    assert 0.2 <= time.monotonic() - begin < 2

    relay.disturb = None
    took = []
    for _ in range(3):
        begin = time.monotonic()
        sock.sendall(b"hello")
        assert sock.recv(10) == b"hello"
        took.append(time.monotonic() - begin)
    assert min(took) < 0.1


def test_delayed_bytes_arrive_before_the_end(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """The end of a connection does not overtake delayed bytes."""
    relay = loop.open("r", target=serve(lambda sock: sock.sendall(b"bye")), protocol="http")
    relay.disturb = Disturbance(delay=0.05)
    assert read_all(connect(relay)) == b"bye"


@pytest.mark.parametrize("count", [0, 1, 250, 1000])
def test_cut_comes_after_exactly_so_many_bytes(
    count: int, loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """The client gets the first bytes and then the end."""
    relay = loop.open("r", target=serve(pour), protocol="http")
    relay.disturb = Disturbance(cut_after=count)
    tape = loop.start_tape("T-001")
    sock = connect(relay)
    sock.sendall(b"go")

    assert read_all(sock) == (bytes(range(100)) * 10)[:count]
    assert tape.tracks[0].ended == f"cut on purpose after {count} bytes of the server's"


def test_cut_waits_for_a_slow_client(loop: RelayLoop, serve: Serve, connect: Connect) -> None:
    """Bytes before the cut are passed on, even if the client has no room for them yet."""
    half = 20 * 2**20

    def answer(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    relay = loop.open("r", target=serve(answer), protocol="http")
    # The lie sends more at once than the systems' buffers can hold.
    relay.lie = HttpLie(lambda _: True, lambda response: replace(response, body=bytes(2 * half)))
    relay.disturb = Disturbance(cut_after=half)
    tape = loop.start_tape("T-001")
    sock = connect(relay)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: tape.size > half, what="the answer")
    assert len(read_all(sock)) == half


def test_cut_by_reset(loop: RelayLoop, serve: Serve, connect: Connect) -> None:
    """A cut may be a reset, as if the server had crashed."""
    relay = loop.open("r", target=serve(pour), protocol="http")
    relay.disturb = Disturbance(cut_after=10, reset=True)
    sock = connect(relay)
    sock.sendall(b"go")
    assert read_until_reset(sock) == bytes(range(10))


def test_reset_alone_comes_with_the_first_answer(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """The request arrives, and the answer is replaced by a reset."""
    relay = loop.open("r", target=serve(pour), protocol="http")
    relay.disturb = Disturbance(reset=True)
    sock = connect(relay)
    sock.sendall(b"go")
    with pytest.raises(ConnectionResetError):
        sock.recv(1000)


@pytest.mark.parametrize("delay", [0.0, 0.02])
def test_stall_lasts_until_it_is_taken_away(
    delay: float, loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """Some bytes pass, then nothing; afterwards the rest arrives complete."""
    relay = loop.open("r", target=serve(pour), protocol="http")
    relay.disturb = Disturbance(stall_after=123, delay=delay)
    sock = connect(relay)
    sock.sendall(b"go")
    first = sock.recv(1000)
    while len(first) < 123:
        first += sock.recv(1000)
    sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        sock.recv(1000)
    relay.disturb = None
    sock.settimeout(10)
    rest = b""
    while len(first + rest) < 1000:
        rest += sock.recv(1000)

    assert len(first) == 123
    assert first + rest == bytes(range(100)) * 10


def test_stall_of_nothing_begins_at_the_next_answer_of_an_open_connection(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """Bytes count from when the disturbance was set, not from when the connection was opened."""
    relay = loop.open("r", target=serve(echo), protocol="http")
    sock = connect(relay)
    sock.sendall(b"hello")
    assert sock.recv(10) == b"hello"
    relay.disturb = Disturbance(stall_after=3)
    sock.sendall(b"hello")
    sock.settimeout(0.2)
    assert sock.recv(10) == b"hel"
    with pytest.raises(TimeoutError):
        sock.recv(10)
    relay.disturb = Disturbance(stall_after=1)
    assert sock.recv(10) == b"l"
    with pytest.raises(TimeoutError):
        sock.recv(10)


def test_client_that_speaks_during_a_stall_changes_nothing(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """The other direction continues, and delayed bytes stay delayed."""
    heard = []

    def pour_and_listen(sock: socket.socket) -> None:
        sock.recv(10)
        sock.sendall(b"hello")
        heard.append(sock.recv(10))
        sock.recv(10)

    relay = loop.open("r", target=serve(pour_and_listen), protocol="http")
    relay.disturb = Disturbance(stall_after=2)
    sock = connect(relay)
    sock.sendall(b"go")
    assert sock.recv(10) == b"he"
    sock.sendall(b"well?")
    wait_until(lambda: heard == [b"well?"], what="the second question at the server")
    relay.disturb = None
    assert sock.recv(10) == b"llo"


def test_change_during_a_delay_keeps_the_order(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """Waiting bytes are passed on first, even if the disturbance was removed meanwhile."""
    sent, go_on = threading.Event(), threading.Event()

    def speak_twice(sock: socket.socket) -> None:
        sock.sendall(b"one")
        sent.set()
        go_on.wait(LIMIT)
        sock.sendall(b"two")

    relay = loop.open("r", target=serve(speak_twice), protocol="http")
    relay.disturb = Disturbance(delay=0.1)
    sock = connect(relay)
    assert sent.wait(LIMIT)
    for _ in range(2):  # after two turns of its loop the relay has read what was there before
        relay.pending()
    relay.disturb = None
    go_on.set()
    assert read_all(sock) == b"onetwo"


def test_negative_numbers_are_refused() -> None:
    """A disturbance checks itself when made."""
    with pytest.raises(ConfigError):
        Disturbance(delay=-1)
