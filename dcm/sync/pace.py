"""Limits for the use of archives: bytes per second, and hours of the day.

pace = Pace(10e6, Hours.parse("22:00-06:00"))
await pace.take(len(data))
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from datetime import time as clock
from typing import Final, NamedTuple, Self

from dcm.errors import DcmError

_AHEAD: Final = 0.5
"""The number of seconds worth of bytes that may be taken at once after a pause."""


class BadHours(DcmError):  # noqa: N818 - reads as the sentence it is
    """A text that is not a range of hours."""


class Hours(NamedTuple):
    """A range of the day in local time; if it ends before it begins, it crosses midnight."""

    begin: clock
    end: clock

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a range such as `22:00-06:00`. Raises `BadHours`."""
        begin, _, end = text.partition("-")
        try:
            found = cls(clock.fromisoformat(begin.strip()), clock.fromisoformat(end.strip()))
        except ValueError:
            raise BadHours(f"{text!r} is not a time span such as 22:00-06:00") from None
        if found.begin == found.end:
            raise BadHours(f"{text!r} ends when it begins")
        return found

    def wait(self, now: datetime) -> float:
        """Return the seconds until the range begins; 0 within it."""
        at = now.time()
        first, last = sorted(self)
        if (first <= at < last) == (self.begin < self.end):
            return 0
        return _until(self.begin, now)

    def left(self, now: datetime) -> float:
        """Return the seconds until the range ends; 0 outside it."""
        return 0 if self.wait(now) else _until(self.end, now)


def _until(moment: clock, now: datetime) -> float:
    """Return the seconds until a time of day."""
    then = now.replace(hour=moment.hour, minute=moment.minute, second=moment.second, microsecond=0)
    if then < now:
        then += timedelta(days=1)
    return (then - now).total_seconds()


class Pace:
    """Limits the bytes per second, and the hours of transfers.

    rate: bytes per second; None for no limit. hours: None for the whole day. The others are for
    tests.
    """

    def __init__(
        self,
        rate: float | None = None,
        hours: Hours | None = None,
        *,
        now: Callable[[], datetime] = datetime.now,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rate: Final = rate
        self._hours: Final = hours
        self._now: Final = now
        self._monotonic: Final = monotonic
        self._sleep: Final = sleep
        self._free = monotonic()
        """When everything taken so far has passed."""

    @property
    def rate(self) -> float | None:
        """Bytes per second; None for no limit."""
        return self._rate

    async def open(self) -> None:
        """Wait until the hours begin."""
        while self._hours is not None and (pause := self._hours.wait(self._now())):
            await self._sleep(pause)

    def left(self) -> float | None:
        """Return the seconds until the hours end; None if they never do."""
        return None if self._hours is None else self._hours.left(self._now())

    async def take(self, size: int) -> None:
        """Wait until `size` more bytes may pass."""
        await self.open()
        if self._rate is None:
            return
        now = self._monotonic()
        self._free = max(self._free, now - _AHEAD) + size / self._rate
        if self._free > now:
            await self._sleep(self._free - now)
