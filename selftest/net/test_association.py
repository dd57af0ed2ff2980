"""`Association`: nothing follows a partial PDU, one task at a time, busy peers are retried."""

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from net.peers import QUICK, US, free_port

from dcm.errors import LocalProtocolError
from dcm.frozen import replace
from dcm.instances import MemoryInstance
from dcm.net import DcmNode, LocalEntity, Remote, TimeLimits
from dcm.net.association import Association
from dcm.net.echo import VERIFICATION
from dcm.net.errors import AssociationRejected, ConnectionLost
from dcm.net.establish import OUR_INFORMATION
from dcm.net.retry import Patience, Retry, Tries
from dcm.net.transport import Transport
from dcm.outcome import Outcome
from dcm.wire import (
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    CEchoRQ,
    CEchoRSP,
    Command,
    CStoreRQ,
    DataFragment,
    PresentationContextRQ,
    answer_contexts,
    build,
)

ROOT = Path(__file__).resolve().parents[2]
IMPLICIT = "1.2.840.10008.1.2"
CT = "1.2.840.10008.5.1.4.1.1.2"
REQUEST = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2.3")
ECHO = Command(1, CEchoRQ(message_id=1))


async def accept(request: AssociateRQ) -> AssociateAC:
    """Accept everything in implicit VR."""
    return AssociateAC(
        called_ae_title=request.called_ae_title,
        calling_ae_title=request.calling_ae_title,
        presentation_contexts=answer_contexts(
            request.presentation_contexts, {VERIFICATION: [IMPLICIT], CT: [IMPLICIT]}
        ),
        user_information=OUR_INFORMATION,
    )


class Pair(NamedTuple):
    """The two ends of an association."""

    requestor: Association
    acceptor: Association


@contextlib.asynccontextmanager
async def associated() -> AsyncIterator[Pair]:
    """Open an association with ourselves."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        peer = DcmNode("127.0.0.1", "PEER", listening.getsockname()[1])
        contexts = [
            PresentationContextRQ(n, u, (IMPLICIT,)) for n, u in ((1, VERIFICATION), (3, CT))
        ]
        asking = asyncio.create_task(Association.request(US, Remote(peer, QUICK), contexts))
        taken, _ = await asyncio.get_running_loop().sock_accept(listening)
        acceptor = await Association.accept(Transport(taken), "us", accept, QUICK)
        requestor = await asking
    assert acceptor is not None
    try:
        yield Pair(requestor, acceptor)
    finally:
        requestor.close()
        acceptor.close()


def test_after_a_cancelled_write_nothing_more_is_sent() -> None:
    """The peer has half a PDU: anything sent after it would be read as the rest of it."""

    async def scenario() -> None:
        async with associated() as pair:
            store = [Command(3, REQUEST), DataFragment(3, bytes(1 << 25), last=True)]
            sending = asyncio.create_task(pair.requestor.send(*store))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not sending.done()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            with pytest.raises(ConnectionLost, match="sent only in part"):
                await pair.requestor.send(ECHO)
            await pair.requestor.release()
            command = await pair.acceptor.command()
            assert command is not None
            with pytest.raises(ConnectionLost):
                await pair.acceptor.data_set(1 << 30)

    asyncio.run(scenario())


def test_what_cannot_be_built_is_not_sent_in_part() -> None:
    """What was built before the error is sent with the next message, so that messages are whole."""

    async def scenario() -> None:
        async with associated() as pair:
            with pytest.raises(LocalProtocolError):
                await pair.requestor.send(DataFragment(3, b"", last=True))
            await pair.requestor.send(ECHO)
            assert await pair.acceptor.command() == ECHO
            with pytest.raises(LocalProtocolError):
                await pair.requestor.send(ECHO, Command(7, ECHO.message))
            await pair.requestor.send(ECHO)
            assert [await pair.acceptor.command() for _ in range(2)] == [ECHO, ECHO]

    asyncio.run(scenario())


def test_a_second_sender_fails_before_its_message_is_built() -> None:
    """The first one's message arrives whole, and the association continues."""

    async def scenario() -> None:
        async with associated() as pair:
            store = [Command(3, REQUEST), DataFragment(3, bytes(1 << 25), last=True)]
            sending = asyncio.create_task(pair.requestor.send(*store))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task is sending"):
                await pair.requestor.send(ECHO)
            assert await pair.acceptor.command() == Command(3, REQUEST)
            assert len(await pair.acceptor.data_set(1 << 30)) == 1 << 25
            await sending
            await pair.requestor.send(ECHO)
            assert await pair.acceptor.command() == ECHO

    asyncio.run(scenario())


def test_an_abort_wakes_the_task_that_waits_for_the_peer() -> None:
    """Its error says that we ended the association, and does not blame the peer."""

    async def scenario() -> None:
        async with associated() as pair:
            await pair.requestor.send(ECHO)
            waiting = asyncio.create_task(pair.requestor.response(CEchoRSP, 1))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="another task is receiving"):
                await pair.requestor.command()
            await pair.requestor.abort()
            with pytest.raises(ConnectionLost, match="ended here"):
                await waiting

    asyncio.run(scenario())


# Busy peers.


class Busy:
    """A peer that rejects this number of associations as transient, and then answers C-ECHO."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.asked = 0

    async def _serve(self, listening: socket.socket) -> None:
        while True:
            taken, _ = await asyncio.get_running_loop().sock_accept(listening)
            self.asked += 1
            accepted = await Association.accept(Transport(taken), "us", self._answer, QUICK)
            if accepted is not None:
                async with accepted as association:
                    while (command := await association.command()) is not None:
                        answer = CEchoRSP(message_id_being_responded_to=1, status=0)
                        await association.send(Command(command.context_id, answer))

    async def _answer(self, request: AssociateRQ) -> AssociateAC | AssociateRJ:
        self.left -= 1
        return AssociateRJ(2, 3, 2) if self.left >= 0 else await accept(request)

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[DcmNode]:
        """Listen until the block ends."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            serving = asyncio.create_task(self._serve(listening))
            yield DcmNode("127.0.0.1", "BUSY", listening.getsockname()[1])
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the pauses between retries, which take no time here."""
    found: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds:
            found.append(seconds)
        await real(0)

    monkeypatch.setattr("dcm.net.retry.asyncio.sleep", sleep)
    return found


def test_a_busy_peer_is_asked_again(pauses: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """The pauses grow, and the first one is logged."""
    busy = Busy(4)
    caplog.set_level(logging.WARNING, "dcm")

    async def scenario() -> bool:
        async with busy() as node:
            return await LocalEntity(US, replace(QUICK, busy=60)).echo(node)

    assert asyncio.run(scenario())
    assert pauses == [0.25, 0.5, 1, 2]
    assert busy.asked == 5
    (warning,) = caplog.messages
    assert (
        "rejected transiently by the service provider, presentation: local limit exceeded"
        in warning
    )
    assert warning.endswith("retrying in 0.25 s, for up to 60 s")


def test_patience_has_an_end(pauses: list[float]) -> None:
    """The total of all pauses is the limit."""
    busy = Busy(1000)

    async def scenario() -> None:
        async with busy() as node:
            await LocalEntity(US, replace(QUICK, busy=30)).echo(node)

    with pytest.raises(AssociationRejected, match="rejected transiently"):
        asyncio.run(scenario())
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 8, 6.25]
    assert sum(pauses) == 30


def test_a_permanent_rejection_is_final(pauses: list[float]) -> None:
    """A retry would not help."""
    permanent = AssociationRejected("x", "rejected", "", permanent=True)
    assert not asyncio.run(Patience(60, Retry()).pause(permanent))
    assert pauses == []


def test_the_policy_is_that_of_the_remote(pauses: list[float]) -> None:
    """The number of retries for an unreachable peer, and their pauses."""
    remote = Remote(
        DcmNode("127.0.0.1", "NOBODY", free_port()),
        QUICK,
        retry=Retry(attempts=4, pause=1, longest=2),
    )
    kind = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2")
    instance = MemoryInstance(kind, "1.2.3", b"1234")
    report = asyncio.run(LocalEntity(US).store(remote, [instance]))
    assert [result.outcome for result in report.results] == [Outcome.NOT_TRIED]
    assert pauses == [1, 2, 2]


def test_a_retry_is_logged_with_its_reason(
    pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """It is visible with -v."""
    caplog.set_level(logging.INFO, "dcm")
    tries = Tries(Retry())
    tries.count(
        progress=False, error=ConnectionLost("x", "C-GET", "the peer closed the connection")
    )
    asyncio.run(tries.pause())
    assert caplog.messages == ["x: C-GET: the peer closed the connection; retrying in 0.25 s"]
    assert pauses == [0.25]


def test_the_limit_is_one_of_the_time_limits() -> None:
    """It is validated like the others."""
    with pytest.raises(LocalProtocolError, match="the time limit busy must be greater than 0"):
        TimeLimits(busy=0)


def test_a_long_version_does_not_break_the_import() -> None:
    """An implementation version name has 16 characters (PS3.7 D.3.3.2.3); ours may be longer."""
    code = (
        "import dcm; dcm.__version__ = '0.10.1.dev123+g0123456789'\n"
        "from dcm.net.establish import IMPLEMENTATION_VERSION_NAME as name; print(name)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert found.stdout == "DCM_0.10.1.dev12\n"


def test_nothing_is_traced_where_nobody_reads_it() -> None:
    """The module for names is not even imported, and a message costs one comparison."""
    code = (
        "import sys, asyncio\n"
        "from dcm.net import DcmNode, LocalEntity\n"
        "local = LocalEntity('A')\n"
        "try: asyncio.run(local.echo(DcmNode('127.0.0.1', 'B', int(sys.argv[1]))))\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print(*sorted({'dcm.net.trace', 'dcm.data.uids', 'pydicom'} & {*sys.modules}))"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(server.getsockname()[1])],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        taken, _ = server.accept()
        with taken:
            taken.recv(65536)
            taken.sendall(build(AssociateRJ(1, 1, 1)))
            assert process.communicate(timeout=60)[0] == "AssociationRejected\n\n"
