"""The listener survives any peer and lack of resources, and loses no acknowledged object."""

import asyncio
import errno
import logging
import os
import random
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from net.files import CT, being_written, make
from net.peers import QUICK, US
from net.test_hostile_disk import _LISTENER

from dcm.data.header import scan
from dcm.errors import DcmError
from dcm.held import holds
from dcm.net import DcmNode, LocalEntity, Remote, TimeLimits
from dcm.net.admission import Admission
from dcm.net.ahead import Ahead
from dcm.net.association import Association
from dcm.net.listener import Listener
from dcm.outcome import Outcome, Report
from dcm.sinks import Folder, ReceivedInstance
from dcm.wire import Command, CStoreRQ, CStoreRSP, DataFragment, PresentationContextRQ, raw
from harness.waiting import wait_until

pytestmark = pytest.mark.timeout(120)

ENTITY = LocalEntity(US, QUICK)
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
ECHO = raw.context(1, b"1.2.840.10008.1.1", [b"1.2.840.10008.1.2"])


async def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait in a thread, so that the listener can run."""
    await asyncio.to_thread(wait_until, condition, what=what, within=10)


def test_running_out_of_descriptors_is_survived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and after a pause connections are accepted again."""
    monkeypatch.setattr("dcm.net.listener._PAUSE", 0.001)
    failures = [errno.EMFILE, errno.ENFILE, errno.ECONNABORTED, errno.EMFILE]

    async def scenario() -> bool:
        loop = asyncio.get_running_loop()
        accept = loop.sock_accept

        async def failing(listening: socket.socket) -> tuple[socket.socket, object]:
            if failures:
                number = failures.pop(0)
                raise OSError(number, os.strerror(number))
            return await accept(listening)

        monkeypatch.setattr(loop, "sock_accept", failing)
        async with ENTITY.listen(tmp_path) as listener:
            return await ENTITY.echo(listener.node)

    assert asyncio.run(scenario())
    assert failures == []
    said = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == [
        "cannot accept connections at the moment: Too many open files",
        "accepting connections again",
    ]


def test_connections_without_a_request_are_not_associations(tmp_path: Path) -> None:
    """Silent ones do not count, and beyond a number the oldest is closed."""

    async def scenario() -> bool:
        async with ENTITY.listen(tmp_path, admission=Admission(associations=1)) as listener:
            address = (listener.node.host, listener.node.port)
            silent = [socket.create_connection(address) for _ in range(5)]
            try:
                return await ENTITY.echo(listener.node) and not listener.busy
            finally:
                for each in silent:
                    each.close()

    assert asyncio.run(scenario())


def test_silent_connections_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is closed for a new one, which may be a real peer."""
    monkeypatch.setattr("dcm.net.listener._MOST_UNASKED", 2)

    async def scenario() -> bytes:
        async with ENTITY.listen(tmp_path) as listener:
            address = (listener.node.host, listener.node.port)
            silent = [socket.create_connection(address) for _ in range(3)]
            silent[0].settimeout(10)
            try:
                return await asyncio.to_thread(silent[0].recv, 1)
            finally:
                for each in silent:
                    each.close()

    assert asyncio.run(scenario()) == b""


def test_artim_is_not_restarted_by_each_byte(tmp_path: Path) -> None:
    """A peer that sends byte by byte is closed as soon as a silent one (PS3.8 9.1.5)."""
    limits = TimeLimits(association=0.3, release=0.2)
    request = raw.associate(1, [raw.application_context(), ECHO])

    def dribble(node: DcmNode) -> int:
        with socket.create_connection((node.host, node.port), timeout=0.05) as called:
            for sent, byte in enumerate(request):
                try:
                    called.sendall(bytes((byte,)))
                    if called.recv(1) == b"":
                        return sent
                except TimeoutError:
                    continue
                except ConnectionError:
                    return sent
        return len(request)

    async def scenario() -> int:
        async with LocalEntity(US, limits).listen(tmp_path) as listener:
            return await asyncio.to_thread(dribble, listener.node)

    assert asyncio.run(scenario()) < len(request)


def test_health_checks_are_no_news(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Connecting and closing, cleanly or not, gives no warning."""

    async def scenario() -> bool:
        async with ENTITY.listen(tmp_path) as listener:
            for _ in range(5):
                socket.create_connection((listener.node.host, listener.node.port)).close()
            return await ENTITY.echo(listener.node)

    assert asyncio.run(scenario())
    assert caplog.records == []


@pytest.mark.parametrize(
    ("called", "calling", "answer"),
    [
        (b"ANY", b"", (3, 1, 3)),
        (b"", b"ANY", (3, 1, 7)),
        (b"ANY", "RADIOLOGÍA".encode("latin-1"), (3, 1, 3)),
        (b"ANY\0rubbish\xff", b"ANY\0rubbish", (2,)),
    ],
)
def test_ae_titles_that_are_none_are_rejected(
    called: bytes, calling: bytes, answer: tuple[int, ...], tmp_path: Path
) -> None:
    """The reason says which of the two (PS3.8 9.3.4), and the part before a NUL is used."""
    request = raw.associate(
        1, [raw.application_context(), ECHO, raw.user_information()],
        called=called.ljust(16), calling=calling.ljust(16),
    )  # fmt: skip

    def ask(node: DcmNode) -> bytes:
        with socket.create_connection((node.host, node.port), timeout=10) as connected:
            connected.sendall(request)
            return connected.recv(1 << 16)

    async def scenario() -> bytes:
        async with ENTITY.listen(tmp_path) as listener:
            return await asyncio.to_thread(ask, listener.node)

    said = asyncio.run(scenario())
    assert (said[0], *(said[8:10] if said[0] == 3 else ())) == answer


async def store(
    association: Association, uid: str, data: bytes, context_id: int = 1, message_id: int = 1
) -> int:
    """Send an instance byte for byte, in a PDV of possibly odd length; return the status."""
    request = CStoreRQ(
        message_id=message_id, affected_sop_class_uid=CT, affected_sop_instance_uid=uid
    )
    await association.send(Command(context_id, request))
    association._connection._writer.unfinished = None
    await association._transport.send([raw.p_data(raw.pdv(context_id, 2, data))], 5)
    return (await association.response(CStoreRSP, message_id)).status


def received(folder: Folder, *instances: tuple[int, str, bytes]) -> list[int]:
    """Send instances, each with its context, on one association; return the statuses."""
    contexts = [
        PresentationContextRQ(1, CT, (EXPLICIT,)),
        PresentationContextRQ(3, CT, (DEFLATED,)),
    ]

    async def scenario() -> list[int]:
        async with (
            Listener(US, folder, QUICK) as listener,
            await Association.request(US, Remote(listener.node, QUICK), contexts) as association,
        ):
            return [await store(association, uid, data, on) for on, uid, data in instances]

    return asyncio.run(scenario())


def test_odd_data_sets_do_not_end_an_association(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are stored unchanged; an odd one that should be even gives a warning (PS3.5 7.1.1)."""
    sent = [(3, "1.2.1", b"odd"), (1, "1.2.2", b"odd"), (1, "1.2.3", b"even")]
    assert received(Folder(tmp_path), *sent) == [0, 0, 0]
    assert [(tmp_path / f"{uid}.dcm").read_bytes().endswith(data) for _, uid, data in sent]
    assert [record.message.split(": ", 1)[1] for record in caplog.records] == [
        "1.2.2: its data set has an odd length, 3 bytes"
    ]


def test_two_objects_with_one_uid_are_both_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A UID should name one object (PS3.5 9); if not, both are kept, with a note."""
    sent = [(1, "1.2", data) for data in (b"first!", b"second", b"first!", b"second")]
    assert received(Folder(tmp_path), *sent) == [0] * 4
    files = sorted(tmp_path.iterdir())
    assert sorted(path.read_bytes()[-6:] for path in files) == [b"first!", b"second"]
    assert (tmp_path / "1.2.dcm").read_bytes().endswith(b"first!")
    assert all("both are kept" in record.message for record in caplog.records)
    assert caplog.records


@pytest.mark.parametrize("left", [0, 100, 200, -3, "zeros"])
def test_remains_of_a_file_are_replaced(left: int | str, tmp_path: Path) -> None:
    """Empty, truncated in its header or its data set, or full of zeros after a power failure."""
    folder = Folder(tmp_path)
    data = bytes(range(100))
    assert received(folder, (1, "1.2", data)) == [0]
    file = tmp_path / "1.2.dcm"
    whole = file.read_bytes()
    file.write_bytes(bytes(len(whole)) if isinstance(left, str) else whole[:left])
    assert received(folder, (1, "1.2", data)) == [0]
    assert file.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("left", [0, 100, 200, -3])
def test_a_name_alone_is_not_an_instance(left: int, tmp_path: Path) -> None:
    """`already there` means complete, and with this UID."""
    path = make(tmp_path, 1)
    whole = path.read_bytes()
    assert holds(str(path), "1.2.3.1")
    assert not holds(str(path), "1.2.3.2")
    path.write_bytes(whole[:left])
    assert not holds(str(path), "1.2.3.1")
    assert not holds(str(tmp_path / "nowhere"), "1.2.3.1")


def test_instances_beyond_the_limits_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too long, or too large for the disk: A700H, the rest is read, the association continues."""
    sent = [(1, "1.1", bytes(1000)), (1, "1.2", bytes(2000)), (1, "1.3", bytes(1000))]
    assert received(Folder(tmp_path, max_instance=1500), *sent) == [0, 0xA700, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.1.dcm", "1.3.dcm"]
    for path in tmp_path.iterdir():
        path.unlink()
    free = os.statvfs(tmp_path)
    least = free.f_bavail * free.f_frsize
    assert received(Folder(tmp_path, min_free=2 * least), *sent) == [0xA700] * 3
    assert list(tmp_path.iterdir()) == []


def _raise(_: object) -> None:
    raise KeyError("a mistake")


async def _cancelled(_: ReceivedInstance) -> None:
    raise asyncio.CancelledError


async def _well(_: ReceivedInstance) -> None:
    return


@pytest.mark.parametrize("handler", [_cancelled, _well])
def test_what_raises_does_not_end_an_association(
    handler: Callable[[ReceivedInstance], Awaitable[None]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Errors of a handler or `on_failure` are logged, and the next instance is received."""
    folder = tmp_path / "target"
    paths = [make(tmp_path, number, size=2000 * (1 + number % 2)) for number in range(3)]

    async def scenario() -> Report:
        async with Listener(
            US, Folder(folder, max_instance=3000), QUICK, handler, on_failure=_raise
        ) as listener:
            folder.mkdir()
            return await ENTITY.store(listener.node, paths)

    report = asyncio.run(scenario())
    good = 0 if handler is _well else 0x0110
    assert [result.status for result in report.results] == [good, 0xA700, good]
    assert "on_failure failed with 1.2.3.1" in caplog.text


def test_a_defect_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception ends one association, and is logged."""
    monkeypatch.setattr("dcm.net.conversation.receive", _raise)

    async def scenario() -> bool:
        async with ENTITY.listen(tmp_path) as listener:
            with pytest.raises(DcmError):
                async with await Association.request(
                    US, Remote(listener.node, QUICK), [PresentationContextRQ(1, CT, (EXPLICIT,))]
                ) as association:
                    await store(association, "1.2", b"data")
            return await ENTITY.echo(listener.node)

    assert asyncio.run(scenario())
    assert "association ended because of a bug" in caplog.text


async def _half(node: DcmNode) -> Association:
    contexts = [PresentationContextRQ(1, CT, (EXPLICIT,))]
    association = await Association.request(US, Remote(node, QUICK), contexts)
    request = CStoreRQ(message_id=1, affected_sop_class_uid=CT, affected_sop_instance_uid="1.2")
    await association.send(Command(1, request), DataFragment(1, bytes(1000), last=False))
    return association


def test_draining_lets_an_instance_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New peers are rejected, current operations complete, and idle associations are released."""
    monkeypatch.setattr("dcm.net.listener._QUIET", 0.01)

    async def scenario() -> None:
        async with ENTITY.listen(tmp_path) as listener:
            association = await _half(listener.node)
            await eventually(lambda: being_written(tmp_path) > 0, "the instance has begun")
            draining = asyncio.create_task(listener.drain(20))
            await asyncio.sleep(0)
            while not draining.done():
                try:
                    socket.create_connection((US.host, listener.node.port)).close()
                except ConnectionRefusedError:
                    break
                await asyncio.sleep(0)
            await association.send(DataFragment(1, bytes(1000), last=True))
            assert (await association.response(CStoreRSP, 1)).status == 0
            assert await association.command() is None  # it is released
            association.close()
            assert await draining

    asyncio.run(scenario())
    assert [path.name for path in tmp_path.iterdir()] == ["1.2.dcm"]


def test_draining_has_an_end(tmp_path: Path) -> None:
    """A peer that never continues is aborted."""

    async def scenario() -> bool:
        async with ENTITY.listen(tmp_path) as listener:
            association = await _half(listener.node)
            await eventually(lambda: being_written(tmp_path) > 0, "the instance has begun")
            try:
                return await listener.drain(0.05)
            finally:
                association.close()

    assert not asyncio.run(scenario())
    assert list(tmp_path.iterdir()) == []


def test_a_generator_is_closed_though_its_reader_is_cancelled() -> None:
    """Its clean-up runs, whenever the reader is cancelled."""
    closed = []

    async def numbers() -> AsyncGenerator[int, None]:
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    async def read() -> None:
        async with Ahead(numbers()) as ahead:
            async for _ in ahead:
                task.cancel()

    async def scenario() -> None:
        nonlocal task
        task = asyncio.create_task(read())
        await asyncio.gather(task, return_exceptions=True)

    task: asyncio.Task[None]
    asyncio.run(scenario())
    assert closed == [True]


@pytest.mark.kills
@pytest.mark.parametrize("seed", range(12))
def test_a_listener_killed_at_any_moment_leaves_no_half_under_a_name(
    seed: int, tmp_path: Path
) -> None:
    """SIGKILL while instances arrive: named files are whole, and no acknowledged one is missing."""
    source, folder = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    folder.mkdir()
    paths = [make(source, number, size=20_000 * (1 + number % 7)) for number in range(30)]
    sent = {f"1.2.3.{number}": path.read_bytes() for number, path in enumerate(paths)}
    moment = random.Random(seed).randrange(31)
    command = [sys.executable, "-c", _LISTENER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        node = DcmNode("127.0.0.1", "KILLED", int(process.stdout.readline()))
        begun = partial(
            wait_until, lambda: len(list(folder.iterdir())) >= moment, what="so many", within=20
        )

        async def scenario() -> Report:
            sending = asyncio.create_task(ENTITY.store(node, paths))
            await asyncio.to_thread(begun)
            process.kill()
            return await sending

        try:
            report = asyncio.run(scenario())
        finally:
            process.kill()
    named = {path.name.removesuffix(".dcm"): path for path in folder.glob("[!.]*")}
    for uid, path in named.items():
        whole = sent[uid][scan(source / f"{int(uid[6:]):05}.dcm").data_set_offset :]
        assert path.read_bytes()[scan(path).data_set_offset :] == whole
    told = {each.sop_instance_uid for each in report.results if each.outcome is Outcome.STORED}
    assert told <= named.keys()
