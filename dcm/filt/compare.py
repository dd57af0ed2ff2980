"""Compare two values by their VR, and match regular expressions in limited time."""

import operator
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from math import factorial
from typing import Any, Final

from dcm.data.moments import Span, span
from dcm.data.text import SINGLE_VALUED
from dcm.errors import DcmError

NUMBERS: Final = frozenset(("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"))
_DAYS: Final = {"D": 1, "W": 7, "M": 30.4375, "Y": 365.25}
_AGE: Final = re.compile(r"(\d{1,3})([DWMY])", re.ASCII)
_EXAMPLES: Final = {
    "DA": "a date such as 2024-01-31", "DT": "a moment such as 20240131235959", "TM": "a time such as 23:59",
}  # fmt: skip
_STEPS: Final = 30_000_000
"""The maximum number of steps of an expression in the worst case, which take a second or two."""
_LONGEST: Final = 500
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class TooComplex(DcmError):  # noqa: N818 - reads as the sentence it is
    """A regular expression that could take too long."""


def compared(how: str, vr: str, text: str, value: str) -> bool:
    """Return whether one of the values in `text` compares with `value` in this way."""
    texts = [text] if vr in SINGLE_VALUED else text.split("\\")
    if vr == "PN" and "=" not in value:  # one component group matches any (PS3.5 6.2.1)
        texts = [group for name in texts for group in name.split("=")]
    return any(_compared(how, vr, each.strip(" \0"), value.strip()) for each in texts)


def comparable(vr: str, value: str) -> str:
    """Return an empty text if `value` can be compared with values of this VR, else what is allowed."""
    if vr in NUMBERS and _number(value) is None:
        return "a number"
    if vr in _EXAMPLES and _span(vr, value) is None:
        return _EXAMPLES[vr]
    if vr == "AS" and _age(value) is None:
        return "an age such as 042Y"
    return ""


def matched(pattern: str, text: str) -> bool:
    """Return whether an expression matches within a text. Raises `TooComplex` if that could take too long."""
    compiled, longest = _bounded(pattern)
    if len(text) > longest:
        raise TooComplex(
            f"{pattern!r} is not compared with a text of {len(text)} characters: with so many repetitions,"
            f" the limit is {longest}"
        )
    return compiled.search(text) is not None


def check_pattern(pattern: str) -> None:
    """Raise `TooComplex` or `re.error` for an unusable expression."""
    _bounded(pattern)


def _compared(how: str, vr: str, text: str, value: str) -> bool:
    if not text:
        return how == "==" and not value
    if vr in ("DA", "DT", "TM"):
        one, other = _span(vr, text), _span(vr, value)
        if one is not None and other is not None:
            return _spans(how, one, other)
    else:
        of = _number if vr in NUMBERS else _age if vr == "AS" else None
        pair = (of(text), of(value)) if of is not None else (None, None)
        if None not in pair:
            return bool(operator.eq(*pair)) if how == "==" else _OPERATORS[how](*pair)
        if of is not None and how != "==":
            return False
    pair_of_texts = (text, value) if vr == "UI" else (_folded(vr, text), _folded(vr, value))
    return operator.eq(*pair_of_texts) if how == "==" else _OPERATORS[how](*pair_of_texts)


def _spans(how: str, one: Span, other: Span) -> bool:
    if how == "==":
        return one.overlaps(other)
    if how in ("<", "<="):
        return one.last < other.first if how == "<" else one.first <= other.last
    return one.first > other.last if how == ">" else one.last >= other.first


def _span(vr: str, text: str) -> Span | None:
    if vr == "DA":
        text = text.replace("-", "")
        if len(text) in (4, 6):  # a year, or a month
            return span("DT", text)
    return span(vr, text)


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _age(text: str) -> float | None:
    found = _AGE.fullmatch(text.upper())
    return int(found[1]) * _DAYS[found[2]] if found else None


def _folded(vr: str, text: str) -> str:
    text = text.casefold()
    return "=".join(group.rstrip("^ ") for group in text.split("=")) if vr == "PN" else text


@lru_cache(maxsize=256)
def _bounded(pattern: str) -> tuple[re.Pattern[str], int]:
    """Compile an expression; return it, and the maximum length of a text to compare with it.

    Nested repetitions can take exponential time, and are refused. With `n` consecutive repetitions, the time
    of a search grows with up to the power `n + 1` of the length.
    """
    if len(pattern) > _LONGEST:
        raise TooComplex(f"an expression of {len(pattern)} characters: the limit is {_LONGEST}")
    compiled = re.compile(pattern)
    count = _repetitions(pattern)
    longest = int((_STEPS * factorial(count + 1)) ** (1 / (count + 1)))
    if longest < 64:
        raise TooComplex(f"{pattern!r} has too many repetitions, which could take hours to compare")
    return compiled, longest


_PIECE: Final = re.compile(
    r"""\\. | \[\^?\]?(?:\\.|[^\]\\])*\]
    | \(\?(?: P?<\w+> | P=\w+\) | <[=!] | [:=!>] | \#[^)]*\) | [a-zA-Z-]+[:)] | \([^)]*\) )
    | [()*+?|] | \{\d*,?\d*\} | .""",
    re.DOTALL | re.VERBOSE,
)
"""An escaped character, a set, the beginning of a group with an extension, an operator, or a character."""


def _repetitions(pattern: str) -> int:
    """Count the repetitions and choices. Raises `TooComplex` for one within a repetition."""
    count = closed = 0  # closed: the number in the group that was just closed
    inner = [0]
    """The number in each open group."""
    repeats = False
    for piece in _PIECE.findall(pattern):
        if piece == ")" and len(inner) > 1:
            closed = inner.pop()
            inner[-1] += closed
            repeats = False
            continue
        if piece.startswith("(?(") or (piece[0] == "(" and not piece.endswith(")")):
            inner.append(0)
        elif piece in ("*", "+", "?") or (piece[0] == "{" and piece[-1] == "}" and len(piece) > 2):
            if closed and piece != "?":
                raise TooComplex(f"{pattern!r} has nested repetitions, which could take forever")
            if not repeats:  # otherwise it makes the repetition lazy or possessive
                count, inner[-1] = count + 1, inner[-1] + 1
            repeats, closed = not repeats, 0
            continue
        elif piece == "|" and len(inner) > 1:
            inner[-1] += 1
        closed, repeats = 0, False
    return count
