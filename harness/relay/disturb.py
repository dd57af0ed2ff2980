"""Deliberate disturbances: what a bad network or a bad server does to a connection."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harness.errors import ConfigError
from harness.relay.side import Side
from harness.relay.tape import Bytes, Direction

if TYPE_CHECKING:
    from harness.relay.connection import Connection


@dataclass(frozen=True)
class Disturbance:
    """How to disturb the connections of a relay; bytes count per connection from when it was set.

    `delay`: seconds by which each chunk is delayed, in both directions.
    `cut_after`: close both ends after this many bytes from the server.
    `stall_after`: pass this many bytes from the server and no more, until the disturbance is removed.
    `reset`: cut by a TCP reset instead of an orderly close; alone, as soon as the server answers.
    """

    delay: float = 0.0
    cut_after: int | None = None
    stall_after: int | None = None
    reset: bool = False

    def __post_init__(self) -> None:
        if self.delay < 0 or (self.cut_after or 0) < 0 or (self.stall_after or 0) < 0:
            raise ConfigError(f"{self} has a negative number")

    @property
    def cut(self) -> int | None:
        """The number of bytes from the server after which the connection is cut."""
        return 0 if self.reset and self.cut_after is None else self.cut_after

    @property
    def limit(self) -> int | None:
        """The number of bytes from the server after which the connection is cut or stalls."""
        limits = (each for each in (self.cut, self.stall_after) if each is not None)
        return min(limits, default=None)


class Disturber:
    """Disturbs one connection."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self._how: Disturbance | None = None
        self._counted = 0
        self._held: Bytes = b""
        self._stalled = False

    def suffer(self, side: Side, data: Bytes, how: Disturbance) -> None:
        """Pass on `data`, read from `side`, disturbed according to `how`."""
        if how is not self._how:
            self._how, self._counted = how, 0
        rest: Bytes = b""
        reached = False
        if how.limit is not None and side.direction is Direction.TO_CLIENT:
            left = max(0, how.limit - self._counted)
            self._counted += len(data)
            data, rest = data[:left], bytes(data[left:])
            reached = self._counted >= how.limit
        act = partial(self._act, side, bytes(data), rest, how if reached else None)
        if how.delay:
            side.paused = True
            self._connection.loop.later(how.delay, act)
            self._connection.update(side)
        else:
            act()

    def _act(self, side: Side, data: Bytes, rest: Bytes, limit: Disturbance | None) -> None:
        """Pass `data` on; if `limit` is reached, hold `rest` back or cut the connection."""
        if self._connection.closed:
            return
        side.paused = limit is not None
        if data:
            self._connection.pass_on(side, data)
        if limit is None:
            self._connection.update(side)
        elif limit.cut is not None and self._counted >= limit.cut:
            ended = f"cut on purpose after {limit.cut} bytes of the server's"
            self._connection.close_when_sent(side.peer, ended, reset=limit.reset)
        else:
            self._held, self._stalled = rest, True
            self._connection.update(side)

    def recover(self, side: Side, how: Disturbance | None) -> None:
        """Resume `side` if it has stalled; `how` is the new disturbance."""
        if not self._stalled:
            return
        held, self._held = self._held, b""
        self._stalled = side.paused = False
        if held and how is not None:
            self.suffer(side, held, how)
        elif held:
            self._connection.pass_on(side, held)
        self._connection.update(side)
