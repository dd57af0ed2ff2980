"""The outcome of each instance in an operation, and of the operation as a whole."""

from collections import Counter
from collections.abc import Callable, Iterable
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from dcm.data.account import Account


class Outcome(Enum):
    """The outcome of one instance."""

    STORED = "stored"
    WARNING = "stored, with a warning"
    ALREADY_THERE = "already there"
    COMMITTED = "committed"
    PASSED_OVER = "passed over"
    FAILED = "failed"
    NOT_TRIED = "not tried"
    NOT_COMMITTED = "not committed"


_BAD: Final = (Outcome.FAILED, Outcome.NOT_TRIED, Outcome.NOT_COMMITTED)


class InstanceResult(NamedTuple):
    """The outcome of one instance; `words` explain it, `status` is that of the peer, if any.

    path: the file, if one was written or should have been. status: a DIMSE status; for storage commitment,
    the failure reason (PS3.3 C.14.1.1).
    """

    path: str
    sop_instance_uid: str
    outcome: Outcome
    words: str = ""
    status: int | None = None

    @property
    def stored(self) -> bool:
        """Whether nothing is missing: the instance is where it should be, or is not expected there."""
        return self.outcome not in _BAD


OnResult = Callable[[InstanceResult], object]


class Report:
    """The outcome of an operation: of each instance, and of the whole.

    results: one for each instance, in the order in which they were given; for a retrieval, in the order in
    which they became known.
    trouble: why not all instances are known; empty if all are.
    remarks: other oddities, such as instances that were received without being requested.
    """

    def __init__(self, results: Iterable[InstanceResult] = ()) -> None:
        self.results = [*results]
        self.trouble = ""
        self.remarks: Final[list[str]] = []

    @cached_property
    def account(self) -> "Account":
        """What happened to the answers to the query that found the instances, if there was one."""
        from dcm.data.account import Account  # noqa: PLC0415 - nothing is queried to send

        return Account()

    def add_trouble(self, words: str) -> None:
        """Add a reason why not all instances are known."""
        self.trouble = "; ".join(filter(None, (self.trouble, words)))

    @property
    def lost(self) -> list[InstanceResult]:
        """The results of missing instances."""
        return [result for result in self.results if not result.stored]

    @property
    def complete(self) -> bool:
        """Whether all instances are known, and none is missing."""
        return not self.trouble and all(result.stored for result in self.results)

    def counts(self) -> Counter[Outcome]:
        """Count the instances by outcome."""
        return Counter(result.outcome for result in self.results)

    def __str__(self) -> str:
        counted = counted_words({each.value: count for each, count in self.counts().items()})
        return f"{counted}: {self.trouble}" if self.trouble else counted

    def __repr__(self) -> str:
        return f"<Report: {self}; {self.lost or self.results[:10]}>"


def counted_words(counts: dict[str, int], of: str = "instances") -> str:
    """Return the number of each outcome, in words."""
    return " | ".join(f"{count} {outcome}" for outcome, count in counts.items()) or f"no {of}"
