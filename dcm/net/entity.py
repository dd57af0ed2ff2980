"""The public interface: an application entity of our own, and the services that it can use.

Each method imports what it needs when it is called, so that programs start fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dcm.net.limits import TimeLimits

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Iterable, Mapping
    from pathlib import Path

    from pydicom import Dataset

    from dcm.data.account import Account
    from dcm.data.levels import Level
    from dcm.data.match import Attributes, Value
    from dcm.data.query_result import QueryResult
    from dcm.net.admission import Admission
    from dcm.net.commitment import CommitmentReport, Reference
    from dcm.net.find import Answer
    from dcm.net.listener import Handler, Listener, OnFailure
    from dcm.net.node import DcmNode
    from dcm.net.outcome import MoveReport, OnResult, RetrieveReport, StoreReport
    from dcm.net.retrieve import Method
    from dcm.net.third_party import OnProgress


class LocalEntity:
    """An application entity of our own, at `local`, with time limits.

    All methods raise `dcm.net.errors.NetworkError` for what goes wrong with the network or the peer,
    `dcm.errors.RemoteProtocolError` if the peer breaks the protocol, and `dcm.net.node.UnprotectedIdentity`
    if a user identity would be sent without TLS and this is not allowed.
    """

    def __init__(self, local: DcmNode, limits: TimeLimits | None = None) -> None:
        self.local = local
        self.limits = limits or TimeLimits()

    async def echo(self, remote: DcmNode) -> bool:
        """Ask whether `remote` answers; False: it does, but with a status other than success."""
        from dcm.net.echo import echo

        return await echo(self.local, remote, self.limits)

    def echoes(self, remote: DcmNode, count: int) -> AsyncGenerator[tuple[int, float], None]:
        """Ask `count` times on one association; yield the status of each answer, and its seconds."""
        from dcm.net.echo import echoes

        return echoes(self.local, remote, self.limits, count)

    async def accepted(self, remote: DcmNode) -> dict[str, tuple[str, ...]]:
        """Return the transfer syntaxes that `remote` accepts, by SOP class; see `dcm.net.abilities`."""
        from dcm.net.abilities import accepted

        return await accepted(self.local, remote, self.limits)

    async def store(
        self,
        remote: DcmNode,
        paths: Iterable[str | os.PathLike[str]],
        *,
        on_result: OnResult | None = None,
        skip_existing: bool = False,
        convert: bool = True,
    ) -> StoreReport:
        """Send files; the report has an outcome for each, and nothing is raised.

        They go byte for byte. Only what the peer does not take as it is is converted, unless `convert`
        is false, and its outcome says so. With `skip_existing` the peer is asked first, and what it
        lists is not sent. `on_result` is called with each outcome as soon as it is known.
        """
        from dcm.net.store import store

        return await store(
            self.local, remote, paths, self.limits,
            on_result=on_result, skip_existing=skip_existing, convert=convert,
        )  # fmt: skip

    async def upload(
        self,
        remote: DcmNode,
        paths: Iterable[str | os.PathLike[str]],
        *,
        on_result: OnResult | None = None,
        skip_existing: bool = False,
        convert: bool = True,
    ) -> StoreReport:
        """Send files and whole folders, as `store` does; what is no DICOM file has an outcome too."""
        from dcm.net.folders import files_in

        return await self.store(
            remote, files_in(paths),
            on_result=on_result, skip_existing=skip_existing, convert=convert,
        )  # fmt: skip

    def listen(
        self,
        folder: Path,
        handler: Handler | None = None,
        *,
        sync: bool = False,
        max_instance: int = 0,
        min_free: int = 0,
        admission: Admission | None = None,
        on_failure: OnFailure | None = None,
        peers: Mapping[str, DcmNode] | None = None,
    ) -> Listener:
        """Receive instances into `folder` while the block of the listener runs; see `Listener`, `Folder`."""
        from dcm.net.incoming import Folder
        from dcm.net.listener import Listener

        return Listener(
            self.local, Folder(folder, sync, max_instance, min_free), self.limits, handler,
            admission=admission, on_failure=on_failure, peers=peers,
        )  # fmt: skip

    async def commit(
        self,
        remote: DcmNode,
        references: Iterable[Reference],
        *,
        within: float,
        listener: Listener | None = None,
    ) -> CommitmentReport:
        """Ask `remote` to answer for instances that it has; see `dcm.net.commitment.commit`.

        Most peers report on an association of their own: to `listener`, whose block must run.
        """
        from dcm.net.commitment import commit

        elsewhere = listener.expected if listener else None
        return await commit(
            self.local, remote, references, self.limits, within=within, elsewhere=elsewhere
        )

    def find(
        self, remote: DcmNode, identifier: Attributes, model: str | None = None
    ) -> AsyncGenerator[Answer, None]:
        """Yield the matches of an identifier as they come; see `dcm.net.find.find`."""
        from dcm.net.find import STUDY_ROOT_FIND, find

        return find(self.local, remote, identifier, self.limits, model or STUDY_ROOT_FIND)

    async def query(
        self,
        remote: DcmNode,
        query: Attributes | None = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
    ) -> QueryResult:
        """Return all that matches these keys, at the level of the most detailed one unless told.

        `within`: an earlier result, of which it must be a part. See `dcm.net.query`.
        """
        from dcm.net.query import query as run

        return await run(self.local, remote, self.limits, query, level=level, within=within)

    def queries(
        self,
        remote: DcmNode,
        query: Attributes | None = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
        account: Account | None = None,
    ) -> AsyncGenerator[QueryResult, None]:
        """Yield the same in pieces, as soon as they are there; `account` is filled meanwhile."""
        from dcm.net.query import queries

        return queries(
            self.local, remote, self.limits, query, level=level, within=within, account=account
        )

    def retrieve(
        self, remote: DcmNode, what: QueryResult | Attributes, *, method: Method = "auto"
    ) -> AsyncGenerator[Dataset, None]:
        """Yield instances as data sets, one at a time; see `dcm.net.retrieve.retrieve`."""
        from dcm.net.retrieve import retrieve

        return retrieve(self.local, remote, self.limits, what, method=method)

    async def download(
        self,
        remote: DcmNode,
        what: QueryResult | Attributes,
        folder: str | os.PathLike[str],
        *,
        method: Method = "auto",
        sync: bool = False,
        on_result: OnResult | None = None,
    ) -> RetrieveReport:
        """Fetch instances into a folder; the report has an outcome for each.

        See `dcm.net.retrieve.download`.
        """
        from pathlib import Path

        from dcm.net.retrieve import download

        into = Path(folder)
        return await download(
            self.local, remote, self.limits, what, into,
            method=method, sync=sync, on_result=on_result,
        )  # fmt: skip

    async def move(
        self,
        remote: DcmNode,
        what: QueryResult | Attributes,
        destination_ae_title: str,
        on_progress: OnProgress | None = None,
    ) -> MoveReport:
        """Let `remote` send instances to another node; see `dcm.net.third_party.move`."""
        from dcm.net.third_party import move

        return await move(
            self.local, remote, self.limits, what, destination_ae_title, on_progress=on_progress
        )

    def worklist(
        self, remote: DcmNode, query: Mapping[str, object] | None = None
    ) -> AsyncGenerator[dict[str, Value], None]:
        """Yield the worklist items that match, as they come; see `dcm.net.worklist.worklist`."""
        from dcm.net.worklist import worklist

        return worklist(self.local, remote, self.limits, query)
