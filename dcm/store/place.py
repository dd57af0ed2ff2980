"""A place that stores instances: a directory, an archive, a web service or a medium.

    async with place:
        async for piece in place.queries({"PatientID": "4711"}):
            await place.fetch(piece, sink)

Operations that a place does not support are not in its `abilities`, and raise `CannotDo`.
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
    """An operation that a place may support; the value describes it in words."""

    ECHO = "answer an echo"
    QUERY = "be queried"
    FETCH = "provide instances"
    STORE = "store instances"
    COPY = "copy instances directly to another place"


class CannotDo(DcmError):  # noqa: N818 - reads as the sentence it is
    """Raised for an operation that a place does not support."""

    def __init__(self, place: "Place | str", ability: Ability) -> None:
        super().__init__(f"{place} cannot {ability.value}")


class Place(Protocol):
    """A place that stores instances. Its block keeps connections and files open between operations.

    name: its name for users. abilities: the supported operations.
    """

    @property
    def name(self) -> str:
        """The name for users."""

    @property
    def abilities(self) -> frozenset[Ability]:
        """The supported operations."""

    async def __aenter__(self) -> Self:
        """Enter the block."""

    async def __aexit__(self, *_: object) -> None:
        """Close connections and files."""

    async def echo(self) -> float:
        """Check that it responds; return the time taken in seconds. Raises `DcmError` if it does not."""

    def queries(
        self,
        query: "Query | None" = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
        account: Account | None = None,
    ) -> "Stream[QueryResult]":
        """Yield all matches in parts; see `dcm.net.entity.LocalEntity.queries`."""

    async def holds(self, instances: Sequence[Instance]) -> set[str]:
        """Return the SOP Instance UIDs of the instances that it has.

        If an error occurs, it is logged, and the remaining instances count as missing: storing too
        much does no harm.
        """

    async def fetch(
        self, what: "QueryResult | Query", sink: Holder, *, on_result: OnResult | None = None
    ) -> Report:
        """Put instances into a sink, except those it already has; each always gets an outcome."""

    def writer(
        self, on_result: OnResult | None = None, *, convert: bool = True
    ) -> AbstractAsyncContextManager[Writer]:
        """Store instances while the block runs; leaving it waits for all outcomes.

        convert: whether instances that the place does not accept as they are may be decompressed.
        """

    async def copy(
        self, what: "QueryResult | Query", to: "Place", *, on_result: OnResult | None = None
    ) -> Report:
        """Copy instances directly to another place, bypassing this computer.

        A node sends them to another node (C-MOVE), a directory links files. Raises `CannotDo` if
        there is no direct way between the two.
        """
