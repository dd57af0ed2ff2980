"""The difference between two runs as one static page, and as a section of the later run's page."""

from pathlib import Path
from typing import Any

from harness.report import pages
from harness.report.difference import KINDS, Difference
from harness.report.difference_content import by_message, with_names
from harness.report.difference_text import HEADINGS, in_cases, verdict
from harness.report.text import link

UNFOLDED = 12
"""Up to this many changes of a kind are unfolded at first; what got worse always is."""


def render(difference: Difference, beside: Path) -> str:
    """Render the page, with links to the reports of both runs relative to the folder `beside`."""
    changed = verdict(difference)
    return pages.render(
        "difference.html",
        styles=["difference.css"],
        verdict=f"{difference.before.server} to {difference.after.server}: {changed}",
        judgement="bad" if difference.got_worse else "good",
        **facts(difference, beside),
    )


def facts(difference: Difference, beside: Path) -> dict[str, Any]:
    """Return the variables for the template of the section."""
    return {
        "difference": difference,
        "before_report": link(difference.before.folder / "report.html", beside),
        "after_report": link(difference.after.folder / "report.html", beside),
        "changed": verdict(difference),
        "kinds": KINDS,
        "headings": HEADINGS,
        "unfolded": UNFOLDED,
        "in_cases": in_cases,
        "by_message": by_message,
        "with_names": with_names,
        "anchor": lambda case: pages.anchors([case])[0],
    }
