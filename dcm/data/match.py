"""Match entities against queries (PS3.4 C.2.2.2), with plain values.

    matches({"PatientName": "Mul*", "StudyDate": "20240101-"}, answer)

Both sides map keywords (or tags as eight hexadecimal digits) to texts as on the command line, with several
values separated by a backslash, or to lists of items for sequences. This is used for keys that a server
ignores, and for answering queries.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from dcm.data.dictionary import vr_of
from dcm.data.moments import key_span, offset_of, span

Value: TypeAlias = "str | Sequence[Mapping[str, Value]]"
"""A value: a text, with several values separated by a backslash, or the items of a sequence."""
Attributes: TypeAlias = Mapping[str, Value]
"""Values by keyword."""

# These define how the rest is interpreted or answered, and are not matched (PS3.4 C.2.2.2, C.4.1.1.3).
NEVER_MATCHED = frozenset(("SpecificCharacterSet", "QueryRetrieveLevel", "TimezoneOffsetFromUTC"))

WILD = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
"""VRs with wildcards (PS3.4 C.2.2.2.4)."""
_MOMENTS = frozenset(("DA", "TM", "DT"))
_SINGLE_VALUED = frozenset(("LT", "ST", "UR", "UT"))


class Rules(NamedTuple):
    """Rules that the standard leaves to the service.

    unknown_matches: whether a stored value of zero length matches any key, as in Query/Retrieve (C.2.2.1.2),
    or none, as in worklists (K.2.2.1.1.1).
    """

    unknown_matches: bool = True


QUERY_RETRIEVE = Rules()
"""The rules of Query/Retrieve (PS3.4 C.2.2.2)."""
WORKLIST = Rules(unknown_matches=False)
"""The rules of modality worklists (PS3.4 K.2.2.2)."""


def matches(query: Attributes, stored: Attributes, rules: Rules = QUERY_RETRIEVE) -> bool:
    """Return whether all keys of `query` match; an attribute that is absent counts as unknown."""
    zones = _zone(query), _zone(stored)
    return all(
        attribute_matches(vr_of(keyword), key, stored.get(keyword, ""), rules, zones)
        for keyword, key in query.items()
        if keyword not in NEVER_MATCHED
    )


def limits(value: Value) -> bool:
    """Return whether a key limits the answers, rather than only requesting the attribute."""
    if isinstance(value, str):
        return bool(value.strip("*"))
    return any(limits(inner) for item in value for inner in item.values())


def limiting(keys: Attributes) -> Attributes:
    """Return the keys that limit the answers."""
    return {
        name: value for name, value in keys.items() if limits(value) and name not in NEVER_MATCHED
    }


def attribute_matches(
    vr: str,
    key: Value,
    stored: Value,
    rules: Rules = QUERY_RETRIEVE,
    zones: tuple[timedelta, timedelta] = (timedelta(), timedelta()),
) -> bool:
    """Return whether one attribute matches its key.

    zones: the UTC offsets of the key and of the stored value, for date-times without their own.
    """
    if vr == "SQ" or not isinstance(key, str) or not isinstance(stored, str):
        return _sequence_matches(key, stored, rules)
    keys, values = _values(vr, key), _values(vr, stored)
    if not any(keys) or (vr in WILD and keys == ["*"]):
        return True  # universal matching (C.2.2.2.3)
    if not any(values):
        return rules.unknown_matches
    # It is enough that one stored value (C.2.2.3) matches one value of the key, as in most servers.
    return any(_value_matches(vr, each, value, zones) for each in keys if each for value in values)


def _sequence_matches(key: Value, stored: Value, rules: Rules) -> bool:
    """Match all keys of the item against one stored item after the other (C.2.2.2.6)."""
    asked = () if isinstance(key, str) else key
    if not any(limits([item]) for item in asked):
        return True
    if isinstance(stored, str) or not stored:
        return rules.unknown_matches
    return any(matches(one, item, rules) for one in asked for item in stored)


def _value_matches(vr: str, key: str, stored: str, zones: tuple[timedelta, timedelta]) -> bool:
    if vr in _MOMENTS:
        wanted, known = key_span(vr, key, zones[0]), span(vr, stored, zones[1])
        if wanted is None or known is None:
            return key == stored  # at least one is not valid for its VR
        return wanted.overlaps(known)
    if vr == "PN":
        return _name_matches(key, stored)
    if vr in ("IS", "DS"):
        return key == stored or _number(key) == _number(stored)  # CP-2305 does not define this
    return _text_matches(vr, key, stored)


def _text_matches(vr: str, key: str, stored: str) -> bool:
    if vr in WILD and ("*" in key or "?" in key):
        return _pattern(key).fullmatch(stored) is not None
    return key == stored


def _name_matches(key: str, stored: str) -> bool:
    """Match component groups in any case: alphabetic, ideographic, phonetic (PS3.5 6.2.1).

    A key with one group matches any stored group; a key with several is matched group by group.
    """
    keys, groups = _groups(key.casefold()), _groups(stored.casefold())
    if len(keys) == 1:
        return any(_text_matches("PN", keys[0], group) for group in groups)
    groups += [""] * (len(keys) - len(groups))
    return all(
        not wanted or _text_matches("PN", wanted, group)
        for wanted, group in zip(keys, groups, strict=False)
    )


def _groups(name: str) -> list[str]:
    """Split a name, ignoring delimiters at the end and spaces around components."""
    return [
        "^".join(component.strip() for component in group.split("^")).rstrip("^")
        for group in name.split("=")
    ]


@lru_cache(maxsize=256)
def _pattern(key: str) -> re.Pattern[str]:
    """Compile wildcards (C.2.2.2.4).

    The text between two stars is matched only at its first occurrence: later ones cannot help, and trying
    them can take exponential time. A lookahead followed by a reference to its capture is an atomic group; the
    dedicated syntax needs Python 3.11.
    """
    first, *others = (re.escape(part).replace(r"\?", ".") for part in re.split(r"\*+", key))
    middle = "".join(
        f"(?=(?P<part{place}>.*?{part}))(?P=part{place})" for place, part in enumerate(others[:-1])
    )
    return re.compile(first + middle + (f".*{others[-1]}" if others else ""), re.DOTALL)


def _values(vr: str, text: str) -> list[str]:
    """Split multiple values, and strip the padding of their VR."""
    if vr in _SINGLE_VALUED:  # in narrative text, leading spaces are significant
        return [text.rstrip(" \0")]
    return [value.strip(" \0") for value in text.split("\\")]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _zone(attributes: Attributes) -> timedelta:
    offset = attributes.get("TimezoneOffsetFromUTC", "")
    return offset_of(offset.strip()) if isinstance(offset, str) else timedelta()
