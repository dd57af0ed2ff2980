"""A large copy on several machines: its transfers are distributed over a Dask cluster.

    async with Cluster("tcp://scheduler:8786", opener, options) as cluster, manager:
        report = await manager.sync(query, executor=cluster)

Each worker opens the places itself, compares again, and copies. If a worker dies, another one takes
over its transfer, and instances that had arrived are not sent again. Workers need the same version
of dcm, the same network, and the same folders under the same paths.
"""

import asyncio
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self

from dcm.data.query_result import QueryResult
from dcm.errors import DcmError
from dcm.frozen import Frozen
from dcm.outcome import Outcome
from dcm.store.place import Place
from dcm.sync.compare import Comparison
from dcm.sync.manager import SyncManager
from dcm.sync.report import Copied, SyncReport, Transfer

_FOR_EACH: Final = 2
"""Transfers per worker thread: while one is copied, the next one is sent to the worker."""


class NoCluster(DcmError):  # noqa: N818 - reads as the sentence it is
    """The cluster cannot be used, with the reason."""


class Opens(Protocol):
    """Opens a place by its name on any machine; must be picklable."""

    def place(self, name: str) -> Place:
        """Return the place."""


class Options(Frozen):
    """The options of the sync that a worker needs."""

    comparison: Comparison = Comparison()
    verify: bool = False


class _Task(NamedTuple):
    opener: Opens
    source: str
    destinations: tuple[str, ...]
    what: str
    options: Options


class _Done(NamedTuple):
    """The result of a task. already: the number of instances already there, by destination."""

    copied: list[Copied]
    already: list[int]
    problems: list[str]
    remarks: list[str]
    instances: int
    bytes: int


class Cluster:
    """The workers of a Dask scheduler at `address`. Raises `NoCluster`."""

    def __init__(self, address: str, opener: Opens, options: Options) -> None:
        self.at_once = 1
        self._address: Final = address
        self._opener: Final = opener
        self._options: Final = options
        self._client: Any = None

    async def __aenter__(self) -> Self:
        try:
            from distributed import Client  # noqa: PLC0415 - an extra, and slow to import
        except ImportError:
            raise NoCluster("Dask is not installed: pip install 'dicom-dcm[dask]'") from None
        try:
            connect: Any = Client  # untyped
            self._client = await connect(self._address, asynchronous=True, timeout=10)
        except (OSError, ValueError, TimeoutError) as error:
            raise NoCluster(
                f"the Dask scheduler {self._address} does not answer: {error}"
            ) from error
        workers = self._client.scheduler_info()["workers"]
        self.at_once = _FOR_EACH * max(1, sum(each["nthreads"] for each in workers.values()))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.close()

    async def execute(self, manager: SyncManager, transfer: Transfer) -> None:
        """Carry out a transfer on a worker, and report the outcome."""
        assert self._client is not None, "the block of the cluster was not entered"
        names = tuple(manager.destinations[number].name for number in transfer.to)
        task = _Task(
            self._opener, transfer.source.name, names, transfer.what.to_json(), self._options
        )
        future: Any = self._client.submit(_copy, task, pure=False, retries=2)
        try:
            done = _Done(*await future)
        except asyncio.CancelledError:
            await future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever a worker or Dask raises
            manager.report.problems.add(f"{transfer.source}: a worker failed: {error!r}")
            return
        for each in done.copied:
            manager.tell(each)
        for name, count in zip(names, done.already, strict=True):
            manager.report.counts[name][Outcome.ALREADY_THERE] += count
        manager.report.problems.extend(done.problems)
        manager.report.remarks.extend(done.remarks)
        manager.rates.add(done.bytes, done.instances)


def _copy(task: _Task) -> tuple[object, ...]:
    """Copy on a worker. Returns plain values, so the scheduler does not need dcm."""
    return tuple(asyncio.run(_copied(task)))


async def _copied(task: _Task) -> _Done:
    source = task.opener.place(task.source)
    destinations = [task.opener.place(name) for name in task.destinations]
    copied: list[Copied] = []
    async with SyncManager(
        [source], destinations,
        comparison=task.options.comparison, verify=task.options.verify, on_copied=copied.append,
    ) as manager:  # fmt: skip
        report: SyncReport = await manager.sync(within=QueryResult.from_json(task.what))
    already = [report.counts[place.name][Outcome.ALREADY_THERE] for place in destinations]
    rates = manager.rates
    problems, remarks = [*report.problems], [*report.remarks]
    return _Done(copied, already, problems, remarks, rates.instances, rates.bytes)
