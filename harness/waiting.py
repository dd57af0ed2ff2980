"""Waiting for a condition, always with a time limit and without a bare sleep in the caller."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class WaitTimeout(AssertionError):  # noqa: N818 - inside a case it is the server's failure
    """The condition did not become true in time."""


def wait_until(
    condition: Callable[[], T],
    *,
    what: str,
    within: float = 10.0,
    every: float = 0.01,
    at_most: float = 0.1,
) -> T:
    """Call `condition` until it returns a true value, and return that value.

    The pause between calls starts at `every` seconds and doubles up to `at_most`. Raises
    `WaitTimeout`, naming `what` and the last value, after `within` seconds.
    """
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        left = deadline - time.monotonic()
        if left <= 0:
            raise WaitTimeout(f"waited {within:g} s for {what}; last checked: {answer!r}")
        time.sleep(min(every, left))
        every = min(2 * every, at_most)
