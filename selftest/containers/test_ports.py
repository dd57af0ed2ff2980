"""Ports that somebody else takes before the server has them."""

import contextlib
import socket

import pytest

from harness.errors import ServerNotFound
from harness.model import Endpoint
from harness.servers import dicom_process
from harness.servers.guard import Guard
from harness.servers.process import StartedServer, free_port
from harness.servers.registry import find

from .conftest import role


def start(spec: str, guard: Guard) -> StartedServer:
    """Start a server of a kind that is on this computer."""
    try:
        server = find(spec).start(role(guard))
    except ServerNotFound as missing:
        pytest.skip(str(missing))
    assert isinstance(server, StartedServer)
    return server


def test_a_port_that_was_taken_is_replaced(monkeypatch: pytest.MonkeyPatch, guard: Guard) -> None:
    """The server ends, since its port is in use, and is started again on another one."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken: int = other.getsockname()[1]
        ports = iter([taken])
        monkeypatch.setattr(dicom_process, "free_port", lambda: next(ports, None) or free_port())
        with contextlib.closing(start("qrscp", guard)) as server:
            assert "in use" in server.log_since(0)
            assert server.trouble() is None


def test_a_server_with_one_door_closed_is_not_ready(guard: Guard) -> None:
    """tiny-pacs goes on without HTTP where the port is taken: DICOM alone does not make it ready."""
    with contextlib.closing(start("tiny-pacs", guard)) as server:
        assert server.trouble() is None
        server.rest = Endpoint("127.0.0.1", free_port())  # type: ignore[attr-defined]
        assert server.trouble() == "does not answer any more"
