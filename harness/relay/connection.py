"""One relayed connection: two sockets, and the bytes that go from each to the other."""

import errno
import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol as Interface

from harness.relay.disturb import Disturbance, Disturber
from harness.relay.filters import Filter
from harness.relay.reactor import READ, WRITE, Reactor
from harness.relay.record import Record, Taped
from harness.relay.secured import Secured
from harness.relay.side import Side
from harness.relay.tape import Bytes, Direction
from harness.relay.tls import Tls, TlsEnd

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]


class Owner(Taped, Interface):
    """What a connection must know of its relay."""

    tls: Tls | None

    @property
    def disturb(self) -> Disturbance | None:
        """How connections suffer now."""

    def filter(self) -> Filter | None:
        """Make the lie for a connection, if one is to be told."""

    def ended(self, connection: "Connection") -> None:
        """Forget a connection that has been closed."""


class Connection:
    """A client's connection and the one to the server behind it."""

    def __init__(
        self,
        *,
        owner: Owner,
        reactor: Reactor,
        buffer: memoryview,
        client: socket.socket,
        peer: str,
        addresses: Sequence[Address],
        target: str,
    ) -> None:
        self.peer, self.target = peer, target
        self.ended = ""
        self.start = b""
        """The first bytes that the client sent."""
        self.question = b""
        """The first bytes that the client sent since the server's last answer."""
        self.unanswered = 0
        self._owner, self._reactor, self._buffer = owner, reactor, buffer
        self._addresses = list(addresses)
        self._filter = owner.filter()
        self._disturber = Disturber(self, reactor)
        self._doom: Callable[[], None] | None = None
        self.closed = False
        self._tls = owner.tls
        self._secured: Secured | None = None
        self._client = self._side(client, Direction.TO_SERVER, "the client")
        self.record = Record(owner, peer, target)
        self._connect()

    # Opening

    def _side(self, sock: socket.socket, direction: Direction, who: str) -> Side:
        return Side(sock, direction, who, None if self._tls is None else TlsEnd())

    def _connect(self) -> None:
        """Begin to connect to the next address; the client's bytes wait in its system meanwhile."""
        family, address = self._addresses.pop(0)
        server = socket.socket(family)
        self._server = self._side(server, Direction.TO_CLIENT, "the server")
        self._server.join(self._client)
        code = server.connect_ex(address)
        if code in (0, errno.EINPROGRESS):
            self._server.events = WRITE
            self._reactor.watch(server, WRITE, self._connected)
        else:
            self._refused(code)

    def _connected(self, _events: int) -> None:
        if self.closed:  # cut by a callback of the same moment
            return
        self._reactor.unwatch(self._server.socket)
        self._server.events = 0
        code = self._server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._refused(code)
            return
        if self._tls is not None:
            self._secured = Secured(self, self._tls, self._client, self._server)
        self.update(self._client)
        self.update(self._server)

    def _refused(self, code: int) -> None:
        if self._addresses:
            self._server.socket.close()
            self._connect()
        else:
            self.close(f"{self.target} was not reached: {os.strerror(code)}")

    # Bytes

    def _ready(self, side: Side, events: int) -> None:
        if events & WRITE and not self.closed:
            self._flush(side)
        if events & READ and not self.closed:
            self._receive(side)

    def _receive(self, side: Side) -> None:
        try:
            count = side.socket.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(side, error)
            return
        if not count:
            self._finish(side)
            return
        if self._secured is None:
            self.take(side, self._buffer[:count])
        else:
            self._secured.receive(side, self._buffer[:count])

    def take(self, side: Side, data: Bytes) -> None:
        """Relay `data`, read from `side`, as the lie and the disturbance want it."""
        self._follow(side.direction, data)
        if self._filter is not None:
            data = self._filter.feed(side.direction, bytes(data))
        disturbance = self._owner.disturb
        if disturbance is not None:
            self._disturber.suffer(side, data, disturbance)
        elif data:
            self.pass_on(side, data)

    def pass_on(self, side: Side, data: Bytes) -> None:
        """Record `data`, read from `side`, and give it to its peer."""
        self.record.add(side.direction, data)
        other = side.peer
        if other.tls is not None:
            try:
                data = other.tls.encrypt(data)
            except OSError as error:
                self._broke(other, error)
                return
        self.send(other, data)

    def send(self, side: Side, raw: Bytes) -> None:
        """Send `raw` to `side` as it is, now or when its system has room."""
        try:
            sent = 0 if side.backlog else side.socket.send(raw)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broke(side, error)
            return
        if sent < len(raw):
            side.backlog = b"".join((side.backlog, raw[sent:]))
            self.update(side.peer)
            self.update(side)

    def _flush(self, side: Side) -> None:
        """Send more of what waits for `side`, and read its peer again when all is sent."""
        try:
            side.backlog = memoryview(side.backlog)[side.socket.send(side.backlog) :]
        except BlockingIOError:
            return
        except OSError as error:
            side.backlog = b""
            self._broke(side, error)
            return
        if not side.backlog:
            if self._doom is not None:
                self._doom()
                return
            self.update(side)
            self.update(side.peer)
            if side.peer.finished:
                self._pass_end(side)

    def _follow(self, direction: Direction, data: Bytes) -> None:
        """Keep in mind what the server has not answered yet."""
        if direction is Direction.TO_SERVER:
            if not self.unanswered:
                self.question = bytes(data[:200])
                self.start = self.start or self.question
                if self._owner.protocol == "http":
                    self._filter = self._owner.filter()  # lies begin and end between requests
            self.unanswered += len(data)
        elif self._owner.protocol != "http" or data[:12] != b"HTTP/1.1 100":
            self.unanswered = 0

    def update(self, side: Side) -> None:
        """Wait for what `side` can do now, and for nothing else."""
        events = (READ if side.readable else 0) | (WRITE if side.backlog else 0)
        if self.closed:
            return
        if side.tls is not None and side.tls.over and side.readable:
            self._reactor.later(0, partial(self._end, side))
        if events == side.events:
            return
        side.events = events
        if events:
            self._reactor.watch(side.socket, events, partial(self._ready, side))
        else:
            self._reactor.unwatch(side.socket)

    def recover(self) -> None:
        """Go on after a stall: the disturbance has been changed or taken away."""
        if not self.closed:
            self._disturber.recover(self._server, self._owner.disturb)

    # Ends

    def _end(self, side: Side) -> None:
        """Take the end that was read together with the last bytes, unless it must wait again."""
        if side.readable and not self.closed:
            self._finish(side)

    def _finish(self, side: Side) -> None:
        """Tell the other side, once it has everything, that nothing more will come."""
        if self._secured is not None and (failure := self._secured.finish(side)):
            self.close(f"{self.ended}; {failure}" if self.ended else failure)
            return
        if side.broken:
            self.close(f"reset by {side.who}", reset=True)
            return
        side.finished = True
        silently = side.tls is not None and not side.tls.over
        how = ", without notification" if silently else ""
        self.ended = self.ended or f"closed by {side.who}{how}"
        self.update(side)
        if self._filter is not None and (rest := self._filter.end(side.direction)):
            self.pass_on(side, rest)
        if not (self.closed or side.peer.backlog):
            self._pass_end(side.peer)

    def _pass_end(self, side: Side) -> None:
        """Close `side` for writing, and the connection when both are through."""
        through = side.finished and not side.peer.backlog
        if through:
            self.record.end(self.ended)  # first: a client that sees the end finds it on the tape
        side.say_farewell()
        if side.backlog:  # it is sent first, and then we come back
            self.update(side)
            return
        if through:
            self.close(self.ended)
            return
        try:
            side.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._broke(side, error)

    def _broke(self, side: Side, error: OSError) -> None:
        """Read what a side that takes no more bytes said last, then reset the other."""
        side.broken = True
        if side.finished:
            self._lost(side, error)
        else:
            self.update(side)
            self.update(side.peer)

    def _lost(self, side: Side, error: OSError) -> None:
        reset = isinstance(error, ConnectionError)
        how = f"reset by {side.who}" if reset else f"lost {side.who}: {error.strerror}"
        self.close(how, reset=True)

    def close_when_sent(self, side: Side, ended: str, *, reset: bool) -> None:
        """Close the connection once `side` has all that waits for it."""
        close = partial(self.close, ended, reset=reset)
        if not reset:
            self.record.end(ended)
            side.say_farewell()
        if side.backlog:
            self._doom = close
            self.update(side)
        else:
            close()

    def close(self, ended: str, *, reset: bool = False) -> None:
        """Close both ends at once, and note on the tape how it ended."""
        if self.closed:
            return
        self.closed = True
        self.ended = ended
        self.record.end(ended)
        self._owner.ended(self)
        for side in (self._client, self._server):
            self._reactor.unwatch(side.socket)
            side.close(reset=reset)
