"""Work for other processes that makes them crash."""

import os
import signal


def halved(item: int) -> int:
    """Return half of an even number; exit the process for an odd one, like a crashing decoder."""
    if item % 2:
        os.kill(os.getpid(), signal.SIGKILL)
    print("what a library says")  # noqa: T201 - must not appear among the results
    return item // 2


def lost(item: int) -> int:
    """Return the replacement for the result of an item whose process has crashed."""
    return -item
