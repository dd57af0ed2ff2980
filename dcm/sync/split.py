"""Repeats queries that an archive answers only in part, divided by dates if necessary.

An archive that limits its answers responds with a status other than success (PS3.4 C.4.1.1.4). The
query is then repeated for each half of its dates, and so on, down to single days.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import date, timedelta
from typing import Final, NamedTuple

from dcm.data.account import Account
from dcm.data.keys import Query, attributes_of
from dcm.data.levels import Level
from dcm.data.match import Attributes
from dcm.data.query_result import QueryResult
from dcm.net.errors import NetworkError, NotAllFound
from dcm.net.retry import Retry, Tries
from dcm.store.place import Place

_DAY: Final = timedelta(days=1)
_FIRST: Final = date(1970, 1, 1)
"""Few images are older. An open start of a range stays open in the first half."""
_UNDATED: Final = (
    "the archive does not return all answers at once, so dates were queried: studies without a date may be"
    " missing"
)


class _Days(NamedTuple):
    """A range of days; None for an open end."""

    first: date | None
    last: date | None

    @classmethod
    def of(cls, key: str) -> "_Days | None":
        """Parse the key of a query, or return None if it is not a range of days."""
        first, hyphen, last = key.strip().partition("-")
        if key and not hyphen:
            return None
        try:
            return cls(*(date.fromisoformat(end) if end else None for end in (first, last)))
        except ValueError:
            return None

    def key(self) -> str:
        """Return the key for a query."""
        return "-".join(f"{end:%Y%m%d}" if end else "" for end in self)

    def halves(self) -> "tuple[_Days, _Days] | None":
        """Return both halves, or None for a single day or an open end beyond usual dates."""
        first, last = self.first or _FIRST, self.last or date.today()  # noqa: DTZ011 - local, as Study Date is
        if first >= last:
            return None
        middle = first + (last - first) // 2
        return _Days(self.first, middle), _Days(middle + _DAY, self.last)


async def all_answers(
    place: Place,
    query: "Query | None",
    *,
    level: Level,
    within: QueryResult | None,
    account: Account,
) -> AsyncGenerator[QueryResult, None]:
    """Yield the matches in pieces, each entity once.

    Uses several queries if there are too many answers for one, and a new association if one fails.

    Raises the errors of `Place.queries`, and `NotAllFound` if one day has too many answers.
    """
    keys = attributes_of(query)
    days = _Days.of(str(keys.get("StudyDate", ""))) if within is None else None
    seen: set[str] = set()
    waiting: list[tuple[Attributes, _Days | None]] = [(keys, days)]
    tries = Tries(Retry())
    while waiting:
        (asked, days), known = waiting.pop(), len(seen)
        pieces = place.queries(asked, level=level, within=within, account=account)
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    new = [node for node in piece.at(piece.level) if node.uid not in seen]
                    seen.update(node.uid for node in new)
                    if new:
                        yield QueryResult.of_nodes(piece.level, new, piece.source)
        except NotAllFound:
            halves = days.halves() if days is not None and _is_limited(account) else None
            if halves is None:
                raise
            account.limits.clear()
            if _UNDATED not in account.remarks:
                account.remarks.append(_UNDATED)
            waiting += [({**keys, "StudyDate": half.key()}, half) for half in reversed(halves)]
        except NetworkError as error:
            tries.count(progress=len(seen) > known, error=error)
            if not tries.left:
                raise
            await tries.pause()
            waiting.append((asked, days))


def _is_limited(account: Account) -> bool:
    """Return whether answers are missing only because there are too many."""
    return bool(account.limits) and not (account.unusable or account.unlisted)
