"""A DICOMweb service as a place."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

from dcm.data.account import Account
from dcm.data.keys import Query, attributes_of
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.instances import Instance
from dcm.net.entity import Stream
from dcm.outcome import OnResult, Report
from dcm.sinks import Holder
from dcm.store.place import Ability, CannotDo, Place
from dcm.web.remote import WebRemote
from dcm.writer import Writer

if TYPE_CHECKING:
    from dcm.web.client import WebClient


class WebPlace:
    """A DICOMweb service. In an `async with` block, connections are kept open between operations.

    All methods raise `dcm.net.errors.NetworkError` for errors of the network or the service, and
    `dcm.net.remote.UnprotectedIdentity` if credentials would be sent without TLS.
    """

    abilities: Final = frozenset(Ability) - {Ability.COPY}

    def __init__(self, remote: WebRemote | str) -> None:
        self.remote: Final = WebRemote.at(remote)
        self.name: Final = str(self.remote)
        self._known: WebClient | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def _client(self) -> "WebClient":
        if self._known is None:
            from dcm.web.client import WebClient  # noqa: PLC0415 - httpx is slow to import

            self._known = WebClient(self.remote)
        return self._known

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__(*_)

    async def echo(self) -> float:
        """Query one study (QIDO-RS): services have no echo. Return the seconds taken."""
        return await self._client.echo()

    def queries(
        self,
        query: "Query | None" = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
        account: Account | None = None,
    ) -> Stream[QueryResult]:
        """Yield all matches (QIDO-RS); see `dcm.net.entity.LocalEntity.queries`."""
        from dcm.net.query import queries  # noqa: PLC0415 - as in `LocalEntity`

        async def items() -> AsyncGenerator[QueryResult, None]:
            found = queries(self._client, query, level=level, within=within, account=account)
            async with self._client, aclosing(found):
                async for each in found:
                    yield each

        return Stream(items())

    async def holds(self, instances: Sequence[Instance]) -> set[str]:
        """Return the SOP Instance UIDs of those instances that the service lists."""
        from dcm.net.existing import already_there  # noqa: PLC0415 - rarely needed

        async with self._client:
            return await already_there(self._client, instances)

    async def fetch(
        self, what: "QueryResult | Query", sink: Holder, *, on_result: OnResult | None = None
    ) -> Report:
        """Retrieve instances (WADO-RS)."""
        from dcm.web.wado import fetch  # noqa: PLC0415 - as above

        wanted = what if isinstance(what, QueryResult) else attributes_of(what)
        return await fetch(self._client, wanted, sink, on_result)

    @asynccontextmanager
    async def _writer(self, on_result: OnResult | None, *, convert: bool) -> AsyncIterator[Writer]:
        from dcm.web.stow import WebSender  # noqa: PLC0415 - as above

        async with WebSender(self._client, on_result, convert=convert) as sender:
            yield sender

    def writer(
        self, on_result: OnResult | None = None, *, convert: bool = True
    ) -> AbstractAsyncContextManager[Writer]:
        """Store instances (STOW-RS)."""
        return self._writer(on_result, convert=convert)

    async def copy(
        self,
        what: "QueryResult | Query",  # noqa: ARG002 - as all places have it
        to: Place,  # noqa: ARG002
        *,
        on_result: OnResult | None = None,  # noqa: ARG002
    ) -> Report:
        """Raise `CannotDo`: services do not send instances elsewhere."""
        raise CannotDo(self, Ability.COPY)
