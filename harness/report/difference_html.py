"""A difference of two runs as one static page, and as a section of the report of the later run."""

import os
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

from harness.report import pages
from harness.report.difference import KINDS, Difference
from harness.report.difference_content import Said, with_names
from harness.report.difference_text import HEADINGS, in_cases, verdict
from harness.report.load import Run

UNFOLDED = 12
"""Up to so many changes of a kind are unfolded from the start; what got worse always is."""


def render(difference: Difference, beside: Path) -> str:
    """Make the page; its links to the reports of both runs are right for a page in the folder `beside`."""
    changed = verdict(difference)
    return pages.render(
        "difference.html",
        styles=["difference.css"],
        verdict=f"{difference.before.server} to {difference.after.server}: {changed}",
        judgement="bad" if difference.got_worse else "good",
        **facts(difference, beside),
    )


def facts(difference: Difference, beside: Path) -> dict[str, Any]:
    """Return what the template of the section asks for."""
    return {
        "difference": difference,
        "before_report": report_of(difference.before, beside),
        "after_report": report_of(difference.after, beside),
        "changed": verdict(difference),
        "kinds": KINDS,
        "headings": HEADINGS,
        "unfolded": UNFOLDED,
        "in_cases": in_cases,
        "by_message": _by_message,
        "with_names": with_names,
        "anchor": lambda case: pages.anchors([case])[0],
    }


def report_of(run: Run, beside: Path) -> str:
    """Return the report of a run as a link from a page in the folder `beside`."""
    path = os.path.relpath(run.folder.resolve() / "report.html", beside.resolve())
    return Path(path).as_posix()


def _by_message(said: Iterable[Said]) -> list[tuple[str, list[Said]]]:
    groups = groupby(said, lambda each: each.message if each.line else "")
    return [(message, list(found)) for message, found in groups]
