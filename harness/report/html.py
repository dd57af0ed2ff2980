"""The run as one static page that includes its evidence."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.report import difference_html, evidence, history, pages, tracker
from harness.report.contrast import marked
from harness.report.difference import Difference, against_baseline
from harness.report.evidence import EvidenceFile
from harness.report.load import BAD, CaseResult, Outcome, Run, tally
from harness.report.text import excerpt

VALUE_LIMIT = 20_000
UNFOLDED = 5
"""Up to this many failures are unfolded at first; more would hide each other."""


URGENCY: tuple[Outcome, ...] = ("error", "failed", "known", "unsupported", "passed")
"""The outcomes in the order in which a reader should see them."""


@dataclass(frozen=True)
class Entry:
    """A case with everything the page shows of it; `anchor` is unique in the page."""

    case: CaseResult
    anchor: str
    unfolded: bool
    expected: str | None
    received: str | None
    files: list[EvidenceFile]
    tracker: str | None

    @property
    def urgency(self) -> int:
        """Its place in the order: the lowest comes first."""
        return URGENCY.index(self.case.outcome)


@dataclass(frozen=True)
class Group:
    """The results of one case: one for each set of parameters, or a single one."""

    entries: list[Entry]

    @property
    def case(self) -> CaseResult:
        """The first result, for what all of them have in common."""
        return self.entries[0].case

    @property
    def urgency(self) -> int:
        """The urgency of the most urgent result."""
        return min(each.urgency for each in self.entries)

    @property
    def counts(self) -> dict[Outcome, int]:
        """How many results have each outcome."""
        return tally(each.case.outcome for each in self.entries)

    @property
    def outcome(self) -> Outcome:
        """The most urgent outcome, shown in the row of the group."""
        return URGENCY[self.urgency]


def write(run: Run, path: Path) -> None:
    """Write the page of `run` to `path`; links to evidence are relative to the run folder."""
    path.write_text(render(run), encoding="utf-8")


def render(run: Run) -> str:
    """Render the page of `run`, with the difference from its baseline if it has one."""
    entries = list(_entries(run))
    bars = history.bars(run)
    difference = against_baseline(run)
    compared = difference if isinstance(difference, Difference) else None
    section = difference_html.facts(compared, run.folder) if compared else {"difference": None}
    return pages.render(
        "report.html",
        styles=["difference.css"] if compared else [],
        verdict=run.verdict,
        judgement=run.judgement,
        run=run,
        entries=entries,
        suites={
            name: _groups(each for each in entries if each.case.suite == name)
            for name in run.suites
        },
        attention=_groups(each for each in entries if each.case.outcome in BAD),
        anchors={each.case.full_id: each.anchor for each in entries},
        history=bars,
        history_size=history.size(bars),
        levels=sorted({case.level for case in run.cases}),
        command=shlex.join(run.command),
        baseline_trouble=difference if isinstance(difference, str) else None,
        **section | {"after_report": ""},  # the current page
    )


def _groups(entries: Iterable[Entry]) -> list[Group]:
    """Group entries by case, the most urgent first."""
    found: dict[str, list[Entry]] = {}
    for each in entries:
        found.setdefault(each.case.id, []).append(each)
    groups = [Group(sorted(each, key=lambda entry: entry.urgency)) for each in found.values()]
    return sorted(groups, key=lambda group: group.urgency)


def _entries(run: Run) -> Iterator[Entry]:
    limit = evidence.limit_for(run)
    unfold = len(run.of(*BAD)) <= UNFOLDED
    for case, anchor in zip(run.cases, pages.anchors(run.cases), strict=True):
        files = evidence.files(run, case, limit)
        expected, received = values(case, VALUE_LIMIT)
        yield Entry(
            case=case,
            anchor=anchor,
            unfolded=unfold and case.outcome in BAD,
            expected=expected,
            received=received,
            files=files,
            tracker=tracker.markdown(run, case, files) if case.failure else None,
        )


def values(case: CaseResult, limit: int) -> tuple[str | None, str | None]:
    """Return what was expected and received, up to `limit` characters each, with the difference marked."""
    failure = case.failure
    if failure is None:
        return None, None
    expected, received = (
        None if value is None else excerpt(value, limit)
        for value in (failure.expected, failure.received)
    )
    if expected is None or received is None:
        return expected, received  # the template escapes them
    return marked(expected, received)
