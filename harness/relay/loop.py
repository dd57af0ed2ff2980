"""All relays of a process, with their one thread and the tape of the case that runs."""

from typing import Self

from harness.model import Endpoint
from harness.relay.reactor import Reactor
from harness.relay.relay import Relay
from harness.relay.tape import Protocol, Tape
from harness.relay.tls import Tls


class RelayLoop:
    """A context in which relays can be opened; leaving it closes them."""

    def __init__(self) -> None:
        self._reactor = Reactor()
        self._relays: list[Relay] = []
        self._tape: Tape | None = None

    def __enter__(self) -> Self:
        self._reactor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._reactor.stop()
        for relay in self._relays:
            relay.close()
        self._reactor.close()

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
        relay = Relay(
            name, protocol=protocol, target=target, listen=listen, tls=tls, reactor=self._reactor
        )

        def start() -> None:
            relay.start(self._tape)
            self._relays.append(relay)

        self._reactor.call(start)
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

        self._reactor.call(cut)

    def _switch(self, tape: Tape | None) -> None:
        def switch() -> None:
            self._tape = tape
            for relay in self._relays:
                relay.start_tape(tape)

        self._reactor.call(switch)
