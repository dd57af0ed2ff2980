"""Pages of answers (PS3.18 8.3.4.4), without I/O: the next request, and whether all came.

Services differ: some return fewer answers at once than requested without saying so, some ignore
`offset`, `limit` or both, and some change the order of their answers from page to page.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, Final

PAGE: Final = 1000
"""The number of answers requested at once."""
_LEAST: Final = 10
"""No known service has shorter pages: fewer answers are all there are."""
_MOST: Final = 1_000_000
"""The most answers requested at once from a service that ignores `offset`."""


class Pages:
    """The pages of one query: call `next` and `take` in turn until `next` returns None.

    identity: returns a value that identifies an answer. missing: why answers are missing; empty if
    none are.
    repeated: the number of answers that were repeated on another page.
    """

    def __init__(self, identity: Callable[[Any], object], page: int = PAGE) -> None:
        self.missing = ""
        self.remarks: Final[list[str]] = []
        self.repeated = 0
        self._identity: Final = identity
        self._seen: Final[set[Hashable]] = set()
        self._next: tuple[int, int] | None = (page, 0)
        self._unordered = False

    def next(self) -> tuple[int, int] | None:
        """Return limit and offset of the next page, or None after the last one."""
        return self._next

    def take(self, answers: list[Any], *, more: bool) -> Iterator[Any]:
        """Iterate over the answers of a page that were not on earlier pages.

        more: whether the service announces more answers.
        """
        assert self._next is not None
        limit, offset = self._next
        first, own = not self._seen, set[Hashable]()
        for each in answers:
            identity: Any = self._identity(each)
            if identity in self._seen and identity not in own:
                continue
            self._seen.add(identity)
            own.add(identity)
            yield each  # duplicates within a page are kept, and counted elsewhere
        self._decide(limit, offset, len(answers), len(own), first=first, more=more)

    def _decide(
        self, limit: int, offset: int, count: int, new: int, *, first: bool, more: bool
    ) -> None:
        self._next = None
        if offset:
            self._after_offset(limit, offset, count, new, more=more)
        elif not first:
            self._after_larger(limit, count, more=more)
        elif count and not count > limit and (more or count >= _LEAST):
            self._next = limit, count
        elif more:
            self.missing = "it announces more answers, but does not return them"

    def _after_offset(self, limit: int, offset: int, count: int, new: int, *, more: bool) -> None:
        """Plan the next request after a page that is not the first one."""
        if count and not new:  # the service ignores offset
            if count >= limit or more:
                self._next = limit * 10, 0
            else:
                self.remarks.append(
                    f"it ignores offset: the {count} answers are probably complete, but not certainly"
                )
            return
        if new < count:
            self._unordered = True
            self.repeated += count - new
        if count and (more or count >= _LEAST):
            self._next = limit, offset + count
        elif self._unordered:
            self.missing = (
                "some answers were on several pages: the order changes, so others may be missing"
            )

    def _after_larger(self, limit: int, count: int, *, more: bool) -> None:
        """Plan the next request after a larger limit without offset."""
        if count < limit and not more and count > limit // 10:
            return
        if limit < _MOST and count == limit:
            self._next = limit * 10, 0
            return
        self.missing = f"it ignores offset, and returns no more than {count} answers at once"
