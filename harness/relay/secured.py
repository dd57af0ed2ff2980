"""TLS on both sides of a connection: the handshakes, one after the other, and what comes after."""

from typing import TYPE_CHECKING

from harness.relay.side import Side
from harness.relay.tape import Bytes
from harness.relay.tls import Tls, TlsEnd

if TYPE_CHECKING:
    from harness.relay.connection import Connection


class Secured:
    """Agrees with the client, then with the server, and decrypts what both say.

    The client comes first, since what we show to the server depends on what the client shows. The end of
    its handshake is not sent before the server has agreed: up to TLS 1.2 the client learns if it did not.
    """

    def __init__(self, connection: "Connection", tls: Tls, client: Side, server: Side) -> None:
        self._connection, self._tls = connection, tls
        self._client, self._server = client, server
        self._open = False
        _end(client).begin(tls.door)

    def receive(self, side: Side, raw: Bytes) -> None:
        """Take what arrived from `side`."""
        _end(side).feed(raw)
        if self._open:
            self._read(side)
        else:
            self._agree()

    def finish(self, side: Side) -> str:
        """Take the end of what `side` sends, and return why this ends the connection, if it does."""
        end, other = _end(side), _end(side.peer)
        cut_off = side.peer.finished and not other.over
        if self._open and (cut_off or not end.failure):  # no wonder that it complains if cut off
            if not end.over:  # no notification came, and so we pass none on
                other.silent = True
            return ""
        end.silent = other.silent = True
        broken_off = "it closed the connection before the handshake was through"
        return f"TLS with {side.who} failed: {end.failure or broken_off}"

    def _agree(self) -> None:
        """Go on with the handshakes."""
        client, server = _end(self._client), _end(self._server)
        if not client.agreed and not self._shake_hands(self._client):
            return
        if not server.begun:
            server.begin(self._tls.behind(client.certificate), self._tls.server_name)
            self._client.paused = True
            self._connection.update(self._client)
            self._connection.record.agreed(self._agreed())
        if not self._shake_hands(self._server):
            return
        self._open = True
        self._connection.record.agreed(self._agreed())
        self._connection.send(self._client, client.to_send())
        self._client.paused = False
        for side in (self._client, self._server):
            if not self._connection.closed:  # what came with the handshake
                self._connection.update(side)
                self._read(side)

    def _shake_hands(self, side: Side) -> bool:
        """Go on with one handshake; whether it is through."""
        end = _end(side)
        end.shake_hands()
        if side is self._server or not end.agreed:
            self._connection.send(side, end.to_send())
        if end.failure and not self._connection.closed:
            self._connection.close(self.finish(side))
        return end.agreed and not self._connection.closed

    def _read(self, side: Side) -> None:
        """Relay what can be decrypted; the end, if it came too, follows when `side` may be read again."""
        end = _end(side)
        data = end.read()
        if raw := end.to_send():
            self._connection.send(side, raw)
        if data and not self._connection.closed:
            self._connection.take(side, data)
        if end.over:
            self._connection.update(side)

    def _agreed(self) -> str:
        client, server = _end(self._client), _end(self._server)
        name = client.common_name
        shown = f"certificate of {name!r}" if name else "no certificate"
        words = f"{client.agreement} with the client ({shown})"
        return words + (f", {server.agreement} with the server" if server.agreed else "")


def _end(side: Side) -> TlsEnd:
    assert side.tls is not None
    return side.tls
