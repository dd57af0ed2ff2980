"""The outcome of a sync, for each instance at each destination and in total."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from dcm.data.query_result import QueryResult
from dcm.outcome import InstanceResult, Outcome
from dcm.store.place import Place

KEPT: Final = 1000
"""The number of failures, and of texts of one kind, kept in memory: there may be a million."""


class Transfer(NamedTuple):
    """A set of entities that some destinations lack. to: positions of these destinations."""

    source: Place
    what: QueryResult
    to: tuple[int, ...]


class Copied(NamedTuple):
    """The outcome of an instance at one destination. Places are given by name."""

    source: str
    destination: str
    result: InstanceResult


class Notes:
    """Distinct texts in order of addition. Beyond a thousand, they are only counted."""

    def __init__(self) -> None:
        self._texts: Final[dict[str, None]] = {}
        self.more = 0
        """The number of texts that were not kept."""

    def add(self, text: str) -> None:
        """Add a text."""
        if text not in self._texts:
            if len(self._texts) < KEPT:
                self._texts[text] = None
            else:
                self.more += 1

    def extend(self, texts: Iterable[str]) -> None:
        """Add texts."""
        for text in texts:
            self.add(text)

    def __iter__(self) -> Iterator[str]:
        yield from self._texts
        if self.more:
            yield f"and {self.more} more"

    def __len__(self) -> int:
        return len(self._texts) + self.more

    def __repr__(self) -> str:
        return repr([*self])


class SyncReport:
    """The outcome of all instances at each destination.

    counts: by destination name and outcome. failures: the first thousand instances that a
    destination lacks;
    lost: their total number.
    not_compared: the names of destinations that could not be queried.
    problems: why not everything could be compared or copied. remarks: unusual observations.
    """

    def __init__(self, destinations: Sequence[Place]) -> None:
        self.counts: Final = {place.name: Counter[Outcome]() for place in destinations}
        self.failures: Final[list[Copied]] = []
        self.lost = 0
        self.not_compared: Final[set[str]] = set()
        self.problems: Final = Notes()
        self.remarks: Final = Notes()

    @property
    def complete(self) -> bool:
        """Whether every destination has everything."""
        return not (self.lost or self.problems)

    def add(self, copied: Copied) -> None:
        """Add an outcome."""
        self.counts[copied.destination][copied.result.outcome] += 1
        if not copied.result.stored:
            self.lost += 1
            if len(self.failures) < KEPT:
                self.failures.append(copied)

    def __str__(self) -> str:
        from dcm.outcome import counted_words  # noqa: PLC0415 - for this alone

        lines = []
        for name, counts in self.counts.items():
            known = {outcome.value: counts[outcome] for outcome in Outcome if counts[outcome]}
            words = counted_words(known) if known else "nothing to copy"
            lines.append(f"{name}: {'not compared' if name in self.not_compared else words}")
        return "\n".join(lines)
