"""A lie changes what it is meant to change, and nothing else."""

import http.client
import json
import re
import socket
from dataclasses import replace

import pytest
import requests
from relay.sockets import Connect, Handler, Serve, echo, read_all

from harness.errors import ConfigError
from harness.relay import (
    DicomLie,
    Direction,
    HttpLie,
    HttpResponse,
    RelayLoop,
    change_status,
    replace_in_pdata,
)

ANSWER = b'{"a": 1}'


def read_request(sock: socket.socket) -> bytes:
    """Read a request with its body; return nothing if the client has ended."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while length and len(body) < int(length[1]):
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(framing: tuple[bytes, bytes]) -> Handler:
    """Make a server that frames its answers in this way."""

    def serve_requests(sock: socket.socket) -> None:
        while request := read_request(sock):
            body = b"" if request.startswith(b"HEAD") else framing[1]
            sock.sendall(b"HTTP/1.1 200 OK\r\nX-Own: 1\r\n" + framing[0] + b"\r\n\r\n" + body)
            if framing[0].startswith(b"Connection: close"):
                return

    return serve_requests


FRAMINGS = {
    "length": (b"Content-Length: 8", ANSWER),
    "chunked": (
        b"Transfer-Encoding: chunked",
        b"4\r\n" + ANSWER[:4] + b"\r\n4\r\n" + ANSWER[4:] + b"\r\n0\r\n\r\n",
    ),
    "until close": (b"Connection: close", ANSWER),
}


def ones_to_twos(response: HttpResponse) -> HttpResponse:
    """Change status and body."""
    return replace(response, body=response.body.replace(b"1", b"two"), status=201)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_http_lie_changes_the_matching_response_only(
    framing: str, loop: RelayLoop, serve: Serve
) -> None:
    """Status and body change if the target matches; other answers stay the same."""
    relay = loop.open("r", target=serve(answering(FRAMINGS[framing])), protocol="http")
    relay.lie = HttpLie(lambda request: request.target == "/lie", ones_to_twos)
    tape = loop.start_tape("T-001")
    with requests.Session() as session:
        lied = session.get(f"http://{relay.endpoint}/lie", timeout=10)
        true = session.get(f"http://{relay.endpoint}/true", timeout=10)

    assert (lied.status_code, lied.content) == (201, b'{"a": two}')
    assert lied.headers["Content-Length"] == "10"
    assert lied.headers["X-Own"] == "1"
    assert (true.status_code, true.content) == (200, ANSWER)
    seen = b"".join(tape.content(track, Direction.TO_CLIENT) for track in tape.tracks)
    assert b"two" in seen, "the tape holds what the client was told"


def test_http_lie_begins_and_ends_on_a_kept_alive_connection(loop: RelayLoop, serve: Serve) -> None:
    """A lie applies from the next request on, until it is removed."""
    relay = loop.open("r", target=serve(answering(FRAMINGS["length"])), protocol="http")
    got = []
    with requests.Session() as session:
        for lie in (None, HttpLie(lambda _: True, ones_to_twos), None):
            relay.lie = lie
            got.append(session.get(f"http://{relay.endpoint}/", timeout=10).content)

    assert got == [ANSWER, b'{"a": two}', ANSWER]


def test_http_lie_may_depend_on_the_body_of_the_request(loop: RelayLoop, serve: Serve) -> None:
    """The whole request is known when its answer begins."""
    relay = loop.open("r", target=serve(answering(FRAMINGS["length"])), protocol="http")
    relay.lie = HttpLie(lambda request: json.loads(request.body)["Level"] == "Study", ones_to_twos)
    url = f"http://{relay.endpoint}/tools/find"

    assert requests.post(url, json={"Level": "Study"}, timeout=10).status_code == 201
    assert requests.post(url, json={"Level": "Patient"}, timeout=10).status_code == 200


def test_http_lie_lets_an_early_answer_through(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """If a server does not wait for the body, its own answer reaches the client."""

    def refuse(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")

    relay = loop.open("r", target=serve(refuse), protocol="http")
    relay.lie = HttpLie(lambda request: json.loads(request.body)["Level"] == "Study", ones_to_twos)
    sock = connect(relay)
    sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
    assert sock.recv(1000).startswith(b"HTTP/1.1 401 No\r\n")


def test_http_lie_about_an_early_answer(loop: RelayLoop, serve: Serve, connect: Connect) -> None:
    """A lie that does not depend on the body also changes an early answer."""

    def refuse(sock: socket.socket) -> None:
        sock.recv(1000)
        sock.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")

    relay = loop.open("r", target=serve(refuse), protocol="http")
    relay.lie = HttpLie(
        lambda request: request.method == "POST",
        lambda response: replace(response, status=200, reason="Yes"),
        early=True,
    )
    sock = connect(relay)
    sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
    assert sock.recv(1000).startswith(b"HTTP/1.1 200 Yes\r\n")


def test_http_lie_leaves_a_head_response_without_a_body(loop: RelayLoop, serve: Serve) -> None:
    """The answer to HEAD has a length and no body; the lie does not change that."""
    relay = loop.open("r", target=serve(answering(FRAMINGS["length"])), protocol="http")
    relay.lie = HttpLie(lambda _: True, lambda response: replace(response, status=404, reason="No"))
    connection = http.client.HTTPConnection(relay.endpoint.host, relay.endpoint.port, timeout=10)
    connection.request("HEAD", "/")
    response = connection.getresponse()

    assert (response.status, response.reason) == (404, "No")
    assert response.headers["Content-Length"] == "8"
    response.read()
    connection.close()


def test_bytes_that_are_no_http_pass_a_lie_untouched(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """Bytes that a lie cannot parse are passed on."""
    relay = loop.open("r", target=serve(lambda sock: sock.sendall(sock.recv(100))), protocol="http")
    relay.lie = HttpLie(lambda _: True, ones_to_twos)
    sock = connect(relay)
    sock.sendall(b"\0\1\2 no http\r\n\r\n")
    assert sock.recv(100) == b"\0\1\2 no http\r\n\r\n"


def pdu(kind: int, body: bytes) -> bytes:
    """Make a PDU."""
    return bytes([kind, 0]) + len(body).to_bytes(4, "big") + body


def pdv(header: int, body: bytes) -> bytes:
    """Make a presentation data value."""
    return (len(body) + 2).to_bytes(4, "big") + bytes([1, header]) + body


def element(number: int, value: bytes) -> bytes:
    """Make an element of a command set."""
    return b"\0\0" + number.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value


RESPONSE = element(0x0002, b"1.2.840.10008.1.1\0") + element(0x0900, b"\0\0")
RELEASE = pdu(6, bytes(4))


def sending(data: bytes, step: int) -> Handler:
    """Make a server that sends bytes in small steps."""

    def send(sock: socket.socket) -> None:
        for at in range(0, len(data), step):
            sock.sendall(data[at : at + step])

    return send


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_dicom_lie_sees_whole_pdus(
    step: int, loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """However the bytes are split, the changed status is the only difference."""
    data = pdu(4, pdv(3, RESPONSE) + pdv(2, b"\0\0\x00\x09\2\0\0\0\0\0")) + RELEASE
    relay = loop.open("r", target=serve(sending(data, step)), protocol="dicom")
    relay.lie = DicomLie(change_status(0x0000, 0xA700))

    changed = RESPONSE[:-2] + b"\x00\xa7"
    expected = pdu(4, pdv(3, changed) + pdv(2, b"\0\0\x00\x09\2\0\0\0\0\0")) + RELEASE
    assert read_all(connect(relay)) == expected


def test_dicom_lie_replaces_bytes_of_data_sets(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """A name in P-DATA-TF changes; the same bytes in another PDU do not."""
    data = pdu(2, b"Muller^Anna") + pdu(4, pdv(2, b"Muller^Anna")) + RELEASE
    relay = loop.open("r", target=serve(sending(data, 1000)), protocol="dicom")
    relay.lie = DicomLie(replace_in_pdata(b"Anna", b"Olga"))

    expected = pdu(2, b"Muller^Anna") + pdu(4, pdv(2, b"Muller^Olga")) + RELEASE
    assert read_all(connect(relay)) == expected


def test_dicom_lie_can_be_told_to_the_server(
    loop: RelayLoop, serve: Serve, connect: Connect
) -> None:
    """What a remote sends to the local server can be changed, too."""
    relay = loop.open(
        "r", target=serve(lambda sock: sock.sendall(sock.recv(100))), protocol="dicom"
    )
    relay.lie = DicomLie(replace_in_pdata(b"Anna", b"Olga", towards=Direction.TO_SERVER))
    sock = connect(relay)
    sock.sendall(pdu(4, pdv(2, b"Anna")))
    assert sock.recv(100) == pdu(4, pdv(2, b"Olga"))


def test_dicom_lie_passes_what_is_no_pdu(loop: RelayLoop, serve: Serve, connect: Connect) -> None:
    """Garbage and a partial PDU at the end arrive as they were sent."""
    relay = loop.open("r", target=serve(echo), protocol="dicom")
    relay.lie = DicomLie(change_status(0, 1))
    sock = connect(relay)
    sock.sendall(RELEASE + b"\x09garbage")
    got = b""
    while len(got) < len(RELEASE) + 8:
        got += sock.recv(100)
    assert got == RELEASE + b"\x09garbage"

    relay.target = serve(sending(RELEASE + RELEASE[:8], 5))
    assert read_all(connect(relay)) == RELEASE + RELEASE[:8]


def test_replacement_of_another_length_is_refused() -> None:
    """It would break the lengths of the PDU, which is not the requested fault."""
    with pytest.raises(ConfigError, match="length"):
        replace_in_pdata(b"Anna", b"Annabel")
