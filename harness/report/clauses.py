"""Links to the text of clauses, in the current edition of the standard and in RFCs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.coverage import clauses_of

STANDARD = "https://dicom.nema.org/medical/dicom/current/output/html/part{part:02}.html#{anchor}"
RFC = "https://www.rfc-editor.org/rfc/rfc{number}.html"


@dataclass(frozen=True)
class Link:
    """A clause and the address of its text."""

    name: str
    href: str


def clause_links(ref: str) -> list[Link]:
    """Return a link for each clause of a case's `ref` that has its own address on the web."""
    return [*_of_the_standard(ref), *_of_rfcs(ref)]


def _of_the_standard(ref: str) -> Iterator[Link]:
    for clause in clauses_of(ref):
        kind = "sect" if "." in clause.number else "chapter"
        part = int(clause.part.removeprefix("PS3."))
        yield Link(str(clause), STANDARD.format(part=part, anchor=f"{kind}_{clause.number}"))


def _of_rfcs(ref: str) -> Iterator[Link]:
    for number, section in re.findall(r"RFC (\d+)(?: (\d+(?:\.\d+)*))?", ref):
        href = RFC.format(number=number) + (f"#section-{section}" if section else "")
        yield Link(f"RFC {number}{f' {section}' if section else ''}", href)
