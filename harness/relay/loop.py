"""All relays of a process, with their thread and the tape of the current case."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any, Self, TypeVar

from harness.errors import HarnessError
from harness.model import Endpoint
from harness.relay.relay import Relay
from harness.relay.tape import Protocol, Tape
from harness.relay.tls import Tls

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds in which the thread must complete a call from another thread."""


class RelayLoop:
    """A context in which relays can be opened; leaving it closes them.

    It runs an event loop in its own thread, with callbacks for sockets instead of streams: resets,
    half-closed connections and held-back bytes need the sockets themselves. `watch`, `soon` (before
    the next read) and `later` (after a number of seconds) may be called only in that thread, and
    everything else only in other threads. An exception in a callback ends the thread.
    """

    def __init__(self) -> None:
        self._events = asyncio.new_event_loop()
        self._events.set_exception_handler(self._failed)
        self.soon, self.later = self._events.call_soon, self._events.call_later
        self.buffer = memoryview(bytearray(256 * 1024))
        """The receive buffer, shared by all callbacks: none uses it after it has returned."""
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._relays: list[Relay] = []
        self._tape: Tape | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._events.call_soon_threadsafe(self._events.stop)
        self._thread.join()
        for relay in self._relays:
            relay.close()
        self._events.close()

    def open(
        self,
        name: str,
        *,
        target: Endpoint,
        protocol: Protocol,
        listen: Endpoint | str = "127.0.0.1",
        tls: Tls | None = None,
    ) -> Relay:
        """Open a relay in front of `target`.

        `listen` is where clients connect: an endpoint, or a host alone for a port chosen by the
        kernel. With `tls`, clients and the server speak TLS; the tape, lies and disturbances apply to
        the plain bytes. Raises `HarnessError` if it cannot listen there.
        """
        relay = Relay(self, name, protocol=protocol, target=target, listen=listen, tls=tls)

        def start() -> None:
            relay.start_tape(self._tape)
            self.watch(relay.listener, relay.accept)
            self._relays.append(relay)

        self.call(start)
        return relay

    def start_tape(self, name: str) -> Tape:
        """Record everything on a new tape from now on, and nothing more on the previous one."""
        tape = Tape(name)
        self._switch(tape)
        return tape

    def stop_tape(self) -> None:
        """Record nothing until the next tape is started."""
        self._switch(None)

    def cut(self, reason: str) -> None:
        """Close every open connection of every relay at once."""

        def cut() -> None:
            for relay in self._relays:
                relay.cut(reason)

        self.call(cut)

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` in the relays' thread, and return its result or raise its exception."""

        async def run() -> T:
            return function()

        if not self._thread.is_alive():
            raise HarnessError("the relay's thread has ended")
        try:
            return asyncio.run_coroutine_threadsafe(run(), self._events).result(PATIENCE)
        except TimeoutError:
            raise HarnessError(f"the relay's thread did not answer within {PATIENCE:g} s") from None

    def watch(
        self,
        sock: socket.socket,
        read: Callable[[], None] | None = None,
        write: Callable[[], None] | None = None,
    ) -> None:
        """Call `read` whenever `sock` is readable and `write` whenever it is writable; None: no more."""
        if read is None:
            self._events.remove_reader(sock)
        else:
            self._events.add_reader(sock, read)
        if write is None:
            self._events.remove_writer(sock)
        else:
            self._events.add_writer(sock, write)

    def _switch(self, tape: Tape | None) -> None:
        def switch() -> None:
            self._tape = tape
            for relay in self._relays:
                relay.start_tape(tape)

        self.call(switch)

    def _run(self) -> None:
        self._events.run_forever()
        if self._failure is not None:
            raise self._failure

    def _failed(self, events: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._failure = context.get("exception")
        events.stop()
