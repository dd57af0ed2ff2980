"""Compare two runs case by case, to show a maintainer what broke since the last build.

Cases are matched by id and parameters. The runs may be of different servers, versions or days.
Incidental details of a run (times, folders, ports) do not count as differences.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import Literal, get_args

from harness.errors import ConfigError
from harness.report.difference_content import (
    Said,
    Shared,
    of_its_own,
    said_otherwise,
    shared_by_many,
)
from harness.report.load import CaseResult, Outcome, Run, load
from harness.report.text import counted, one_line, seconds

Kind = Literal["worse", "better", "gone", "new", "content", "slower"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_GOODNESS: Mapping[Outcome, int] = {
    "passed": 3,
    "unsupported": 2,
    "known": 2,
    "failed": 1,
    "error": 1,
}
_SLOWER = 5.0
"""Factor from which a case counts as slower, relative to the run as a whole.

Two runs of one server differ by less.
"""
_NOTICEABLE = 1.0  # seconds


@dataclass(frozen=True)
class Change:
    """A difference in a case, or in the server if `case_before` and `case_after` are None."""

    kind: Kind
    key: str
    title: str
    before: str
    after: str
    case_before: CaseResult | None = None
    case_after: CaseResult | None = None
    said: tuple[Said, ...] = ()
    """How the server's messages differ."""


@dataclass(frozen=True)
class Difference:
    """Two runs and their differences, the worst first."""

    before: Run
    after: Run
    changes: tuple[Change, ...]

    def of(self, kind: Kind) -> list[Change]:
        """Return the changes of one kind."""
        return [change for change in self.changes if change.kind == kind]

    @cached_property
    def shared(self) -> list[Shared]:
        """Changes in the server's messages that many cases share."""
        return shared_by_many({change.key: change.said for change in self.changes})

    def own(self, change: Change) -> list[Said]:
        """Return the changes in the server's messages that are not among the shared ones."""
        return list(of_its_own(change.said, self.shared))

    def told(self, kind: Kind) -> list["Change | Shared"]:
        """Return the entries of one kind: of the server, then shared ones, then single cases."""
        server: list[Change | Shared] = []
        alone: list[Change] = []
        for each in self.of(kind):
            if each.case_before is None and each.case_after is None:
                server.append(each)
            elif each.before != each.after or not each.said or self.own(each):
                alone.append(each)
        return [*server, *(self.shared if kind == "content" else ()), *alone]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Sentences on the cases that were not compared because one run ran only a selection."""
        old, new = self.before.by_id.keys(), self.after.by_id.keys()
        return tuple(
            f"{counted(len(missing), 'case')} of the {other} run did not run in the {run} one, "
            "which ran only a selection: these are not compared."
            for run, other, partial, missing in (
                ("later", "earlier", self.after.selected, old - new),
                ("earlier", "later", self.before.selected, new - old),
            )
            if partial and missing
        )

    @property
    def got_worse(self) -> bool:
        """Whether any case got worse, so that a release should wait."""
        return bool(self.of("worse"))


def against_baseline(run: Run) -> "Difference | str | None":
    """Compare a run with its baseline, if any; return a sentence if that cannot be read."""
    if run.baseline is None:
        return None
    try:
        return compare(load(run.baseline), run)
    except ConfigError as error:
        return f"It cannot be compared with its baseline: {error}"


def compare(before: Run, after: Run) -> Difference:
    """Compare two runs."""
    changes = [*_of_the_server(before, after), *_of_the_cases(before, after)]
    changes.sort(key=lambda change: (KINDS.index(change.kind), change.key))
    return Difference(before, after, tuple(changes))


def _of_the_server(before: Run, after: Run) -> Iterator[Change]:
    """Compare how the servers describe themselves: name, version, plugins and capabilities."""
    old, new = _facts(before), _facts(after)
    for name in sorted({*old, *new}):
        was, is_now = old.get(name, "no"), new.get(name, "no")
        if was != is_now:
            yield Change("content", name, "", was, is_now)


def _facts(run: Run) -> dict[str, str]:
    abilities = {f"capability {name}": said or "yes" for name, said in run.capabilities.items()}
    plugins = {f"plugin {name}": said or "yes" for name, said in run.server.plugins.items()}
    return {"server name and version": str(run.server)} | plugins | abilities


def _of_the_cases(before: Run, after: Run) -> Iterator[Change]:
    old, new = before.by_id, after.by_id
    for key in () if after.selected else old.keys() - new.keys():
        yield Change("gone", key, old[key].title, old[key].outcome, "not in this run", old[key])
    for key in () if before.selected else new.keys() - old.keys():
        case = new[key]
        yield Change("new", key, case.title, "not in this run", _said(case), None, case)
    pace = _pace(old, new)
    for key in old.keys() & new.keys():
        said = said_otherwise(before, old[key], after, new[key])
        change = _change(key, old[key], new[key], pace, said)
        if change is not None:
            yield change


def _change(
    key: str, old: CaseResult, new: CaseResult, pace: float, said: tuple[Said, ...]
) -> Change | None:
    """Compare one case; `pace` is how many times slower the later run was as a whole."""
    if all(case.by_chance and case.outcome in ("passed", "known") for case in (old, new)):
        return None  # chance decides, so the runs cannot be compared
    difference = _GOODNESS[new.outcome] - _GOODNESS[old.outcome]
    told = (_said(old), _said(new))
    kind: Kind | None = None
    if difference:
        kind = "better" if difference > 0 else "worse"
    elif old.outcome != new.outcome or said or _verdict(old) != _verdict(new):
        kind = "content"
    elif _is_slower(old, new, pace):
        kind, told = "slower", (seconds(old.duration), seconds(new.duration))
    return Change(kind, key, new.title, *told, old, new, said) if kind else None


def _verdict(case: CaseResult) -> tuple[str | None, ...]:
    """Return what a case reports besides its outcome, without what varies between runs."""
    failure = case.failure
    if failure is None:
        return (case.reason,)
    return (failure.expected, failure.received, None if failure.expected else failure.message)


def _is_slower(old: CaseResult, new: CaseResult, pace: float) -> bool:
    """Return whether a case, less its waits for a busy computer, slowed down far more than the run."""
    expected, took = old.duration * pace, new.duration - new.waited
    return took > expected * _SLOWER and took - expected > _NOTICEABLE


def _pace(old: Mapping[str, CaseResult], new: Mapping[str, CaseResult]) -> float:
    """Return the median ratio of case durations; at least 1, so a faster machine flags no case."""
    ratios = [
        new[key].duration / old[key].duration
        for key in old.keys() & new.keys()
        if old[key].duration and new[key].outcome == old[key].outcome == "passed"
    ]
    return max(1.0, median(ratios)) if ratios else 1.0


def _said(case: CaseResult) -> str:
    failure = case.failure
    if failure is not None and failure.received is not None:
        return f"{case.outcome}: received {_line(failure.received)}"
    return f"{case.outcome}: {_line(case.why)}" if case.why else case.outcome


def _line(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= 160 else f"{line[:159]}…"
