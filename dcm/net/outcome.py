"""The outcome of each instance that was to be sent or fetched."""

from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from dcm.data.account import Account
from dcm.frozen import Frozen


class Outcome(Enum):
    """What became of one instance."""

    STORED = "stored"
    WARNING = "stored, with a warning"
    ALREADY_THERE = "already there"
    FAILED = "failed"
    NOT_TRIED = "not tried"


class InstanceResult(NamedTuple):
    """The outcome of one instance: `words` say why, and `status` is the peer's, if it gave one."""

    path: str
    sop_instance_uid: str
    outcome: Outcome
    words: str = ""
    status: int | None = None

    @property
    def stored(self) -> bool:
        """Whether it is where it should be now."""
        return self.outcome in (Outcome.STORED, Outcome.WARNING, Outcome.ALREADY_THERE)


class StoreReport(Frozen):
    """The outcome of all instances, in the order in which they were given."""

    results: Sequence[InstanceResult]

    @property
    def complete(self) -> bool:
        """Whether the peer has all of them now."""
        return all(result.stored for result in self.results)

    def counts(self) -> Counter[Outcome]:
        """Count the instances by outcome."""
        return Counter(result.outcome for result in self.results)


OnResult = Callable[[InstanceResult], object]


class Results:
    """Outcomes as they become known, by the number of the file; each is told at once to `told`."""

    def __init__(self, told: OnResult | None = None) -> None:
        self._found: dict[int, InstanceResult] = {}
        self._told = told

    def __contains__(self, number: int) -> bool:
        return number in self._found

    def __getitem__(self, number: int) -> InstanceResult:
        return self._found[number]

    def add(self, number: int, result: InstanceResult) -> None:
        """Keep the one outcome of a file."""
        assert number not in self._found
        self._found[number] = result
        if self._told is not None:
            self._told(result)

    def report(self) -> StoreReport:
        """Return all outcomes, in the order in which the files were given."""
        return StoreReport([self._found[number] for number in sorted(self._found)])


class MoveReport:
    """The outcome of all instances that an archive was to send to another node, as far as it says.

    trouble: why not all instances are known, if so.
    account: what became of the answers to the query for them.
    """

    def __init__(self) -> None:
        self.results: list[InstanceResult] = []
        self.trouble = ""
        self.account: Final = Account()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"{type(self).__name__}({vars(self)})"

    def add_trouble(self, words: str) -> None:
        """Add a reason for which not all instances are known."""
        self.trouble = "; ".join(filter(None, (self.trouble, words)))

    @property
    def complete(self) -> bool:
        """Whether all of them are where they should be now."""
        return not self.trouble and all(result.stored for result in self.results)

    def counts(self) -> Counter[Outcome]:
        """Count the instances by outcome."""
        return Counter(result.outcome for result in self.results)


class RetrieveReport(MoveReport):
    """The outcome of all instances to be fetched, in the order in which it became known.

    `path` of a result is the instance's file, existing or not. remarks: what else was odd, such as instances
    that came though they were not asked for, or twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.remarks: list[str] = []
