"""Plays a conversation: sends it, waits no longer than necessary, and records the responses."""

import contextlib
import select
import socket
import time
from dataclasses import dataclass, field
from typing import Final

from harness.fuzz.conversation import Conversation, Step
from harness.fuzz.network import Doors

HEADER: Final = 6
MOST: Final = 1 << 24
"""Most bytes of an answer that are kept."""


@dataclass(frozen=True)
class Filled:
    """The values for a message's placeholders: the server's AE title and our credentials."""

    called: bytes = b"ANY-SCP".ljust(16)
    authorization: bytes = b""

    def into(self, message: bytes) -> bytes:
        """Return the message as it is sent."""
        if CALLED in message:
            message = message.replace(CALLED, self.called)
        if AUTHORIZATION in message:
            message = message.replace(AUTHORIZATION, self.authorization)
        return message


CALLED: Final = b"@CALLED-AETITLE@"
"""Placeholder of sixteen characters, the length of an AE title in an A-ASSOCIATE-RQ."""
AUTHORIZATION: Final = b"@AUTHORIZATION@"
"""Placeholder for a line of an HTTP request: conversations that are kept contain no password."""


@dataclass(frozen=True)
class Patience:
    """Time limits in seconds."""

    answer: float = 0.04
    """For an answer to a message that may get none."""
    quiet: float = 0.003
    """After an answer, for more of it."""
    end: float = 0.1
    """For the server to close a connection after we have shut down our side."""
    stuck: float = 3.0
    """Until a server that accepts no data, or no other client, is considered to hang."""


@dataclass
class Line:
    """What was sent and received on one connection."""

    door: str
    sent: list[bytes] = field(default_factory=list)
    received: bytearray = field(default_factory=bytearray)
    refused: bool = False
    """The connection could not be opened."""
    closed: bool = False
    """The server closed it."""
    stuck: bool = False
    """The server accepted no data for a long time."""
    dropped: bool = False
    """We closed it without notice."""


@dataclass
class Played:
    """The outcome of a conversation, by connection."""

    lines: dict[int, Line]
    seconds: float

    @property
    def doubtful(self) -> bool:
        """Whether the server should be checked: a connection was refused, stuck or not closed."""
        lines = self.lines.values()
        return any(
            each.refused or each.stuck or not (each.closed or each.dropped) for each in lines
        )


class Player:
    """Plays conversations on the interfaces of one server."""

    def __init__(self, doors: Doors, filled: Filled, patience: Patience | None = None) -> None:
        self.doors, self.filled = doors, filled.into
        self.patience = patience or Patience()

    def play(self, conversation: Conversation) -> Played:
        """Play a conversation to its end, whatever the server does; then close every connection."""
        lines: dict[int, Line] = {}
        sockets: dict[int, socket.socket | None] = {}
        begun = time.monotonic()
        try:
            for step in conversation.steps:
                if step.line not in sockets:
                    lines[step.line] = Line(step.door)
                    sockets[step.line] = self._open(lines[step.line])
                open_one = sockets[step.line]
                if open_one is not None and not self._step(step, lines[step.line], open_one):
                    open_one.close()
                    sockets[step.line] = None
            for number, each in sockets.items():
                if each is not None:
                    self._finish(lines[number], each)
        finally:
            for each in sockets.values():
                if each is not None:
                    each.close()
        return Played(lines, time.monotonic() - begun)

    def _open(self, line: Line) -> socket.socket | None:
        try:
            return self.doors.connect(line.door, self.patience.stuck)
        except OSError:
            line.refused = True
            return None

    def _step(self, step: Step, line: Line, open_one: socket.socket) -> bool:
        """Send one message and do what follows; return whether the connection is still usable."""
        data = self.filled(step.message.render())
        line.sent.append(data)
        open_one.settimeout(self.patience.stuck)
        try:
            open_one.sendall(data)
        except TimeoutError:
            line.stuck = True
            return False
        except OSError:
            self._hear(line, open_one, 0.0)
            line.closed = True
            return False
        if step.then == "drop":
            line.dropped = True
            return False
        if step.then == "finish":
            self._finish(line, open_one)
            return False
        if step.then == "answer":
            self._hear(line, open_one, self.patience.answer)
        return not line.closed

    def _finish(self, line: Line, open_one: socket.socket) -> None:
        """Shut down our side of the connection, and read what still arrives."""
        with contextlib.suppress(OSError):
            open_one.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + self.patience.end
        while not line.closed and (left := deadline - time.monotonic()) > 0:
            self._hear(line, open_one, left, whole=False)

    def _hear(
        self, line: Line, open_one: socket.socket, within: float, *, whole: bool = True
    ) -> None:
        """Read for at most `within` seconds; if `whole`, only until the end of an answer."""
        wait = within
        while select.select([open_one], [], [], wait)[0]:
            try:
                data = open_one.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                line.closed = True
                return
            if len(line.received) < MOST:
                line.received += data
            if not whole:
                return
            wait = self.patience.quiet if _is_whole(line) else within


def _is_whole(line: Line) -> bool:
    """Return whether the data received ends with a complete answer, judged by a quick check."""
    if line.door == "http":
        return b"\r\n\r\n" in line.received
    at = 0
    while at + HEADER <= len(line.received):
        at += HEADER + int.from_bytes(line.received[at + 2 : at + HEADER], "big")
    return at == len(line.received)
