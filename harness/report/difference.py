"""What is different between two runs, case by case: a maintainer asks what broke since the last build.

Cases are told apart by id and parameters. Both runs may be of different servers, versions or days; what a
run says of itself in passing (times, folders, ports) is no difference.
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
"""How many times slower than the run as a whole counts: less is what two runs of one server differ by."""
_NOTICEABLE = 1.0  # seconds


@dataclass(frozen=True)
class Change:
    """One difference, of a case, or of the server itself: that one has no `case_before` and `case_after`."""

    kind: Kind
    key: str
    title: str
    before: str
    after: str
    case_before: CaseResult | None = None
    case_after: CaseResult | None = None
    said: tuple[Said, ...] = ()
    """What the server said otherwise."""


@dataclass(frozen=True)
class Difference:
    """Two runs with what is different between them, the worst first."""

    before: Run
    after: Run
    changes: tuple[Change, ...]

    def of(self, kind: Kind) -> list[Change]:
        """Return the changes of one kind."""
        return [change for change in self.changes if change.kind == kind]

    @cached_property
    def shared(self) -> list[Shared]:
        """What the server says otherwise in many cases."""
        return shared_by_many({change.key: change.said for change in self.changes})

    def own(self, change: Change) -> list[Said]:
        """Return what the server says otherwise in this case and in few others."""
        return list(of_its_own(change.said, self.shared))

    def told(self, kind: Kind) -> list["Change | Shared"]:
        """Return what there is to tell of one kind: of the server, of many cases at once, of single cases."""
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
        """Sentences on what was not compared, as a run was one of a selection."""
        old, new = self.before.by_id.keys(), self.after.by_id.keys()
        return tuple(
            f"{counted(len(missing), 'case')} of the {other} run did not run in the {run} one, "
            "which was of a selection: these are not compared."
            for run, other, partial, missing in (
                ("later", "earlier", self.after.selected, old - new),
                ("earlier", "later", self.before.selected, new - old),
            )
            if partial and missing
        )

    @property
    def got_worse(self) -> bool:
        """Whether a release should wait."""
        return bool(self.of("worse"))


def against_baseline(run: Run) -> "Difference | str | None":
    """Compare a run with the one that it names as its baseline; a sentence where that cannot be read."""
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
    """Compare what the servers say of themselves: name, version, plugins and capabilities."""
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
    """Compare one case; `pace` is how much slower than the earlier run the later one was as a whole."""
    if all(case.by_chance and case.outcome in ("passed", "known") for case in (old, new)):
        return None  # no run of it says anything of another
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
    """Return what a case says beside its outcome, as far as two runs of one server say the same."""
    failure = case.failure
    if failure is None:
        return (case.reason,)
    return (failure.expected, failure.received, None if failure.expected else failure.message)


def _is_slower(old: CaseResult, new: CaseResult, pace: float) -> bool:
    """Tell whether a case was slower by far more than the run; a computer that was too busy excuses it."""
    expected, took = old.duration * pace, new.duration - new.waited
    return took > expected * _SLOWER and took - expected > _NOTICEABLE


def _pace(old: Mapping[str, CaseResult], new: Mapping[str, CaseResult]) -> float:
    """Return the usual ratio of the times of a case; at least 1, as a faster machine is no reproach."""
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
