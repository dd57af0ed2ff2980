"""A place that holds instances, whatever it is: a directory, an archive, a web service, a medium.

    async with place:
        async for piece in place.queries({"PatientID": "4711"}):
            await place.fetch(piece, sink)

What a place cannot do is not among its `abilities`, and raises `CannotDo`.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import TYPE_CHECKING, Protocol, Self

from dcm.data.account import Account
from dcm.data.keys import Query
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.errors import DcmError
from dcm.instances import Instance
from dcm.outcome import OnResult, Report
from dcm.sinks import Holder
from dcm.writer import Writer

if TYPE_CHECKING:
    from dcm.net.entity import Stream


class Ability(Enum):
    """What a place may be able to do; the value says it in words."""

    ECHO = "say whether it is there"
    QUERY = "be queried"
    FETCH = "give instances"
    STORE = "take instances"
    COPY = "copy instances to another place without us"


class CannotDo(DcmError):  # noqa: N818 - reads as the sentence it is
    """Raised when a place is asked for what it cannot do."""

    def __init__(self, place: "Place | str", ability: Ability) -> None:
        super().__init__(f"{place} cannot {ability.value}")


class Place(Protocol):
    """Somewhere that holds instances. Its block keeps connections and files open between operations.

    name: how users call it. abilities: what it can do.
    """

    @property
    def name(self) -> str:
        """How users call it."""

    @property
    def abilities(self) -> frozenset[Ability]:
        """What it can do."""

    async def __aenter__(self) -> Self:
        """Begin to use it."""

    async def __aexit__(self, *_: object) -> None:
        """Close what is open."""

    async def echo(self) -> float:
        """Ask whether it is there; return the seconds that it took. Raises `DcmError` if it is not."""

    def queries(
        self,
        query: "Query | None" = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
        account: Account | None = None,
    ) -> "Stream[QueryResult]":
        """Yield everything that matches, in pieces; see `dcm.net.entity.LocalEntity.queries`."""

    async def holds(self, instances: Sequence[Instance]) -> set[str]:
        """Return the SOP Instance UIDs of those instances that it has.

        After an error the others count as missing, and the error is logged: to store too much loses nothing.
        """

    async def fetch(
        self, what: "QueryResult | Query", sink: Holder, *, on_result: OnResult | None = None
    ) -> Report:
        """Put instances into a sink, but for those that it holds; whatever happens, each has an outcome."""

    def writer(
        self, on_result: OnResult | None = None, *, convert: bool = True
    ) -> AbstractAsyncContextManager[Writer]:
        """Store instances while the block runs; leaving it waits for all outcomes.

        convert: whether what the place does not accept as it is may be decompressed.
        """

    async def copy(
        self, what: "QueryResult | Query", to: "Place", *, on_result: OnResult | None = None
    ) -> Report:
        """Have instances copied to another place on a way that does not lead through us.

        A node sends them to another one (C-MOVE), a directory links files. Raises `CannotDo` if there is no
        such way between the two.
        """
