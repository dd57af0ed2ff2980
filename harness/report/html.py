"""The run as one static page, its evidence inside."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.report import difference_html, evidence, pages, tracker
from harness.report.contrast import marked
from harness.report.difference import Difference, against_baseline
from harness.report.evidence import EvidenceFile
from harness.report.load import BAD, CaseResult, Run
from harness.report.text import excerpt

VALUE_LIMIT = 20_000
UNFOLDED = 5
"""Up to so many failures are unfolded from the start; more would hide each other."""


@dataclass(frozen=True)
class Entry:
    """A case with all that the page shows of it; `anchor` is unique in the page."""

    case: CaseResult
    anchor: str
    unfolded: bool
    expected: str | None
    received: str | None
    files: list[EvidenceFile]
    tracker: str | None


def write(run: Run, path: Path) -> None:
    """Write the page of `run` to `path`; links to evidence are relative to the run folder."""
    path.write_text(render(run), encoding="utf-8")


def render(run: Run) -> str:
    """Make the page of `run`, with what is different from its baseline where it has one."""
    entries = list(_entries(run))
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
        suites={name: [each for each in entries if each.case.suite == name] for name in run.suites},
        attention=[each for each in entries if each.case.outcome in BAD],
        levels=sorted({case.level for case in run.cases}),
        command=shlex.join(run.command),
        baseline_trouble=difference if isinstance(difference, str) else None,
        **section | {"after_report": ""},  # that is this page
    )


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
