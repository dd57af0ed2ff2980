"""Rules for the regions of images to blank, by the device that made them.

    [[rule]]
    sop_class = "1.2.840.10008.5.1.4.1.1.6.1"
    manufacturer = "ACME*"                     # * and ? as in file names, ignoring case
    model = "Sono 5"
    rows = 480
    columns = 640
    blank = ["0,0,640,40", "500,440,140,40"]   # X,Y,WIDTH,HEIGHT; [] if nothing is burned in

The first matching rule is used. Attributes that a rule does not name may have any value.
"""

import os
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from dcm.errors import DcmError


class BadRegion(DcmError):  # noqa: N818 - reads as the sentence it is
    """A region, or a rule of regions, that cannot be used."""


class Region(NamedTuple):
    """A rectangle of pixels; x and y are the coordinates of its upper left corner, counted from 0."""

    x: int
    y: int
    width: int
    height: int


class RegionRule(NamedTuple):
    """The regions to blank in objects with these texts, which may have the wildcards * and ?, and numbers."""

    regions: tuple[Region, ...]
    texts: Mapping[str, str] = {}
    numbers: Mapping[str, int] = {}

    def fits(self, known: Mapping[str, str]) -> bool:
        """Return whether the rule matches an object with these values."""
        return all(
            fnmatchcase(known.get(name, "").casefold(), pattern.casefold())
            for name, pattern in self.texts.items()
        ) and all(known.get(name, "") == str(number) for name, number in self.numbers.items())


TEXTS: Final = ("sop_class", "modality", "manufacturer", "model")
NUMBERS: Final = ("rows", "columns")


def read_region(text: str) -> Region:
    """Parse X,Y,WIDTH,HEIGHT. Raises `BadRegion`."""
    parts = [each.strip() for each in text.split(",")]
    if len(parts) == 4 and all(each.isascii() and each.isdecimal() for each in parts):
        region = Region(*map(int, parts))
        if region.width and region.height:
            return region
    raise BadRegion(f"{text!r} is not a region: X,Y,WIDTH,HEIGHT, in pixels")


def read_rules(path: str | os.PathLike[str]) -> tuple[RegionRule, ...]:
    """Read a TOML file of rules. Raises `OSError` and `BadRegion`."""
    import tomllib  # noqa: PLC0415 - rarely needed

    name = os.fspath(path)
    with open(path, "rb") as file:  # noqa: PTH123
        try:
            document = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadRegion(f"{name} is not TOML: {error}") from None
    rules = document.pop("rule", [])
    if document or not isinstance(rules, list):
        raise BadRegion(f"{name}: only tables [[rule]] are allowed")
    return tuple(_rule(rule, f"{name}, rule {number}") for number, rule in enumerate(rules, 1))


def _rule(rule: Any, where: str) -> RegionRule:
    if not isinstance(rule, dict):
        raise BadRegion(f"{where} is not a table")
    unknown = rule.keys() - {*TEXTS, *NUMBERS, "blank"}
    if unknown:
        allowed = ", ".join((*TEXTS, *NUMBERS, "blank"))
        raise BadRegion(f"{where}: {min(unknown)!r} is not known; known keys are {allowed}")
    blank = rule.get("blank")
    if not (isinstance(blank, list) and all(isinstance(each, str) for each in blank)):
        raise BadRegion(f'{where} needs blank = ["X,Y,WIDTH,HEIGHT"]')
    texts = _of_kind(rule, TEXTS, str, "a text", where)
    numbers = _of_kind(rule, NUMBERS, int, "a number", where)
    try:
        return RegionRule(tuple(map(read_region, blank)), texts, numbers)
    except BadRegion as error:
        raise BadRegion(f"{where}: {error}") from None


def _of_kind(
    rule: Mapping[str, Any], names: Sequence[str], kind: type, words: str, where: str
) -> dict[str, Any]:
    found = {name: rule[name] for name in names if name in rule}
    for name, value in found.items():
        if not isinstance(value, kind) or isinstance(value, bool):
            raise BadRegion(f"{where}: {name} is {value!r:.40}; expected {words}")
    return found
