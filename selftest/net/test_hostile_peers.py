"""Peers that lie, flood, or are silent: each gives an error message, in bounded time and memory."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from net.files import make
from net.getting import got
from net.peers import US, hasty, liar
from net.wires import Acceptor

from dcm.errors import DcmError, LocalProtocolError
from dcm.net import DcmNode, LocalEntity, TimeLimits
from dcm.outcome import Outcome
from dcm.sinks import ReceivedInstance
from dcm.wire import (
    Abort,
    AssociateRJ,
    CEchoRSP,
    CFindRSP,
    Command,
    build,
    raw,
)

pytestmark = pytest.mark.timeout(120)

ENTITY = LocalEntity(
    US, TimeLimits(connect=3, association=0.5, response=0.5, idle=0.5, release=0.2, busy=0.2)
)
STUDY = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2"}
MOST_MEMORY = 96 << 20
"""An identifier's limit, twice while it grows, and what the threads of a test need."""


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    """Check that not everything a peer sends is kept in memory."""
    own = Path("/proc/self")
    (own / "clear_refs").write_text("5")  # reset the peak (proc(5))
    before = _kilobytes(own, "VmRSS")
    yield
    assert (_kilobytes(own, "VmHWM") - before) << 10 < MOST_MEMORY


def _kilobytes(process: Path, name: str) -> int:
    lines = (process / "status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


Behaviour = Callable[[socket.socket], None]


def _silent(taken: socket.socket) -> None:
    while taken.recv(65536):
        pass


def _closing(taken: socket.socket) -> None:
    taken.recv(1)


def _saying(*parts: bytes) -> Behaviour:
    def behave(taken: socket.socket) -> None:
        taken.recv(65536)
        for part in parts:
            taken.sendall(part)
        _silent(taken)

    return behave


def _flooding(part: bytes) -> Behaviour:
    def behave(taken: socket.socket) -> None:
        taken.recv(65536)
        _flood(taken, part)

    return behave


def _flood(taken: socket.socket, part: bytes) -> None:
    while True:  # until the other side disconnects
        taken.sendall(part)


def _accepting(then: Callable[[Acceptor], None]) -> Behaviour:
    def behave(taken: socket.socket) -> None:
        peer = Acceptor(taken)
        peer.message()
        then(peer)
        peer.listen()

    return behave


_FRAGMENT = raw.p_data(raw.pdv(1, 0, bytes(100_000)))
_COMMAND = raw.p_data(raw.pdv(1, 1, bytes(10_000)))

AT_ONCE: dict[str, tuple[Behaviour, str]] = {
    "silence": (_silent, r"nothing was received for 0\.5 s"),
    "closes": (_closing, "closed the connection"),
    "HTTP": (_saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "48H is not a PDU type"),
    "TLS alert": (_saying(b"\x15\x03\x01\0\x02\x02\x28"), "answers with TLS"),
    "4 GiB": (_saying(raw.pdu(2, bytes(100), length=0xFFFFFFFF)), "4294967295"),
    "4 GiB of data": (_saying(raw.pdu(4, bytes(100), length=0xFFFFFFFF)), "4294967295"),
    "half a PDU": (_saying(raw.pdu(2, bytes(100), length=200)), r"nothing was received for 0\.5 s"),
    "item too long": (_saying(raw.pdu(2, bytes(68) + b"\x10\0\xff\xff")), "65535 bytes declared"),
    "an item of nothing": (_saying(raw.pdu(2, bytes(68) + bytes(400))), "A-ASSOCIATE-AC"),
    "zeros": (_flooding(bytes(100_000)), "00H is not a PDU type"),
    "ones": (_flooding(b"\xff" * 100_000), "FFH is not a PDU type"),
    "P-DATA": (_flooding(_FRAGMENT), "P-DATA-TF"),
    "release": (_saying(raw.pdu(5, bytes(4))), "A-RELEASE-RQ"),
    "asks itself": (
        _saying(raw.associate(1, [raw.application_context(), raw.context(1, b"1.2", [b"1.2"])])),
        "A-ASSOCIATE-RQ",
    ),
    "aborts": (_saying(build(Abort(0, 0))), "aborted by the service user"),
    "aborts oddly": (_saying(build(Abort(2, 6))), "invalid PDU parameter value"),
}


@pytest.mark.parametrize("behaviour", AT_ONCE)
def test_no_association_is_a_sentence(behaviour: str, tmp_path: Path) -> None:
    """On C-ECHO or C-STORE, the error names the peer, and what was received."""
    behave, words = AT_ONCE[behaviour]
    with liar(behave) as node, pytest.raises(DcmError, match=f"{node}.*{words}"):
        asyncio.run(ENTITY.echo(node))


@pytest.mark.parametrize("count", [1, 16])
@pytest.mark.parametrize("behaviour", ["closes", "HTTP", "4 GiB"])
def test_a_file_that_nobody_takes_has_an_outcome(
    behaviour: str, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not tried, with the reason; many files are proposed on several associations."""
    hasty(monkeypatch)
    behave, words = AT_ONCE[behaviour]
    with liar(behave) as node:
        paths = [make(tmp_path, number, size=2) for number in range(count)]
        results = asyncio.run(ENTITY.store(node, paths)).results
    assert [result.outcome for result in results] == [Outcome.NOT_TRIED] * count
    assert all(words in result.words for result in results)


REJECTIONS = {
    (1, 1, 1): "rejected permanently by the service user: no reason given",
    (1, 1, 2): "permanently.*application context name not supported",
    (1, 1, 3): r"calling AE title not recognized \(register our AE title",
    (1, 1, 7): r"called AE title not recognized \(check the AE title",
    (1, 2, 1): "service provider, association: no reason given",
    (1, 2, 2): "protocol version not supported",
    (2, 3, 1): r"rejected transiently .*temporary congestion \(try again later",
    (2, 3, 2): r"rejected transiently .*local limit exceeded \(try again later",
    (3, 9, 9): "result 3 by the source 9: reason 9",
}


@pytest.mark.parametrize("said", REJECTIONS, ids=str)
def test_each_rejection_is_told_in_words(said: tuple[int, int, int]) -> None:
    """Result, source and reason of PS3.8 Table 9-21, and what to try."""
    rejection = raw.pdu(3, bytes((0, *said)))
    if said[0] in (1, 2):
        assert build(AssociateRJ(*said)) == rejection
    with liar(_saying(rejection)) as node, pytest.raises(DcmError, match=REJECTIONS[said]):
        asyncio.run(ENTITY.echo(node))


def _find_answer(message_id: int) -> CFindRSP:
    return CFindRSP(message_id_being_responded_to=message_id, status=0)


QUERIED: dict[str, tuple[Callable[[Acceptor], None], str]] = {
    "silence": (lambda _: None, r"C-FIND: nothing was received for 0\.5 s"),
    "a command without end": (lambda peer: _flood(peer.socket, _COMMAND), "command set"),
    "another answer": (
        lambda peer: peer.say(Command(1, CEchoRSP(message_id_being_responded_to=1, status=0))),
        "C-ECHO-RSP where C-FIND-RSP was expected",
    ),
    "another message": (
        lambda peer: peer.say(Command(1, _find_answer(77))),
        "answers message 77",
    ),
    "data without a command": (lambda peer: peer.blurt(_FRAGMENT), "C-FIND"),
    "a context of its own": (
        lambda peer: peer.blurt(raw.p_data(raw.pdv(99, 3, bytes(10)))),
        "99",
    ),
    "nonsense for a command": (
        lambda peer: peer.blurt(raw.p_data(raw.pdv(1, 3, b"\xff" * 40))),
        "C-FIND",
    ),
    "a PDV that is too long": (
        lambda peer: peer.blurt(raw.p_data(raw.pdv(1, 3, bytes(10), length=1 << 30))),
        "PDV",
    ),
    "an empty P-DATA-TF": (lambda peer: peer.blurt(raw.p_data()), "C-FIND"),
    "4 GiB": (lambda peer: peer.blurt(raw.pdu(4, length=0xFFFFFFFF)), "4294967295"),
    "an accept again": (lambda peer: peer.blurt(raw.pdu(2, bytes(68))), "A-ASSOCIATE-AC"),
    "hangs up": (lambda peer: peer.socket.shutdown(socket.SHUT_WR), "closed the connection"),
    "aborts": (lambda peer: peer.say(Abort(0, 0)), "aborted by the service user"),
}


def _pending(peer: Acceptor) -> None:
    answer = raw.command_set(
        [
            (0, 0x0002, b"1.2.840.10008.5.1.4.1.2.2.1\0"),
            (0, 0x0100, b"\x20\x80"),
            (0, 0x0120, b"\1\0"),
            (0, 0x0800, b"\0\0"),
            (0, 0x0900, b"\0\xff"),
        ]
    )
    peer.blurt(raw.p_data(raw.pdv(1, 3, answer)))
    _flood(peer.socket, _FRAGMENT)


QUERIED["a match without end"] = (_pending, "the identifier is longer than 16777216 bytes")


@pytest.mark.parametrize("behaviour", QUERIED)
def test_a_query_that_is_answered_so_is_a_sentence(behaviour: str) -> None:
    """On an established association, the error also names the operation."""
    then, words = QUERIED[behaviour]

    async def scenario(node: DcmNode) -> None:
        async for _ in ENTITY.find(node, STUDY):
            pass

    with liar(_accepting(then)) as node, pytest.raises(DcmError, match=f"(?s){node}.*{words}"):
        asyncio.run(scenario(node))


@pytest.mark.parametrize("behaviour", QUERIED)
def test_a_retrieve_that_is_answered_so_leaves_nothing(behaviour: str, tmp_path: Path) -> None:
    """The same for C-GET: an error message, and an empty folder."""
    then, _ = QUERIED[behaviour]

    async def scenario(node: DcmNode) -> None:
        async for each in got(node, STUDY, tmp_path, ENTITY.limits):
            assert isinstance(each, ReceivedInstance)

    with liar(_accepting(then)) as node, pytest.raises(DcmError, match=str(node)):
        asyncio.run(scenario(node))
    assert list(tmp_path.iterdir()) == []


CALLERS: dict[str, Callable[[socket.socket], None]] = {
    "says nothing": lambda _: None,
    "HTTP": lambda called: called.sendall(b"GET / HTTP/1.1\r\n\r\n"),
    "TLS": lambda called: called.sendall(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(500)),
    "4 GiB": lambda called: called.sendall(raw.pdu(1, length=0xFFFFFFFF)),
    "half a request": lambda called: called.sendall(raw.pdu(1, bytes(30), length=300)),
    "nothing in a request": lambda called: called.sendall(raw.associate(1, [])),
    "version 2 only": lambda called: called.sendall(raw.associate(1, [], protocol_version=2)),
    "zeros": lambda called: _flood(called, bytes(100_000)),
    "P-DATA": lambda called: _flood(called, _FRAGMENT),
    "hangs up": lambda called: called.shutdown(socket.SHUT_WR),
}


@pytest.mark.parametrize("behaviour", CALLERS)
def test_a_listener_outlives_its_callers(behaviour: str, tmp_path: Path) -> None:
    """Whatever a caller sends, it is dropped within the limits, and the next one is served."""

    def call(node: DcmNode) -> None:
        with (
            socket.create_connection((node.host, node.port), timeout=10) as called,
            contextlib.suppress(ConnectionError),
        ):
            CALLERS[behaviour](called)
            while called.recv(65536):
                pass

    async def scenario() -> bool:
        async with ENTITY.listen(tmp_path) as listener:
            await asyncio.to_thread(call, listener.node)
            return await ENTITY.echo(listener.node)

    assert asyncio.run(scenario())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("title", ["", " ", "SEVENTEEN_LETTERS", "BACK\\SLASH", "NEW\nLINE", "Ü"])
def test_an_ae_title_that_is_none_is_a_sentence(title: str) -> None:
    """PS3.5 6.2: at most 16 characters, no backslash, no control character."""
    with pytest.raises(LocalProtocolError, match=r"AE title is .*"):
        DcmNode("127.0.0.1", title, 104)
