"""The description of a case: its id, the clause it tests, and what the server must support.

suite = Suite(needs="dimse.find.study")

@suite.case("CFIND-014", ref="PS3.4 C.2.2.2.4", covers="Orthanc.test_incoming_findscu_2")
def test_star_matches_any_suffix(dimse, stored): ...
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import pytest

from harness.errors import ConfigError
from harness.model import Version
from harness.variant import USUAL, Variant

Level = Literal["must", "should", "quality", "product"]
LEVELS: tuple[Level, ...] = ("must", "should", "quality", "product")
MAIN = "main"
SUITES = (MAIN, "timing", "load")
"""The choices of `--suite`; a plain run includes only the first."""

Function = TypeVar("Function", bound=Callable[..., None])
Names = str | tuple[str, ...]


@dataclass(frozen=True)
class Need:
    """One capability that a case needs, with its minimum version: `plugin.dicomweb>=1.8`."""

    name: str
    at_least: Version | None = None

    @classmethod
    def parse(cls, text: str) -> "Need":
        """Read `name` or `name>=version`."""
        found = re.fullmatch(r"([a-z0-9_.-]+)(?:>=(\S+))?", text)
        if found is None:
            raise ConfigError(f"{text!r} is not a need, which looks like rest or orthanc>=1.12.0")
        name, version = found.groups()
        return cls(name, Version(version) if version else None)

    def __str__(self) -> str:
        return self.name if self.at_least is None else f"{self.name}>={self.at_least}"


@dataclass(frozen=True)
class CaseInfo:
    """What is known about a case without running it."""

    id: str
    ref: str
    level: Level = "must"
    covers: tuple[str, ...] = ()
    needs: tuple[Need, ...] = field(default=(), compare=False)
    waits: float = 0.0
    """Seconds that the case spends waiting, while other cases can run; 0 if it does not wait."""
    shows: str = ""
    """The topic under which `harness probe` shows the findings of the case; empty for none."""
    variant: Variant = USUAL
    """The set-up of the remote that the case requires."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Z][A-Z0-9]*-\d{3}", self.id):
            raise ConfigError(
                f"{self.id!r} is not a case id, which has letters, a dash and three digits: CFIND-014"
            )
        if self.level not in LEVELS:
            raise ConfigError(f"{self.id}: level {self.level!r} is not one of {', '.join(LEVELS)}")
        if not self.ref:
            raise ConfigError(f"{self.id}: `ref` must name the clause that the case tests")


@dataclass(frozen=True)
class Suite:
    """What the cases of a module have in common; each case can override it and add its own needs."""

    level: Level = "must"
    needs: Names = ()
    ref: str = ""
    shows: str = ""
    thorough: bool = False

    def case(
        self,
        id: str,  # noqa: A002 - the word that everybody uses for it
        *,
        ref: str = "",
        level: Level | None = None,
        covers: Names = (),
        needs: Names = (),
        waits: float = 0.0,
        shows: str = "",
        thorough: bool | None = None,
    ) -> Callable[[Function], Function]:
        """Mark a test function as a case of this suite.

        `id` is permanent and never reused. `ref` is a clause of the standard (`PS3.4 C.2.2.2.4`), a
        page of the server's documentation or a number in its tracker. `level` is `must`, `should`,
        `quality` (no clause demands it, as with latency) or `product` (a product's own behaviour).
        `covers` names the tests of Orthanc's own suites that the case replaces. A case that `waits`
        for some seconds runs in parallel with the others, with servers of its own. A `thorough`
        case runs only with `--all` or if it is named.
        """
        info = CaseInfo(id, ref or self.ref, level or self.level, _several(covers), waits=waits)
        wanted = map(Need.parse, (*_several(self.needs), *_several(needs)))
        marks = [pytest.mark.needs(*wanted), pytest.mark.case(info)]
        if topic := shows or self.shows:
            marks.append(pytest.mark.shows(topic))
        if self.thorough if thorough is None else thorough:
            marks.append(pytest.mark.thorough)

        def mark(function: Function) -> Function:
            for each in marks:
                function = each(function)
            return function

        return mark


def needs(*capabilities: str) -> pytest.MarkDecorator:
    """Declare required capabilities; if one is missing, the case is reported as unsupported."""
    return pytest.mark.needs(*map(Need.parse, capabilities))


case = Suite().case
"""Mark a test function as a case without a suite."""


def configured(
    *,
    tls: Names = (),
    database: str = "",
    previous: bool = False,
    plugins: Names = (),
    **settings: object,
) -> pytest.MarkDecorator:
    """Run the cases on a remote with these settings: `configured(StorageCompression=True)`.

    Settings of a section are given as a dictionary: `configured(DicomWeb={"EnableWado": False})`.
    `tls`, `database`, `previous` and `plugins` are those of `Variant`. Cases with the same set-up
    run one after another, so that the server is started once for them. In the value of a setting,
    `{here}` is replaced by the folder in which the server runs, `"{port}"` by an additional port of
    its own (`remote.more`), and `{authorization}` by the address of an authorization service. A
    setting that is None is left out of the configuration.
    """
    usual = set_up(previous=previous, **settings)
    return pytest.mark.configured(
        replace(usual, tls=_several(tls), database=database, plugins=_several(plugins))
    )


def set_up(*, previous: bool = False, **settings: object) -> Variant:
    """Return the set-up with these settings, in the notation of `configured`."""
    return Variant(tuple(_settings(settings, "")), previous=previous)


def thorough() -> pytest.MarkDecorator:
    """Mark parameters for which a case runs only with `--all` or if it is named."""
    return pytest.mark.thorough


def apart(suite: str) -> pytest.MarkDecorator:
    """Mark the cases of a suite that runs only when `--suite` selects it."""
    if suite not in SUITES:
        raise ConfigError(f"{suite!r} is not one of the separate suites: {', '.join(SUITES)}")
    return pytest.mark.apart(suite)


def _settings(settings: Mapping[str, object], section: str) -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{section}{name}.")
        else:
            yield f"{section}{name}={json.dumps(value)}"


def _several(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def info_of(item: Any) -> CaseInfo | None:
    """Return the case of `item`, with the needs of its module and class, or None."""
    marker = item.get_closest_marker("case")
    if marker is None:
        return None
    stated: CaseInfo = marker.args[0]
    wanted = dict.fromkeys(need for mark in item.iter_markers("needs") for need in mark.args)
    shows = item.get_closest_marker("shows")
    variant = USUAL
    for mark in item.iter_markers("configured"):
        variant |= mark.args[0]
    wanted |= dict.fromkeys(map(Need, variant.needs))
    topic = "" if shows is None else shows.args[0]
    return replace(stated, needs=tuple(wanted), variant=variant, shows=topic)
