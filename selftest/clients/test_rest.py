"""The REST client on connections that the server closes."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from harness.clients.rest import NoAnswer, Rest
from harness.model import Endpoint

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers the first requests of each connection, and closes it on receiving the next one."""

    def __init__(self, answers: list[int]) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.heard: list[str] = []
        self.notes: list[str] = []
        self._answers = answers
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Stop accepting connections."""
        self.listening.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept
        self.listening.close()

    def _serve(self) -> None:
        for answered in self._answers:
            try:
                taken, _ = self.listening.accept()
            except OSError:  # closed
                return
            with taken, contextlib.suppress(OSError):  # the client may be gone
                for number in range(answered + 1):
                    self.heard.append(taken.recv(4096).decode().partition(" HTTP")[0])
                    if number < answered:
                        taken.sendall(ANSWER)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server; the parameter is the number of answers on each of its connections."""
    server = Server(request.param)
    yield server
    server.close()


@pytest.fixture
def rest(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rest]:
    """A client of it that never considers a connection too old, however slow this machine is."""
    monkeypatch.setattr("harness.clients.rest.PAUSE", 60)
    monkeypatch.setattr("harness.clients.rest.KEPT", 60)
    client = Rest(
        Endpoint("127.0.0.1", server.listening.getsockname()[1]), note=server.notes.append
    )
    yield client
    client.close()


@pytest.mark.parametrize("server", [[1, 1]], indirect=True, ids=["closes after one"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_dropped_request_is_not_repeated(server: Server, rest: Rest, method: str) -> None:
    """A server that drops every second request is at fault, whatever the request."""
    rest.get("/system")
    with pytest.raises(NoAnswer, match=f"{method} /changes: no answer"):
        rest.request(method, "/changes")

    assert server.heard == ["GET /system", f"{method} /changes"]


@pytest.mark.parametrize("server", [[1, 1]], indirect=True, ids=["closes after one"])
def test_request_that_meets_the_end_of_an_idle_connection_is_repeated_and_noted(
    server: Server, rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a connection was closed after an idle time, the request is repeated, and noted."""
    monkeypatch.setattr("harness.clients.rest.KEPT", 0)
    rest.get("/system")
    rest.post("/instances", b"")

    assert server.heard == ["GET /system", "POST /instances", "POST /instances"]
    assert len(server.notes) == 1
    assert server.notes[0].startswith("POST /instances was sent twice: the server had closed")


@pytest.mark.parametrize("server", [[0, 1]], indirect=True, ids=["closes at once"])
def test_a_server_that_closes_a_new_connection_is_not_asked_again(
    server: Server, rest: Rest
) -> None:
    """A server that drops a request is at fault, and the case says so."""
    with pytest.raises(NoAnswer, match="GET /system: no answer"):
        rest.get("/system")

    assert server.heard == ["GET /system"]
