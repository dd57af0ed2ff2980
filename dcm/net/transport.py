"""A TCP connection under asyncio, below its transports: gathered writes, one buffer for all reads.

Two settings matter for servers that use Nagle's algorithm. `TCP_NODELAY`: what we write is sent at once.
`TCP_QUICKACK`, on Linux, set again before each wait unless the last data sent has acknowledged everything: a
response in two writes then does not wait 40 ms for its second half.

The sizes of the socket buffers are left to the kernel: a fixed size would limit the throughput over long
distances.

One task at a time may send, and one may receive: a second one gets a `RuntimeError` at once. Closing wakes
waiting tasks with `ClosedHere`.
"""

import asyncio
import socket
from collections.abc import Callable, Generator, Iterable
from contextvars import Context
from math import inf
from typing import Final, Self

from dcm.wire import Buffer

RECEIVE_SIZE: Final = 1 << 20
GATHERED: Final = 1024  # buffers in one write: the IOV_MAX of Linux
_BULK: Final = 1 << 14  # bytes in one read, after which usually more are available
_IN_A_ROW: Final = 8  # reads without waiting before other tasks run: a peer may never pause
_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)


class ClosedHere(ConnectionError):  # noqa: N818 - reads as the sentence it is
    """The connection was closed on our side, perhaps by another task while this one waited."""

    def __init__(self) -> None:
        super().__init__("the connection was closed on our side")


class Transport:
    """A connected TCP socket, which it owns: `close` closes it. Raises the same `OSError` as the socket."""

    encrypted = False

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connected
        self._memory: memoryview | None = None
        self._received = 0
        """How many bytes were read into the memory."""
        self._unacknowledged = False
        """Whether something was received since the last data was sent."""
        self._may_have_more = True
        """Whether looking for more data before waiting is worth a system call."""
        self._at_once = 0
        """How many times in a row data was available without waiting."""
        self.receiving = self._sending = self._closed = False
        """Whether a task is receiving; another one must not."""
        loop, descriptor = asyncio.get_running_loop(), connected.fileno()
        reader, writer = (
            (loop.add_reader, loop.remove_reader),
            (loop.add_writer, loop.remove_writer),
        )
        self._readable: Final = _Readiness(*reader, descriptor, self._take)
        self._writable: Final = _Readiness(*writer, descriptor, lambda: True)

    @property
    def is_quiet(self) -> bool:
        """Whether the connection is open and has no unread data."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    async def send(self, buffers: Iterable[Buffer], within: float | None) -> None:
        """Write all buffers, as many as possible with each system call.

        Raises `TimeoutError` if the peer has accepted nothing for `within` seconds.
        """
        self._refuse_second_sender()
        self._sending = True
        try:
            waiting = list(buffers)
            while waiting:
                try:
                    sent = self._socket.sendmsg(waiting[:GATHERED])
                except BlockingIOError:
                    await self._writable.within(within)
                else:
                    waiting = behind(waiting, sent)
                    self._unacknowledged = False
        except OSError as error:
            raise self._explained(error) from None
        finally:
            self._sending = False

    async def receive(self, within: float | None) -> memoryview:
        """Return the data that has arrived, empty at the end of the connection; valid until the next call.

        Raises `TimeoutError` if nothing has arrived for `within` seconds.
        """
        if self.receiving:
            raise RuntimeError("another task is receiving from this connection")
        self.receiving = True
        try:
            if self._memory is None:
                self._memory = memoryview(bytearray(RECEIVE_SIZE))
            if self._may_have_more and self._take():
                self._at_once += 1
                if self._at_once >= _IN_A_ROW:
                    self._at_once = 0
                    await asyncio.sleep(0)
            else:
                if self._unacknowledged and _QUICKACK is not None:  # the kernel resets it
                    self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
                await self._readable.within(within)
                self._at_once = 0
            return self._memory[: self._received]
        except OSError as error:
            raise self._explained(error) from None
        finally:
            self.receiving = False

    def _take(self) -> bool:
        """Read the available data; return False if no data is available."""
        assert self._memory is not None  # created before the first wait
        try:
            self._received = self._socket.recv_into(self._memory)
        except BlockingIOError:
            return False
        self._may_have_more = self._received >= _BULK
        self._unacknowledged = True
        return True

    def _explained(self, error: OSError) -> OSError:
        """Return the error to raise; after `close`, an error about the descriptor would be meaningless."""
        return ClosedHere() if self._closed else error

    def _refuse_second_sender(self) -> None:
        if self._sending:
            raise RuntimeError("another task is sending on this connection")

    def finish(self) -> None:
        """Tell the peer that nothing more will be written."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the peer has already closed it

    def close(self) -> None:
        """Close the connection; data already written is still sent. Wakes waiting tasks."""
        self._closed = True
        self._readable.close()
        self._writable.close()
        self._socket.close()


class _Readiness:
    """An awaitable for a socket being ready in one direction, cheap enough for thousands of waits a second.

    The loop continues to watch the socket between two waits, until it is ready while nothing waits, so
    request and response need no system calls for that. `attempt` does the reading or writing itself. It
    returns False if that was not possible, since what the loop saw before the wait may be outdated.

    A waiting task continues within the callback of the loop, rather than in its next iteration as with a
    future of asyncio. For asyncio and its tasks, this is a future (`asyncio.isfuture`). One timer is used for
    the time limits of all waits; if it fires too early for the current one, it is set again.
    """

    _asyncio_future_blocking = False

    def __init__(
        self,
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], object],
        descriptor: int,
        attempt: Callable[[], bool],
    ) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._watch: Final = watch
        self._unwatch: Final = unwatch
        self._descriptor: Final = descriptor
        self._attempt: Final = attempt
        self._watched = False
        self._waiting: tuple[Callable[[_Readiness], object], Context] | None = None
        """The callback that resumes the waiting task, until it was called."""
        self._error: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def within(self, within: float | None) -> Self:
        """Return an awaitable that raises `TimeoutError` after `within` seconds."""
        if not self._watched:
            self._watch(self._descriptor, self._found_ready)
            self._watched = True
        self._due = inf if within is None else self._loop.time() + within
        if within is not None and (self._timer is None or self._due < self._timer.when()):
            self._set_timer()
        return self

    def close(self) -> None:
        """Release the socket before it is closed, and wake waiting tasks."""
        if self._watched:
            self._watched = False
            self._unwatch(self._descriptor)
        if self._timer is not None:
            self._timer.cancel()
        self._end(ClosedHere())

    def _found_ready(self) -> None:
        if self._waiting is None:
            if self._error is None:  # otherwise the waiting task is about to continue
                self._watched = False
                self._unwatch(self._descriptor)
            return
        try:
            if not self._attempt():
                return
        except OSError as error:
            self._error = error
        (wake, context), self._waiting = self._waiting, None
        context.run(wake, self)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._look_at_time)

    def _look_at_time(self) -> None:
        self._timer = None
        if self._waiting is None or self._due == inf:
            return
        if self._loop.time() < self._due:
            self._set_timer()
        else:
            self._end(TimeoutError())

    def _end(self, error: BaseException) -> bool:
        """Resume the waiting task with an error; return whether there was one."""
        if self._waiting is None:
            return False
        (wake, context), self._waiting = self._waiting, None
        self._error = error
        self._loop.call_soon(wake, self, context=context)
        return True

    # The methods of a future that a task needs.

    def __await__(self) -> Generator[Self, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop."""
        return self._loop

    def add_done_callback(
        self, wake: Callable[["_Readiness"], object], *, context: Context
    ) -> None:
        """Note the waiting task."""
        self._waiting = wake, context

    def result(self) -> None:
        """Raise the error that ended the wait, if the socket did not become ready."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def cancel(self, msg: object = None) -> bool:
        """Cancel the wait; return whether there is one."""
        return self._end(asyncio.CancelledError(*([] if msg is None else [msg])))


def behind(buffers: list[Buffer], count: int) -> list[Buffer]:
    """Return what is left of buffers after `count` bytes of them were written."""
    if count == sum(map(len, buffers)):  # nearly always
        return []
    for place, buffer in enumerate(buffers):
        if count < len(buffer):
            return [memoryview(buffer)[count:], *buffers[place + 1 :]]
        count -= len(buffer)
    return []
