"""One known issue: which cases fail, on which builds, how the failure looks, and why."""

import fnmatch
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, Protocol

from harness.case import Need
from harness.errors import ConfigError
from harness.model import Version

Sure = Literal["yes", "perhaps", "no"]
"""Whether an issue concerns a server: `perhaps` if that depends on a fact that is unknown."""


class Abilities(Protocol):
    """What a server has and can do, as far as known."""

    def unmet(self, need: Need) -> str | None:
        """Return why `need` is not met, or None if it is met."""

    def unknown(self, need: Need) -> bool:
        """Return whether the harness cannot tell if `need` is met."""


@dataclass(frozen=True)
class Condition:
    """What causes an issue: `plugin.gdcm`, `library.gdcm>=3.0.22`, `plugin.dicomweb<1.24`."""

    need: Need
    below: Version | None = None

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read a name, with `>=version`, `<version` or both: `library.gdcm>=3.0.22,<3.0.25`."""
        found = re.fullmatch(r"([^<,]+),?(?:<(\S+))?", text)
        if found is None:
            raise ConfigError(f"{text!r} is not a condition such as plugin.gdcm>=1.5,<1.9")
        need, below = found.groups()
        return cls(Need.parse(need), Version(below) if below else None)

    def holds(self, abilities: Abilities) -> Sure:
        """Return whether a server with these abilities meets the condition."""
        if abilities.unknown(self.need):
            return "perhaps"
        if abilities.unmet(self.need) is not None:
            return "no"
        if self.below is None or abilities.unmet(Need(self.need.name, self.below)) is not None:
            return "yes"
        return "no"

    def __str__(self) -> str:
        if self.below is None:
            return str(self.need)
        comma = "," if self.need.at_least is not None else ""
        return f"{self.need}{comma}<{self.below}"


@dataclass(frozen=True)
class KnownIssue:
    """One entry of a list."""

    cases: tuple[str, ...]
    reason: str
    shows: re.Pattern[str] | None = None
    dies: bool = False
    ref: str = ""
    unreported: date | None = None
    clause: str = ""
    since: Version | None = None
    fixed: Version | None = None
    conditions: tuple[Condition, ...] = ()
    expires: date | None = None
    sometimes_passes: bool = False
    place: str = ""
    """File and line: `known/qrscp.toml:12`."""

    @property
    def expired(self) -> bool:
        """Whether the expiry date has been reached."""
        return self.expires is not None and datetime.now(UTC).date() >= self.expires

    @property
    def manifestation(self) -> str:
        """The symptoms of the issue, in words."""
        shows = "" if self.shows is None else f"shows {self.shows.pattern!r}"
        return " and ".join(filter(None, ["the server dies" if self.dies else "", shows]))

    def names(self, key: str) -> bool:
        """Return whether the entry is about the case `key` (its full id), on any server."""
        return any(fnmatch.fnmatchcase(key, pattern) for pattern in self.cases)

    def concerns(self, version: Version, abilities: Abilities) -> Sure:
        """Return whether a server of this version, with these abilities, has the issue."""
        if (
            self.expired
            or (self.since is not None and version < self.since)
            or (self.fixed is not None and version >= self.fixed)
        ):
            return "no"
        found = {each.holds(abilities) for each in self.conditions}
        return "no" if "no" in found else "perhaps" if "perhaps" in found else "yes"

    def fits(self, text: str, *, died: bool) -> bool:
        """Return whether a failure matches the entry; `text` is that of `Failed`.

        A server that died matches only an entry with `dies`: a pattern alone never excuses a crash.
        """
        return died == self.dies and (self.shows is None or self.shows.search(text) is not None)

    def __str__(self) -> str:
        return f"{self.reason} ({self.ref or 'not reported'})"
