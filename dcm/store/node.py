"""A DICOM node as a place, using associations of a local entity."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Self

from dcm.data.account import Account
from dcm.data.keys import Query
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.instances import Instance
from dcm.net.entity import LocalEntity, Stream
from dcm.net.remote import Remote
from dcm.net.retrieve import Method
from dcm.outcome import OnResult, Report
from dcm.sinks import Holder
from dcm.store.place import Ability, CannotDo, Place
from dcm.writer import Writer


class NodePlace:
    """A remote node. method: how to retrieve instances from it; see `LocalEntity.retrieve`."""

    abilities: Final = frozenset(Ability)

    def __init__(self, entity: LocalEntity, remote: Remote, *, method: Method = "auto") -> None:
        self.entity: Final = entity
        self.remote: Final = remote
        self.name: Final = str(remote)
        self.method: Final = method

    def __str__(self) -> str:
        return self.name

    async def __aenter__(self) -> Self:
        await self.entity.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.entity.__aexit__(*_)

    async def echo(self) -> float:
        """Check that it responds (C-ECHO)."""
        return await self.entity.echo(self.remote)

    def queries(
        self,
        query: "Query | None" = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
        account: Account | None = None,
    ) -> Stream[QueryResult]:
        """Yield all matches (C-FIND)."""
        return self.entity.queries(self.remote, query, level=level, within=within, account=account)

    async def holds(self, instances: Sequence[Instance]) -> set[str]:
        """Return the SOP Instance UIDs of the instances that the node lists."""
        return await self.entity.already_there(self.remote, instances)

    async def fetch(
        self, what: "QueryResult | Query", sink: Holder, *, on_result: OnResult | None = None
    ) -> Report:
        """Retrieve instances (C-GET, or C-MOVE to this entity)."""
        return await self.entity.fetch(
            self.remote, what, sink, method=self.method, on_result=on_result
        )

    def writer(
        self, on_result: OnResult | None = None, *, convert: bool = True
    ) -> AbstractAsyncContextManager[Writer]:
        """Send instances (C-STORE)."""
        return self.entity.sender(self.remote, on_result, convert=convert)

    async def copy(
        self, what: "QueryResult | Query", to: Place, *, on_result: OnResult | None = None
    ) -> Report:
        """Make the node send instances to another node, which it must know (C-MOVE)."""
        if not isinstance(to, NodePlace):
            raise CannotDo(self, Ability.COPY)
        report = await self.entity.move(self.remote, what, to.remote.node.ae_title)
        for result in report.results if on_result else ():
            on_result(result)  # type: ignore[misc]  # there is one
        return report
