"""The report of a run on a terminal: each failure with its evidence, then a summary by suite."""

import os
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.report import evidence
from harness.report.load import OUTCOMES, CaseResult, Run
from harness.report.text import counted, one_line, seconds

IN_FULL = 20
"""Most failures shown in full: a dead server fails every case in the same way."""
VALUE_LINES = 6
INDENT = 12
"""Columns before a value."""
ROOM_FOR_IDS = 16
"""Columns; a line with fewer left does not list the ids of cases."""
SLOWEST = 5
ENDLESS = 1_000_000
"""Columns of output that has no line width."""

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


def lines(run: Run, width: int | None = 100, colour: bool = False) -> list[str]:
    """Format the run for a terminal of `width` columns, or None for a file or a program.

    Reasons are wrapped and never cut. Paths are neither wrapped nor cut, so that they can be copied.
    """
    page = _Page(run, ENDLESS if width is None else max(width, 40), colour)
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
    """Return the path as one would type it: from here, and through `latest` if that is the run."""
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
            yield from _wrapped("  because   ", one_line(case.why or ""), self.width)
        if case.reason and failure and case.reason != failure.message:
            yield from _wrapped("  list      ", case.reason, self.width)
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
        lines = value.splitlines() or ["(empty)"]
        shown = [line for each in lines for line in _wrapped("", each, self.width - INDENT)]
        left = len(shown) - VALUE_LINES
        if left > 0:
            shown = [*shown[:VALUE_LINES], f"({counted(left, 'more line')}, in the report)"]
        for number, line in enumerate(shown):
            yield f"  {'' if number else label:9} {line}"

    def table(self) -> list[str]:
        """Count cases by suite, with a column for `passed` and for each other outcome that occurred."""
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
            line
            for reason, ids in sorted(groups.items())
            for line in self._grouped(
                "unsupported", f"{reason}: {counted(len(ids), 'case')}, ", ids
            )
        ]

    def known(self) -> list[str]:
        """List each known issue: its number of cases, its reason, and as many ids as fit."""
        return [
            line
            for reason, cases in self.run.issues.items()
            for line in self._grouped(
                "known",
                f"{counted(len(cases), 'case')}  {reason}: ",
                [case.full_id for case in cases],
            )
        ]

    def _grouped(self, word: str, what: str, ids: Sequence[str]) -> list[str]:
        """Format what cases have in common on as many lines as needed, then as many ids as fit."""
        *above, last = _wrapped(f"{word}  ", what.rstrip(), self.width)
        names = ", ".join(ids)
        room = self.width - len(last) - 1
        last = f"{last} {_cut(names, room)}" if room > ROOM_FOR_IDS else last.rstrip(":,")
        lines = [*above, last]
        return [self._paint(word, word) + lines[0][len(word) :], *lines[1:]]

    def notes(self) -> list[str]:
        notes = (*self.run.notes, *self.run.damage)
        found = []
        for note in notes:
            first, *rest = _wrapped("note  ", note, self.width)
            found += [self._paint("note", "unsure") + first[len("note") :], *rest]
        return found

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


def _wrapped(prefix: str, text: str, width: int) -> list[str]:
    """Wrap a text after a prefix; a word that is too long for a line is broken too."""
    return textwrap.wrap(
        text,
        max(width, len(prefix) + 20),
        initial_indent=prefix,
        subsequent_indent=" " * len(prefix),
        break_on_hyphens=False,
        drop_whitespace=bool(prefix),
        replace_whitespace=False,
    ) or [prefix.rstrip()]


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"
