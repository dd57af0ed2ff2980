"""The end of a run on a terminal: each failure with its evidence, then the summary by suite."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.report import evidence
from harness.report.load import OUTCOMES, CaseResult, Run
from harness.report.text import counted, seconds

IN_FULL = 20
"""Failures shown in full; a dead server fails everything, and nobody reads 500 times the same."""
VALUE_LINES = 6
ROOM_FOR_IDS = 16
"""Columns; the ids of cases are left out of a line that has fewer."""
SLOWEST = 5

_CODES = {
    "passed": "32",
    "failed": "1;31",
    "error": "1;35",
    "known": "33",
    "unsupported": "36",
    "good": "1;32",
    "bad": "1;31",
    "unsure": "1;33",
    "dim": "2",
    "bold": "1",
}


def lines(run: Run, width: int = 100, colour: bool = False) -> list[str]:
    """Write the run for a terminal of `width` columns; paths are never cut, people copy them."""
    page = _Page(run, max(width, 40), colour)
    blocks = [
        page.failures(),
        page.table(),
        page.unsupported(),
        page.known(),
        page.notes(),
        page.figures(),
        page.slowest(),
        page.ending(),
    ]
    return [line for block in blocks if block for line in (*block, "")][:-1]


def shown_path(path: Path) -> str:
    """Return the path as one would type it: from here, and by `latest` if that is the run."""
    for parent in path.parents:
        latest = parent.parent / "latest"
        if latest.is_symlink() and latest.exists() and latest.samefile(parent):
            path = latest / path.relative_to(parent)
            break
    here = Path.cwd()
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow `latest`
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)


@dataclass(frozen=True)
class _Page:
    """The run as blocks of lines."""

    run: Run
    width: int
    colour: bool

    def failures(self) -> list[str]:
        bad = [*self.run.of("failed"), *self.run.of("error")]
        found = [line for case in bad[:IN_FULL] for line in (*self._failure(case), "")]
        if bad[IN_FULL:]:
            found.append(f"{counted(len(bad) - IN_FULL, 'more failure')}, in the report:")
            return [*found, *map(self._head, bad[IN_FULL:])]
        return found[:-1]

    def _failure(self, case: CaseResult) -> Iterator[str]:
        yield self._head(case)
        failure = case.failure
        if failure and (failure.expected is not None or failure.received is not None):
            yield from self._value("expected", failure.expected)
            yield from self._value("received", failure.received)
        else:
            yield from self._value("because", case.why or None)
        if case.reason and failure and case.reason != failure.message:
            yield f"  list      {case.reason}"
        if case.evidence:
            names = "  ".join(path.name for path in evidence.paths(case))
            yield f"  evidence  {shown_path(case.evidence)}/   {names}".rstrip()

    def _head(self, case: CaseResult) -> str:
        word = case.outcome.upper()
        rest = f"{case.id} {case.full_name}"
        room = min(self.width, 100) - len(word) - len(rest) - len(case.ref) - 1
        gap = " " * max(2, room)
        return f"{self._paint(word, case.outcome)} {self._paint(rest, 'bold')}{gap}{self._dim(case.ref)}"

    def _value(self, label: str, value: str | None) -> Iterator[str]:
        if value is None:
            return
        shown = value.splitlines() or ["(empty)"]
        left = len(shown) - VALUE_LINES
        if left > 0:
            shown = [*shown[:VALUE_LINES], f"({counted(left, 'more line')}, in the report)"]
        for number, line in enumerate(shown):
            yield _cut(f"  {'' if number else label:9} {line}", self.width)

    def table(self) -> list[str]:
        """Count by suite; a column for each outcome that there was, and always for what passed."""
        run = self.run
        if not run.cases:
            return []
        columns = [each for each in OUTCOMES if each == "passed" or each in run.counts]
        first = max(len(name) for name in (*run.suites, "suite"))
        found = [self._dim("  ".join([f"{'suite':{first}}", *columns, f"{'time':>11}"]))]
        for name, cases in (*run.suites.items(), ("all", run.cases)):
            counts = Counter(case.outcome for case in cases)
            cells = [
                self._paint(f"{counts[each] or '.':>{len(each)}}", each if counts[each] else "dim")
                for each in columns
            ]
            time = seconds(sum(case.duration for case in cases))
            found.append("  ".join([f"{name:{first}}", *cells, f"{time:>11}"]))
        return found

    def unsupported(self) -> list[str]:
        groups: dict[str, list[str]] = {}
        for case in self.run.of("unsupported"):
            reason = case.reason or f"needs {', '.join(case.needs)}"
            groups.setdefault(reason, []).append(case.full_id)
        return [
            self._paint("unsupported", "unsupported")
            + _cut(f"  {reason}: {counted(len(ids), 'case')}, {', '.join(ids)}", self.width - 11)
            for reason, ids in sorted(groups.items())
        ]

    def known(self) -> list[str]:
        """Write a line for each issue: how many cases it is about, what it is, and ids as far as they fit."""
        found = []
        for reason, cases in self.run.issues.items():
            line = f"  {counted(len(cases), 'case')}  {reason}"
            room = self.width - len("known") - len(line)
            ids = _cut(f": {', '.join(case.full_id for case in cases)}", room)
            found.append(
                self._paint("known", "known") + line + (ids if room > ROOM_FOR_IDS else "")
            )
        return found

    def notes(self) -> list[str]:
        notes = (*self.run.notes, *self.run.damage)
        return [f"{self._paint('note', 'unsure')}  {note}" for note in notes]

    def figures(self) -> list[str]:
        figures = [
            (figure, f"{case.id} {name}")
            for case in self.run.cases
            for name, figure in case.figures.items()
        ]
        return self._measured("measured", figures)

    def slowest(self) -> list[str]:
        ran = sorted(self.run.cases, key=lambda case: case.duration, reverse=True)[:SLOWEST]
        times = [(seconds(case.duration), f"{case.id} {case.full_name}") for case in ran]
        return self._measured("slowest", times)

    def _measured(self, title: str, found: Sequence[tuple[str, str]]) -> list[str]:
        shown = [_cut(f"  {figure:>11}  {what}", self.width) for figure, what in found]
        return [self._dim(title), *shown] if shown else []

    def ending(self) -> list[str]:
        page = self.run.folder / "report.html"
        found = [f"report  {shown_path(page)}"] if page.exists() else []
        verdict = f"{self.run.verdict} in {seconds(self.run.duration)}"
        return [*found, self._paint(verdict, self.run.judgement)]

    def _paint(self, text: str, style: str) -> str:
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour else text

    def _dim(self, text: str) -> str:
        return self._paint(text, "dim")


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"
