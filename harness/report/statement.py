"""The observed conformance statement: a probe's findings, laid out as PS3.2 Annex A (edition 2020b)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harness.report import pages
from harness.report.abilities import by_topic, contradictions
from harness.report.load import Ability, Run

PREFACE = (
    "This statement was not written by the vendor of the product. It records the observed behaviour of a "
    "running server: what it accepts in negotiation (declared), and what it did in one small "
    "exchange each (observed). It does not cover what was not tested."
)
NOT_OBSERVED = "Not observed: a probe sees only the answers of the server."
SECTIONS = {
    "1": ("Conformance Statement Overview", ""),
    "1.1": ("Contradictions", ""),
    "3": ("Introduction", ""),
    "3.4": ("The observed product", ""),
    "4": ("Networking", ""),
    "4.1": ("Implementation model", ""),
    "4.2": ("AE specifications", ""),
    "4.2.1": ("AE specification", ""),
    "4.2.1.1": ("SOP classes", "SOP classes"),
    "4.2.1.2": ("Association policies", "Associations"),
    "4.2.1.3": ("Association initiation policy", ""),
    "4.2.1.4": ("Association acceptance policy", ""),
    "4.2.1.4.1": ("Transfer syntaxes", "Transfer syntaxes"),
    "4.2.1.4.2": ("SOP specific conformance: Storage", "Storage"),
    "4.2.1.4.3": ("SOP specific conformance: Query", "Query keys"),
    "4.2.1.4.4": ("Matching", "Matching"),
    "4.2.1.4.5": ("SOP specific conformance: Retrieve", "Retrieve"),
    "4.2.1.4.6": ("SOP specific conformance: Modality worklist", "Worklist"),
    "4.2.1.4.7": ("SOP specific conformance: Storage commitment", "Storage commitment"),
    "4.3": ("DICOMweb services", "DICOMweb"),
    "4.4": ("Configuration and other interfaces", "REST"),
    "5": ("Media Interchange", ""),
    "6": ("Support of Character Sets", "Character sets"),
    "7": ("Security", "Security"),
}
"""The sections by number: the title, and the topic shown there; other topics go with REST."""


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
    title: str
    paragraphs: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def heading(self) -> str:
        """Its number and title."""
        return f"{self.number} {self.title}"

    @property
    def depth(self) -> int:
        """Its level of nesting: 1 for `4`, 2 for `4.2`."""
        return self.number.count(".") + 1


@dataclass(frozen=True)
class Statement:
    """A whole statement."""

    title: str
    preface: tuple[str, ...]
    sections: tuple[Section, ...]


def statement(run: Run) -> Statement:
    """Build the statement of a run."""
    preface = [PREFACE, f"Probed at {run.started:%Y-%m-%d %H:%M}."]
    if run.interrupted:
        preface.append("The probe is incomplete: it was interrupted.")
    topics: dict[str, list[Ability]] = defaultdict(list)
    placed = {topic for _, topic in SECTIONS.values()}
    for topic, abilities in by_topic(run).items():
        topics[topic if topic in placed else "REST"] += abilities
    sections = tuple(_section(number, run, topics) for number in SECTIONS)
    title = f"Observed DICOM Conformance Statement: {run.server}"
    return Statement(title, tuple(preface), sections)


def _section(number: str, run: Run, topics: Mapping[str, list[Ability]]) -> Section:
    title, topic = SECTIONS[number]
    if abilities := topics.get(topic):
        head = ("What", "Declared", "Observed")
        rows = tuple((each.subject, each.declared or "-", each.found or "-") for each in abilities)
        return Section(number, title, tables=(Table(title, head, rows),))
    if number == "1.1":
        items = tuple(str(each) for each in contradictions(run))
        return Section(number, title, () if items else ("None was observed.",), items)
    if number == "3.4":
        product = Table("Product", ("What", "Value"), tuple(_product(run)))
        return Section(number, title, tables=(product,))
    has_others = any(other.startswith(f"{number}.") for other in SECTIONS)
    return Section(number, title, () if has_others else (NOT_OBSERVED,))


def _product(run: Run) -> Iterator[tuple[str, str]]:
    yield "Product", str(run.server)
    yield "AE title", run.server.ae_title or "-"
    for name, version in run.server.plugins.items():
        yield f"Plugin {name}", version


def render(made: Statement) -> str:
    """Render one static page that includes its style; it has no script and fetches nothing."""
    return pages.render("statement.html", styles=["statement.css"], made=made)


def as_markdown(made: Statement) -> str:
    """Render the whole document as Markdown."""
    return pages.render("statement.md", made=made)
