"""Rate limits and hours for transfers, with a clock that only the pace advances."""

import asyncio
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from net.files import make
from net.peers import US

from dcm.conf import Configuration
from dcm.conf_table import ConfigurationError
from dcm.opening import Opener
from dcm.sync import Copied, sync
from dcm.sync.pace import BadHours, Hours, Pace


class Clock:
    """A clock that advances only when something waits."""

    def __init__(self, hour: int = 12) -> None:
        self.seconds = 0.0
        self._began = datetime(2026, 1, 1, hour, 0, 0)  # noqa: DTZ001 - local time, as people write hours

    def pace(self, rate: float | None = None, hours: str = "") -> Pace:
        """Return a pace with this clock."""
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
    """After an idle minute, a second's bytes still take about a second."""
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
    """Also across midnight; the last minute of the span is excluded."""
    clock = Clock(hour)
    taken(clock.pace(hours=hours), [1])
    assert clock.seconds == waits * 3600


@pytest.mark.parametrize(
    "text", ["", "22", "22:00", "22:00-", "25:00-06:00", "8-9-10", "08:00-08:00"]
)
def test_bad_hours(text: str) -> None:
    """They are refused with an example of the right form."""
    with pytest.raises(BadHours, match=r"22:00-06:00|ends when it begins"):
        Hours.parse(text)


def test_hours_that_end_in_the_middle(tmp_path: Path) -> None:
    """The rest is sent when they begin again, and nothing is sent twice."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(30):
        make(folder, number, size=2000, study="1.2.3.35")
    begun, skipped, pauses = time.monotonic(), timedelta(), list[float]()
    end = datetime(2026, 1, 1, 22, 0, 0)  # noqa: DTZ001 - as above

    async def sleep(seconds: float) -> None:
        nonlocal skipped
        if seconds < 60:
            await asyncio.sleep(seconds)
        else:
            pauses.append(seconds)
            skipped += timedelta(seconds=seconds)

    pace = Pace(
        30_000, Hours.parse("21:00-22:00"), sleep=sleep,
        now=lambda: end + timedelta(seconds=time.monotonic() - begun - 1) + skipped,
    )  # fmt: skip
    copied: list[Copied] = []
    opener = Opener(Configuration("none"), US)
    report = asyncio.run(
        sync(str(folder), f"{tmp_path}/target/", pace=pace, on_copied=copied.append, opener=opener)
    )
    assert report.complete, (report.failures, report.problems)
    assert [round(each / 3600) for each in pauses] == [23]
    uids = [each.result.sop_instance_uid for each in copied]
    assert len(uids) == len(set(uids)) == 30
    assert len([*(tmp_path / "target").rglob("*.dcm")]) == 30


def test_limits_of_single_places() -> None:
    """The configuration sets them for nodes and services, also for a node named by its address."""
    text = """
        [remote_nodes.a]
        host = "a.org"
        ae_title = "A"
        port = 104
        bandwidth = "20M"
        [remote_nodes.b]
        url = "http://b.org/dicom-web"
        only_between = "22:00-06:00"
        [remote_nodes.c]
        host = "c.org"
    """
    opener = Opener(Configuration.parse(text, "here.toml"), US)
    places = [opener.place(name) for name in ("a.org:A:104", "b", "c")]
    paces = opener.paces(places)
    assert paces.keys() == {places[0].name, places[1].name}
    assert paces[places[0].name].rate == 20e6
    assert paces[places[1].name].left() is not None


@pytest.mark.parametrize(
    "line",
    ['bandwidth = "fast"', "bandwidth = 5", 'bandwidth = "0M"', 'only_between = "night"'],
)
def test_limits_that_are_none(line: str) -> None:
    """The error names file, node and key, and shows the right form."""
    text = f'[remote_nodes.a]\nhost = "a.org"\n{line}\n'
    key = line.partition(" ")[0]
    with pytest.raises(ConfigurationError, match=rf"here\.toml.*remote_nodes\.a.*{key}"):
        Configuration.parse(text, "here.toml")
