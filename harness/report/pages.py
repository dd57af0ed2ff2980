"""What every page has in common: one static file, style and script inside, nothing fetched from anywhere."""

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from harness.report.load import OUTCOMES, CaseResult
from harness.report.text import counted, excerpt, one_line, seconds, size

PAGE = Path(__file__).parent / "page"
SIGNS = {"passed": "✓", "failed": "✗", "error": "!", "known": "≈", "unsupported": "-"}


def render(
    template: str, *, styles: Sequence[str] = (), scripts: Sequence[str] = (), **facts: object
) -> str:
    """Make a page of a template in `page/`.

    It gets page.css and page.js, which all pages share, and after them `styles` and `scripts` of its own.
    """
    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (seconds, size, excerpt, search_text, plain_markdown, heading_anchor)
    environment.filters.update((each.__name__, each) for each in filters)
    script = _joined("page.js", *scripts)
    # The page's own policy lets one script run: ours, byte for byte.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(
        outcomes=OUTCOMES,
        signs=SIGNS,
        counted=counted,
        style=Markup(_joined("page.css", *styles)),  # noqa: S704 - ours
        script=Markup(script),  # noqa: S704 - ours
        script_hash=f"sha256-{digest}",
        **facts,
    )


def anchors(cases: Sequence[CaseResult]) -> list[str]:
    """Return each case the id of its element, unique in the page."""
    taken: dict[str, None] = {}
    for case in cases:
        anchor = case.full_id.replace(" ", "-")
        while anchor in taken:
            anchor += "+"
        taken[anchor] = None
    return list(taken)


def plain_markdown(text: str) -> str:
    """Write a text so that nothing in it means anything in Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", one_line(text))


def heading_anchor(title: str) -> str:
    """Return the anchor that the usual sites make of a heading of Markdown."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def search_text(case: CaseResult) -> str:
    """Return the text in which a search looks, in lower case."""
    words = (case.full_id, case.full_name, case.title, case.ref, *case.covers, *case.needs)
    return " ".join(words).lower()


def _joined(*names: str) -> str:
    return "\n".join((PAGE / name).read_text(encoding="utf-8") for name in names)
