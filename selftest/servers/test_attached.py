"""What answers at the address of an attached server."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from harness.config.settings import Node
from harness.errors import ServerUnreachable
from harness.model import AETitle, Port
from harness.servers.attached import look
from harness.servers.process import free_port


@contextlib.contextmanager
def web_server(status: int, body: bytes) -> Iterator[Port]:
    """Answer every GET with this status and body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Port(server.server_port)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>"), (200, b"[]"), (200, b"{}"), (404, b"{}")],
    ids=["page", "list", "object", "missing"],
)
def test_web_server_that_is_not_orthanc_is_told(status: int, body: bytes) -> None:
    """The error names the server, and the status of its answer."""
    with web_server(status, body) as rest:
        node = Node(AETitle("OTHER"), "127.0.0.1", Port(free_port()), rest, None)
        said = rf"http://127.0.0.1:{rest} is not an Orthanc: GET /system returned status {status}"
        with pytest.raises(ServerUnreachable, match=said):
            look(node, rest_is_named=True, dicomweb=None)
