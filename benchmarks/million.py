"""A sync of a million computed instances: the cost of comparison, journal and report.

    python benchmarks/million.py [INSTANCES] [same ask journal lost]

The source answers queries like an archive with studies of 100 instances in two series, and returns
instances of a few bytes. same: the destination has everything, down to each instance. ask: it lacks
one instance in a hundred. journal: it answers no queries, so the journal has an entry for each
instance, and the second run finds all of them there. lost: it rejects everything. Each runs in a
separate process, whose time and peak memory are printed.
"""

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dcm.data.account import Account
from dcm.data.keys import Query, attributes_of
from dcm.data.levels import Level
from dcm.data.query_result import QueryResult
from dcm.instances import Instance, MemoryInstance
from dcm.net.entity import Stream
from dcm.outcome import InstanceResult, OnResult, Outcome, Report
from dcm.sinks import Holder
from dcm.store.filling import Filling
from dcm.store.place import Ability, CannotDo, Place
from dcm.sync import Journal, SyncManager, SyncReport
from dcm.writer import Writer

SERIES, IMAGES = 2, 50
CT, EXPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1"
KINDS = ("same", "ask", "journal", "lost")


class Computed:
    """An archive of `studies` that are not stored. lacks: one instance in this many; 0 for none."""

    def __init__(
        self, name: str, studies: int, abilities: frozenset[Ability], lacks: int = 0
    ) -> None:
        self.name = name
        self.abilities = abilities
        self.refuses = False
        self._studies = studies
        self._lacks = lacks

    def __str__(self) -> str:
        return self.name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def echo(self) -> float:
        """Respond."""
        return 0

    def queries(
        self,
        query: "Query | None" = None,
        *,
        level: Level | None = None,
        within: QueryResult | None = None,
        account: Account | None = None,  # noqa: ARG002 - nothing is wrong with answers
    ) -> Stream[QueryResult]:
        """Answer a query for studies, or for the children of some entities."""
        return Stream(self._answers(attributes_of(query), level or Level.STUDY, within))

    async def _answers(
        self, keys: object, level: Level, within: QueryResult | None
    ) -> AsyncGenerator[QueryResult, None]:
        assert isinstance(keys, dict)
        if within is not None:
            for node in within.at(within.level):
                yield self._piece(level, [node.path[1:]])
                await asyncio.sleep(0)
            return
        asked = str(keys.get("StudyInstanceUID", ""))
        numbers = [int(uid.rpartition(".")[2]) for uid in asked.split("\\") if uid]
        for begin in range(0, len(numbers) or self._studies, 200):
            some = numbers or range(begin, min(begin + 200, self._studies))
            yield self._piece(level, [(f"1.2.{number}",) for number in some])
            await asyncio.sleep(0)

    def _piece(self, level: Level, above: Sequence[tuple[str, ...]]) -> QueryResult:
        answers = []
        for path in above:
            study = {"PatientID": f"P{path[0]}", "StudyInstanceUID": path[0]}
            series = (
                [f"{path[0]}.{each}" for each in range(SERIES)] if len(path) == 1 else [path[1]]
            )
            if level is Level.STUDY:
                answers.append(study)
            for each in series if level > Level.STUDY else ():
                one = {**study, "SeriesInstanceUID": each}
                if level is Level.SERIES:
                    answers.append(one)
                answers += [
                    {**one, "SOPInstanceUID": f"{each}.{image}"}
                    for image in (range(IMAGES) if level is Level.IMAGE else ())
                    if not (self._lacks and (image + 7) % self._lacks == 0)
                ]
        return QueryResult(level, answers, source=self.name)

    async def holds(self, instances: Sequence[Instance]) -> set[str]:  # noqa: ARG002 - for no command here
        """Return nothing."""
        return set()

    async def fetch(
        self, what: "QueryResult | Query", sink: Holder, *, on_result: OnResult | None = None
    ) -> Report:
        """Put instances of a few bytes into the sink."""
        assert isinstance(what, QueryResult)
        filling = Filling(sink, self.name, on_result)
        async for piece in (
            self._answers({}, Level.IMAGE, what) if what.level < Level.IMAGE else _one(what)
        ):
            for node in piece.at(Level.IMAGE):
                await filling.put(MemoryInstance((CT, EXPLICIT), node.uid, b"\x08\0\x05\0CS\0\0"))
        return filling.report

    @asynccontextmanager
    async def writer(
        self,
        on_result: OnResult | None = None,
        *,
        convert: bool = True,  # noqa: ARG002 - everything is taken as it is
    ) -> AsyncIterator[Writer]:
        """Accept instances, or reject them."""
        yield _Writer(on_result, Outcome.FAILED if self.refuses else Outcome.STORED)

    async def copy(
        self,
        what: "QueryResult | Query",  # noqa: ARG002 - nothing is copied
        to: Place,  # noqa: ARG002
        *,
        on_result: OnResult | None = None,  # noqa: ARG002
    ) -> Report:
        """Raise `CannotDo`."""
        raise CannotDo(self, Ability.COPY)


async def _one(what: QueryResult) -> AsyncIterator[QueryResult]:
    yield what


class _Writer:
    """Accepts instances, and keeps none."""

    def __init__(self, on_result: OnResult | None, outcome: Outcome) -> None:
        self.given_up: Exception | None = None
        self._told = on_result
        self._outcome = outcome

    async def put(self, what: object) -> None:
        """Accept an instance."""
        assert isinstance(what, MemoryInstance)
        self.add(what)

    def add(self, instance: Instance) -> None:
        """Accept an instance."""
        self.settle(InstanceResult("", instance.sop_instance_uid, self._outcome, ""))

    def settle(self, result: InstanceResult) -> None:
        """Report an outcome."""
        if self._told is not None:
            self._told(result)

    async def room(self) -> None:
        """Return: there is always room."""

    async def finish(self) -> Report:
        """Return: there is nothing to wait for."""
        return Report()


def run(kind: str, instances: int) -> None:
    """Run one kind, and print what it used."""
    studies = instances // (SERIES * IMAGES)
    every = frozenset({Ability.QUERY, Ability.FETCH, Ability.STORE})
    source = Computed("source", studies, every)
    able = every if kind in ("same", "ask") else frozenset({Ability.STORE})
    target = Computed("target", studies, able, 50 if kind == "ask" else 0)
    target.refuses = kind == "lost"
    with tempfile.TemporaryDirectory() as folder, Journal(f"{folder}/journal") as journal:
        for again in (False, True) if kind == "journal" else (False,):
            begun = time.perf_counter(), time.process_time()
            report = asyncio.run(_sync(source, target, journal))
            wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
            journal.write()
            size = sum(each.stat().st_size for each in Path(folder).iterdir())
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            words = {outcome.value: count for outcome, count in report.counts["target"].items()}
            print(
                f"{kind}{' again' if again else '':8} {wall:6.1f} s {cpu:6.1f} s CPU {memory:5.0f} MB,"
                f" journal {size / 1e6:.1f} MB: {words}, {len(report.failures)} failures kept",
                flush=True,
            )


async def _sync(source: Computed, target: Computed, journal: Journal) -> SyncReport:
    async with SyncManager([source], [target], journal=journal) as manager:
        return await manager.sync()


def main() -> None:
    """Run all kinds, each in a separate process."""
    numbers = [each for each in sys.argv[1:] if each.isdecimal()]
    instances = int(numbers[0]) if numbers else 1_000_000
    kinds = [each for each in sys.argv[1:] if each in KINDS] or KINDS
    if os.environ.get("MILLION_ONE"):
        run(kinds[0], instances)
        return
    for kind in kinds:
        command = [sys.executable, __file__, str(instances), kind]
        subprocess.run(command, check=True, env={**os.environ, "MILLION_ONE": "1"})


if __name__ == "__main__":
    main()
