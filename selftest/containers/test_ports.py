"""Ports that another process takes before the server does."""

import contextlib
import socket
from dataclasses import replace

import pytest

from harness.errors import ServerNotFound
from harness.model import Port
from harness.servers import process
from harness.servers.deployment import Deployment, deploy
from harness.servers.guard import Guard
from harness.servers.process import free_port
from harness.servers.registry import find

from .conftest import role


def start(spec: str, guard: Guard) -> Deployment:
    """Start a server of a kind that is installed on this computer."""
    try:
        server = deploy(find(spec), role(guard))
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    return server


def test_a_port_that_was_taken_is_replaced(monkeypatch: pytest.MonkeyPatch, guard: Guard) -> None:
    """The server ends because its port is in use, and is started again on another one."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken: int = other.getsockname()[1]
        ports = iter([taken])
        monkeypatch.setattr(process, "free_port", lambda: next(ports, None) or free_port())
        with contextlib.closing(start("qrscp", guard)) as server:
            assert "in use" in server.launcher.log_since(0)
            assert server.trouble() is None


def test_a_server_with_one_door_closed_is_not_ready(guard: Guard) -> None:
    """tiny-pacs runs without HTTP if the port is taken: DICOM alone does not make it ready."""
    with contextlib.closing(start("tiny-pacs", guard)) as server:
        assert server.trouble() is None
        ports = {**server._seat.ports, "http": Port(free_port())}
        server._seat = replace(server._seat, ports=ports)
        assert server.trouble() == "no longer answers"
