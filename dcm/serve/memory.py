"""Keeps large blocks of freed memory in the process instead of returning them each time.

Each piece of a request is a `bytes` of up to 256 KiB. The C library returns such an amount to the
kernel as soon as it is free, and gets it again, page by page and filled with zeros, for the next
piece. This takes a quarter of the CPU time of a service that receives images.
"""

from typing import Final

_TRIM_THRESHOLD: Final = -1  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
_MMAP_THRESHOLD: Final = -3
_KEPT: Final = 16 << 20
_LARGE: Final = 4 << 20


def keep_memory() -> bool:
    """Let the process keep up to 16 MiB of free memory; return whether that is possible (glibc)."""
    import ctypes  # noqa: PLC0415 - for services only

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return all([mallopt(_MMAP_THRESHOLD, _LARGE), mallopt(_TRIM_THRESHOLD, _KEPT)])
