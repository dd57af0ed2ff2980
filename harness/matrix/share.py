"""How many runs go on at once, and how many workers each has: what cores and memory allow."""

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

PAIR = 400 * 2**20
"""Bytes that one worker with its two servers may need: most need half of that."""
MOST_WORKERS = 4

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Share:
    """So many runs at once, each with so many workers."""

    jobs: int
    workers: int


def share(servers: int, jobs: int | None, cores: int, memory: int) -> Share:
    """Share the computer among `servers` runs, `jobs` at once if somebody says so.

    A run for each core comes first, since one run does not keep many workers busy to its end; then workers
    for the cores that are left.
    """
    pairs = max(1, memory // PAIR)
    jobs = min(servers, jobs or min(cores, pairs))
    return Share(jobs, max(1, min(MOST_WORKERS, cores // jobs, pairs // jobs)))


def cores() -> int:
    """Return the processors that this process may use."""
    return len(os.sched_getaffinity(0))


def free_memory() -> int:
    """Return the bytes that are to be had: of the computer, or of the container that we are in."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = (CGROUP / "memory.max").read_text().strip()
        used = int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):
        return free
    return free if limit == "max" else max(0, min(free, int(limit) - used))
