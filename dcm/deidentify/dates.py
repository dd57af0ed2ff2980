"""Shift dates by a number of days that is the same for all objects of a patient (PS3.15 E.3.6).

The number is derived from the key and the patient. It is the same in every run with that key, and intervals
between the dates of a patient are kept. Times of day are not changed.
"""

import hashlib
import hmac
import re
from datetime import date, timedelta
from typing import Final

_LEAST, _MOST = 365, 3650
_DATE: Final = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})", re.ASCII)
_MOMENT: Final = re.compile(
    r"(\d{4})(\d{2})?(\d{2})?((?:[0-2]\d(?:[0-5]\d(?:[0-6]\d(?:\.\d{1,6})?)?)?)?)([+-]\d{4})?",
    re.ASCII,
)
_TIME: Final = re.compile(r"[0-2]\d(:?[0-5]\d(:?[0-6]\d(\.\d{1,6})?)?)?", re.ASCII)


def days_of(key: bytes, patient: str) -> int:
    """Return the number of days by which to shift the dates of a patient: between 1 and 10 years back."""
    number = int.from_bytes(hmac.digest(key, f"dates\0{patient}".encode(), hashlib.sha256)[:8])
    return -(_LEAST + number % (_MOST - _LEAST + 1))


def shifted(vr: str, text: str, days: int) -> str | None:
    """Return a value with all its dates shifted; None if one is not a date, or would leave the calendar.

    vr: DA, DT or TM. A date with only a year, or a year and a month, is shifted like its first day.
    """
    moved = {"DA": _day, "DT": _moment, "TM": _time}[vr]
    found = [moved(each.strip(" \0"), days) for each in text.split("\\")]
    return "\\".join(each or "" for each in found) if None not in found else None


def _day(text: str, days: int) -> str | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None if text else ""
    return _moved(match[1], match[2], match[3], days)


def _moment(text: str, days: int) -> str | None:
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None if text else ""
    year, month, day, time, zone = match.groups()
    moved = _moved(year, month or "01", day or "01", days)
    if moved is None:
        return None
    precision = 8 if day else 6 if month else 4
    return moved[:precision] + (time or "") + (zone or "")


def _time(text: str, _: int) -> str | None:
    return text if not text or _TIME.fullmatch(text) else None


def _moved(year: str, month: str, day: str, days: int) -> str | None:
    try:
        return f"{date(int(year), int(month), int(day)) + timedelta(days):%Y%m%d}".zfill(8)
    except (ValueError, OverflowError):
        return None
