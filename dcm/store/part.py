"""A part of a place, limited by a base query, as a place to read from.

async with Part(place, {"StudyDescription": "TRIAL*"}, "trial") as part:
    async for piece in part.queries({"StudyDate": "20260101-"}): ...
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final, Self

from dcm.data.account import Account
from dcm.data.keys import Query, attributes_of
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.errors import DcmError
from dcm.instances import Instance
from dcm.outcome import OnResult, Report
from dcm.sinks import Holder
from dcm.store.place import Ability, CannotDo, Place
from dcm.writer import Writer

if TYPE_CHECKING:
    from dcm.net.entity import Stream


class OutsidePart(DcmError):  # noqa: N818 - reads as the sentence it is
    """A query that contradicts the base query."""


class Part:
    """The part of a place that a base query selects. Earlier results are not narrowed again.

    Raises `BadKey` and `UnknownElement` if the base query is invalid.
    """

    def __init__(self, whole: Place, base: Query, name: str) -> None:
        self.name: Final = name
        self.abilities: Final = whole.abilities - {Ability.STORE}
        self.whole: Final = whole
        self._base: Final = attributes_of(base)

    def __str__(self) -> str:
        return self.name

    async def __aenter__(self) -> Self:
        await self.whole.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.whole.__aexit__(*_)

    async def echo(self) -> float:
        """Check that the place responds; return the time taken in seconds."""
        return await self.whole.echo()

    def queries(
        self,
        query: "Query | None" = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
        account: Account | None = None,
    ) -> "Stream[QueryResult]":
        """Yield the matches within the part. Raises `OutsidePart`."""
        asked = query if within is not None else self._narrowed(query)
        return self.whole.queries(asked, level=level, within=within, account=account)

    async def holds(self, instances: Sequence[Instance]) -> set[str]:
        """Return the SOP Instance UIDs of those instances that the whole place has."""
        return await self.whole.holds(instances)

    async def fetch(
        self, what: "QueryResult | Query", sink: Holder, *, on_result: OnResult | None = None
    ) -> Report:
        """Put instances of the part into a sink. Raises `OutsidePart`."""
        asked = what if isinstance(what, QueryResult) else self._narrowed(what)
        return await self.whole.fetch(asked, sink, on_result=on_result)

    def writer(
        self,
        on_result: OnResult | None = None,  # noqa: ARG002 - as all places have it
        *,
        convert: bool = True,  # noqa: ARG002
    ) -> AbstractAsyncContextManager[Writer]:
        """Raise `CannotDo`: stored instances might be outside the part."""
        raise CannotDo(self, Ability.STORE)

    async def copy(
        self, what: "QueryResult | Query", to: Place, *, on_result: OnResult | None = None
    ) -> Report:
        """Copy instances of the part to another place. Raises `OutsidePart`."""
        asked = what if isinstance(what, QueryResult) else self._narrowed(what)
        return await self.whole.copy(asked, to, on_result=on_result)

    def _narrowed(self, query: "Query | None") -> "Query":
        """Return a query combined with the base query."""
        asked = attributes_of(query)
        for key, value in self._base.items():
            if asked.get(key) not in ("", value, None):
                raise OutsidePart(
                    f"{self.name} is limited to {key} {value}, which excludes {asked[key]}"
                )
        return {**asked, **self._base}
