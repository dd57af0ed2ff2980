"""Record what happens to the answers to a query: each is used, or left out for a recorded reason."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from typing import Any, NamedTuple

from dcm.data.fit import Fit
from dcm.data.levels import Level


class Unlisted(NamedTuple):
    """An entity whose contents an archive does not list completely.

    level: the level of the contents; expected: their number according to the archive, if known.
    whole: whether everything below the entity was requested.
    """

    path: tuple[str, ...]
    level: Level
    expected: int | None
    found: int
    whole: bool
    why: str


class Account:
    """Counts the answers to one query.

    used: answers in the result. repeated: answers about an entity that was already returned.
    filtered: answers that do not match, by the keyword that the archive ignored.
    silent: answers that do not contain a key, by keyword.
    unusable: unusable answers, by reason.
    doubtful: answers in the result although a key does not match by our own rules.
    limits: why the archive did not return all answers. remarks: other oddities.
    gone: unique keys of an earlier result that the archive does not list.
    """

    def __init__(self) -> None:
        self.used = self.repeated = 0
        self.filtered = Counter[str]()
        self.silent = Counter[str]()
        self.unusable = Counter[str]()
        self.doubtful = Counter[str]()
        self.limits: list[str] = []
        self.unlisted: list[Unlisted] = []
        self.gone: list[str] = []
        self.remarks: list[str] = []

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Account) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"Account({vars(self)})"

    def clear(self) -> None:
        """Reset, because the query is repeated in another way."""
        vars(self).update(vars(Account()))

    def keep(self, odd: Mapping[str, Fit], trusted: Container[str] | None) -> bool:
        """Return whether to use an answer whose keys `odd` do not clearly match, and count them.

        trusted: the keys that the archive has matched, according to itself or the standard; None for all.
        """
        for name, each in odd.items():
            if each is Fit.NO or not (trusted is None or name in trusted):
                self.filtered[name] += 1
                return False
        self.doubtful.update(odd.keys())
        return True

    @property
    def complete(self) -> bool:
        """Whether the archive returned all answers, and all of them could be used."""
        return not (self.unusable or self.limits or self.unlisted)

    def problems(self) -> Iterator[str]:
        """Iterate over the reasons why the result is incomplete."""
        yield from self.limits
        yield from (f"{_count(n)} left out: {why}" for why, n in self.unusable.items())
        yield from (each.why for each in self.unlisted)

    def notes(self) -> Iterator[str]:
        """Iterate over other remarks for the user."""
        for keyword, n in self.filtered.items():
            yield f"{_count(n)} left out because the archive ignored {keyword}"
        for keyword, n in self.silent.items():
            yield f"{_count(n)} left out because {keyword} was not returned"
        for keyword, n in self.doubtful.items():
            yield (
                f"{_count(n)} kept although {keyword} differs from the query:"
                " the archive seems to have its own matching rules"
            )
        if self.gone:
            yield f"{len(self.gone)} of the earlier result are not listed, such as {self.gone[0]}"
        yield from self.remarks

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for a report, without those that are zero."""
        names = ("repeated", "filtered", "silent", "unusable", "doubtful")
        counts = {name: getattr(self, name) for name in names}
        return {"used": self.used, **{name: count for name, count in counts.items() if count}}


def _count(number: int) -> str:
    return f"{number} answer" if number == 1 else f"{number} answers"
