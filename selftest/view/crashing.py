"""Work for other processes that ends them."""

import os
import signal


def halved(item: int) -> int:
    """Return half of an even number; end the process for an odd one, as a decoder might."""
    if item % 2:
        os.kill(os.getpid(), signal.SIGKILL)
    print("what a library says")  # noqa: T201 - does not get among the results
    return item // 2


def lost(item: int) -> int:
    """Return what stands for the result of an item whose process has ended."""
    return -item
