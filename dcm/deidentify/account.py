"""Count what was done to each attribute, and record old values if requested."""

from collections import Counter
from typing import Any, Final

from dcm.data.dictionary import keyword_of


class Account:
    """Counts of what was done to the attributes of one or more objects.

    with_values: whether to record the old values, too, which identify people.
    """

    def __init__(self, *, with_values: bool = False) -> None:
        self.counts: Final[Counter[tuple[int, str]]] = Counter()
        self.with_values: Final = with_values
        self.values: Final[list[tuple[str, str, str]]] = []

    def add(self, tag: int, action: str) -> None:
        """Count what was done to an attribute."""
        self.counts[(tag, action)] += 1

    def include(self, other: "Account") -> None:
        """Add the counts of another account."""
        self.counts.update(other.counts)

    def document(self) -> dict[str, Any]:
        """Return the account for JSON: counts of the actions by attribute, and old values by path."""
        found: dict[str, Any] = {}
        for (tag, action), count in sorted(self.counts.items()):
            found.setdefault(_name(tag), {})[action] = count
        document: dict[str, Any] = {"attributes": found}
        if self.with_values:
            document["values"] = [
                {"path": path, "action": action, "value": value}
                for path, action, value in self.values
            ]
        return document


def _name(tag: int) -> str:
    """Return the name of an attribute; for a private one only its group, since the rest varies by object."""
    if tag & 0x10000:
        return f"private ({tag >> 16:04X},xxxx)"
    known = keyword_of(tag)
    return f"({known[:4]},{known[4:]})" if known == f"{tag:08X}" else known
