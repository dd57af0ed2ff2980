"""Decide what to do with each element of an object that is de-identified."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from dcm.data.making import FIRST_BLOCK, LAST_BLOCK, named
from dcm.data.plan import DELETE, KEEP, Met
from dcm.deidentify.account import Account
from dcm.deidentify.dates import shifted
from dcm.deidentify.profile import (
    CLEAN,
    CODE_MEANING,
    DUMMY,
    EMPTY,
    KEEP_IT,
    NEW_UID,
    PATIENT_ID,
    PATIENT_NAME,
    REMOVE,
    SHIFT,
    ZERO,
    Profile,
)
from dcm.deidentify.table import cleaned_sequences, safe_creators, safe_private
from dcm.deidentify.values import dummy
from dcm.deidentify.words import cleaned

_DATES: Final = ("DA", "DT", "TM")
_TEXTS: Final = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_TELLING: Final = _TEXTS - {"CS"} | {*_DATES, "UI", "UR"}
"""VRs that are not accepted for a safe private attribute whose VR is not known."""
_FREE: Final = _TEXTS - {"CS"} | {"UR"}
_LONGEST: Final = {"AE": 16, "CS": 16, "LO": 64, "PN": 64, "SH": 16}


class Subject:
    """Returns the new values of the elements of one object; used as the function of a change of all elements.

    new_uid: returns the new UID for an old one. days: the number of days by which to shift dates. name: the
    pseudonym. words: the words to keep in descriptions.
    """

    def __init__(
        self,
        profile: Profile,
        sop_class: str,
        *,
        new_uid: Callable[[str], str],
        days: int,
        name: str,
        words: frozenset[str],
        account: Account | None = None,
    ) -> None:
        self._profile: Final = profile
        self._sop_class: Final = sop_class
        self._rules: Final = profile.rules(sop_class)
        self._nested: Final = profile.rules("")
        self._new_uid: Final = new_uid
        self._days: Final = days
        self._name: Final = name
        self._words: Final = words
        self._account: Final = account
        self._making: Final[Mapping[str, Callable[[Met, str], Any]]] = {
            NEW_UID: self._uids,
            SHIFT: self._shifted,
            CLEAN: self._cleaned,
            ZERO: lambda met, _: bytes(len(met.value)),
        }
        self._strict: Final[set[str]] = set()
        """Sequences that are kept, but in which all texts get dummy values."""
        self._safe: Final = "retain-safe-private" in profile.options

    def __call__(self, met: Met) -> Any:
        """Return the new value of an element, KEEP or DELETE."""
        tag = met.tag
        if tag & 0x10000:
            action, fallback = self._private(tag, met), REMOVE
        else:
            nested = met.nested
            rules = self._nested if nested else self._rules
            rule = rules.get(tag)
            if rule is None:
                rule = rules[tag] = self._profile.rule(tag, "" if nested else self._sop_class)
            action, fallback, option, sequence = rule
            if sequence and met.vr != "SQ":
                action = REMOVE
            elif action == KEEP_IT and not option:
                strict = nested and self._strict and met.vr in _FREE and self._is_strict(met.path)
                return self._done(met, DUMMY, dummy(tag, met.vr)) if strict else KEEP
        if action == KEEP_IT:
            return self._done(met, action, KEEP)
        if action == REMOVE:
            return self._done(met, action, DELETE)
        return self._replaced(met, action, fallback)

    def _replaced(self, met: Met, action: str, fallback: str) -> Any:
        """Return the new value of an element that is neither kept nor removed by its rule."""
        vr = met.vr
        if vr == "SQ":
            value = "" if action == EMPTY else dummy(met.tag, vr) if action == DUMMY else None
            if value is None and action == DUMMY:
                self._strict.add(named(met.tag))
            return KEEP if value is None else self._done(met, action, value)
        if met.tag == CODE_MEANING and not _is_in_cleaned(met.path):
            if not self._is_strict(met.path):
                return KEEP
            action = DUMMY
        if met.tag in (PATIENT_NAME, PATIENT_ID):
            value = self._name if vr in _TEXTS else dummy(met.tag, vr)
            action, value = DUMMY, value if met.value.strip(b" \0") else KEEP
        else:
            value = self._value(met, vr, action)
            if value is None:
                action, value = fallback, self._value(met, vr, fallback)
        if value is None:
            action, value = REMOVE, DELETE
        return KEEP if value is KEEP else self._done(met, action, value)

    def _value(self, met: Met, vr: str, action: str) -> Any:
        """Return the new value, KEEP for an empty value, or None if the action is impossible."""
        if action == EMPTY:
            return ""
        if action == DUMMY and vr != "UI":
            return dummy(met.tag, vr)
        making = self._making.get(NEW_UID if action == DUMMY else action)
        if making is None:
            return None
        return making(met, vr) if met.value else KEEP

    def _uids(self, met: Met, vr: str) -> str | None:
        if vr != "UI":
            return None
        return "\\".join(self._new_uid(each.strip()) for each in met.text.split("\\"))

    def _shifted(self, met: Met, vr: str) -> str | None:
        return shifted(vr, met.text, self._days) if vr in _DATES else None

    def _cleaned(self, met: Met, vr: str) -> str | None:
        if vr not in _TEXTS:
            return None
        text = cleaned(met.text, self._words, _LONGEST.get(vr, 0))
        return (text.upper() if vr == "CS" else text) or None

    def _private(self, tag: int, met: Met) -> str:
        """Return the action for a private element or a private creator (PS3.15 E.3.10)."""
        if not self._safe:
            return REMOVE
        element = tag & 0xFFFF
        if FIRST_BLOCK <= element <= LAST_BLOCK:
            return KEEP_IT if (tag >> 16, met.text.strip()) in safe_creators() else REMOVE
        vr = safe_private().get((tag & 0xFFFF00FF, met.creator))
        if vr is None:
            return REMOVE
        fits = met.vr in (vr, "UN") if vr else met.vr not in _TELLING
        return KEEP_IT if fits else REMOVE

    def _is_strict(self, path: str) -> bool:
        return not self._strict.isdisjoint(_sequences(path))

    def _done(self, met: Met, action: str, value: Any) -> Any:
        account = self._account
        if account is not None:
            account.add(met.tag, action)
            if account.with_values and action != KEEP_IT:
                account.values.append((met.path, action, _text(met)))
        return value


def _is_in_cleaned(path: str) -> bool:
    """Return whether an element is in a sequence whose texts are cleaned."""
    return not cleaned_sequences().isdisjoint(_sequences(path))


def _sequences(path: str) -> list[str]:
    """Return the names of the sequences that contain an element."""
    return [each.partition("[")[0] for each in path.split(".")[:-1]]


def _text(met: Met) -> str:
    """Return a value for a report; empty for a sequence, or a value that is not text."""
    if met.vr in ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "UN"):
        return ""
    return met.text
