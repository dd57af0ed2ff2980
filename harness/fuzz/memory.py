"""The memory of a server's process, from proc(5), and a bound on it."""

import contextlib
import os
import re
import signal
import threading
from pathlib import Path
from typing import Final, Self

EVERY: Final = 0.02
"""Seconds between two looks at the memory of a server."""


class MemoryBound:
    """Ends a process that has used `most` bytes: it could use all of the computer's memory.

    `reached`: the bytes that it had used then, or 0. Without a process, or if it belongs to another
    user, nothing happens. A context manager, but `start` and `stop` can be called as well.
    """

    def __init__(self, pid: int | None, most: int) -> None:
        self._pid, self._most = pid, most
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.reached = 0

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start to watch the process."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop watching it."""
        self._over.set()
        self._thread.join()

    def is_reached(self) -> bool:
        """Whether the process has used so much, even if it was not noticed in time to end it."""
        return bool(self.reached) or peak(self._pid) >= self._most

    def _watch(self) -> None:
        while self._pid is not None and not self._over.wait(EVERY):
            used = peak(self._pid)
            if used >= self._most:
                with contextlib.suppress(OSError):
                    os.kill(self._pid, signal.SIGKILL)
                    self.reached = used
                return


def resident(pid: int | None) -> int:
    """Return the resident memory of a process in bytes, or 0 if it is unknown."""
    return _size(pid, "VmRSS")


def peak(pid: int | None) -> int:
    """Return the peak resident memory of a process in bytes, or 0 if it is unknown."""
    return _size(pid, "VmHWM")


def forget_peak(pid: int | None) -> None:
    """Reset the peak memory of a process to its current size (proc(5), clear_refs)."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def _size(pid: int | None, name: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    return int(found[1]) << 10 if found else 0
