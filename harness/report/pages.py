"""What all pages have in common: one static file that includes style and script; nothing is fetched."""

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from harness.report.clauses import clause_links
from harness.report.drawing import svg
from harness.report.load import OUTCOMES, CaseResult
from harness.report.text import counted, excerpt, one_line, seconds, size

PAGE = Path(__file__).parent / "page"
SIGNS = {"passed": "✓", "failed": "✗", "error": "!", "known": "≈", "unsupported": "-"}


def render(
    template: str, *, styles: Sequence[str] = (), scripts: Sequence[str] = (), **facts: object
) -> str:
    """Render a page from a template in `page/`.

    It includes page.css and page.js, which all pages share, followed by its own `styles` and `scripts`.
    """
    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (
        svg,
        seconds,
        size,
        excerpt,
        search_text,
        plain_markdown,
        heading_anchor,
        clause_links,
        compact,
    )
    environment.filters.update((each.__name__, each) for each in filters)
    script = _joined("page.js", *scripts)
    # The content security policy of the page allows only this script, by its hash.
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
    """Return the element id of each case, unique in the page."""
    taken: dict[str, None] = {}
    for case in cases:
        anchor = case.full_id.replace(" ", "-")
        while anchor in taken:
            anchor += "+"
        taken[anchor] = None
    return list(taken)


def plain_markdown(text: str) -> str:
    """Return a text on one line, escaped so that none of it is Markdown or HTML markup."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", one_line(text))


def compact(markup: Markup) -> Markup:
    """Remove the line breaks between elements: for thousands of cases they cost a browser a second.

    Preformatted text stays as it is.
    """
    pieces = re.split(r"(<pre.*?</pre>)", str(markup), flags=re.DOTALL)
    pieces[::2] = [re.sub(r">\s*\n\s*<", "><", each) for each in pieces[::2]]
    return Markup("".join(pieces))  # noqa: S704 - it was escaped before


def heading_anchor(title: str) -> str:
    """Return the anchor that common sites generate for a Markdown heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def search_text(case: CaseResult) -> str:
    """Return the text that a search looks in, in lower case."""
    words = (case.full_id, case.full_name, case.title, case.ref, *case.covers, *case.needs)
    return " ".join(words).lower()


def _joined(*names: str) -> str:
    return "\n".join((PAGE / name).read_text(encoding="utf-8") for name in names)
