"""A tape holds the traffic of one case, and nothing else."""

import contextlib
import gc
import socket
import tempfile
import warnings
from pathlib import Path

import pytest
from relay.sockets import Connect, Serve, echo

from harness.relay import Direction, RelayLoop, Tape
from harness.waiting import wait_until


def exchange(sock: socket.socket, data: bytes) -> None:
    """Send bytes and receive them back."""
    sock.sendall(data)
    assert sock.recv(len(data)) == data


def test_chunks_keep_order_direction_and_time(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """Each chunk has its time and direction."""
    relay = loop.open("remote.rest", target=serve(echo), protocol="http")
    tape = loop.start_tape("T-001")
    sock = connect(relay)
    exchange(sock, b"one")
    exchange(sock, b"two")

    track = tape.tracks[0]
    assert (track.relay, track.protocol, track.continued) == ("remote.rest", "http", False)
    assert track.peer == "{}:{}".format(*sock.getsockname())
    assert [(chunk.direction, tape.read(chunk)) for chunk in track.chunks] == [
        (Direction.TO_SERVER, b"one"),
        (Direction.TO_CLIENT, b"one"),
        (Direction.TO_SERVER, b"two"),
        (Direction.TO_CLIENT, b"two"),
    ]
    times = [chunk.time for chunk in track.chunks]
    assert times == sorted(times)
    assert tape.started <= track.opened <= times[0]


def test_new_tape_takes_all_that_comes_after_it(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """A connection that outlives a case continues on the new tape; the old tape is closed."""
    relay = loop.open("r", target=serve(echo), protocol="http")
    first = loop.start_tape("T-001")
    kept, idle = connect(relay), connect(relay)
    exchange(kept, b"one")
    exchange(idle, b"idle")
    second = loop.start_tape("T-002")
    exchange(kept, b"two")

    assert first.content(first.tracks[0], Direction.TO_CLIENT) == b"one"
    assert [track.continued for track in second.tracks] == [True]
    assert second.content(second.tracks[0], Direction.TO_CLIENT) == b"two"


def test_nothing_is_recorded_after_the_last_tape_was_stopped(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """Between cases the relays do not record."""
    relay = loop.open("r", target=serve(echo), protocol="http")
    tape = loop.start_tape("T-001")
    sock = connect(relay)
    exchange(sock, b"one")
    loop.stop_tape()
    exchange(sock, b"two")

    assert tape.size == 2 * len(b"one")


def test_one_tape_records_all_relays(loop: RelayLoop, serve: Serve, connect: Connect) -> None:
    """HTTP and DICOM, remote and local: one tape, distinguished by the relay's name."""
    first = loop.open("remote.rest", target=serve(echo), protocol="http")
    tape = loop.start_tape("T-001")
    second = loop.open("local.dicom", target=serve(echo), protocol="dicom")
    exchange(connect(second), b"two")
    exchange(connect(first), b"one")

    assert [track.relay for track in tape.tracks] == ["local.dicom", "remote.rest"]


def test_long_tape_goes_to_a_file_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Beyond its memory limit a tape uses a file; a short one uses none."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    opened = []
    real = tempfile.TemporaryFile
    monkeypatch.setattr(
        tempfile, "TemporaryFile", lambda *args, **kw: opened.append(1) or real(*args, **kw)
    )
    tape = Tape("T-001", memory=1000)
    track = tape.add_track("r", "http", "peer", "target", tape.started)
    parts = [bytes([number]) * 400 for number in range(10)]
    for count, part in enumerate(parts, 1):
        tape.add(track, Direction.TO_SERVER, part)
        assert bool(opened) == (count > 2)
        assert tape.content(track, Direction.TO_SERVER) == b"".join(parts[:count])
        assert tape.read(track.chunks[0]) == parts[0]
    assert tape.content(track, Direction.TO_CLIENT) == b""


def test_tape_lets_go_of_its_file_by_itself() -> None:
    """A tape need not be closed: no warning, no file left open."""
    tape = Tape("T-001", memory=10)
    track = tape.add_track("r", "http", "peer", "target", tape.started)
    tape.add(track, Direction.TO_SERVER, bytes(100))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del tape
        gc.collect()


def test_pending_names_the_request_without_an_answer(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """An unanswered request is one line, until it is answered."""

    def answer_at_the_second(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    relay = loop.open("r", target=serve(answer_at_the_second), protocol="http")
    sock = connect(relay)
    sock.sendall(b"GET /system HTTP/1.1\r\n\r\n")
    sock.recv(1000)
    assert relay.pending() == []
    sock.sendall(b"POST /instances HTTP/1.1\r\nExpect: 100-continue\r\n\r\n")
    assert b"100" in sock.recv(1000)
    assert relay.pending() == ["POST /instances"]
    sock.sendall(b"body")
    assert b"200" in sock.recv(1000)
    assert relay.pending() == []


@pytest.mark.parametrize("protocol", ["http", "dicom"])
def test_pending_still_names_it_when_the_server_died(
    protocol: str, loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """The request under way is known after the connection is gone, until the next tape."""
    relay = loop.open("r", target=serve(lambda sock: sock.recv(10)), protocol=protocol)
    loop.start_tape("T-001")
    request = {
        "http": b"GET /patients HTTP/1.1\r\n\r\n",
        "dicom": bytes.fromhex("01 00 000000ce 0001 0000")
        + b"ORTHANC".ljust(16)
        + b"FINDSCU".ljust(16),
    }[protocol]
    sock = connect(relay)
    sock.sendall(request)
    with contextlib.suppress(ConnectionResetError):
        assert sock.recv(10) == b""
    sock.close()

    wait_until(relay.pending, what="the pending request")
    named = relay.pending()[0]
    assert named in (
        "GET /patients",
        "association of FINDSCU with ORTHANC: 42 bytes after the last answer",
    )
    loop.start_tape("T-002")
    assert relay.pending() == []


def test_client_that_goes_away_leaves_nothing_pending(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """If the client gave up, its request is not blamed for the end of a server."""
    relay = loop.open("r", target=serve(echo_nothing), protocol="http")
    tape = loop.start_tape("T-001")
    sock = connect(relay)
    sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    wait_until(relay.pending, what="the pending request")
    sock.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: tape.tracks[0].closed, what="the end of the connection")
    assert relay.pending() == []


def echo_nothing(sock: socket.socket) -> None:
    """Only listen."""
    while sock.recv(65536):
        pass
