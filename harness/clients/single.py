"""The one thing that an answer is expected to hold."""

from collections.abc import Iterable
from typing import TypeVar

Thing = TypeVar("Thing")


def single(found: Iterable[Thing], what: str) -> Thing:
    """Return the only thing in `found`; fails the case unless there is exactly one. `what` names it."""
    things = list(found)
    assert len(things) == 1, f"expected one {what}, received {len(things) or 'none'}"
    return things[0]
