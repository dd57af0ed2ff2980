"""How long programs on this computer waited for a processor or a disk: why a case may be slow without fault.

Linux counts it since 4.20 (Documentation/accounting/psi.rst); elsewhere nothing is known of it.
"""

import contextlib
import re
from pathlib import Path

FILES = (Path("/proc/pressure/cpu"), Path("/proc/pressure/io"))


def waited() -> float:
    """Return the seconds in which some program waited, since the computer started; 0 where nobody counts."""
    total = 0
    for file in FILES:
        with contextlib.suppress(OSError):
            found = re.search(
                r"^some .*total=(\d+)", file.read_text(encoding="ascii"), re.MULTILINE
            )
            total += int(found.group(1)) if found else 0
    return total / 1e6
