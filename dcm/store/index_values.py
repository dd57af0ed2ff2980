"""Values in the columns of an index, by which a query selects slightly more than the matches.

An empty column may match any key: the value is unknown (PS3.4 C.2.2.1.2), or has an uncommon form,
such as several values. `dcm.data.match` then decides which of the selected rows match.
"""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

from dcm.data.moments import key_span, span

Cell: TypeAlias = str | int | float | bytes | None
"""A value that a column can hold."""

_MOMENTS: Final = frozenset(("DA", "TM"))
_NUMBERS: Final = frozenset(("IS", "DS"))
_WILD: Final = frozenset(("AE", "CS", "LO", "SH"))  # those with columns, except PN
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST: Final = {"DA": 0, "TM": 3_600_000_000}
"""How much later a value may end than its column says, in days (DA) or microseconds (TM)."""
_STARS: Final = 4
"""With more stars SQLite takes too long: only the text before the first wildcard is used then."""
_LONG: Final = 200
_FEW, _MANY = 8, 200


class Condition(NamedTuple):
    """An SQL condition with `{}` for its column, and the values of its question marks.

    It applies to columns that are not empty; rows with an empty column may match in any case.
    exact: whether everything that it selects matches.
    """

    words: str
    values: tuple[Cell, ...]
    exact: bool = False

    @property
    def or_unknown(self) -> str:
        """The condition for all rows, including those with an empty column."""
        return f"({self.words} OR {{}} = '')"


def digest(*parts: str | bytes) -> bytes:
    """Return a digest of 8 bytes for one or more texts."""
    joined = b"\0".join(
        each if isinstance(each, bytes) else each.encode("utf-8", "surrogatepass") for each in parts
    )
    return blake2b(joined, digest_size=8).digest()


def number_of(eight: bytes) -> int:
    """Return 8 bytes as a number that fits into SQLite."""
    return int.from_bytes(eight, "big", signed=True)


def column(vr: str, value: str) -> Cell:
    """Return the contents of an attribute's column."""
    value = value.strip(" \0")
    if not value or "\\" in value or "\0" in value:
        return ""
    if vr == "UI":
        return number_of(digest(value))
    if vr in _MOMENTS:
        return _first(vr, value)
    if vr in _NUMBERS:
        return _number(value)
    if not value.isascii() and not _is_text(value):
        return ""
    return f"={folded_name(value)}=" if vr == "PN" else value


def condition(vr: str, key: str) -> Condition | None:  # noqa: PLR0911 - a kind of VR each
    """Return a condition that all values matching a key meet, or None if it is useless."""
    keys = [each for each in (part.strip(" \0") for part in key.split("\\")) if each]
    if not keys or any("\0" in each or not _is_text(each) for each in keys):
        return None
    if vr in _WILD and keys == ["*"]:
        return None
    if vr == "UI":
        return _among([number_of(digest(each)) for each in keys])
    if vr in _NUMBERS:
        return _among([_number(each) for each in keys])
    if vr in _MOMENTS:
        made = _any([_within(vr, each) for each in keys])
        return made._replace(exact=vr == "DA" and len(keys) <= _MANY)
    if vr == "PN":
        return _any([_of_name(each) for each in keys])
    if vr in _WILD and any("*" in each or "?" in each for each in keys):
        return _any([Condition("{} GLOB ?", (_pattern(each),)) for each in keys])
    made = _among(keys)
    return made._replace(exact=vr in _WILD and len(keys) <= _MANY)


def folded_name(name: str) -> str:
    """Return a name in the form that is compared (see `dcm.data.match`), without padding."""
    return "=".join(
        "^".join(component.strip() for component in group.split("^")).rstrip("^")
        for group in name.casefold().split("=")
    )


@lru_cache(maxsize=4096)
def _first(vr: str, value: str) -> Cell:
    """Return the first day or microsecond of a value."""
    found = span(vr, value)
    return "" if found is None else _count(vr, found.first)


def _count(vr: str, moment: timedelta) -> int:
    return moment.days if vr == "DA" else moment // _MICROSECOND


@lru_cache(maxsize=4096)
def _number(value: str) -> Cell:
    try:
        found = float(value)
    except ValueError:
        return ""
    return found if found == found else ""  # noqa: PLR0124 - not a number


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _among(values: Sequence[Cell]) -> Condition:
    if len(values) <= _FEW or any(isinstance(each, float) for each in values):
        return _any([Condition("{} = ?", (each,)) for each in values])
    return Condition(
        "{} IN (SELECT value FROM json_each(?))", (json.dumps(values, ensure_ascii=False),)
    )


def _any(conditions: list[Condition]) -> Condition:
    if len(conditions) > _MANY:  # SQLite has a limit, and such long lists are unusual
        return Condition("1", ())
    words = " OR ".join(each.words for each in conditions)
    return Condition(f"({words})", tuple(value for each in conditions for value in each.values))


def _within(vr: str, key: str) -> Condition:
    wanted = key_span(vr, key)
    if wanted is None:
        return Condition("0", ())
    first, last = _count(vr, wanted.first) - _LONGEST[vr], _count(vr, wanted.last)
    limit = 2**62
    return Condition("{} BETWEEN ? AND ?", (max(first, -limit), min(last, limit)))


def _of_name(key: str) -> Condition:
    group = next((each for each in folded_name(key).split("=") if each), "")
    if not group:
        return Condition("1", ())
    if "*" not in group and "?" not in group:
        return Condition("instr({}, ?)", (f"={group}=",))
    return Condition("{} GLOB ?", (f"*={_pattern(group)}=*",))


def _pattern(key: str) -> str:
    """Return a pattern for GLOB, with literal brackets."""
    head = re.split("[*?]", key, maxsplit=1)[0]
    if key.count("*") > _STARS or len(key) > _LONG:
        key = f"{head[:_LONG]}*"
    return key.replace("[", "[[]")
