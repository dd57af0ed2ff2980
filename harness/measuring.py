"""Measuring servers: alternating operations, latencies with many clients, memory over time."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Self

import psutil

Point = tuple[float, float]
EVERY = 0.1  # seconds between two samples of the memory
MEGABYTE = 1024 * 1024


def in_turn(operations: Mapping[str, Callable[[], object]], times: int) -> dict[str, float]:
    """Return the shortest time in seconds of each operation over `times` alternating rounds.

    Other load on the computer only makes an operation slower, so the shortest time is closest to
    its real cost. The operations alternate so that a busy moment does not affect only one of them.
    """
    least = dict.fromkeys(operations, float("inf"))
    for _ in range(times):
        for name, operation in operations.items():
            begin = time.perf_counter()
            operation()
            least[name] = min(least[name], time.perf_counter() - begin)
    return least


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that this percentage of values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


class Memory(AbstractContextManager["Memory"]):
    """Samples the memory of a process and its children until the block ends."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.points: list[Point] = []
        """Pairs of seconds since the beginning and megabytes."""

    def __enter__(self) -> Self:
        self._begin = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            try:
                of_all = [self._process, *self._process.children(recursive=True)]
                size = sum(each.memory_info().rss for each in of_all)
            except psutil.NoSuchProcess:
                size = 0  # a child has just ended: skip this sample
            if size:
                self.points.append((time.monotonic() - self._begin, size / MEGABYTE))
            if self._over.wait(EVERY):
                return
