"""`dcm.net.dial`: a host with several addresses is reached at the one that answers."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence

import pytest
from net.peers import free_port

from dcm.net.dial import connect

HOST = "pacs.test"
Resolved = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]


def resolve_to(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """Let the name resolve to these addresses, in this order."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str | bytes, port: int, *args: int, **more: int) -> Sequence[object]:
        if host == HOST:
            found = [real(each, port, *args, **more)[0] for each in hosts]
            return [entry for entry in found]  # noqa: C416 - a new list
        return real(host, port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@contextlib.contextmanager
def black_hole(host: str) -> Iterator[int]:
    """Occupy a port of `host` that accepts nothing: its queue is full."""
    with socket.create_server((host, 0), backlog=0) as hole, contextlib.ExitStack() as fillers:
        port: int = hole.getsockname()[1]
        for _ in range(6):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex((host, port))
        yield port


async def peer_of(host: str, port: int, within: float = 60) -> str:
    """Connect, and return the address of the peer."""
    async with asyncio.timeout(within):
        with await connect(host, port) as connected:
            return str(connected.getpeername()[0])


def test_an_address_that_swallows_packets_costs_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one is connected long before the first would time out."""
    resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    with black_hole("127.0.0.2") as port, socket.create_server(("127.0.0.1", port)):
        assert asyncio.run(peer_of(HOST, port)) == "127.0.0.1"


def test_the_first_address_is_used_if_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of the resolver is kept."""
    resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    with (
        socket.create_server(("127.0.0.1", 0)) as second,
        socket.create_server(("127.0.0.2", second.getsockname()[1])),
    ):
        assert asyncio.run(peer_of(HOST, second.getsockname()[1])) == "127.0.0.2"


def test_a_refusal_leads_to_the_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried at once, without the delay for a slow address."""
    resolve_to(monkeypatch, "127.0.0.3", "127.0.0.2", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert asyncio.run(peer_of(HOST, server.getsockname()[1])) == "127.0.0.1"


def test_where_all_fail_each_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its reason."""
    resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
    port = free_port()
    said = f"127.0.0.2:{port}: Connection refused; 127.0.0.1:{port}: Connection refused"
    with pytest.raises(OSError, match=said):
        asyncio.run(peer_of(HOST, port))


def test_a_cancelled_race_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets are closed, or a ResourceWarning would fail the test; no task is left."""
    resolve_to(monkeypatch, "127.0.0.2", "127.0.0.2")

    async def scenario(port: int) -> int:
        with pytest.raises(TimeoutError):
            await peer_of(HOST, port, within=0.4)
        return len(asyncio.all_tasks())

    with black_hole("127.0.0.2") as port:
        assert asyncio.run(scenario(port)) == 1
