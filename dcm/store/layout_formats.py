"""The formats of fields in path templates, by VR; see `dcm.store.layout`."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeAlias

from dcm.data.moments import span
from dcm.errors import DcmError

_MOMENTS: Final = frozenset(("DA", "TM", "DT"))
_WHOLE: Final = frozenset(("IS", "SL", "SS", "SV", "UL", "US", "UV"))
_DECIMAL: Final = frozenset(("DS", "FD", "FL"))
_WITHOUT_TEXT: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ"))

_DAY, _HOUR, _MINUTE, _SECOND = (
    timedelta(**{n: 1}) for n in ("days", "hours", "minutes", "seconds")
)
_EPOCH: Final = datetime(1, 1, 1)  # noqa: DTZ001 - the time as it was written, wherever that was
_DIRECTIVES: Final[dict[str, tuple[timedelta, Callable[[datetime], str]]]] = {
    "Y": (366 * _DAY, lambda moment: f"{moment.year:04}"),
    "y": (366 * _DAY, lambda moment: f"{moment.year % 100:02}"),
    "m": (31 * _DAY, lambda moment: f"{moment.month:02}"),
    "d": (_DAY, lambda moment: f"{moment.day:02}"),
    "j": (_DAY, lambda moment: f"{moment.timetuple().tm_yday:03}"),
    "G": (_DAY, lambda moment: f"{moment.isocalendar().year:04}"),
    "V": (_DAY, lambda moment: f"{moment.isocalendar().week:02}"),
    "H": (_HOUR, lambda moment: f"{moment.hour:02}"),
    "M": (_MINUTE, lambda moment: f"{moment.minute:02}"),
    "S": (_SECOND, lambda moment: f"{moment.second:02}"),
    "f": (_SECOND, lambda moment: f"{moment.microsecond:06}"),
}
"""The directives after a percent sign: the precision that a value must have, and its text.

Not `strftime`, which depends on the locale of the process, and whose `%Y` depends on the system.
"""
_OF: Final = {"DA": "YymdjGV", "TM": "HMSf", "DT": "YymdjGVHMSf", "UN": "YymdjGVHMSf"}
_PERCENT: Final = re.compile(r"%(.?)", re.DOTALL)
_NUMBER_FORMAT: Final = re.compile(r"(?:0([1-9][0-9]?))?(?:d|\.([0-9])f)")
_TEXT_FORMAT: Final = re.compile(r"\.([1-9][0-9]{0,2})|upper|lower")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,64}(?:\.[0-9]{0,64})?(?:[eE][+-]?[0-9]{1,2})?")
_ZONE: Final = re.compile(r"[+-]\d{4}$")
_UNSAFE_BETWEEN: Final = re.compile(r'[<>:"/\\|?*\x00-\x1f]')

Converter: TypeAlias = Callable[[str], str]


class BadFormat(DcmError):  # noqa: N818 - reads as the sentence it is
    """A format that does not fit the VR."""


def converter(name: str, vr: str, form: str | None) -> Converter:
    """Return a function that formats a value; it returns "" if the value does not fit.

    form: the format, or None for the value as it is. The VR of an element with VR `UN`, such as a
    private one, is known only from the data, so it may have any format. Raises `BadFormat`.
    """
    if vr in _WITHOUT_TEXT:
        raise BadFormat(f"{name} has no text: its VR is {vr}")
    if form is None:
        return str
    if "%" in form and vr in _OF:
        return _of_moment(name, vr, form)
    if vr in _WHOLE | _DECIMAL | {"UN"} and (number := _NUMBER_FORMAT.fullmatch(form)):
        if number[2] is None or vr not in _WHOLE:
            return _of_number(form)
    elif vr not in _MOMENTS | _WHOLE | _DECIMAL and form:
        parts = [_TEXT_FORMAT.fullmatch(part) for part in form.split(",")]
        if all(parts):
            return _of_text(form.split(","))
    raise BadFormat(f"{form!r} is not a format for {name}, whose VR is {vr}: {_allowed(vr)}")


def _allowed(vr: str) -> str:
    if vr in _MOMENTS:
        return "use " + " ".join(f"%{each}" for each in _OF[vr])
    if vr in _WHOLE | _DECIMAL:
        return "use one like 03d" + (" or 06.2f" if vr in _DECIMAL else "")
    return "use upper, lower, or .8 for the first 8 characters"


def _of_moment(name: str, vr: str, form: str) -> Converter:
    for directive in _PERCENT.findall(form):
        if directive not in (*_OF[vr], "%"):
            raise BadFormat(
                f"%{directive} is not a format for {name}, whose VR is {vr}: {_allowed(vr)}"
            )
    if _UNSAFE_BETWEEN.search(form):
        raise BadFormat(f"{form!r} has characters that are not allowed in a file name")
    needed = min(
        (_DIRECTIVES[each][0] for each in _PERCENT.findall(form) if each != "%"), default=None
    )
    if needed is None:
        raise BadFormat(f"{form!r} does not use {name}: {_allowed(vr)}")
    precision: timedelta = needed
    vrs = ("DA", "TM", "DT") if vr == "UN" else (vr,)

    def convert(value: str) -> str:
        text = value.partition("\\")[0].strip()
        for each in vrs:
            found = span(each, _ZONE.sub("", text) if each == "DT" else text)
            if found and found.last - found.first < precision:
                try:
                    moment = _EPOCH + found.first
                except OverflowError:  # a leap second at the end of year 9999
                    return ""
                return _PERCENT.sub(partial(_directive, moment), form)
        return ""

    return convert


def _directive(moment: datetime, found: re.Match[str]) -> str:
    return "%" if found[1] == "%" else _DIRECTIVES[found[1]][1](moment)


def _of_number(form: str) -> Converter:
    whole = form.endswith("d")

    def convert(value: str) -> str:
        text = value.partition("\\")[0].strip()
        if whole and text.isascii() and text.isdigit() and len(text) <= 64:
            return format(int(text), form)
        if not _NUMBER.fullmatch(text):
            return ""
        from decimal import Decimal  # noqa: PLC0415 - hardly any number needs it

        number = Decimal(text)
        if not whole:
            return format(number, form)
        return format(int(number), form) if number == int(number) else ""

    return convert


def _of_text(parts: list[str]) -> Converter:
    def convert(value: str) -> str:
        for part in parts:
            if part.startswith("."):
                value = value[: int(part[1:])]
            else:
                value = value.upper() if part == "upper" else value.lower()
        return value

    return convert
