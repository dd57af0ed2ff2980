"""What a list of known issues makes of the outcome of a case: pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.known.issue import Abilities, KnownIssue
from harness.model import Version


@dataclass(frozen=True)
class Failed:
    """A failure of a case: what people see of it, and whether the server died or hung."""

    message: str
    expected: str | None = None
    received: str | None = None
    died: bool = False

    @property
    def text(self) -> str:
        """What `shows` is matched on: the message, then lines `expected ...` and `received ...` if any."""
        sides = (("expected", self.expected), ("received", self.received))
        return "\n".join(
            [self.message, *(f"{label} {each}" for label, each in sides if each is not None)]
        )


@dataclass(frozen=True)
class Listed:
    """An entry about a case and a server; not `sure` if it rests on a fact that cannot be known."""

    issue: KnownIssue
    sure: bool = True


@dataclass(frozen=True)
class Verdict:
    """What a case comes to on account of the list."""

    outcome: Literal["known", "failed", "as it is"] = "as it is"
    reason: str = ""
    """Why it is known, or what the list says of a case that did not end as listed."""
    by_chance: bool = False
    """Chance decides whether the case passes."""


def concerning(
    issues: Iterable[KnownIssue], key: str, version: Version, abilities: Abilities
) -> list[Listed]:
    """Return the entries about the run of a case called `key` on a server, in the order of the list."""
    found = [(issue, issue.concerns(version, abilities)) for issue in issues if issue.names(key)]
    return [Listed(issue, sure == "yes") for issue, sure in found if sure != "no"]


def judge(listed: Sequence[Listed], outcome: str, failure: Failed | None) -> Verdict:
    """Return what a case with this outcome comes to, when these entries are about it.

    A failure is known as the first entry that it fits; another failure stays one, and so does an error.
    A case that passes fails, unless an entry lets chance decide, or none surely concerns the server.
    """
    by_chance = any(each.issue.sometimes_passes for each in listed)
    if outcome == "failed" and failure is not None and listed:
        for each in listed:
            if each.issue.fits(failure.text, died=failure.died):
                return Verdict("known", str(each.issue), by_chance)
        entries = (each.issue for each in listed)
        said = (f"the entry at {each.place} says {each.manifestation}: {each}" for each in entries)
        return Verdict("failed", f"not as listed: {'; '.join(said)}", by_chance)
    sure = [each.issue for each in listed if each.sure]
    if outcome == "passed" and sure and not by_chance:
        places = ", ".join(issue.place for issue in sure)
        reasons = "; ".join(str(issue) for issue in sure)
        return Verdict(
            "failed",
            f"passes, though it is listed as known ({reasons}): take it out of the entry at {places}",
        )
    return Verdict(by_chance=by_chance)
