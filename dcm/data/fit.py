"""Compare the answers of an archive with the keys: they match, do not match, or may match (PS3.4 C.2.2.2).

An archive may have its own matching rules: ignoring accents, position or sound in names (C.2.2.2.1.1), or the
case of texts. So a difference from our own matching proves that a key was ignored only if the standard leaves
no such freedom, and the returned value is well-formed.
"""

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Final

from dcm.data.dictionary import vr_of
from dcm.data.match import QUERY_RETRIEVE, Attributes, Rules, Value, attribute_matches
from dcm.data.moments import span

_TEXT: Final = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_CODE: Final = re.compile(r"[A-Z0-9_ ]{1,16}")
_BETWEEN_CODES: Final = re.compile(r"[\\,;/|+ ]+")
_BETWEEN_NAMES: Final = re.compile(r"[\\^=, ]+")
_NUMBER: Final = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*", re.IGNORECASE)


class Fit(Enum):
    """The result of a comparison."""

    YES = "it fits"
    NO = "it does not fit"
    UNCERTAIN = "it may fit by the rules of the archive"


def fit(keyword: str, key: Value, answered: Value, rules: Rules = QUERY_RETRIEVE) -> Fit:
    """Compare a key with a value that an archive returned for it."""
    vr = vr_of(keyword)
    if not isinstance(key, str) or not isinstance(answered, str):
        return _fit_items(key, answered, rules)
    if attribute_matches(vr, _folded(vr, key), _folded(vr, answered), rules):
        return Fit.YES
    if not answered.strip(" \0\\"):
        return Fit.NO  # as in worklists, where an unknown value matches no key
    if vr == "PN":
        return Fit.YES if _same_name(_folded(vr, key), _folded(vr, answered)) else Fit.UNCERTAIN
    if vr == "CS" and len(_BETWEEN_CODES.split(answered)) > 1:
        values = "\\".join(_BETWEEN_CODES.split(answered))
        if attribute_matches(vr, _folded(vr, key), _folded(vr, values), rules):
            return Fit.YES
        answered = values
    return (
        Fit.NO if all(_is_wellformed(vr, each) for each in answered.split("\\")) else Fit.UNCERTAIN
    )


def _fit_items(key: Value, answered: Value, rules: Rules) -> Fit:
    """Compare the item of a sequence key with each item of the answer; the best fit counts."""
    asked = [] if isinstance(key, str) else [item for item in key if any(item.values())]
    if not asked:
        return Fit.YES
    if isinstance(answered, str) or not answered:
        return Fit.YES if rules.unknown_matches else Fit.NO
    fits = {_fit_item(wanted, item, rules) for wanted in asked for item in answered}
    return next(each for each in (Fit.YES, Fit.UNCERTAIN, Fit.NO) if each in fits)


def _fit_item(wanted: Attributes, item: Attributes, rules: Rules) -> Fit:
    fits = {fit(name, value, item.get(name, ""), rules) for name, value in wanted.items() if value}
    return next((each for each in (Fit.NO, Fit.UNCERTAIN) if each in fits), Fit.YES)


def _is_wellformed(vr: str, value: str) -> bool:
    """Return whether a value is valid for its VR, as far as matching depends on it."""
    if vr in ("DA", "TM", "DT"):
        return not value or span(vr, value) is not None
    if vr in ("IS", "DS"):
        return not value or _NUMBER.fullmatch(value) is not None
    return vr != "CS" or not value or _CODE.fullmatch(value) is not None


def _same_name(key: str, names: str) -> bool:
    """Return whether a key matches a name or a component of it, ignoring punctuation."""
    parts = [_bare(part) for part in (*names.split("\\"), *_BETWEEN_NAMES.split(names))]
    return any(
        attribute_matches("LO", _bare(wanted), part)
        for wanted in key.split("\\")
        for part in parts
        if part and _bare(wanted)
    )


def _bare(text: str) -> str:
    return "".join(each for each in text if each.isalnum() or each in "*?")


def _folded(vr: str, text: str) -> str:
    """Return a text without differences in case and accents, which archives may ignore."""
    if vr not in _TEXT:
        return text
    return text.casefold() if text.isascii() else _without_accents(text)


@lru_cache(maxsize=1024)
def _without_accents(text: str) -> str:
    import unicodedata  # noqa: PLC0415 - only for texts that are not ASCII

    decomposed = unicodedata.normalize("NFD", text)
    kept = "".join(each for each in decomposed if not unicodedata.combining(each))
    return unicodedata.normalize("NFC", kept).casefold()


def differing(
    keys: Mapping[str, Value], answer: Attributes, rules: Rules = QUERY_RETRIEVE
) -> dict[str, Fit]:
    """Return the keys that an answer does not clearly match."""
    found = {name: fit(name, key, answer.get(name, ""), rules) for name, key in keys.items()}
    return {name: each for name, each in found.items() if each is not Fit.YES}
