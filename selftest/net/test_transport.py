"""`Transport`: all bytes in order, all time limits, and no resources left in the loop."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from dcm.net.transport import ClosedHere, Transport, behind


def talk(scenario: Callable[[Transport, Transport], Awaitable[None]]) -> None:
    """Run a scenario between the two ends of a connection."""

    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            connecting = socket.create_connection(server.getsockname())
            taken, _ = server.accept()
        one, other = Transport(connecting), Transport(taken)
        try:
            await scenario(one, other)
        finally:
            one.close()
            other.close()

    asyncio.run(run())


def test_more_buffers_than_one_write_takes_arrive_in_order() -> None:
    """Many buffers, some of them empty, and more bytes than the socket can hold."""
    buffers = [bytes([number % 251]) * (number % 7 * 1000) for number in range(3000)]

    async def scenario(one: Transport, other: Transport) -> None:
        sending = asyncio.create_task(one.send(buffers, 10))
        received = bytearray()
        while len(received) < sum(map(len, buffers)):
            received += await other.receive(10)
        await sending
        assert received == b"".join(buffers)

    talk(scenario)


def test_a_short_time_limit_after_a_long_one_is_kept() -> None:
    """The timer of the first wait must not affect the second."""

    async def scenario(one: Transport, other: Transport) -> None:
        for _ in range(2):
            answer = asyncio.create_task(other.receive(60))
            await asyncio.sleep(0)
            await one.send([b"x"], 60)
            assert await answer == b"x"
        with pytest.raises(TimeoutError):
            await other.receive(0.05)
        with pytest.raises(TimeoutError):
            await one.send([bytes(1 << 20)] * 100, 0.05)

    talk(scenario)


def test_a_long_time_limit_after_a_short_one_is_kept() -> None:
    """The timer of the first wait fires during the second, and does not end it."""

    async def scenario(one: Transport, other: Transport) -> None:
        await one.send([b"x"], 1)
        assert await other.receive(0.01) == b"x"
        with pytest.raises(TimeoutError):
            await other.receive(0.01)
        answer = asyncio.create_task(other.receive(60))
        await asyncio.sleep(0.03)
        await one.send([b"y"], 1)
        assert await answer == b"y"

    talk(scenario)


def test_what_comes_for_a_task_that_is_cancelled_is_not_lost() -> None:
    """A cancelled task takes nothing from the connection, even if it could have been woken."""

    async def scenario(one: Transport, other: Transport) -> None:
        for early in (True, False):
            cancelled = asyncio.create_task(other.receive(60))
            await asyncio.sleep(0)
            if early:
                await one.send([b"x"], 60)
            cancelled.cancel()
            if not early:
                await one.send([b"x"], 60)
            await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            await one.send([b"y"], 60)
            received = bytearray()
            while len(received) < 2:
                received += await other.receive(60)
            assert received == b"xy"

    talk(scenario)


def test_a_cancelled_wait_leaves_the_loop_idle() -> None:
    """Data that no task reads must not wake the loop again and again."""

    async def scenario(one: Transport, other: Transport) -> None:
        with pytest.raises(TimeoutError):
            await other.receive(0.01)
        await one.send([b"x"], 60)
        await asyncio.sleep(0.02)
        assert not asyncio.get_running_loop().remove_reader(other._socket.fileno())
        assert await other.receive(60) == b"x"

    talk(scenario)


def test_who_waits_is_not_woken_by_what_was_taken_before() -> None:
    """What the loop saw before the last piece was read does not apply to the next one."""

    async def scenario(one: Transport, other: Transport) -> None:
        for number in range(20):
            answer = asyncio.create_task(other.receive(60))
            await asyncio.sleep(0)
            await one.send([bytes([number])], 60)
            assert await answer == bytes([number])
            with pytest.raises(TimeoutError):
                await other.receive(0.001)

    talk(scenario)


def test_a_closed_socket_is_watched_no_longer() -> None:
    """The next socket has the same number, and must not be mistaken for the closed one."""

    async def scenario(one: Transport, other: Transport) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            for _ in range(3):
                third = Transport(socket.create_connection(server.getsockname()))
                taken, _ = server.accept()
                answer = asyncio.create_task(third.receive(5))
                await asyncio.sleep(0)
                taken.sendall(b"x")
                assert await answer == b"x"
                third.close()
                taken.close()

    talk(scenario)


def test_a_peer_that_never_pauses_leaves_others_their_turn() -> None:
    """There is always data to read, and yet another task makes progress."""

    async def scenario(one: Transport, other: Transport) -> None:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        for _ in range(100):
            await one.send([b"x"], 1)
            await other.receive(1)
        counting.cancel()
        assert turns > 5

    talk(scenario)


def test_a_second_reader_or_writer_fails_at_once() -> None:
    """The first one continues undisturbed."""

    async def scenario(one: Transport, other: Transport) -> None:
        reading = asyncio.create_task(other.receive(60))
        writing = asyncio.create_task(other.send([bytes(1 << 24)], 60))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="another task is receiving"):
            await other.receive(60)
        with pytest.raises(RuntimeError, match="another task is sending"):
            await other.send([b"y"], 60)
        await one.send([b"x"], 60)
        assert await reading == b"x"
        received = bytearray()
        while len(received) < 1 << 24:
            received += await one.receive(60)
        await writing
        assert not any(received)

    talk(scenario)


def test_a_second_reader_fails_also_while_the_first_gives_way() -> None:
    """It does not wait at that time, but has received data."""

    async def scenario(one: Transport, other: Transport) -> None:
        async def reader() -> bytes:
            return bytes(await other.receive(60))

        for number in range(8):  # the last of them gives others their turn
            await one.send([bytes([number])], 60)
            reading = asyncio.create_task(reader())
            await asyncio.sleep(0)
            if not reading.done():
                with pytest.raises(RuntimeError):
                    await other.receive(60)
            assert await reading == bytes([number])

    talk(scenario)


def test_closing_wakes_whoever_waits() -> None:
    """A reader and a writer without a time limit would wait forever."""

    async def scenario(one: Transport, other: Transport) -> None:
        reading = asyncio.create_task(one.receive(None))
        writing = asyncio.create_task(one.send([bytes(1 << 24)], None))
        await asyncio.sleep(0)
        one.close()
        for waiting in (reading, writing):
            with pytest.raises(ClosedHere):
                await waiting
        for late in (one.receive(None), one.send([b"x"], None)):
            with pytest.raises(ClosedHere):
                await late

    talk(scenario)


def test_what_is_left_of_buffers() -> None:
    """The rest begins within a buffer, at the start of one, or is empty."""
    buffers = [b"ab", b"", b"cde"]
    assert b"".join(behind([*buffers], 0)) == b"abcde"
    assert b"".join(behind([*buffers], 1)) == b"bcde"
    assert b"".join(behind([*buffers], 2)) == b"cde"
    assert b"".join(behind([*buffers], 4)) == b"e"
    assert behind([*buffers], 5) == []
