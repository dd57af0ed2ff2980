"""The end of a run on a terminal: each failure with its evidence, then the summary by suite."""

import os
from collections.abc import Callable
from pathlib import Path

from harness.report import evidence
from harness.report.load import OUTCOMES, CaseResult, Outcome, Run
from harness.report.text import counted, seconds

IN_FULL = 20
"""Failures shown in full; a dead server fails everything, and nobody reads 500 times the same."""
VALUE_LINES = 6
ROOM_FOR_IDS = 16
"""Columns; the ids of cases are left out of a line that has fewer."""
SLOWEST = 5

Paint = Callable[[str, str], str]
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
    paint: Paint = _coloured if colour else _plain
    width = max(width, 40)
    blocks = [
        _failures(run, width, paint),
        _table(run, paint),
        _unsupported(run, width, paint),
        _known(run, width, paint),
        _notes(run, paint),
        _figures(run, width, paint),
        _slowest(run, width, paint),
        _ending(run, paint),
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


def _failures(run: Run, width: int, paint: Paint) -> list[str]:
    bad = [*run.of("failed"), *run.of("error")]
    found: list[str] = []
    for case in bad[:IN_FULL]:
        found += [*_failure(case, width, paint), ""]
    if bad[IN_FULL:]:
        found.append(f"{counted(len(bad) - IN_FULL, 'more failure')}, in the report:")
        found += [_head(case, width, paint) for case in bad[IN_FULL:]]
    return found[:-1] if found and not found[-1] else found


def _failure(case: CaseResult, width: int, paint: Paint) -> list[str]:
    found = [_head(case, width, paint)]
    failure = case.failure
    if failure and (failure.expected is not None or failure.received is not None):
        found += _value("expected", failure.expected, width)
        found += _value("received", failure.received, width)
    elif case.why:
        found += _value("because", case.why, width)
    if case.reason and failure and case.reason != failure.message:
        found.append(f"  list      {case.reason}")
    if case.evidence:
        names = "  ".join(path.name for path in evidence.paths(case))
        found.append(f"  evidence  {shown_path(case.evidence)}/   {names}".rstrip())
    return found


def _head(case: CaseResult, width: int, paint: Paint) -> str:
    word = case.outcome.upper()
    rest = f"{case.id} {case.full_name}"
    room = min(width, 100) - len(word) - len(rest) - len(case.ref) - 1
    gap = " " * max(2, room)
    return f"{paint(word, case.outcome)} {paint(rest, 'bold')}{gap}{paint(case.ref, 'dim')}"


def _value(label: str, value: str | None, width: int) -> list[str]:
    if value is None:
        return []
    shown = value.splitlines() or ["(empty)"]
    left = len(shown) - VALUE_LINES
    if left > 0:
        shown = [*shown[:VALUE_LINES], f"({counted(left, 'more line')}, in the report)"]
    labels = [label, *[""] * (len(shown) - 1)]
    return [_cut(f"  {name:9} {line}", width) for name, line in zip(labels, shown, strict=True)]


def _table(run: Run, paint: Paint) -> list[str]:
    """Count by suite; a column for each outcome that there was, and always for what passed."""
    if not run.cases:
        return []
    columns: list[Outcome] = [each for each in OUTCOMES if each == "passed" or each in run.counts]
    first = max(len(name) for name in (*run.suites, "suite"))
    head = f"{'suite':{first}}" + "".join(f"  {each:>{len(each)}}" for each in columns)
    found = [paint(f"{head}  {'time':>11}", "dim")]
    for name, cases in run.suites.items():
        found.append(_table_row(name, cases, columns, first, paint))
    found.append(_table_row("all", run.cases, columns, first, paint))
    return found


def _table_row(
    name: str, cases: tuple[CaseResult, ...], columns: list[Outcome], first: int, paint: Paint
) -> str:
    cells = [f"{name:{first}}"]
    for outcome in columns:
        number = sum(case.outcome == outcome for case in cases)
        text = f"{number or '.':>{len(outcome)}}"
        cells.append(paint(text, outcome if number else "dim"))
    return "  ".join([*cells, f"{seconds(sum(case.duration for case in cases)):>11}"])


def _unsupported(run: Run, width: int, paint: Paint) -> list[str]:
    groups: dict[str, list[str]] = {}
    for case in run.of("unsupported"):
        reason = case.reason or f"needs {', '.join(case.needs)}"
        groups.setdefault(reason, []).append(case.full_id)
    return [
        paint("unsupported", "unsupported")
        + _cut(f"  {reason}: {counted(len(ids), 'case')}, {', '.join(ids)}", width - 11)
        for reason, ids in sorted(groups.items())
    ]


def _known(run: Run, width: int, paint: Paint) -> list[str]:
    """Write a line for each issue: how many cases it is about, what it is, and ids as far as they fit."""
    found = []
    for reason, cases in run.issues.items():
        line = f"  {counted(len(cases), 'case')}  {reason}"
        ids = f": {', '.join(case.full_id for case in cases)}"
        room = width - len("known") - len(line)
        found.append(
            paint("known", "known") + line + (_cut(ids, room) if room > ROOM_FOR_IDS else "")
        )
    return found


def _notes(run: Run, paint: Paint) -> list[str]:
    return [f"{paint('note', 'unsure')}  {note}" for note in (*run.notes, *run.damage)]


def _figures(run: Run, width: int, paint: Paint) -> list[str]:
    found = [
        f"  {figure:>11}  {case.id} {name}"
        for case in run.cases
        for name, figure in case.figures.items()
    ]
    return [paint("measured", "dim"), *(_cut(line, width) for line in found)] if found else []


def _slowest(run: Run, width: int, paint: Paint) -> list[str]:
    ran = sorted(run.cases, key=lambda case: case.duration, reverse=True)[:SLOWEST]
    if not ran:
        return []
    found = [f"  {seconds(case.duration):>11}  {case.id} {case.full_name}" for case in ran]
    return [paint("slowest", "dim"), *(_cut(line, width) for line in found)]


def _ending(run: Run, paint: Paint) -> list[str]:
    page = run.folder / "report.html"
    found = [f"report  {shown_path(page)}"] if page.exists() else []
    verdict = f"{run.verdict} in {seconds(run.duration)}"
    return [*found, paint(verdict, run.judgement)]


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _coloured(text: str, style: str) -> str:
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def _plain(text: str, _style: str) -> str:
    return text
