"""A loop of relays, and small servers and clients on plain sockets."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from relay.sockets import LIMIT, Connect, Handler, Serve

from harness.model import Endpoint
from harness.relay import Relay, RelayLoop


@pytest.fixture
def loop() -> Iterator[RelayLoop]:
    """Run relays for one test."""
    with RelayLoop() as relays:
        yield relays


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that call a handler with each connection, each in a thread of its own."""
    with contextlib.ExitStack() as stack:

        def start(handler: Handler) -> Endpoint:
            listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            threads: list[threading.Thread] = []

            def handle(sock: socket.socket) -> None:
                with sock, contextlib.suppress(OSError):
                    sock.settimeout(LIMIT)
                    handler(sock)

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        sock, _ = listener.accept()
                        thread = threading.Thread(target=handle, args=(sock,))
                        threads.append(thread)
                        thread.start()

            acceptor = threading.Thread(target=accept)
            acceptor.start()

            def stop() -> None:
                listener.shutdown(socket.SHUT_RDWR)
                listener.close()
                acceptor.join(LIMIT)
                for thread in threads:
                    thread.join(LIMIT)

            stack.callback(stop)
            return Endpoint(*listener.getsockname())

        yield start


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Open connections to relays; they are closed after the test."""
    with contextlib.ExitStack() as stack:

        def open_one(relay: Relay) -> socket.socket:
            address = (relay.endpoint.host, relay.endpoint.port)
            return stack.enter_context(socket.create_connection(address, LIMIT))

        yield open_one
