"""`LocalEntity.echo`, associations, and their error messages."""

import asyncio
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from net.peers import QUICK, US, free_port, liar
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from dcm.errors import LocalProtocolError, RemoteProtocolError
from dcm.net import DcmNode, LocalEntity
from dcm.net.errors import (
    AssociationAborted,
    AssociationRejected,
    ConnectionFailed,
    ConnectionLost,
    OperationFailed,
    TimedOut,
)
from dcm.net.limits import TimeLimits
from dcm.wire import Abort, AssociateRJ, build


def echo(remote: DcmNode, limits: TimeLimits = QUICK) -> float:
    """Send C-ECHO."""
    return asyncio.run(LocalEntity(US, limits).echo(remote))


@pytest.mark.parametrize("server", ["storescp_node", "orthanc_node"])
def test_a_server_answers(server: str, request: pytest.FixtureRequest) -> None:
    """C-ECHO works with servers of other projects."""
    assert echo(request.getfixturevalue(server)) > 0


def test_failure_is_an_error() -> None:
    """A response with a status other than success is not reliable."""
    peer = AE("FAILING")
    peer.add_supported_context(Verification)
    handlers = [(evt.EVT_C_ECHO, lambda _event: 0x0122)]
    running = peer.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        node = DcmNode("127.0.0.1", "FAILING", running.server_address[1])
        with pytest.raises(OperationFailed, match=f"{node}: C-ECHO: .*SOP class not supported"):
            echo(node)
    finally:
        running.shutdown()


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("mypacs.org:MYPACS:11112", DcmNode("mypacs.org", "MYPACS", 11112)),
        ("[::1]:A B:104", DcmNode("::1", "A B", 104)),
    ],
)
def test_a_node_is_read_and_shown(text: str, node: DcmNode) -> None:
    """The text form of a node is parsed back."""
    assert DcmNode.parse(text) == node
    assert str(node) == text


@pytest.mark.parametrize(
    "text", ["", "host", "host:AET", "host:AET:x", ":AET:1", "h:A:70000", "h::1"]
)
def test_what_is_no_node_is_refused(text: str) -> None:
    """An incomplete node is invalid."""
    with pytest.raises(LocalProtocolError):
        DcmNode.parse(text)


def test_nobody_listens() -> None:
    """The error names the peer, the operation and what to try."""
    nobody = DcmNode("127.0.0.1", "NOBODY", free_port())
    with pytest.raises(ConnectionFailed, match=f"{nobody}: connection: .*refused.*check host"):
        echo(nobody)


def test_no_such_host() -> None:
    """A name that does not resolve gives an error message."""
    with pytest.raises(ConnectionFailed, match="connection"):
        echo(DcmNode("no-such-host.invalid", "NOBODY", 104))


def _swallow(taken: socket.socket) -> None:
    while taken.recv(65536):
        pass


def _answer(data: bytes) -> Callable[[socket.socket], None]:
    def behave(taken: socket.socket) -> None:
        taken.recv(65536)
        taken.sendall(data)
        _swallow(taken)

    return behave


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (build(AssociateRJ(1, 1, 7)), AssociationRejected, "called AE title not recognized.*check"),
        (build(AssociateRJ(2, 3, 2)), AssociationRejected, "transiently.*local limit"),
        (build(Abort(2, 1)), AssociationAborted, "service provider: unrecognized PDU"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", RemoteProtocolError, "48H is not a PDU type"),
    ],
)
def test_a_refusal_is_told_in_words(said: bytes, error: type[Exception], words: str) -> None:
    """For any answer, the error says who sent it, to whom, and why."""
    with (
        liar(_answer(said)) as node,
        pytest.raises(error, match=rf"{node} \(we are TOOLKIT\): association: .*{words}"),
    ):
        echo(node)


def test_the_peer_hangs_up() -> None:
    """A connection that is closed without an abort is reported as lost."""
    with liar(lambda taken: taken.recv(10) and None) as node, pytest.raises(ConnectionLost):
        echo(node)


def test_silence_has_a_limit() -> None:
    """A peer that accepts the connection and sends nothing is given up after the time limit."""
    limits = TimeLimits(connect=1, association=0.3, response=1, release=0.2)
    with liar(_swallow) as node, pytest.raises(TimedOut, match=r"nothing was received for 0\.3 s"):
        echo(node, limits)


def test_the_association_is_released(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The peer logs no error."""
    caplog.set_level(logging.INFO, "dcm")

    async def scenario() -> None:
        async with LocalEntity(US, QUICK).listen(tmp_path) as listener:
            await LocalEntity(US, QUICK).echo(listener.node)
            await listener.drain(5)

    asyncio.run(scenario())
    assert any(message.endswith("released by the peer") for message in caplog.messages)
    assert not any("aborted" in message for message in caplog.messages)
