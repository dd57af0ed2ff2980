"""How long programs on this computer waited for a processor or a disk: why a case may be slow without fault.

Linux counts it since 4.20 (Documentation/accounting/psi.rst); elsewhere nothing is known of it.
"""

import contextlib
from pathlib import Path


def waited() -> float:
    """Return the seconds in which some program waited, since the computer started; 0 where nobody counts."""
    total = 0
    for resource in ("cpu", "io"):
        with contextlib.suppress(OSError):
            some = Path("/proc/pressure", resource).read_text(encoding="ascii").partition("\n")[0]
            total += int(some.rpartition("total=")[2])
    return total / 1e6
