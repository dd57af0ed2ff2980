"""A folder of DICOM files as a place, with an index that answers queries.

    async with Directory("/data/studies") as directory:
        async for piece in directory.queries({"PatientName": "Mul*"}):
            ...
        async with directory.writer() as writer:
            await writer.put("image.dcm")

Entering the block compares the folder with the index. The `sink` stores instances that are
received, or fetched from other places.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import ClassVar, Final, Self

from dcm.data.account import Account
from dcm.data.dictionary import Key
from dcm.data.header import NotDicom, scan
from dcm.data.keys import Query
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.errors import DcmError
from dcm.instances import FileInstance, Instance
from dcm.net.entity import Stream
from dcm.outcome import InstanceResult, OnResult, Outcome, Report
from dcm.sinks import Folder, Holder, Refused
from dcm.store.catalogue import Found
from dcm.store.catalogue_query import Absent, pieces, selected
from dcm.store.directory_sink import DirectorySink, Layout, flat
from dcm.store.directory_writer import DirectoryWriter
from dcm.store.filling import Filling
from dcm.store.index import Index
from dcm.store.place import Ability, CannotDo, Place
from dcm.store.ways import Link, Way
from dcm.writer import Writer

_SOME: Final = 200


class NoFolder(DcmError):  # noqa: N818 - reads as the sentence it is
    """A directory that does not exist or is not a folder."""


class Directory:
    """A folder with an index. Its block opens the index, and compares it with the folder.

    index: an open and current index, which stays open; None for the index of the folder itself.
    layout: the layout of new files; by default flat, named after the SOP Instance UID.
    needs: the elements that the layout needs. sync, max_instance, min_free: see `dcm.sinks.Folder`.
    checksums: whether data sets are hashed while they are written; see `dcm.store.directory_sink`.
    create: whether to create a missing folder. recurse: whether to include subfolders.
    extension: the extension of files to include; empty for all files. If `recurse` is false or
    `extension` is given, the index is in memory.
    """

    abilities: ClassVar = frozenset(Ability)

    def __init__(
        self,
        path: str | os.PathLike[str],
        index: Index | None = None,
        layout: Layout = flat,
        *,
        needs: Sequence[Key] = (),
        name: str = "",
        sync: bool = False,
        max_instance: int = 0,
        min_free: int = 0,
        checksums: bool = True,
        create: bool = False,
        recurse: bool = True,
        extension: str = "",
    ) -> None:
        self.path: Final = os.path.abspath(os.fspath(path))
        self.name: Final = name or os.fspath(path)
        self._given: Final = index
        self._index = index
        self._folder: Final = Folder(Path(self.path), sync, max_instance, min_free)
        self._layout: Final = layout
        self._needs: Final = tuple(needs)
        self._checksums: Final = checksums
        self._create: Final = create
        self._recurse: Final = recurse
        self._extension: Final = extension
        self._blocks = 0
        self._opening: Final = asyncio.Lock()

    def __str__(self) -> str:
        return self.name

    async def __aenter__(self) -> Self:
        async with self._opening:
            if self._index is None:
                self._index = await asyncio.to_thread(self._opened)
            self._blocks += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._opening:
            self._blocks -= 1
            if not self._blocks and self._index is not None and self._given is None:
                index, self._index = self._index, None
                await asyncio.to_thread(index.close)

    def _opened(self) -> Index:
        if self._create:
            os.makedirs(self.path, exist_ok=True)
        if not os.path.isdir(self.path):
            raise NoFolder(f"there is no folder {self.path}")
        if self._recurse and not self._extension:
            index = Index(self.path)
        else:
            index = Index(self.path, "", recurse=self._recurse, extension=self._extension)
        try:
            index.update()
        except BaseException:
            index.close()
            raise
        return index

    @property
    def index(self) -> Index:
        """The index, while the block runs."""
        if self._index is None:
            raise ValueError(f"{self}: `async with` opens the index")
        return self._index

    @property
    def sink(self) -> DirectorySink:
        """The sink for received instances, while the block runs."""
        return DirectorySink(self._folder, self.index, self._layout, self._needs, self._checksums)

    async def echo(self) -> float:
        """Check that the folder exists; return the time taken in seconds."""
        begun = perf_counter()
        if not await asyncio.to_thread(os.path.isdir, self.path):
            raise NoFolder(f"there is no folder {self.path}")
        return perf_counter() - begun

    def queries(
        self,
        query: "Query | None" = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
        account: Account | None = None,
    ) -> Stream[QueryResult]:
        """Yield all matches in parts; see `dcm.store.place.Place`."""
        return Stream(self._queries(query, level, within, account))

    async def _queries(
        self,
        query: "Query | None",
        level: Level | None,
        within: QueryResult | None,
        account: Account | None,
    ) -> AsyncGenerator[QueryResult, None]:
        async with self:
            found = pieces(
                self.index, self.name, query, level=level, within=within, account=account
            )
            async with aclosing(found):
                async for piece in found:
                    yield piece

    async def holds(self, instances: Sequence[Instance]) -> set[str]:
        """Return the SOP Instance UIDs of those instances that are stored here completely."""
        async with self:
            return await asyncio.to_thread(_held, self.sink, instances)

    async def fetch(
        self, what: "QueryResult | Query", sink: Holder, *, on_result: OnResult | None = None
    ) -> Report:
        """Put instances into a sink, except those it already has; each always gets an outcome."""
        async with self:
            filling = Filling(sink, self.name, on_result)
            async for each in _selected(self.index, what):
                if isinstance(each, Absent):
                    filling.report.add_trouble(str(each))
                    continue
                now = await asyncio.to_thread(_as_indexed, each)
                if isinstance(now, InstanceResult):
                    filling.settle(now)
                else:
                    await filling.put(now)
            return filling.report

    @asynccontextmanager
    async def writer(
        self,
        on_result: OnResult | None = None,
        *,
        convert: bool = True,  # noqa: ARG002 - everything is stored as it is
    ) -> AsyncIterator[Writer]:
        """Store instances while the block runs; leaving it waits for all outcomes."""
        async with self, DirectoryWriter(self.sink, on_result) as writer:
            yield writer

    async def copy(
        self,
        what: "QueryResult | Query",
        to: Place,
        *,
        on_result: OnResult | None = None,
        way: Way = Way.LINK,
    ) -> Report:
        """Link the files of instances into another directory, or copy them if that fails.

        A linked file has two names, so a change through one is visible through the other. way: an
        alternative to linking. A moved file is removed here once it is complete there.
        """
        if not isinstance(to, Directory):
            raise CannotDo(self, Ability.COPY)
        report = Report()
        async with self, to:
            sink = to.sink
            async for each in _selected(self.index, what):
                if isinstance(each, Absent):
                    report.add_trouble(str(each))
                    continue
                result = await _linked(each, sink, way)
                if way is Way.MOVE and result.stored:
                    self.index.remove(each.instance.path)
                report.results.append(result)
                if on_result is not None:
                    on_result(result)
        return report


def _held(sink: DirectorySink, instances: Sequence[Instance]) -> set[str]:
    return {uid for each in instances if sink.holds(uid := each.sop_instance_uid)}


async def _selected(index: Index, what: "QueryResult | Query") -> AsyncIterator[Found | Absent]:
    found = selected(index, what)
    try:
        while some := await asyncio.to_thread(lambda: [*islice(found, _SOME)]):
            for each in some:
                yield each
    finally:
        await asyncio.to_thread(found.close)


def _as_indexed(found: Found) -> FileInstance | InstanceResult:
    """Return an instance as its file is now, in case it has changed since it was indexed."""
    instance = found.instance
    try:
        if os.stat(instance.path).st_size == found.size:
            return instance
        header = scan(instance.path, ())
    except (OSError, NotDicom) as error:
        return _failed(instance, str(error))
    if header.sop_instance_uid != instance.sop_instance_uid:
        return _failed(instance, f"{instance.path}: it is another instance since it was indexed")
    kind = header.sop_class_uid, header.transfer_syntax_uid
    return instance._replace(kind=kind, offset=header.data_set_offset)


async def _linked(found: Found, sink: DirectorySink, way: Way) -> InstanceResult:
    instance = found.instance
    link = Link(instance.path, sink.folder.text, way)
    try:
        header = await asyncio.to_thread(scan, instance.path, sink.wanted)
        if header.sop_instance_uid != instance.sop_instance_uid:
            return _failed(
                instance, f"{instance.path}: it is another instance since it was indexed"
            )
        placed = await sink.take(link, header)
        if way is Way.MOVE:
            await asyncio.to_thread(link.remove_source, placed.file)
    except (OSError, NotDicom, Refused) as error:
        return _failed(instance, str(error))
    finally:
        link.discard()
    outcome = Outcome.ALREADY_THERE if placed.already_there else Outcome.STORED
    return InstanceResult(placed.file, instance.sop_instance_uid, outcome, placed.remark)


def _failed(instance: FileInstance, words: str) -> InstanceResult:
    return InstanceResult(instance.path, instance.sop_instance_uid, Outcome.FAILED, words)
