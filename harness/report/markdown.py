"""A statement as Markdown."""

import re
from collections.abc import Iterator

from harness.report.statement import Statement, Table
from harness.report.text import one_line


def as_markdown(made: Statement) -> str:
    """Return the whole document."""
    return "\n".join(_lines(made)) + "\n"


def _lines(made: Statement) -> Iterator[str]:
    yield f"# {_plain(made.title)}"
    for paragraph in made.preface:
        yield from ("", _plain(paragraph))
    yield from ("", "## 2 Table of Contents", "")
    for section in made.sections:
        indent = "  " * (section.depth - 1)
        title = f"{section.number} {section.title}"
        yield f"{indent}- [{_plain(title)}](#{_anchor(title)})"
    for section in made.sections:
        heading = "#" * min(section.depth + 1, 6)
        yield from ("", f"{heading} {_plain(f'{section.number} {section.title}')}")
        for paragraph in section.paragraphs:
            yield from ("", _plain(paragraph))
        if section.items:
            yield ""
            yield from (f"- {_plain(each)}" for each in section.items)
        for table in section.tables:
            yield from _table(table)


def _table(table: Table) -> Iterator[str]:
    yield from ("", f"**{_plain(table.caption)}**", "")
    yield f"| {' | '.join(map(_plain, table.head))} |"
    yield f"|{' --- |' * len(table.head)}"
    for row in table.rows:
        yield f"| {' | '.join(map(_plain, row))} |"


def _anchor(title: str) -> str:
    """Return the anchor that the usual sites make of a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _plain(text: str) -> str:
    """Write a text so that nothing in it means anything in Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", one_line(text))
