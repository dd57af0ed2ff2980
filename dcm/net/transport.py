"""A TCP connection under asyncio, below its transports: gathered writes, one buffer for all reads.

Two settings make the difference against servers that leave Nagle's algorithm on. `TCP_NODELAY`: what we
write goes out at once. `TCP_QUICKACK`, on Linux, armed again before each wait: what we receive is
acknowledged at once, so that a response in two writes does not wait 40 ms for its second half.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any, Final

from dcm.wire import Buffer

RECEIVE_SIZE: Final = 1 << 20
GATHERED: Final = 1024  # buffers in one write: the IOV_MAX of Linux
_SOCKET_BUFFER: Final = 1 << 20
_IN_A_ROW: Final = 8  # reads without waiting before others have their turn: a peer may never pause
_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)

_Address = tuple[int, int, int, str, Any]


async def connect(host: str, port: int) -> socket.socket:
    """Connect to the first address of `host` that answers. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    addresses: Sequence[_Address]
    try:
        addresses = socket.getaddrinfo(
            host.encode("ascii"),  # as a text it would take the tables of international names
            port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_NUMERICHOST,
        )
    except (socket.gaierror, UnicodeError):  # a name: to ask for it takes a thread
        addresses = await _resolve(loop, host, port)
    for family, kind, protocol, _, address in addresses:
        connected = socket.socket(family, kind, protocol)
        try:
            connected.setblocking(False)
            await loop.sock_connect(connected, address)
        except OSError as error:
            connected.close()
            failure = failure or error
        except BaseException:
            connected.close()
            raise
        else:
            return connected
    raise failure or OSError(f"{host} has no address")


async def _resolve(loop: asyncio.AbstractEventLoop, host: str, port: int) -> Sequence[_Address]:
    try:
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # an empty label, or one that is too long
        raise OSError(f"{host} is no name of a host") from error


class Transport:
    """One connected TCP socket, owned: `close` closes it. Raises `OSError` as the socket does."""

    encrypted = False

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
        self._socket = connected
        self._memory: memoryview | None = None
        self._received: int | None = None
        """How many bytes have come into the memory that nobody was given yet."""
        self._at_once = 0
        """How often something was there without waiting, in a row."""
        loop, descriptor = asyncio.get_running_loop(), connected.fileno()
        self._readable: Final = _Readiness(
            loop.add_reader, loop.remove_reader, descriptor, self._take
        )
        self._writable: Final = _Readiness(
            loop.add_writer, loop.remove_writer, descriptor, lambda: True
        )

    async def send(self, buffers: Iterable[Buffer], within: float | None) -> None:
        """Write all buffers, as many as possible with each system call.

        Raises `TimeoutError` once the peer has taken nothing for `within` seconds.
        """
        waiting = list(buffers)
        while waiting:
            try:
                sent = self._socket.sendmsg(waiting[:GATHERED])
            except BlockingIOError:
                await self._writable.wait(within)
            else:
                waiting = behind(waiting, sent)

    async def receive(self, within: float | None) -> memoryview:
        """Give what has arrived, empty at the end of the connection; valid until the next call.

        Raises `TimeoutError` once nothing has come for `within` seconds.
        """
        if self._memory is None:
            self._memory = memoryview(bytearray(RECEIVE_SIZE))
        # It may have come for somebody who was cancelled before he was given it.
        if self._received is not None or self._take():
            self._at_once += 1
            if self._at_once >= _IN_A_ROW:
                self._at_once = 0
                await asyncio.sleep(0)
        else:
            if _QUICKACK is not None:  # the kernel forgets it after a while
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
            await self._readable.wait(within)
            self._at_once = 0
        count, self._received = self._received, None
        return self._memory[:count]

    def _take(self) -> bool:
        """Read what is there; False: nothing."""
        assert self._memory is not None  # whoever waits for something has it
        try:
            self._received = self._socket.recv_into(self._memory)
        except BlockingIOError:
            return False
        return True

    def finish(self) -> None:
        """Say that nothing more will be written."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the peer was faster

    def close(self) -> None:
        """Close the connection; what was written still goes out."""
        self._readable.close()
        self._writable.close()
        self._socket.close()


class _Readiness:
    """Waits until a socket is ready for one direction, made to be waited for a thousand times a second.

    The loop goes on watching the socket between two waits, until it finds it ready while nobody waits: so
    question and answer cost no system calls for that. What is waited for is done by `attempt`, which says
    whether it could be: what the loop saw before the wait began may be over. One timer stands for the time
    limits of all waits; when it comes too early for the present one, it is set again.
    """

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
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    async def wait(self, within: float | None) -> None:
        """Wait; raises `TimeoutError` after `within` seconds."""
        self._waiter = self._loop.create_future()
        if not self._watched:
            self._watch(self._descriptor, self._found_ready)
            self._watched = True
        self._due = inf if within is None else self._loop.time() + within
        if within is not None and (self._timer is None or self._due < self._timer.when()):
            self._set_timer()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def close(self) -> None:
        """Let go of the socket, before it is closed."""
        if self._watched:
            self._watched = False
            self._unwatch(self._descriptor)
        if self._timer is not None:
            self._timer.cancel()

    def _found_ready(self) -> None:
        if self._waiter is None:
            self._watched = False
            self._unwatch(self._descriptor)
        elif not self._waiter.done():
            try:
                if self._attempt():
                    self._waiter.set_result(None)
            except OSError as error:
                self._waiter.set_exception(error)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._look_at_time)

    def _look_at_time(self) -> None:
        self._timer = None
        if self._waiter is None or self._due == inf:
            return
        if self._loop.time() < self._due:
            self._set_timer()
        elif not self._waiter.done():
            self._waiter.set_exception(TimeoutError())


def behind(buffers: list[Buffer], count: int) -> list[Buffer]:
    """Give what is left of buffers once so many bytes of them are written."""
    if count == sum(map(len, buffers)):  # as nearly always
        return []
    for place, buffer in enumerate(buffers):
        if count < len(buffer):
            return [memoryview(buffer)[count:], *buffers[place + 1 :]]
        count -= len(buffer)
    return []
