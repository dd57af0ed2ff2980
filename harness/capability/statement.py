"""The observed conformance statement: what a probe found, in the layout of PS3.2 Annex A (edition 2020b).

A document is sections with paragraphs and tables; how it is written, as Markdown or a page, is not said here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from harness.capability.known_classes import is_storage
from harness.capability.result import Finding, ProbeResult, shown


@dataclass(frozen=True)
class Table:
    """A table with a caption."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A numbered section; `depth` 1 is the highest."""

    number: str
    title: str
    paragraphs: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    against: bool = False
    """Its items speak against the product."""

    @property
    def depth(self) -> int:
        """How deep it stands: 1 for `4`, 2 for `4.2`."""
        return self.number.count(".") + 1


@dataclass(frozen=True)
class Statement:
    """A whole statement."""

    title: str
    preface: tuple[str, ...]
    sections: tuple[Section, ...] = field(default_factory=tuple)


_PREFACE = (
    "This statement was not written by the maker of the product. It says what was observed when the "
    "running server was asked: what it accepts in negotiation (declared), and what it did in one small "
    "exchange each (observed). What was not tried is not in it."
)
_CONTRADICTIONS = (
    "Each of these was seen: the server says one thing, in negotiation, in a status or in a document, "
    "and does another."
)
_HEAD = ("What", "Declared", "Observed")
_NOT_OBSERVED = "Not observed: a probe sees only what the server answers."


def statement(result: ProbeResult) -> Statement:
    """Make the statement of a probe."""
    preface = [
        _PREFACE,
        f"Probed at {result.run.started}, at {result.run.address}"
        + (", without storing anything." if result.read_only else "."),
    ]
    if result.ended:
        preface.append(f"The probe is not complete: {result.ended}.")
    sections = (
        *_overview(result), *_introduction(result), *_networking(result), *_others(result)
    )  # fmt: skip
    return Statement(
        f"Observed DICOM Conformance Statement: {result.name}", tuple(preface), sections
    )


def _overview(result: ProbeResult) -> Iterable[Section]:
    services = [each for each in _of(result, "sop-class") if each.declared or each.probed]
    moved = any(
        each.id.startswith("retrieve/C-MOVE") and _brought(each) for each in result.findings
    )
    rows = tuple(
        (
            each.subject,
            "observed in C-MOVE"
            if moved and each.id.endswith(("1.1.2", "1.1.4"))
            else "not observed",
            "yes" if each.declared else "no",
            shown(each.probed) if each.probed is not None else "not tried",
        )
        for each in services
    )
    table = Table(
        "Network services",
        ("SOP class", "User of service (SCU)", "Provider of service (SCP), declared", "Observed"),
        rows,
    )
    contradictions = tuple(str(each) for each in result.contradictions)
    words = _CONTRADICTIONS if contradictions else "None was seen."
    refused = [each for each in _of(result, "sop-class") if not each.declared]
    return (
        Section("1", "Conformance Statement Overview"),
        Section("1.1", "Contradictions", (words,), contradictions, against=True),
        Section(
            "1.2",
            "Network services",
            (f"{len(refused)} more SOP classes of the standard were proposed and not accepted.",),
            (),
            (table,),
        ),
    )


def _brought(finding: Finding) -> bool:
    return not str(finding.probed).startswith("0 ") and " objects" in str(finding.probed)


def _introduction(result: ProbeResult) -> Iterable[Section]:
    rows = tuple((key.replace("_", " "), value) for key, value in sorted(result.server.items()))
    remarks = tuple(result.troubles)
    return (
        Section("3", "Introduction"),
        Section(
            "3.3",
            "Remarks",
            ("Exchanges that did not come to their end:",) if remarks else (
                "Every exchange came to its end.",
            ),
            remarks,
        ),
        Section("3.4", "The observed product", (), (), (Table("Product", ("What", "Value"), rows),)),
    )  # fmt: skip


def _networking(result: ProbeResult) -> Iterable[Section]:
    def association(*names: str) -> Callable[[Finding], bool]:
        return lambda each: each.id.removeprefix("association/").startswith(names)

    negotiated = _of(result, "association")
    storage: list[Finding] = []
    other: list[Finding] = []
    for each in _of(result, "sop-class"):
        if each.declared:
            (storage if is_storage(each.id.partition("/")[2]) else other).append(each)
    title = f'AE specification of "{result.server["ae_title"]}"'
    return (
        Section("4", "Networking"),
        Section("4.1", "Implementation model", (_NOT_OBSERVED,)),
        Section("4.2", "AE specifications"),
        Section("4.2.1", title),
        Section("4.2.1.1", "SOP classes", ("They are listed in 1.2; what was done with each, in 4.2.1.4.",)),
        Section("4.2.1.2", "Association policies"),
        _section("4.2.1.2.1", "General",
                 filter(association("maximum", "called", "calling", "implementation"), negotiated)),
        _section("4.2.1.2.2", "Number of associations", filter(association("at-once"), negotiated)),
        _section("4.2.1.2.3", "Asynchronous nature", filter(association("window"), negotiated)),
        _section("4.2.1.2.4", "Extended negotiation and roles",
                 filter(association("extended", "roles"), negotiated)),
        Section("4.2.1.3", "Association initiation policy", (_NOT_OBSERVED,)),
        Section("4.2.1.4", "Association acceptance policy"),
        _section("4.2.1.4.1", "Transfer syntaxes",
                 (each for each in _of(result, "transfer-syntax") if each.declared != "not accepted"),
                 "Each was proposed alone, for one SOP class of each family."),
        _section("4.2.1.4.2", "SOP specific conformance: Storage", storage,
                 "Objects of classes that are not in the corpus had the modules of all objects only."),
        _section("4.2.1.4.3", "SOP specific conformance: other services", other),
        *_queries(result),
        _section("4.2.1.4.5", "Matching", _of(result, "matching")),
        _section("4.2.1.4.6", "Retrieve", _of(result, "retrieve")),
        _section("4.2.1.4.7", "Modality worklist", _of(result, "worklist")),
        _section("4.2.1.4.8", "Storage commitment", _of(result, "commitment")),
        _section("4.3", "DICOMweb services", _of(result, "dicomweb")),
        _section("4.4", "Configuration and other interfaces", _of(result, "rest")),
    )  # fmt: skip


def _queries(result: ProbeResult) -> Iterable[Section]:
    tables: dict[str, list[Finding]] = {}
    for each in _of(result, "query"):
        _, root, level, *key = each.id.split("/")
        tables.setdefault(f"Level {level}, {root} root" if key else "Levels", []).append(each)
    head = ("Key", "Type by the standard, and declared", "Observed")
    made = tuple(
        Table(caption, ("Level", *_HEAD[1:]) if caption == "Levels" else head, _rows(findings))
        for caption, findings in tables.items()
    )
    words = () if made else ("No query was tried.",)
    return (Section("4.2.1.4.4", "SOP specific conformance: Query", words, (), made),)


def _others(result: ProbeResult) -> Iterable[Section]:
    user = [each for each in result.findings if each.id == "association/user-identity"]
    return (
        Section("5", "Media Interchange", (_NOT_OBSERVED,)),
        _section("6", "Support of Character Sets", _of(result, "character-set"),
                 "One object with a person name was stored in each, and asked for by C-FIND."),
        _section("7", "Security", user),
        Section("8", "Annexes", ("What the probe stored and could not delete:",) if result.left_behind
                else ("The probe left nothing behind.",), result.left_behind),
    )  # fmt: skip


def _section(number: str, title: str, findings: Iterable[Finding], words: str = "") -> Section:
    rows = _rows(findings)
    if not rows:
        return Section(number, title, ("Nothing was observed.",))
    table = Table(title, _HEAD, rows)
    return Section(number, title, (words,) if words else (), (), (table,))


def _rows(findings: Iterable[Finding]) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (
            each.subject,
            shown(each.declared),
            shown(each.probed) + (f" ({each.note})" if each.note else ""),
        )
        for each in findings
    )


def _of(result: ProbeResult, topic: str) -> list[Finding]:
    return [each for each in result.findings if each.topic == topic]
