"""The public interface: our own application entity, and the services that it can use.

Each method imports what it needs when it is called, so programs start fast.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Generic, Self, TypeAlias, TypeVar

from dcm.net.limits import TimeLimits
from dcm.net.node import DcmNode
from dcm.net.pool import Pool
from dcm.net.remote import Listen, Remote
from dcm.net.retry import Retry

if TYPE_CHECKING:
    import os
    from collections.abc import (  # isort: skip
        AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence,
    )  # fmt: skip

    from pydicom import Dataset

    from dcm.data.account import Account
    from dcm.data.keys import Query
    from dcm.data.levels import Level
    from dcm.data.match import Attributes, Value
    from dcm.data.query_result import QueryResult
    from dcm.instances import Instance, Sendable
    from dcm.net.admission import Admission
    from dcm.net.commitment import Reference
    from dcm.net.find import Answer
    from dcm.net.listener import Handler, Listener, OnFailure, Service
    from dcm.net.move import OnProgress
    from dcm.net.retrieve import Method
    from dcm.net.sender import Sender
    from dcm.outcome import OnResult, Report
    from dcm.sinks import Holder
    from dcm.wire import Message

Address: TypeAlias = "Remote | DcmNode | str"
"""A remote, or just its address: a node or `host:ae_title:port`."""

Item = TypeVar("Item")


class Stream(Generic[Item]):
    """Items as they arrive, for `async for`.

    If it is used as `async with`, the operation ends when the block is left; otherwise after the last item,
    or when the stream is garbage-collected.
    """

    def __init__(self, items: AsyncGenerator[Item, None]) -> None:
        self._items: Final = items

    def __aiter__(self) -> AsyncIterator[Item]:
        return self._items

    async def __anext__(self) -> Item:
        return await anext(self._items)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the operation."""
        await self._items.aclose()


class LocalEntity:
    """Our own application entity, and the services that it can use.

    local: where it listens, or just its AE title.
    limits: the time limits for listeners, and for remotes that are given only by their address.
    retry: the retry policy for these remotes.

    If it is used as `async with`, associations are kept for the next operation with the same remote until the
    block (the outermost, if they are nested) is left; otherwise each operation releases its own.

    All methods raise `dcm.net.errors.NetworkError` for problems with the network or the peer,
    `dcm.errors.RemoteProtocolError` if the peer breaks the protocol, and
    `dcm.net.remote.UnprotectedIdentity` if a user identity would be sent without TLS although that is not
    allowed.
    """

    def __init__(
        self,
        local: Listen | str = "DCM",
        limits: TimeLimits | None = None,
        retry: Retry | None = None,
    ) -> None:
        self.local: Final = Listen.of(local)
        self.limits: Final = limits or TimeLimits()
        self.retry: Final = retry or Remote.retry
        self._pools: Final[dict[Remote, Pool]] = {}
        self._blocks = 0

    async def __aenter__(self) -> Self:
        self._blocks += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._blocks -= 1
        while self._pools and not self._blocks:
            pool = self._pools.popitem()[1]
            await pool.close()

    @asynccontextmanager
    async def pool(self, remote: Address) -> AsyncIterator[Pool]:
        """Provide associations with a remote; they are released after this block, or that of the entity."""
        found = Remote.at(remote, self.limits, self.retry)
        if self._blocks:
            yield self._pools.setdefault(found, Pool(self.local, found))
            return
        async with Pool(self.local, found) as pool:
            yield pool

    def _stream(
        self, remote: Address, operation: Callable[[Pool], AsyncGenerator[Item, None]]
    ) -> Stream[Item]:
        async def items() -> AsyncGenerator[Item, None]:
            async with self.pool(remote) as pool, aclosing(operation(pool)) as found:
                async for each in found:
                    yield each

        return Stream(items())

    async def echo(self, remote: Address) -> float:
        """Send a C-ECHO to `remote`; return the response time in seconds.

        Raises `OperationFailed` if the status is not success.
        """
        from dcm.net.echo import echo

        async with self.pool(remote) as pool:
            return await echo(pool)

    async def accepted(self, remote: Address) -> dict[str, tuple[str, ...]]:
        """Return the transfer syntaxes that `remote` accepts, by SOP class; see `dcm.net.abilities`."""
        from dcm.net.abilities import accepted

        async with self.pool(remote) as pool:
            return await accepted(pool)

    async def store(
        self,
        remote: Address,
        what: Iterable[Sendable],
        *,
        on_result: OnResult | None = None,
        skip_existing: bool = False,
        convert: bool = True,
    ) -> Report:
        """Send files, pydicom data sets or instances; the report has an outcome for each.

        They are sent byte for byte. Instances that the peer does not accept in their transfer syntax are
        decompressed, unless `convert` is false, and the outcome says so. With `skip_existing`, the peer is
        queried first, and instances that it lists are not sent. `on_result` is called with each outcome as
        soon as it is known.
        """
        from functools import partial

        from dcm.net.store import store

        there = partial(self.already_there, remote) if skip_existing else None
        async with self, self.sender(remote, on_result, convert=convert) as sender:
            return await store(sender, what, there)

    async def already_there(self, remote: Address, instances: Sequence[Instance]) -> set[str]:
        """Return the SOP Instance UIDs of those instances that `remote` lists.

        After an error, which is logged, the remaining ones count as missing.
        """
        from dcm.net.existing import already_there

        async with self.pool(remote) as pool:
            return await already_there(pool, instances)

    @asynccontextmanager
    async def sender(
        self, remote: Address, on_result: OnResult | None = None, *, convert: bool = True
    ) -> AsyncIterator[Sender]:
        """Send instances as they are given; see `dcm.net.sender.Sender`."""
        from dcm.net.sender import Sender

        async with self.pool(remote) as pool, Sender(pool, on_result, convert=convert) as sender:
            yield sender

    async def upload(
        self,
        remote: Address,
        paths: Iterable[str | os.PathLike[str]],
        *,
        on_result: OnResult | None = None,
        skip_existing: bool = False,
        convert: bool = True,
    ) -> Report:
        """Send files and whole folders, as `store` does; files that are not DICOM are `NOT_TRIED`."""
        from dcm.net.folders import files_in

        return await self.store(
            remote, files_in(paths),
            on_result=on_result, skip_existing=skip_existing, convert=convert,
        )  # fmt: skip

    def listen(
        self,
        folder: str | os.PathLike[str],
        handler: Handler | None = None,
        *,
        sync: bool = False,
        max_instance: int = 0,
        min_free: int = 0,
        admission: Admission | None = None,
        on_failure: OnFailure | None = None,
        peers: Mapping[str, Remote] | None = None,
        handlers: Mapping[type[Message], Service] | None = None,
    ) -> Listener:
        """Receive instances into `folder` while the block of the listener runs; see `Listener` and `Folder`.

        The folder is created if it does not exist; if that fails, instances are answered with a failure.
        """
        from pathlib import Path

        from dcm.net.listener import Listener
        from dcm.sinks import Folder

        into = Path(folder)
        with suppress(OSError):
            into.mkdir(parents=True, exist_ok=True)
        return Listener(
            self.local, Folder(into, sync, max_instance, min_free), self.limits, handler,
            admission=admission, on_failure=on_failure, peers=peers, handlers=handlers,
        )  # fmt: skip

    async def commit(
        self,
        remote: Address,
        references: Iterable[Reference],
        *,
        within: float,
        listener: Listener | None = None,
    ) -> Report:
        """Ask `remote` to take responsibility for instances (storage commitment, PS3.4 Annex J).

        Each reference is a SOP Class UID and a SOP Instance UID. Waits up to `within` seconds for the report,
        which is in the same order. Most peers send it on a new association: to `listener`, whose block must
        be running. Raises `OperationFailed` if the request is rejected, and `TimedOut` without a report.
        """
        from dcm.net.commitment import commit

        elsewhere = listener.expected if listener else None
        async with self.pool(remote) as pool:
            return await commit(pool, references, within=within, elsewhere=elsewhere)

    def find(self, remote: Address, identifier: Query, model: str | None = None) -> Stream[Answer]:
        """Yield the matches of one C-FIND as they arrive.

        Nothing is added to the identifier, which must include Query/Retrieve Level. model: the SOP class.
        """
        from dcm.net.find import find
        from dcm.net.uids import STUDY_ROOT_FIND

        return self._stream(remote, lambda pool: find(pool, identifier, model or STUDY_ROOT_FIND))

    async def query(
        self,
        remote: Address,
        query: Query | None = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
    ) -> QueryResult:
        """Return everything that matches these keys, with as many requests as that takes.

        level: the level of the returned entities; by default that of the most detailed key.
        within: an earlier result, to which the new one is limited.

        Raises `KeyIgnored` for a key that the archive ignores and that cannot be checked here, and
        `NotAllFound` if answers are missing or unusable; its `found` is what was found.
        """
        from dcm.net.query import query as run

        async with self.pool(remote) as pool:
            return await run(pool, query, level=level, within=within)

    def queries(
        self,
        remote: Address,
        query: Query | None = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
        account: Account | None = None,
    ) -> Stream[QueryResult]:
        """Yield the same in parts as they become available; `account` counts the answers."""
        from dcm.net.query import queries

        return self._stream(
            remote,
            lambda pool: queries(pool, query, level=level, within=within, account=account),
        )

    def retrieve(
        self,
        remote: Address,
        what: QueryResult | Query,
        *,
        method: Method = "auto",
        listener: Listener | None = None,
    ) -> Stream[Dataset]:
        """Yield instances as data sets as they arrive: the archive is slowed down to the consumer's speed.

        method: C-GET (`get`), C-MOVE to ourselves (`move`), or C-MOVE if C-GET is not accepted (`auto`).
        listener: a running listener for C-MOVE; None: a temporary one is started.
        Raises `NotAllRetrieved` at the end, if any instance was not received.
        """
        from dcm.net.retrieve import retrieve

        return self._stream(
            remote, lambda pool: retrieve(pool, _wanted(what), method=method, listener=listener)
        )

    async def download(
        self,
        remote: Address,
        what: QueryResult | Query,
        folder: str | os.PathLike[str],
        *,
        method: Method = "auto",
        sync: bool = False,
        on_result: OnResult | None = None,
        listener: Listener | None = None,
    ) -> Report:
        """Retrieve instances into a folder, which is created if necessary; existing ones are not sent again.

        method, listener: see `retrieve`. sync: flush each file to disk (fsync) before responding.
        on_result: called with each outcome as soon as it is known.

        The report has the outcome and the file of each instance. Raises `NetworkError` only if no instances
        can be listed at all.
        """
        from pathlib import Path

        from dcm.sinks import Folder

        into = Path(folder)
        into.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once
        return await self.fetch(
            remote, what, Folder(into, sync), method=method, on_result=on_result, listener=listener
        )

    async def fetch(
        self,
        remote: Address,
        what: QueryResult | Query,
        sink: Holder,
        *,
        method: Method = "auto",
        on_result: OnResult | None = None,
        listener: Listener | None = None,
    ) -> Report:
        """Retrieve instances into a sink; see `download`."""
        from dcm.net.retrieve import fetch

        async with self.pool(remote) as pool:
            return await fetch(
                pool, _wanted(what), sink, method=method, on_result=on_result, listener=listener
            )

    async def move(
        self,
        remote: Address,
        what: QueryResult | Query,
        destination_ae_title: str,
        on_progress: OnProgress | None = None,
    ) -> Report:
        """Make `remote` send instances to another node that it knows (C-MOVE).

        `on_progress` is called with each response. The report has an outcome for each instance, according to
        the archive: if it reports failures without saying which, all instances of that request count as
        failed.
        """
        from dcm.net.third_party import move

        async with self.pool(remote) as pool:
            return await move(pool, _wanted(what), destination_ae_title, on_progress=on_progress)

    def worklist(self, remote: Address, query: Query | None = None) -> Stream[dict[str, Value]]:
        """Yield the matching items of a modality worklist as they arrive (PS3.4 Annex K)."""
        from dcm.net.worklist import worklist

        return self._stream(remote, lambda pool: worklist(pool, query))


def _wanted(what: QueryResult | Query) -> QueryResult | Attributes:
    from dcm.data.keys import attributes_of
    from dcm.data.query_result import QueryResult

    return what if isinstance(what, QueryResult) else attributes_of(what)
