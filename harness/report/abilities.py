"""The abilities of a server, taken from a run of the cases that show them, for `harness probe`."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.report.load import BAD, Ability, CaseResult, Run

TOPICS = (
    "Associations", "SOP classes", "Transfer syntaxes", "Storage", "Query keys", "Matching", "Retrieve",
    "Worklist", "Storage commitment", "DICOMweb", "REST", "Character sets", "Security",
)  # fmt: skip
"""The topics in display order."""
MOST = 16
"""Most subjects named on one line of text; the other formats name all of them."""
WORDS = {"passed": "yes", "failed": "no", "known": "no", "error": "unknown"}
"""What an outcome means for the ability stated in the title of the case."""


@dataclass(frozen=True)
class Contradiction:
    """A clause of the standard that the server violates in something it offers."""

    case: str
    clause: str
    should: str
    does: str

    def __str__(self) -> str:
        return f"{self.should} But {self.does} ({self.clause}, {self.case})."


def by_topic(run: Run) -> dict[str, list[Ability]]:
    """Return the abilities by topic, in the order of TOPICS; other topics follow."""
    found: dict[str, list[Ability]] = {topic: [] for topic in TOPICS}
    for case in run.cases:
        if case.shows:
            found.setdefault(case.shows, []).extend(_abilities(case))
    return {topic: abilities for topic, abilities in found.items() if abilities}


def _abilities(case: CaseResult) -> tuple[Ability, ...]:
    """Return the abilities that the case observed, or else one derived from its outcome."""
    if case.abilities:
        return case.abilities
    of = f" [{case.parameters}]" if case.parameters else ""
    words = WORDS.get(case.outcome) or f"not tested: {case.reason}"
    return (Ability(case.title.rstrip(".") + of, None, words),)


def contradictions(run: Run) -> list[Contradiction]:
    """Return where the server violates the standard, known issues included."""
    return [
        Contradiction(case.full_id, case.ref, case.title, _does(case))
        for case in run.of("known", *BAD)
        if case.shows and case.level != "product"
    ]


def _does(case: CaseResult) -> str:
    failure = case.failure
    if failure is None:
        return case.reason or "it does not"
    if failure.expected is not None:
        return f"received {failure.received}, expected {failure.expected}"
    return failure.message.rstrip(".")


def as_json(run: Run) -> dict[str, Any]:
    """Return all results as a JSON object."""
    return {
        "server": {"product": run.server.name, "version": run.server.version,
                   "ae_title": run.server.ae_title},
        "abilities": [
            {"topic": topic, "subject": each.subject, "declared": each.declared, "found": each.found}
            for topic, abilities in by_topic(run).items()
            for each in abilities
        ],
        "contradictions": [vars(each) for each in contradictions(run)],
        "complete": not run.interrupted,
        "run": str(run.folder),
    }  # fmt: skip


def as_text(run: Run, width: int = 100) -> str:
    """Return lines of at most `width` columns: contradictions first, then topic by topic."""
    return "\n".join(line for block in _blocks(run) for line in _wrapped(block, width))


def _blocks(run: Run) -> Iterator[str]:
    yield f"{run.server}, AE title {run.server.ae_title}"
    if run.interrupted:
        yield "INCOMPLETE: the run was interrupted. These results were found until then."
    yield ""
    found = contradictions(run)
    yield (
        "It violates the standard:"
        if found
        else "It conforms to the standard, as far as was tested."
    )
    for place, each in enumerate(found, start=1):
        yield f"  {place}. {each}"
    for topic, abilities in by_topic(run).items():
        yield ""
        yield topic
        yield from _grouped(abilities)


def _grouped(abilities: list[Ability]) -> Iterator[str]:
    """Yield one line for all subjects with the same value, in order of first appearance."""
    groups: dict[str, list[str]] = {}
    for each in abilities:
        said = dict.fromkeys(filter(None, (each.declared, each.found)))
        groups.setdefault("; ".join(said) or "-", []).append(each.subject)
    for words, subjects in groups.items():
        count = f" ({len(subjects)})" if len(subjects) > 1 else ""
        more = f" and {len(subjects) - MOST} more" if len(subjects) > MOST else ""
        yield f"  {words}{count}: {'; '.join(subjects[:MOST])}{more}"


def _wrapped(block: str, width: int) -> list[str]:
    indent = " " * (len(block) - len(block.lstrip()) + (2 if block.startswith("  ") else 0))
    return textwrap.wrap(
        block, width, subsequent_indent=indent, break_long_words=True, break_on_hyphens=False
    ) or [""]
