"""How a list of known issues changes the outcome of a case: pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.known.issue import Abilities, KnownIssue
from harness.model import Version


@dataclass(frozen=True)
class Failed:
    """A failure of a case: the text shown to readers, and whether the server died or hung."""

    message: str
    expected: str | None = None
    received: str | None = None
    died: bool = False

    @property
    def text(self) -> str:
        """What `shows` is matched against: the message, then any lines `expected ...`, `received ...`."""
        sides = (("expected", self.expected), ("received", self.received))
        return "\n".join(
            [self.message, *(f"{label} {each}" for label, each in sides if each is not None)]
        )


@dataclass(frozen=True)
class Listed:
    """An entry about a case and a server; not `sure` if it depends on a fact that cannot be determined."""

    issue: KnownIssue
    sure: bool = True


@dataclass(frozen=True)
class Verdict:
    """The outcome of a case, taking the list into account."""

    outcome: Literal["known", "failed", "as it is"] = "as it is"
    reason: str = ""
    """Why it is known, or what the list says about a case that did not end as listed."""
    by_chance: bool = False
    """Whether the case passes or fails by chance."""


def concerning(
    issues: Iterable[KnownIssue], key: str, version: Version, abilities: Abilities
) -> list[Listed]:
    """Return the entries about the case `key` (its full id) on a server, in the order of the list."""
    found = [(issue, issue.concerns(version, abilities)) for issue in issues if issue.names(key)]
    return [Listed(issue, sure == "yes") for issue, sure in found if sure != "no"]


def judge(listed: Sequence[Listed], outcome: str, failure: Failed | None) -> Verdict:
    """Return the outcome of a case, given its original outcome and the entries about it.

    A failure that matches an entry is known, with the reason of the first one; other failures and
    errors remain as they are. A case that passes counts as failed, unless an entry says `sometimes`,
    or no entry certainly applies to the server.
    """
    by_chance = any(each.issue.sometimes_passes for each in listed)
    if outcome == "failed" and failure is not None and listed:
        for each in listed:
            if each.issue.fits(failure.text, died=failure.died):
                return Verdict("known", str(each.issue), by_chance)
        entries = (each.issue for each in listed)
        said = (
            f"the entry at {each.place} expects {each.manifestation}: {each}" for each in entries
        )
        return Verdict("failed", f"not as listed: {'; '.join(said)}", by_chance)
    sure = [each.issue for each in listed if each.sure]
    if outcome == "passed" and sure and not by_chance:
        places = ", ".join(issue.place for issue in sure)
        reasons = "; ".join(str(issue) for issue in sure)
        return Verdict(
            "failed",
            f"passed although it is listed as known ({reasons}): remove it from the entry at {places}",
        )
    return Verdict(by_chance=by_chance)
