"""A disk that fills up quickly: a file system in memory, of a few megabytes, over a folder."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ServerError

ABILITY = "server.small-disk"
"""The harness can give the server a disk of a few megabytes."""


def is_available() -> bool:
    """Return whether file systems can be mounted: as root on Linux, unless a sandbox forbids it."""
    return sys.platform == "linux" and os.geteuid() == 0 and _may_mount()


def _may_mount() -> bool:
    """Return whether this process has the capability CAP_SYS_ADMIN (capabilities(7))."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    effective = next(line for line in status if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> 21 & 1)


@dataclass
class Disk:
    """A mounted disk."""

    folder: Path
    megabytes: int

    def grow(self, more: int) -> None:
        """Grow it by `more` megabytes; its content stays."""
        self.megabytes += more
        _run("mount", "-o", f"remount,size={self.megabytes}m", str(self.folder))


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """Mount an empty file system of this size over a folder for the block (tmpfs(5)).

    The caller must end all users of the folder before the block ends.
    """
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))
    try:
        yield Disk(folder, megabytes)
    finally:
        _run("umount", str(folder))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    if done.returncode:
        raise ServerError(f"{' '.join(command)}: {done.stderr.strip()}")
