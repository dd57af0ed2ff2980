"""The observed conformance statement: what a probe found, in the layout of PS3.2 Annex A (edition 2020b)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.report.abilities import by_topic, contradictions
from harness.report.load import Ability, Run

PAGE = Path(__file__).parent / "page"
PREFACE = (
    "This statement was not written by the maker of the product. It says what was observed when the "
    "running server was asked: what it accepts in negotiation (declared), and what it did in one small "
    "exchange each (observed). What was not tried is not in it."
)
NOT_OBSERVED = "Not observed: a probe sees only what the server answers."
TITLES = {
    "1": "Conformance Statement Overview",
    "1.1": "Contradictions",
    "3": "Introduction",
    "3.4": "The observed product",
    "4": "Networking",
    "4.1": "Implementation model",
    "4.2": "AE specifications",
    "4.2.1": "AE specification",
    "4.2.1.1": "SOP classes",
    "4.2.1.2": "Association policies",
    "4.2.1.3": "Association initiation policy",
    "4.2.1.4": "Association acceptance policy",
    "4.2.1.4.1": "Transfer syntaxes",
    "4.2.1.4.2": "SOP specific conformance: Storage",
    "4.2.1.4.3": "SOP specific conformance: Query",
    "4.2.1.4.4": "Matching",
    "4.2.1.4.5": "SOP specific conformance: Retrieve",
    "4.2.1.4.6": "SOP specific conformance: Modality worklist",
    "4.2.1.4.7": "SOP specific conformance: Storage commitment",
    "4.3": "DICOMweb services",
    "4.4": "Configuration and other interfaces",
    "5": "Media Interchange",
    "6": "Support of Character Sets",
    "7": "Security",
}
"""The sections, by number."""
PLACES = {
    "SOP classes": "4.2.1.1",
    "Associations": "4.2.1.2",
    "Transfer syntaxes": "4.2.1.4.1",
    "Storage": "4.2.1.4.2",
    "Query keys": "4.2.1.4.3",
    "Matching": "4.2.1.4.4",
    "Retrieve": "4.2.1.4.5",
    "Worklist": "4.2.1.4.6",
    "Storage commitment": "4.2.1.4.7",
    "DICOMweb": "4.3",
    "REST": "4.4",
    "Character sets": "6",
    "Security": "7",
}
"""In which section each topic stands."""
HEADINGS = ("1", "3", "4", "4.2", "4.2.1", "4.2.1.4")
"""Sections that have others below them, and no text of their own."""


@dataclass(frozen=True)
class Table:
    """A table with a caption."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A numbered section."""

    number: str
    paragraphs: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def title(self) -> str:
        """Its title."""
        return TITLES[self.number]

    @property
    def depth(self) -> int:
        """How deep it stands: 1 for `4`, 2 for `4.2`."""
        return self.number.count(".") + 1

    @property
    def against(self) -> bool:
        """Whether its items speak against the product."""
        return self.number == "1.1"


@dataclass(frozen=True)
class Statement:
    """A whole statement."""

    title: str
    preface: tuple[str, ...]
    sections: tuple[Section, ...]


def statement(run: Run) -> Statement:
    """Make the statement of a run."""
    preface = [PREFACE, f"Probed at {run.started:%Y-%m-%d %H:%M}."]
    if run.interrupted:
        preface.append("The probe is not complete: it was interrupted.")
    topics = {PLACES.get(topic, "4.4"): each for topic, each in by_topic(run).items()}
    sections = tuple(_section(number, run, topics.get(number)) for number in TITLES)
    title = f"Observed DICOM Conformance Statement: {run.server}"
    return Statement(title, tuple(preface), sections)


def _section(number: str, run: Run, abilities: list[Ability] | None) -> Section:
    if abilities:
        head = ("What", "Declared", "Observed")
        rows = tuple((each.subject, each.declared or "-", each.found or "-") for each in abilities)
        return Section(number, tables=(Table(TITLES[number], head, rows),))
    if number == "1.1":
        items = tuple(str(each) for each in contradictions(run))
        return Section(number, () if items else ("None was seen.",), items)
    if number == "3.4":
        product = Table("Product", ("What", "Value"), tuple(_product(run)))
        return Section(number, tables=(product,))
    return Section(number, () if number in HEADINGS else (NOT_OBSERVED,))


def _product(run: Run) -> Iterator[tuple[str, str]]:
    yield "Product", str(run.server)
    yield "AE title", run.server.ae_title or "-"
    for name, version in run.server.plugins.items():
        yield f"Plugin {name}", version


def render(made: Statement) -> str:
    """Make one static page: style inside, nothing fetched, no script."""
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
