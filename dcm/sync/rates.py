"""The number of instances and bytes copied over time: samples for a plot."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

_MOST: Final = 600


class Sample(NamedTuple):
    """The totals after a number of seconds."""

    seconds: float
    instances: int
    bytes: int


class Rates:
    """Counts copied data, with at most 600 samples at equal intervals, however long it takes."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.instances = self.bytes = 0
        self.samples: list[Sample] = [Sample(0, 0, 0)]
        self._monotonic: Final = monotonic
        self._began: Final = monotonic()
        self._apart = 0.5

    @property
    def seconds(self) -> float:
        """The elapsed time."""
        return self._monotonic() - self._began

    def add(self, size: int, instances: int = 1) -> None:
        """Count instances with a total of `size` bytes."""
        self.instances += instances
        self.bytes += size
        seconds = self.seconds
        if seconds - self.samples[-1].seconds >= self._apart:
            self.samples.append(Sample(seconds, self.instances, self.bytes))
            if len(self.samples) > _MOST:
                self.samples = self.samples[::2]
                self._apart *= 2

    def lately(self) -> float:
        """Return the bytes per second over the last samples."""
        first = self.samples[max(0, len(self.samples) - 10)]
        return (self.bytes - first.bytes) / max(self.seconds - first.seconds, 0.001)


def bytes_text(count: float) -> str:
    """Return a human-readable number of bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"
