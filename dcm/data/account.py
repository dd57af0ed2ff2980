"""What became of the answers to a query: each is used, or left out for a reason that is kept."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from dcm.data.levels import Level


class Unlisted(NamedTuple):
    """An entity of which an archive does not list all that is below it.

    level: of what is not listed; expected: how many the archive says there are, if it says so.
    whole: whether everything below the entity was asked for.
    """

    path: tuple[str, ...]
    level: Level
    expected: int | None
    found: int
    whole: bool
    why: str


class Account:
    """Counts the answers to one query.

    used: answers that are in the result. repeated: answers about an entity that was answered before.
    filtered: answers that do not match, by the keyword that the archive ignored.
    silent: answers that do not contain a key, by keyword.
    unusable: answers that cannot be used, by the reason.
    doubtful: answers that are in the result, though a key does not match by our own rules.
    limits: why the archive did not give all its answers. remarks: what else was odd.
    gone: unique keys of an earlier result that the archive does not list.
    """

    def __init__(self) -> None:
        self.used = 0
        self.repeated = 0
        self.filtered: Final[Counter[str]] = Counter()
        self.silent: Final[Counter[str]] = Counter()
        self.unusable: Final[Counter[str]] = Counter()
        self.doubtful: Final[Counter[str]] = Counter()
        self.limits: Final[list[str]] = []
        self.unlisted: Final[list[Unlisted]] = []
        self.gone: Final[list[str]] = []
        self.remarks: Final[list[str]] = []

    def clear(self) -> None:
        """Forget everything: the query is made again in another way."""
        self.used = self.repeated = 0
        for each in (self.filtered, self.silent, self.unusable, self.doubtful):
            each.clear()
        for kept in (self.limits, self.unlisted, self.gone, self.remarks):
            kept.clear()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]  # it grows

    @property
    def complete(self) -> bool:
        """Whether the archive gave all answers, and all of them could be used."""
        return not (self.unusable or self.limits or self.unlisted)

    def problems(self) -> Iterator[str]:
        """Iterate over the reasons for which the result is not complete."""
        yield from self.limits
        yield from (f"{_count(n)} left out: {why}" for why, n in self.unusable.items())
        yield from (each.why for each in self.unlisted)

    def notes(self) -> Iterator[str]:
        """Iterate over what else a user should know."""
        for keyword, n in self.filtered.items():
            yield f"{_count(n)} left out, since the archive ignored {keyword}"
        for keyword, n in self.silent.items():
            yield f"{_count(n)} left out, since nothing was said of {keyword}"
        for keyword, n in self.doubtful.items():
            yield (
                f"{_count(n)} kept, though {keyword} differs from what was asked:"
                " the archive seems to match it by rules of its own"
            )
        if self.gone:
            yield f"{len(self.gone)} of the earlier result are not listed: {self.gone[0]} and so on"
        yield from self.remarks

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for a report, without those that are zero."""
        counts: dict[str, Any] = {
            "used": self.used,
            "repeated": self.repeated,
            "filtered": dict(self.filtered),
            "silent": dict(self.silent),
            "unusable": dict(self.unusable),
            "doubtful": dict(self.doubtful),
        }
        return {name: value for name, value in counts.items() if value or name == "used"}


def _count(number: int) -> str:
    return f"{number} answer" if number == 1 else f"{number} answers"
