"""How a case says what it is: its id, the clause it rests on, and what a server must be able to do.

@case("CFIND-014", ref="PS3.4 C.2.2.2.4", covers="Orthanc.test_incoming_findscu_2")
@needs("dimse.find.study")
def test_star_matches_any_suffix(dimse, stored): ...
"""

import re
from dataclasses import dataclass, field
from typing import Literal

import pytest

from harness.errors import ConfigError
from harness.model import Version

Level = Literal["must", "should", "product"]
LEVELS: tuple[Level, ...] = ("must", "should", "product")


@dataclass(frozen=True)
class Need:
    """One capability that a case needs, with the least version: `plugin.dicomweb>=1.8`."""

    name: str
    at_least: Version | None = None

    @classmethod
    def parse(cls, text: str) -> "Need":
        """Read `name` or `name>=version`."""
        found = re.fullmatch(r"([a-z0-9_.-]+)(?:>=(\S+))?", text)
        if found is None:
            raise ConfigError(f"{text!r} is no need: a name such as rest, or orthanc>=1.12.0")
        name, version = found.groups()
        return cls(name, Version(version) if version else None)

    def __str__(self) -> str:
        return self.name if self.at_least is None else f"{self.name}>={self.at_least}"


@dataclass(frozen=True)
class CaseInfo:
    """What is known of a case without running it."""

    id: str
    ref: str
    level: Level = "must"
    covers: tuple[str, ...] = ()
    needs: tuple[Need, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Z][A-Z0-9]*-\d{3}", self.id):
            raise ConfigError(
                f"{self.id!r} is no case id: letters, a dash, three digits: CFIND-014"
            )
        if self.level not in LEVELS:
            raise ConfigError(f"{self.id}: level {self.level!r} is none of {', '.join(LEVELS)}")
        if not self.ref:
            raise ConfigError(f"{self.id}: a case says by `ref` what it rests on")


def case(
    id: str,  # noqa: A002 - the word that everybody uses for it
    *,
    ref: str,
    level: Level = "must",
    covers: str | tuple[str, ...] = (),
) -> pytest.MarkDecorator:
    """Mark a test function as a case.

    `id` is permanent and never used twice. `ref` is a clause of the standard (`PS3.4 C.2.2.2.4`), a page
    of the server's documentation or a number in its tracker. `level` is `must`, `should` or `product`
    (a product's own behaviour). `covers` names the tests of Orthanc's own suites carried on here.
    """
    covered = (covers,) if isinstance(covers, str) else tuple(covers)
    return pytest.mark.case(CaseInfo(id, ref, level, covered))


def needs(*capabilities: str) -> pytest.MarkDecorator:
    """Name the capabilities without which the case is reported as unsupported instead of run."""
    return pytest.mark.needs(*(Need.parse(text) for text in capabilities))


def info_of(item: pytest.Item) -> CaseInfo | None:
    """Give what `item` says of itself, needs of its module and class included; None if it is no case."""
    marker = item.get_closest_marker("case")
    if marker is None:
        return None
    stated: CaseInfo = marker.args[0]
    wanted = dict.fromkeys(need for mark in item.iter_markers("needs") for need in mark.args)
    return CaseInfo(stated.id, stated.ref, stated.level, stated.covers, tuple(wanted))
