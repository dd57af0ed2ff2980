"""The relay is invisible: bytes, ends, resets and back pressure pass unchanged."""

import contextlib
import hashlib
import random
import socket
import threading
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from relay.sockets import LIMIT, Connect, Serve, echo, read_all, read_until_reset, reset

from harness.errors import ConfigError, HarnessError
from harness.model import Endpoint
from harness.relay import Direction, RelayLoop
from harness.waiting import wait_until


@given(messages=st.lists(st.binary(min_size=1, max_size=3000), min_size=1, max_size=8))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
def test_any_bytes_pass_both_ways(
    messages: list[bytes], loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """Data arrives in both directions, and the tape has the same bytes."""
    relay = loop.open("r", target=serve(echo), protocol="dicom")
    tape = loop.start_tape("T-001")
    sock = connect(relay)
    got = []
    for message in messages:
        sock.sendall(message)
        left = len(message)
        while left:
            got.append(sock.recv(left))
            left -= len(got[-1])

    assert b"".join(got) == b"".join(messages)
    assert tape.content(tape.tracks[0], Direction.TO_SERVER) == b"".join(messages)
    assert tape.content(tape.tracks[0], Direction.TO_CLIENT) == b"".join(messages)


def test_end_of_one_direction_leaves_the_other_open(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """A client may close its direction and still read the answer."""

    def answer_after_the_end(sock: socket.socket) -> None:
        sock.sendall(b"got %d bytes" % len(read_all(sock)))

    relay = loop.open("r", target=serve(answer_after_the_end), protocol="http")
    tape = loop.start_tape("T-001")
    sock = connect(relay)
    sock.sendall(b"x" * 100_000)
    sock.shutdown(socket.SHUT_WR)

    assert read_all(sock) == b"got 100000 bytes"
    track = tape.tracks[0]
    wait_until(lambda: track.closed, what="the end of the connection")
    assert track.ended == "closed by the client"


def test_server_that_speaks_first_is_heard(loop: RelayLoop, serve: Serve, connect: Connect) -> None:
    """The target is connected at once, before the client has sent anything."""
    relay = loop.open("r", target=serve(lambda sock: sock.sendall(b"hello")), protocol="http")
    tape = loop.start_tape("T-001")
    sock = connect(relay)

    assert read_all(sock) == b"hello"
    sock.close()
    wait_until(lambda: tape.tracks[0].closed, what="the end of the connection")
    assert tape.tracks[0].ended == "closed by the server"


def test_reset_by_the_server_reaches_the_client(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """A reset is passed on as a reset, after the bytes before it."""

    def answer_and_reset(sock: socket.socket) -> None:
        sock.recv(10)
        sock.sendall(b"half an ans")
        reset(sock)

    relay = loop.open("r", target=serve(answer_and_reset), protocol="http")
    tape = loop.start_tape("T-001")
    sock = connect(relay)
    sock.sendall(b"question")

    assert read_until_reset(sock) == b"half an ans"
    assert tape.tracks[0].ended == "reset by the server"


def test_reset_by_the_client_reaches_the_server(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """The server sees the reset of a client."""
    seen = []

    def wait_for_reset(sock: socket.socket) -> None:
        sock.recv(10)
        try:
            seen.append(sock.recv(10))
        except ConnectionResetError as error:
            seen.append(error)

    relay = loop.open("r", target=serve(wait_for_reset), protocol="http")
    tape = loop.start_tape("T-001")
    sock = connect(relay)
    sock.sendall(b"question")
    wait_until(lambda: tape.tracks and tape.tracks[0].chunks, what="the question on the tape")
    reset(sock)

    wait_until(lambda: seen, what="what the server sees")
    assert isinstance(seen[0], ConnectionResetError)
    assert tape.tracks[0].ended == "reset by the client"


def test_answer_that_comes_before_the_request_ended_is_read(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """A server may reject a large upload before it has read it; the client sees the reason."""

    def refuse(sock: socket.socket) -> None:
        sock.recv(10)
        sock.sendall(b"too large")
        reset(sock)

    relay = loop.open("r", target=serve(refuse), protocol="http")
    sock = connect(relay)
    with contextlib.suppress(OSError):
        for _ in range(200):
            sock.sendall(bytes(100_000))

    assert sock.recv(100) == b"too large"


def test_target_that_does_not_listen_gives_a_closed_connection(
    loop: RelayLoop, connect: Connect
) -> None:
    """A refused connection is closed towards the client, and the tape has the reason."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = Endpoint(*listener.getsockname())
    relay = loop.open("r", target=nobody, protocol="http")
    tape = loop.start_tape("T-001")

    assert connect(relay).recv(10) == b""
    assert tape.tracks[0].ended == f"{nobody} was not reached: Connection refused"


def test_new_target_counts_for_new_connections(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """New connections reach a server that was restarted on another port."""
    relay = loop.open("r", target=serve(lambda sock: sock.sendall(b"old")), protocol="http")
    assert read_all(connect(relay)) == b"old"
    relay.target = serve(lambda sock: sock.sendall(b"new"))
    assert read_all(connect(relay)) == b"new"


def test_bulk_passes_whole_and_in_bounded_memory(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """200 MB reach a slow reader unchanged while Python holds a few MB, even with a tape."""
    block = random.Random(1).randbytes(2**20)
    digests = []

    def digest(sock: socket.socket) -> None:
        sha = hashlib.sha256()
        while data := sock.recv(2**20):
            sha.update(data)
        digests.append(sha.digest())

    relay = loop.open("r", target=serve(digest), protocol="http")
    tape = loop.start_tape("T-001")
    sock = connect(relay)
    expected = hashlib.sha256()
    tracemalloc.start()
    try:
        for _ in range(200):
            sock.sendall(block)
            expected.update(block)
        sock.shutdown(socket.SHUT_WR)
        wait_until(lambda: digests, what="the digest of all bytes", within=60)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert digests == [expected.digest()]
    assert peak < 48 * 2**20
    recorded = hashlib.sha256()
    for _, data in tape.pieces(tape.tracks[0], Direction.TO_SERVER):
        recorded.update(data)
    assert recorded.digest() == expected.digest()


@pytest.mark.parametrize("way", ["to server", "to client"])
def test_receiver_that_does_not_read_stops_the_sender(
    way: str, loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """Back pressure: a sender blocks once the systems' buffers are full."""
    sent = [0]
    go_on = threading.Event()

    def pour(sock: socket.socket) -> None:
        sock.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while sent[0] < 200 * 2**20:
                sent[0] += sock.send(bytes(2**20))
        go_on.set()

    def sit(sock: socket.socket) -> None:
        assert go_on.wait(30)

    relay = loop.open("r", target=serve(sit if way == "to server" else pour), protocol="http")
    sock = connect(relay)
    (pour if way == "to server" else sit)(sock)

    assert 0 < sent[0] < 50 * 2**20


def test_many_connections_at_once(loop: RelayLoop, serve: Serve, connect: Connect) -> None:
    """Two hundred connections are open together, and none gets another's bytes."""
    relay = loop.open("r", target=serve(echo), protocol="http")
    tape = loop.start_tape("T-001")
    socks = [connect(relay) for _ in range(200)]
    for number, sock in enumerate(socks):
        sock.sendall(b"%03d" % number)

    assert [sock.recv(3) for sock in socks] == [b"%03d" % number for number in range(200)]
    assert len(tape.tracks) == 200


def test_cut_ends_every_connection(loop: RelayLoop, serve: Serve, connect: Connect) -> None:
    """At a case's time limit, waiting clients are disconnected at once."""
    relay = loop.open("r", target=serve(lambda sock: sock.recv(100)), protocol="http")
    tape = loop.start_tape("T-001")
    sock = connect(relay)
    wait_until(lambda: tape.tracks, what="the connection on the tape")
    loop.cut("the time of the case was up")

    assert sock.recv(10) == b""
    assert tape.tracks[0].ended == "cut: the time of the case was up"


def test_port_in_use_is_told_in_a_sentence(loop: RelayLoop) -> None:
    """If a relay cannot listen, the error has the address and the reason."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = Endpoint(*other.getsockname())
        with pytest.raises(HarnessError, match=f"{taken.port}: Address already in use"):
            loop.open("r", target=taken, protocol="http", listen=taken)


def test_unknown_host_is_told_when_the_target_is_set(loop: RelayLoop) -> None:
    """An unknown name is refused before anything waits for it."""
    with pytest.raises(ConfigError, match="not known"):
        loop.open("r", target=Endpoint("no-such-host.invalid", 80), protocol="http")


def test_leaving_the_loop_closes_everything(serve: Serve) -> None:
    """After the loop nothing listens and no connection is open."""
    with RelayLoop() as loop:
        relay = loop.open("r", target=serve(echo), protocol="http")
        address = (relay.endpoint.host, relay.endpoint.port)
        sock = socket.create_connection(address, LIMIT)
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    with sock:
        assert sock.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, LIMIT)
