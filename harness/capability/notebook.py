"""Where the steps of a probe write down what they find; it becomes the result."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from harness.capability.result import Contradiction, Finding, Value

TOPICS = {
    "association": "Associations",
    "sop-class": "SOP classes",
    "transfer-syntax": "Transfer syntaxes",
    "query": "Query keys",
    "matching": "Matching",
    "character-set": "Character sets",
    "retrieve": "Retrieve",
    "worklist": "Modality worklist",
    "commitment": "Storage commitment",
    "dicomweb": "DICOMweb",
    "rest": "REST",
}
"""The topics in the order in which they are shown, with their headings."""


def listed(names: Iterable[str], most: int = 6) -> str:
    """Name a few, and say how many more there are."""
    all_ = list(names)
    separator = "; " if any(", " in each for each in all_) else ", "
    more = f" and {len(all_) - most} more" if len(all_) > most else ""
    return separator.join(all_[:most]) + more


class Trouble(Exception):  # noqa: N818 - reads as the sentence it is
    """An exchange that did not come to its end; the server is there all the same."""


class Gone(Exception):  # noqa: N818
    """The server does not answer any more, and what it was asked when it stopped."""


class Notebook:
    """Findings by id, contradictions and troubles, in the order in which they came."""

    def __init__(self, progress: Callable[[str], object]) -> None:
        self.progress = progress
        self.findings: dict[str, Finding] = {}
        self.contradictions: list[Contradiction] = []
        self.troubles: list[str] = []
        self.stored: dict[str, str] = {}
        """What the probe stored: patient ID by Study Instance UID."""
        self.server: dict[str, str] = {}

    def declared(self, id_: str, subject: str, value: Value) -> None:
        """Note what the server says of an ability."""
        self.findings[id_] = replace(self._at(id_, subject), declared=value)

    def probed(self, id_: str, subject: str, value: Value, note: str = "") -> None:
        """Note what came of trying an ability."""
        self.findings[id_] = replace(self._at(id_, subject), probed=value, note=note)

    def contradiction(self, id_: str, clause: str, says: str, does: str) -> None:
        """Note that the server says one thing and does another."""
        self.contradictions.append(Contradiction(id_, clause, says, does))

    def trouble(self, trouble: Trouble) -> None:
        """Note what went wrong, once."""
        if str(trouble) not in self.troubles:
            self.troubles.append(str(trouble))

    @contextlib.contextmanager
    def noting(self, id_: str = "", clause: str = "", says: str = "") -> Iterator[None]:
        """Note what goes wrong in a block, and go on after it.

        With an id it is a contradiction as well: the server says that it can do what the block tries.
        """
        try:
            yield
        except Trouble as trouble:
            self.trouble(trouble)
            finding = self.findings.get(id_)
            if finding is not None and finding.probed is None:
                self.findings[id_] = replace(finding, probed=str(trouble))
            if id_:
                self.contradiction(id_, clause, says, f"{trouble}")

    def in_order(self) -> tuple[Finding, ...]:
        """Return the findings by topic; within one they stay as they came."""
        places = {topic: place for place, topic in enumerate(TOPICS)}
        return tuple(sorted(self.findings.values(), key=lambda each: places[each.topic]))

    def _at(self, id_: str, subject: str) -> Finding:
        return self.findings.get(id_) or Finding(id_, id_.partition("/")[0], subject)
