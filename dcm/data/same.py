"""Compare two values: whether they are the same, and where they first differ."""

import math
from array import array
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

from dcm.data.content import BINARY, Content, Entry
from dcm.data.difference_rules import DifferenceRules
from dcm.data.encoding import MalformedData
from dcm.data.recode import swapped
from dcm.data.text import value_text

Placed: TypeAlias = tuple[Content, Entry]
"""An element, and the content that it is in."""

_NUMBERS: Final = frozenset(("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"))
_REALS: Final = {"OF": "f", "OD": "d"}
_SINGLE: Final = frozenset(("LT", "ST", "UR", "UT"))
_KEEPS_SPACE: Final = frozenset(("LT", "ST", "UT"))
"""VRs in which leading spaces are significant (PS3.5 6.2)."""


def common_vr(left: Entry, right: Entry) -> str:
    """Return the VR for interpreting both values: that of the one that is not UN, if any."""
    known = [each.vr for each in (left, right) if each.vr != "UN"]
    return known[0] if known else left.value_vr


def is_same(left: Placed, right: Placed, rules: DifferenceRules) -> bool:
    """Return whether two values, which are not sequences, are the same according to the rules."""
    vr = common_vr(left[1], right[1])
    if vr in BINARY or left[1].fragments is not None or right[1].fragments is not None:
        if first_difference(left, right, rules) is None:
            return True
        return rules.tolerance is not None and vr in _REALS and _is_close(left, right, vr, rules)
    if meaning(left, vr, rules) == meaning(right, vr, rules):
        return True
    if rules.tolerance is None or vr not in _NUMBERS:
        return False
    return _all_close(_numbers(left, vr), _numbers(right, vr), rules.tolerance)


def meaning(placed: Placed, vr: str, rules: DifferenceRules) -> object:
    """Return the meaning of a value, which can be compared with `==` and hashed."""
    if vr in BINARY or placed[1].fragments is not None:
        return digest(placed, rules)
    text = _text(placed, vr)
    if vr in _SINGLE or not (rules.any_encoding or rules.any_order):
        return text.strip() if rules.any_encoding and vr == "UR" else text
    values: list[object] = [*text.split("\\")]
    if rules.any_encoding:
        values = [_one_meaning(str(each), vr) for each in values]
    if rules.any_order:
        values.sort(key=str)
    return tuple(values)


def digest(placed: Placed, rules: DifferenceRules) -> str:
    """Return the SHA-256 of a binary value in little endian, or of its fragments."""
    made = sha256()
    for part in _parts(placed, rules):
        made.update(part)
    return made.hexdigest()


def first_difference(left: Placed, right: Placed, rules: DifferenceRules) -> int | None:
    """Return the offset of the first different byte, or None; a shorter value differs where it ends."""
    at = 0
    ours, others = _Bytes(left, rules), _Bytes(right, rules)
    while True:
        one, other = ours.some(), others.some()
        size = min(len(one), len(other))
        if one[:size] != other[:size]:
            pairs = zip(one, other, strict=False)
            return at + next(place for place, pair in enumerate(pairs) if pair[0] != pair[1])
        if not size:
            return at if len(one) != len(other) else None
        at += size
        ours.used(size)
        others.used(size)


class _Bytes:
    """A binary value that is read in parts."""

    def __init__(self, placed: Placed, rules: DifferenceRules) -> None:
        self._parts: Final = _parts(placed, rules)
        self._part = b""

    def some(self) -> bytes:
        if not self._part:
            self._part = next(self._parts, b"")
        return self._part

    def used(self, size: int) -> None:
        self._part = self._part[size:]


def _parts(placed: Placed, rules: DifferenceRules) -> Iterator[bytes]:
    content, entry = placed
    if rules.any_encoding and entry.fragments:  # the first fragment is a table of offsets
        entry = entry._replace(fragments=entry.fragments[1:])
    for part in content.parts(entry):
        if entry.scope.little_endian:
            yield part
            continue
        try:
            yield swapped(entry.vr.encode(), part)
        except MalformedData:  # its length is not a multiple of that of a number
            yield part


def _text(placed: Placed, vr: str) -> str:
    content, entry = placed
    return value_text(
        content.value(entry), vr, character_set=entry.scope.character_set,
        little_endian=entry.scope.little_endian,
    )  # fmt: skip


def _one_meaning(text: str, vr: str) -> object:
    if vr in _NUMBERS:
        try:
            return float(text)
        except ValueError:
            return text.strip()
    if vr == "PN":
        return "=".join(each.rstrip("^ ") for each in text.split("=")).rstrip("=")
    return text.strip()


def _numbers(placed: Placed, vr: str) -> list[float] | None:
    try:
        return [float(each) if each.strip() else math.nan for each in _text(placed, vr).split("\\")]
    except ValueError:
        return None


def _is_close(left: Placed, right: Placed, vr: str, rules: DifferenceRules) -> bool:
    numbers = []
    for placed in (left, right):
        value = b"".join(_parts(placed, rules))
        if len(value) % array(_REALS[vr]).itemsize:
            return False
        numbers.append(array(_REALS[vr], value))
    return _all_close(numbers[0], numbers[1], rules.tolerance or 0)


def _all_close(
    left: Sequence[float] | None, right: Sequence[float] | None, tolerance: float
) -> bool:
    if left is None or right is None or len(left) != len(right):
        return False
    return all(
        abs(one - other) <= tolerance or one == other or (math.isnan(one) and math.isnan(other))
        for one, other in zip(left, right, strict=True)
    )
