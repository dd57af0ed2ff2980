"""Probes of several servers, or of one at two times, side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.capability.notebook import TOPICS
from harness.capability.result import Finding, ProbeResult, shown

ABSENT = "-"


@dataclass(frozen=True)
class Row:
    """One ability, and a text for each probe; `ABSENT` where the probe knows nothing of it."""

    id: str
    topic: str
    subject: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether not all are the same."""
        return len(set(self.values)) > 1


def rows(results: Sequence[ProbeResult]) -> list[Row]:
    """Return a row for each finding that any of the probes has, by topic."""
    found = [each.by_id() for each in results]
    subjects: dict[str, Finding] = {}
    for one in found:
        for id_, finding in one.items():
            subjects.setdefault(id_, finding)
    places = {topic: place for place, topic in enumerate(TOPICS)}
    made = [
        Row(id_, each.topic, each.subject, tuple(_text(one.get(id_)) for one in found))
        for id_, each in subjects.items()
    ]
    server = [
        Row(f"server/{key}", "server", key.replace("_", " "), values)
        for key, values in _servers(results)
    ]
    return server + sorted(made, key=lambda row: places.get(row.topic, len(places)))


def differences(before: ProbeResult, after: ProbeResult) -> list[Row]:
    """Return what two probes do not have in common, contradictions included."""
    sentences = [[str(each) for each in one.contradictions] for one in (before, after)]
    contradictions = [
        Row(
            f"contradiction/{words}",
            "contradiction",
            words,
            tuple("yes" if words in one else "no" for one in sentences),
        )
        for words in dict.fromkeys(sentences[0] + sentences[1])
    ]
    return [row for row in (*rows([before, after]), *contradictions) if row.differs]


def _servers(results: Sequence[ProbeResult]) -> Iterator[tuple[str, tuple[str, ...]]]:
    keys = dict.fromkeys(key for each in results for key in each.server)
    for key in keys:
        yield key, tuple(each.server.get(key, ABSENT) for each in results)


def _text(finding: Finding | None) -> str:
    """Return what was declared and what was probed in one text."""
    if finding is None:
        return ABSENT
    if finding.declared is None or finding.probed is None:
        return shown(finding.value)
    return f"{shown(finding.declared)}: {shown(finding.probed)}"
