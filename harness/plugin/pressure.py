"""The time that programs on this computer waited for CPU or disk, which can make a case slow.

Linux measures it since 4.20 (Documentation/accounting/psi.rst); elsewhere it is unknown.
"""

import contextlib
from pathlib import Path


def waited() -> float:
    """Return the seconds since boot in which some program waited; 0 if not measured."""
    total = 0
    for resource in ("cpu", "io"):
        with contextlib.suppress(OSError):
            some = Path("/proc/pressure", resource).read_text(encoding="ascii").partition("\n")[0]
            total += int(some.rpartition("total=")[2])
    return total / 1e6
