"""One relayed connection: two sockets, and the bytes that go from each to the other."""

import errno
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from harness.relay.disturb import Disturber
from harness.relay.owner import is_ours
from harness.relay.side import Side
from harness.relay.tape import Bytes, Direction, Record
from harness.relay.tls import Secured, TlsEnd

if TYPE_CHECKING:
    from harness.relay.relay import Relay


class Connection:
    """A client's connection, and the connection to the server behind the relay."""

    def __init__(self, relay: "Relay", client: socket.socket, peer: str) -> None:
        self.target = str(relay.target)
        self.ended = ""
        self.start = b""
        """The first bytes that the client sent."""
        self.question = b""
        """The first bytes that the client sent after the server's last answer."""
        self.unanswered = 0
        self.closed = False
        self.loop = relay.loop
        self._relay = relay
        self._addresses = list(relay.addresses)
        self._filter = relay.filter()
        self._disturber = Disturber(self)
        self._doom: Callable[[], None] | None = None
        self._tls = relay.tls
        self._secured: Secured | None = None
        tls = None if self._tls is None else TlsEnd()
        self._client = Side(client, Direction.TO_SERVER, "the client", tls)
        self.record = Record(relay, peer, self.target, ours=is_ours(client.getpeername()))
        self._connect()

    # Opening

    def _connect(self) -> None:
        """Begin to connect to the next address; meanwhile the client's bytes wait in the kernel."""
        family, address = self._addresses.pop(0)
        server = socket.socket(family)
        tls = None if self._tls is None else TlsEnd()
        self._server = Side(server, Direction.TO_CLIENT, "the server", tls)
        self._server.peer, self._client.peer = self._client, self._server
        code = server.connect_ex(address)
        if code in (0, errno.EINPROGRESS):
            self.loop.watch(server, write=self._connected)
        else:
            self._refused(code)

    def _connected(self) -> None:
        self.loop.watch(self._server.socket)
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

    def _receive(self, side: Side) -> None:
        try:
            count = side.socket.recv_into(self.loop.buffer)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(side, error)
            return
        if not count:
            self._finish(side)
        elif self._secured is None:
            self.take(side, self.loop.buffer[:count])
        else:
            self._secured.receive(side, self.loop.buffer[:count])

    def take(self, side: Side, data: Bytes) -> None:
        """Relay `data`, read from `side`, after applying the lie and the disturbance."""
        self._follow(side.direction, data)
        if self._filter is not None:
            data = self._filter.feed(side.direction, bytes(data))
        if self._relay.disturb is not None:
            self._disturber.suffer(side, data, self._relay.disturb)
        elif data:
            self.pass_on(side, data)

    def pass_on(self, side: Side, data: Bytes) -> None:
        """Record `data`, read from `side`, and send it to the peer."""
        self.record.add(side.direction, data)
        other = side.peer
        try:
            raw = data if other.tls is None else other.tls.encrypt(data)
        except OSError as error:
            self._broke(other, error)
        else:
            self.send(other, raw)

    def send(self, side: Side, raw: Bytes) -> None:
        """Send `raw` to `side` unchanged; its peer is not read until all of it is sent."""
        try:
            side.write(raw)
        except OSError as error:
            self._broke(side, error)
            return
        if side.backlog:
            self.update(side.peer)
            self.update(side)

    def _flush(self, side: Side) -> None:
        """Send more of the backlog of `side`; resume reading its peer when all of it is sent."""
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
        """Keep track of what the server has not answered yet."""
        if direction is Direction.TO_SERVER:
            if not self.unanswered:
                self.question = bytes(data[:200])
                self.start = self.start or self.question
                if self._relay.protocol == "http":
                    self._filter = self._relay.filter()  # a lie is set or removed between requests
            self.unanswered += len(data)
        elif self._relay.protocol != "http" or data[:12] != b"HTTP/1.1 100":
            self.unanswered = 0

    def update(self, side: Side) -> None:
        """Watch the socket of `side` for what it should do now, and for nothing else."""
        if self.closed:
            return
        if side.tls is not None and side.tls.over and side.readable:
            self.loop.soon(self._end, side)
        awaited = side.readable, bool(side.backlog)
        if awaited != side.awaited:
            side.awaited = awaited
            self.loop.watch(
                side.socket,
                partial(self._receive, side) if side.readable else None,
                partial(self._flush, side) if side.backlog else None,
            )

    def recover(self) -> None:
        """Resume after a stall: the disturbance has been changed or removed."""
        if not self.closed:
            self._disturber.recover(self._server, self._relay.disturb)

    # Ends

    def _end(self, side: Side) -> None:
        """Handle the end that was read together with the last bytes, unless `side` must wait again."""
        if side.readable and not self.closed:
            self._finish(side)

    def _finish(self, side: Side) -> None:
        """Handle the end of `side`: pass it on to the other side, once that has everything."""
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
        """Close `side` for writing, and close the connection if both sides have finished."""
        through = side.finished and not side.peer.backlog
        if through:
            self.record.end(self.ended)  # first: a client that sees the end finds it on the tape
        side.say_farewell()
        if side.backlog:  # it is sent first, then `_flush` calls this again
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
        """Read the last bytes of a side that accepts no more, then reset the other."""
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
        """Close the connection once the backlog of `side` is sent."""
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
        """Close both ends at once, and record on the tape how the connection ended."""
        if self.closed:
            return
        self.closed = True
        self.ended = ended
        self.record.end(ended)
        self._relay.ended(self)
        for side in (self._client, self._server):
            self.loop.watch(side.socket)
            side.close(reset=reset)
