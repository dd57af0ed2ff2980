"""All relays of a process, with their one thread and the tape of the case that runs."""

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
"""Seconds in which the thread does what another thread asks for."""


class RelayLoop:
    """A context in which relays can be opened; leaving it closes them.

    It is an event loop in a thread of its own, with callbacks for sockets and not with streams: resets,
    half-closed connections and bytes held back need the sockets themselves. `watch`, `soon` (before what is
    read next) and `later` (after so many seconds) belong to that thread, and all else to others. An exception
    in a callback ends the thread.
    """

    def __init__(self) -> None:
        self._events = asyncio.new_event_loop()
        self._events.set_exception_handler(self._failed)
        self.soon, self.later = self._events.call_soon, self._events.call_later
        self.buffer = memoryview(bytearray(256 * 1024))
        """Where callbacks read to: one for all, since they are done with it when they return."""
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
        """Put a relay in front of `target`.

        `listen` is where clients will connect: an endpoint, or a host alone for a port of the
        kernel's choice. With `tls` clients and the server speak TLS, and all else is about the plain
        bytes: the tape, lies and disturbances. Raises `HarnessError` when nothing can listen there.
        """
        relay = Relay(self, name, protocol=protocol, target=target, listen=listen, tls=tls)

        def start() -> None:
            relay.start_tape(self._tape)
            self.watch(relay.listener, relay.accept)
            self._relays.append(relay)

        self.call(start)
        return relay

    def start_tape(self, name: str) -> Tape:
        """Record everything to a new tape from now on; the previous one gets nothing any more."""
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
        """Run `function` in the relays' thread, and return or raise what it does."""

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
        """From now on, call `read` when `sock` can be read and `write` when it has room; None: no more."""
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
