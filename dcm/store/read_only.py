"""A read-only place. Its content is listed on first use, and then kept in memory."""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, NoReturn, Self, TypeAlias

from dcm.data.account import Account
from dcm.data.dictionary import Key
from dcm.data.header import Header
from dcm.data.keys import BadKey, Query, attributes_of
from dcm.data.levels import Level
from dcm.data.match import NEVER_MATCHED, Attributes, limits
from dcm.data.query_result import QueryResult
from dcm.errors import DcmError
from dcm.instances import FileInstance, Instance, Kind, Slices, UnusableInstance
from dcm.net.entity import Stream
from dcm.net.errors import NotAllFound
from dcm.net.query_plan import BELOW, RETURNED
from dcm.outcome import InstanceResult, OnResult, Outcome, Report
from dcm.sinks import Holder
from dcm.store.catalogue_query import Absent, held, pieces, selected
from dcm.store.filling import Filling
from dcm.store.place import Ability, CannotDo, Place
from dcm.writer import Writer

if TYPE_CHECKING:
    from dcm.store.index import Index

_LOG: Final = logging.getLogger(__name__)
_COMPUTED: Final = frozenset(
    (*NEVER_MATCHED, *BELOW, *(name for names in RETURNED.values() for name in names))
)
"""Keys that can be answered though no file has these elements."""
_TOGETHER: Final = 500
"""The number of files that are read between checks for Ctrl-C."""


class Unreadable(DcmError):  # noqa: N818 - reads as the sentence it is
    """A place that does not exist, or cannot be read completely."""


class Content(NamedTuple):
    """An instance that was found. name: within the place. mtime_ns: in ns since 1970."""

    name: str
    size: int
    mtime_ns: int
    header: Header
    instance: Instance


class MissingInstance(NamedTuple):
    """An instance that should exist, but is not available. words: the reason."""

    kind: Kind
    sop_instance_uid: str
    path: str
    words: str

    def slices(self, memory: bytearray, remarks: list[str]) -> Slices:  # noqa: ARG002 - as all do
        """Raise `UnusableInstance`."""
        raise UnusableInstance(self.words)


Listed: TypeAlias = Content | InstanceResult | str
"""An instance, the outcome of a file without one, or a remark on the place as a whole."""
Listing: TypeAlias = Callable[[Sequence[Key]], Iterator[Listed]]
"""Yields the contents with the wanted elements. Raises `OSError` and, for no place, `DcmError`."""


class ReadOnlyPlace:
    """A place whose files are found by a listing.

    lost: the outcomes of files that should contain an instance but do not. remarks: other oddities.
    Both are filled when the content is listed, which happens at the first query; it is kept until
    the block ends.
    """

    abilities: ClassVar = frozenset((Ability.ECHO, Ability.QUERY, Ability.FETCH))

    def __init__(self, path: str | os.PathLike[str], listing: Listing, name: str = "") -> None:
        self.path: Final = os.path.abspath(os.fspath(path))  # noqa: PTH100 - as all in `dcm.store`
        self.name: Final = name or os.fspath(path)
        self.lost: Final[list[InstanceResult]] = []
        self.remarks: Final[list[str]] = []
        self._listing: Final = listing
        self._blocks = 0
        self._lock: Final = asyncio.Lock()
        self._index: Index | None = None
        self._others: dict[str, Instance] = {}
        """The instances that do not have a file of their own, by their path in the index."""

    def __str__(self) -> str:
        return self.name

    async def __aenter__(self) -> Self:
        self._blocks += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self._blocks -= 1
        if not self._blocks and self._index is not None:
            await asyncio.to_thread(self._index.close)
            self._index, self._others = None, {}

    async def echo(self) -> float:
        """Check that its first file is readable; return the time taken in seconds."""
        begun = perf_counter()
        await asyncio.to_thread(next, self._contents(()), None)
        return perf_counter() - begun

    def instances(self) -> Iterator[Instance | InstanceResult]:
        """Yield all instances, and an outcome for each file without one. Reads lazily; blocks."""
        for each in self._contents(()):
            if isinstance(each, str):
                _LOG.warning("%s: %s", self.name, each)
            elif isinstance(each, InstanceResult):
                yield each
            elif isinstance(each.instance, MissingInstance):
                yield _missed(each.instance)
            else:
                yield each.instance

    def queries(
        self,
        query: "Query | None" = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
        account: Account | None = None,
    ) -> Stream[QueryResult]:
        """Yield all matches in pieces; see `dcm.store.place.Place`."""
        return Stream(self._queries(query, level, within, account))

    async def _queries(
        self,
        query: "Query | None",
        level: Level | None,
        within: QueryResult | None,
        account: Account | None,
    ) -> AsyncGenerator[QueryResult, None]:
        account = Account() if account is None else account
        async with self:
            index = await self._listed()
            account.limits += self._unknown()
            account.remarks += self.remarks
            keys = self._askable(query, account.remarks)
            found = pieces(index, self.name, keys, level=level, within=within, account=account)
            async with aclosing(found):
                async for piece in found:
                    yield piece
        if not account.complete:
            raise NotAllFound(self.name, list(account.problems()))

    async def holds(self, instances: Sequence[Instance]) -> set[str]:
        """Return the SOP Instance UIDs of those instances that it has."""
        uids = {each.sop_instance_uid for each in instances}
        async with self:
            index = await self._listed()
            return await asyncio.to_thread(held, index, uids)

    async def fetch(
        self, what: "QueryResult | Query", sink: Holder, *, on_result: OnResult | None = None
    ) -> Report:
        """Put instances into a sink, except those it already has; each always gets an outcome."""
        async with self:
            index = await self._listed()
            filling = Filling(sink, self.name, on_result)
            if not isinstance(what, QueryResult):
                what = self._askable(what, filling.report.remarks)
            found = selected(index, what)
            try:
                while some := await asyncio.to_thread(lambda: [*islice(found, _TOGETHER)]):
                    for each in some:
                        if isinstance(each, Absent):
                            filling.report.add_trouble(str(each))
                        else:
                            path = each.instance.path
                            await filling.put(self._others.get(path, each.instance))
            finally:
                await asyncio.to_thread(found.close)
            for words in self._unknown():
                filling.report.add_trouble(words)
            filling.report.remarks.extend(self.remarks)
            return filling.report

    def _askable(self, query: "Query | None", remarks: list[str]) -> Attributes:
        """Return the keys of a query that can be answered.

        Attributes that are not in the index are read from files. If there are no files, raises
        `BadKey` for such a key if it limits the answers.
        """
        from dcm.store.index_schema import PLACE_OF  # noqa: PLC0415 - loads the index

        keys = attributes_of(query)
        if all(isinstance(each, MissingInstance) for each in self._others.values()):
            return keys
        unknown = [name for name in keys if not (name in PLACE_OF or name in _COMPUTED)]
        for name in unknown:
            if limits(keys[name]):
                raise BadKey(f"{name} is not supported for {self.name}, which is not extracted")
            remarks.append(f"{name} is unknown, since the contents are not extracted")
        return {name: value for name, value in keys.items() if name not in unknown}

    def _unknown(self) -> list[str]:
        """Return why instances may be unknown: some files that should hold one are unreadable."""
        unknown = [each for each in self.lost if not each.sop_instance_uid]
        if not unknown:
            return []
        first = f"{unknown[0].path}: {unknown[0].words}"
        files = f"{len(unknown)} files" if len(unknown) > 1 else "a file"
        return [f"{files} could not be read: {first}"]

    def writer(
        self,
        on_result: OnResult | None = None,  # noqa: ARG002 - as all places have it
        *,
        convert: bool = True,  # noqa: ARG002
    ) -> AbstractAsyncContextManager[Writer]:
        """Raise `CannotDo`."""
        self._refuse(Ability.STORE)

    async def copy(
        self,
        what: "QueryResult | Query",  # noqa: ARG002 - as all places have it
        to: Place,  # noqa: ARG002
        *,
        on_result: OnResult | None = None,  # noqa: ARG002
    ) -> Report:
        """Raise `CannotDo`."""
        self._refuse(Ability.COPY)

    def _contents(self, wanted: Sequence[Key]) -> Iterator[Listed]:
        try:
            yield from self._listing(wanted)
        except OSError as error:
            path = error.filename or self.path
            raise Unreadable(f"{path} cannot be read: {error.strerror or error}") from error

    def _refuse(self, ability: Ability) -> NoReturn:
        raise CannotDo(self.name, ability)

    async def _listed(self) -> "Index":
        """Return the index of the content, made from the headers on first use."""
        async with self._lock:
            if self._index is None:
                from dcm.store.index import Index  # noqa: PLC0415 - loads SQLite
                from dcm.store.index_rows import WANTED  # noqa: PLC0415

                index = await asyncio.to_thread(Index, self.path, "")
                self.lost.clear()
                self.remarks.clear()
                listed = self._contents(WANTED)
                try:
                    while some := await asyncio.to_thread(lambda: [*islice(listed, _TOGETHER)]):
                        await asyncio.to_thread(self._add, index, some)
                except BaseException:
                    index.close()
                    raise
                self._index = index
            return self._index

    def _add(self, index: "Index", some: Sequence[Listed]) -> None:
        contents = [each for each in some if isinstance(each, Content)]
        index.add_entries((each.name, each.size, each.mtime_ns, each.header) for each in contents)
        for each in some:
            if isinstance(each, str):
                self.remarks.append(each)
            elif isinstance(each, InstanceResult):
                if not each.stored:
                    self.lost.append(each)
            elif not isinstance(each.instance, FileInstance):
                self._others[f"{self.path}/{each.name}"] = each.instance
                if isinstance(each.instance, MissingInstance):
                    self.lost.append(_missed(each.instance))


def _missed(instance: MissingInstance) -> InstanceResult:
    return InstanceResult(
        instance.path, instance.sop_instance_uid, Outcome.NOT_TRIED, instance.words
    )
