"""The matrix itself: cases x servers, made from run folders only.

A server without a run, or one that could not be started, keeps its column, which shows why it is
empty.
"""

import itertools
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

from harness.report.load import BAD, CaseResult, Outcome, Run, tally
from harness.report.text import counted, printable

Kind = Literal["different", "partly", "alike"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Ended(NamedTuple):
    """The result for a requested server: its run, or in `trouble` the reason why there is none."""

    asked: str | None
    run: Run | None
    trouble: str | None


@dataclass(frozen=True)
class Column:
    """One server: its run, or in `trouble` why there is none; `asked` is how it was requested."""

    letter: str
    asked: str | None
    run: Run | None
    trouble: str | None

    @property
    def name(self) -> str:
        """The server with its version, as far as it is known."""
        return str(self.run.server) if self.run else self.asked or "unknown"

    @property
    def asked_as(self) -> str | None:
        """How the server was requested, or None if its name makes that clear."""
        known = self.asked is None or self.name.lower().startswith(self.asked)
        return None if known else self.asked

    @property
    def cases(self) -> Mapping[str, CaseResult]:
        """The cases by full id; none if the server did not start: they say nothing about it."""
        return {} if self.run is None or self.trouble else self.run.by_id

    @property
    def good(self) -> bool:
        """Whether the server ran, and nothing failed."""
        return self.run is not None and self.trouble is None and self.run.judgement == "good"


@dataclass(frozen=True)
class Row:
    """One case; `cells` are its outcomes in each column, None if the run does not have it."""

    cells: tuple[CaseResult | None, ...]
    kind: Kind

    @cached_property
    def case(self) -> CaseResult:
        """The case as its first run describes it."""
        return next(filter(None, self.cells))

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The distinct outcomes."""
        return tuple(tally(cell.outcome for cell in self.cells if cell))


@dataclass(frozen=True)
class Table:
    """Facts side by side: the value of each column for a name, None if it has none."""

    title: str
    rows: Mapping[str, tuple[str | None, ...]]
    differing: frozenset[str]
    """The names whose values differ between the columns that have data."""


@dataclass(frozen=True)
class Matrix:
    """The whole matrix; rows in reading order, by suite and id."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    tables: tuple[Table, ...]

    def of(self, kind: Kind) -> list[Row]:
        """Return the rows of one kind."""
        return [row for row in self.rows if row.kind == kind]

    @cached_property
    def counts(self) -> Mapping[Outcome, int]:
        """The number of rows with each outcome in any column."""
        return tally(outcome for row in self.rows for outcome in row.outcomes)

    @property
    def judgement(self) -> Literal["good", "bad", "unsure"]:
        """Good only if every server ran, and nothing failed."""
        if all(column.good for column in self.columns):
            return "good"
        bad = {*BAD} & self.counts.keys() or any(column.trouble for column in self.columns)
        return "bad" if bad else "unsure"

    @property
    def verdict(self) -> str:
        """The matrix in one line."""
        servers = counted(len(self.columns), "server")
        differ = len(self.of("different"))
        if not self.rows:
            return f"{servers}: no case ran"
        said = f"{differ} differ" if differ > 1 else "1 differs" if differ else "no difference"
        lost = sum(column.trouble is not None for column in self.columns)
        ending = f"; {counted(lost, 'server')} did not run" if lost else ""
        return f"{counted(len(self.rows), 'case')} on {servers}: {said}{ending}"


def columns(found: Sequence[tuple[str | None, Run | None, str | None]]) -> tuple[Column, ...]:
    """Make the columns from the result for each server."""
    one = string.ascii_uppercase
    letters = (*one, *map("".join, itertools.product(one, one)))
    return tuple(
        Column(
            letter,
            asked and printable(asked),
            run,
            printable(trouble) if trouble else _never_started(run) if run else "it did not run",
        )
        for letter, (asked, run, trouble) in zip(letters, found, strict=False)
    )


def make_matrix(columns: Sequence[Column]) -> Matrix:
    """Put the runs side by side."""
    by_key = [column.cases for column in columns]
    rows = []
    for key in dict.fromkeys(itertools.chain(*by_key)):
        cells = tuple(cases.get(key) for cases in by_key)
        rows.append(Row(cells, _kind([*itertools.compress(cells, by_key)])))
    rows.sort(key=lambda row: (row.case.suite, row.case.id, row.case.parameters or ""))
    return Matrix(tuple(columns), tuple(rows), tuple(_tables(columns)))


def side_by_side(title: str, facts: Sequence[Mapping[str, str | None] | None]) -> Table:
    """Make a table of each column's values by name; None for a column that has no data."""
    told = [each for each in facts if each is not None]
    names = dict.fromkeys(itertools.chain(*told))
    rows = {name: tuple(each.get(name) if each else None for each in facts) for name in names}
    differing = {name for name in names if len({each.get(name) for each in told}) > 1}
    return Table(title, rows, frozenset(differing))


def _kind(cells: Sequence[CaseResult | None]) -> Kind:
    """Return whether the outcomes differ, and if only because a server lacks a capability."""
    outcomes = {cell.outcome if cell else None for cell in cells}
    if len(outcomes - {"unsupported", None}) > 1:
        return "different"
    return "partly" if len(outcomes) > 1 else "alike"


def _never_started(run: Run) -> str | None:
    """Return why the server could not be started, or None; then every case has the same error.

    The capabilities of a server are recorded once it runs.
    """
    if not run.cases or run.capabilities or len(run.of("error")) < len(run.cases):
        return None
    return run.cases[0].why or "it could not be started"


def _tables(columns: Sequence[Column]) -> Iterator[Table]:
    runs = [column.run for column in columns]
    abilities = [
        {name: version or "yes" for name, version in sorted(run.capabilities.items())}
        if run
        else None
        for run in runs
    ]
    yield side_by_side("Identity", [_identity(run) if run else None for run in runs])
    yield side_by_side("Plugins", [run.server.plugins if run else None for run in runs])
    yield side_by_side("Capabilities", abilities)


def _identity(run: Run) -> dict[str, str | None]:
    facts = {
        "name": run.server.name,
        "version": run.server.version,
        "AE title": run.server.ae_title,
        "executable": run.server.executable,
        "image": run.server.image,
        "mode": run.mode,
        "local server": str(run.local) if run.local else None,
        **{name: value for name, value in run.environment.items() if name != "platform"},
    }
    return {name: value for name, value in facts.items() if value}
