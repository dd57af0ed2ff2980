"""An observed conformance statement as one static page: style inside, nothing fetched, no script."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.capability.statement import Statement

PAGE = Path(__file__).parent / "page"


def render(made: Statement) -> str:
    """Make the page."""
    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = "".join((PAGE / name).read_text("utf-8") for name in ("page.css", "statement.css"))
    return environment.get_template("statement.html").render(
        made=made,
        style=Markup(style),  # noqa: S704 - ours
    )
