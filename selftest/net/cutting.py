"""A proxy that counts PDUs and closes a connection after one of them, in both directions."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from dcm.net import DcmNode

Direction = Literal["there", "back"]

_P_DATA = 4
_BEGINS_OR_ENDS = {2: True, 6: False, 7: False}
"""PDUs that establish an association (A-ASSOCIATE-AC), or end it (A-RELEASE-RP, A-ABORT)."""


@dataclass(frozen=True)
class Cut:
    """Where to cut a connection: after this number of PDUs in one direction, and `more` bytes."""

    direction: Direction
    after: int
    more: int = 0
    reset: bool = False


@dataclass
class Passed:
    """The number of PDUs that have passed on one connection."""

    there: int = 0
    back: int = 0
    answers: int = 0
    """P-DATA-TF PDUs from the peer; for a storage SCP, one for each response."""
    stands: bool = False
    """Whether an association is established."""
    writers: list[asyncio.StreamWriter] = field(default_factory=list)


class Cutter:
    """A proxy to a node; `cut` returns for each connection, by its number, where to cut it.

    most: the peak number of established associations.
    """

    def __init__(self, node: DcmNode, cut: Callable[[int], Cut | None] = lambda _: None) -> None:
        self._target = node
        self._cut = cut
        self.passed: list[Passed] = []
        self.most = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.node = replace(self._target, host="127.0.0.1", port=port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for passed in self.passed:
            for writer in passed.writers:
                writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut = self._cut(len(self.passed))
        passed = Passed()
        self.passed.append(passed)
        passed.writers.append(writer)
        beyond, beyond_writer = await asyncio.open_connection(self._target.host, self._target.port)
        passed.writers.append(beyond_writer)
        there = self._pass_on(reader, beyond_writer, "there", passed, cut)
        back = self._pass_on(beyond, writer, "back", passed, cut)
        await asyncio.gather(there, back)

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        direction: Direction,
        passed: Passed,
        cut: Cut | None,
    ) -> None:
        mine = cut if cut and cut.direction == direction else None
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                if mine and getattr(passed, direction) == mine.after:
                    writer.write(await reader.readexactly(mine.more))
                    await writer.drain()
                    self._end(passed, reset=mine.reset)
                    return
                head = await reader.readexactly(6)
                (length,) = struct.unpack(">I", head[2:])
                self._note(passed, direction, head[0])
                writer.write(head + await reader.readexactly(length))
                await writer.drain()
                setattr(passed, direction, getattr(passed, direction) + 1)
        passed.stands = False
        with contextlib.suppress(OSError):
            writer.write_eof()

    def _note(self, passed: Passed, direction: Direction, kind: int) -> None:
        if direction == "back" and kind == _P_DATA:
            passed.answers += 1
        elif kind in _BEGINS_OR_ENDS:
            passed.stands = _BEGINS_OR_ENDS[kind]
            self.most = max(self.most, sum(each.stands for each in self.passed))

    def _end(self, passed: Passed, *, reset: bool) -> None:
        passed.stands = False
        for writer in passed.writers:
            connected = writer.get_extra_info("socket")
            if reset and connected is not None:
                linger = struct.pack("ii", 1, 0)
                connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            else:
                writer.close()
