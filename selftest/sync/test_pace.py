"""How fast and when instances pass, by a clock that only the pace moves."""

import asyncio
from datetime import datetime, timedelta

import pytest

from dcm.sync.pace import BadHours, Hours, Pace


class Clock:
    """A clock that goes on only when something waits."""

    def __init__(self, hour: int = 12) -> None:
        self.seconds = 0.0
        self._began = datetime(2026, 1, 1, hour, 0, 0)  # noqa: DTZ001 - local time, as people write hours

    def pace(self, rate: float | None = None, hours: str = "") -> Pace:
        """Return a pace by this clock."""
        return Pace(
            rate, Hours.parse(hours) if hours else None,
            now=lambda: self._began + timedelta(seconds=self.seconds),
            monotonic=lambda: self.seconds, sleep=self._sleep,
        )  # fmt: skip

    async def _sleep(self, seconds: float) -> None:
        self.seconds += seconds


def taken(pace: Pace, sizes: list[int]) -> None:
    """Take bytes one after the other."""

    async def take() -> None:
        for size in sizes:
            await pace.take(size)

    asyncio.run(take())


def test_rate_is_kept() -> None:
    """A hundred instances of 1 MB at 10 MB/s take ten seconds, whatever their sizes."""
    for sizes in ([10**6] * 100, [10**3] * 100_000, [10**8]):
        clock = Clock()
        taken(clock.pace(1e7), sizes)
        assert clock.seconds == pytest.approx(10, abs=0.6)


def test_a_pause_is_not_made_up_for() -> None:
    """After a minute without anything, a second's bytes still take about a second."""
    clock = Clock()
    pace = clock.pace(1e6)
    taken(pace, [10**6])
    clock.seconds += 60
    before = clock.seconds
    taken(pace, [10**6] * 2)
    assert clock.seconds - before == pytest.approx(2, abs=0.6)


@pytest.mark.parametrize(
    ("hour", "hours", "waits"),
    [(12, "22:00-06:00", 10), (23, "22:00-06:00", 0), (5, "22:00-06:00", 0), (6, "22:00-06:00", 16),
     (12, "08:00-18:00", 0), (18, "08:00-18:00", 14), (7, "08:00-18:00", 1), (0, "00:00-01:00", 0)],
)  # fmt: skip
def test_hours_are_waited_for(hour: int, hours: str, waits: int) -> None:
    """Also over midnight; the last minute of the span does not belong to it."""
    clock = Clock(hour)
    taken(clock.pace(hours=hours), [1])
    assert clock.seconds == waits * 3600


@pytest.mark.parametrize(
    "text", ["", "22", "22:00", "22:00-", "25:00-06:00", "8-9-10", "08:00-08:00"]
)
def test_bad_hours(text: str) -> None:
    """They are refused, in words that show what is right."""
    with pytest.raises(BadHours, match=r"22:00-06:00|ends when it begins"):
        Hours.parse(text)
