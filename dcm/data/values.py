"""Check new values for data sets against their VR (PS3.5 6.2), and encode them."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from dcm.data.encoding import LONG_VRS
from dcm.data.moments import span
from dcm.data.text import LOCALISED, SINGLE_VALUED, encoded_value

_LONGEST: Final = {
    "AE": 16, "AS": 4, "CS": 16, "DS": 16, "IS": 12, "LO": 64, "LT": 10240, "PN": 64, "SH": 16, "ST": 1024,
    "UI": 64,
}  # fmt: skip
"""The maximum number of characters in a value; for PN, in each component group."""


class NotHeld(ValueError):  # noqa: N818 - reads as the sentence it is
    """A text that the character set of its data set cannot represent."""


def _moment(vr: str) -> Callable[[str], bool]:
    return lambda text: span(vr, text) is not None


_CHECKS: Final[dict[str, tuple[Callable[[str], object], str]]] = {
    "AS": (re.compile(r"\d{3}[DWMY]", re.ASCII).fullmatch, "an age such as 042Y"),
    "CS": (re.compile(r"[A-Z0-9_ ]*").fullmatch, "capital letters, digits, spaces and underscores"),
    "DA": (_moment("DA"), "a date such as 20240131"),
    "DS": (
        re.compile(r" *[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)? *", re.ASCII).fullmatch,
        "a number such as -1.5",
    ),
    "DT": (_moment("DT"), "a moment such as 20240131235959"),
    "IS": (re.compile(r" *[-+]?\d+ *", re.ASCII).fullmatch, "a whole number"),
    "TM": (_moment("TM"), "a time such as 235959"),
    "UI": (
        re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))*", re.ASCII).fullmatch,
        "numbers with periods between them",
    ),
}


def value_of(
    text: str, vr: str, character_set: bytes, *, explicit: bool, little_endian: bool
) -> bytes:
    """Encode a text as a value; multiple values are separated by a backslash.

    Raises `ValueError` for a value that the VR does not allow, and `NotHeld` for one that the character set
    cannot represent.
    """
    check_text(text, vr)
    if vr == "US" and text.startswith("-"):
        vr = "SS"  # if the dictionary allows both, the sign decides
    try:
        value = encoded_value(text, vr, character_set=character_set, little_endian=little_endian)
    except (UnicodeError, ValueError) as error:
        if vr in LOCALISED and not text.isascii():
            named = character_set.decode("latin-1").strip() or "ASCII, since it names none"
            raise NotHeld(
                f"the character set of the data set cannot represent it: {named}"
            ) from error
        if isinstance(error, UnicodeError):
            raise ValueError(f"a value of VR {vr} is ASCII") from None  # noqa: TRY004
        raise
    if explicit and len(value) > 0xFFFE and vr.encode() not in LONG_VRS:
        raise ValueError(f"it is {len(value)} bytes long: too long for VR {vr}")
    return value


def check_text(text: str, vr: str) -> None:
    """Raise `ValueError` for a text that the VR does not allow in any character set."""
    for each in [text] if vr in SINGLE_VALUED else text.split("\\"):
        if words := _fault(each, vr):
            raise ValueError(words)


def text_of(value: object, vr: str = "") -> str:
    """Return a Python or JSON value as text: a text, a number, a sequence of these, or None.

    For VR DS, a number that would be too long is rounded. Raises `ValueError` for anything else.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return "\\".join(text_of(each, vr) for each in value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError(f"{value!r:.40} is neither a text nor a number")  # noqa: TRY004
    if vr == "DS":
        texts = (str(value), *(f"{value:.{digits}g}" for digits in range(16, 8, -1)))
        return next((text for text in texts if len(text) <= _LONGEST["DS"]), texts[0])
    return str(value)


def _fault(text: str, vr: str) -> str:
    """Return why a single value is not valid for its VR; empty if it is valid."""
    if not text:
        return ""
    longest = _LONGEST.get(vr)
    if longest is not None:
        length = max(map(len, text.split("="))) if vr == "PN" else len(text)
        if length > longest:
            return f"it has {length} characters; VR {vr} allows {longest}"
    check = _CHECKS.get(vr)
    if check is not None and not check[0](text):
        return f"VR {vr} allows {check[1]}"
    return ""
