"""One thread that calls back: a socket is ready, time is up, another thread asks."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from harness.errors import HarnessError

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds in which the thread does what another thread asks for."""


class Reactor:
    """An event loop in a thread of its own, for sockets and not for streams.

    Resets, half-closed connections and bytes held back need the sockets themselves. `call` is for other
    threads, the rest belongs to the reactor's own: `watch`, `soon`, which comes before all that is read next,
    and `later`, which wants seconds. An exception in a callback ends the thread.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._failed)
        self._failure: BaseException | None = None
        self.soon, self.later = self._loop.call_soon, self._loop.call_later
        self.buffer = memoryview(bytearray(256 * 1024))
        """Where callbacks read to: one for all, since they are done with it when they return."""
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it watched belongs to the caller afterwards."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def close(self) -> None:
        """Let go of everything, after `stop`."""
        self._loop.close()

    def watch(
        self,
        sock: socket.socket,
        read: Callable[[], None] | None = None,
        write: Callable[[], None] | None = None,
    ) -> None:
        """From now on, call `read` when `sock` can be read and `write` when it has room; None: no more."""
        if read is None:
            self._loop.remove_reader(sock)
        else:
            self._loop.add_reader(sock, read)
        if write is None:
            self._loop.remove_writer(sock)
        else:
            self._loop.add_writer(sock, write)

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` in the reactor's thread, and return or raise what it does."""

        async def run() -> T:
            return function()

        if not self._thread.is_alive():
            raise HarnessError("the relay's thread has ended")
        try:
            return asyncio.run_coroutine_threadsafe(run(), self._loop).result(PATIENCE)
        except TimeoutError:
            raise HarnessError(f"the relay's thread did not answer within {PATIENCE:g} s") from None

    def _run(self) -> None:
        self._loop.run_forever()
        if self._failure is not None:
            raise self._failure

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._failure = context.get("exception")
        loop.stop()
