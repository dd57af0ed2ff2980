"""Dates, times and moments as queries compare them (PS3.4 C.2.2.2.5, PS3.5 6.2 DA, TM, DT).

Each value is a span, from its first to its last microsecond: a value of less precision is a longer
one. Dates and moments count from year 1, times from midnight.
"""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

_DATE = re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})")  # with periods: before DICOM 3.0
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?")
_MOMENT = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?)?)?)?"
    r"([+-]\d{4})?"
)
# A hyphen with four digits behind it is an offset, where they can be one: to -1200 (PS3.5 6.2). As
# a year they would lie before the year 1200. An offset that is there is never given back to become
# the end of a range.
_OFFSET = r"(?:\+\d{4}|-(?:(?:0\d|1[01])[0-5]\d|1200))"
_MOMENT_RANGE = re.compile(rf"(\d+(?:\.\d+)?(?:{_OFFSET}|(?!{_OFFSET})))?-(.*)")

_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_EPOCH = datetime(1, 1, 1)  # noqa: DTZ001 - offsets are taken off before

MIN, MAX = timedelta.min, timedelta.max


class Span(NamedTuple):
    """From the first to the last microsecond, both included."""

    first: timedelta
    last: timedelta

    def overlaps(self, other: "Span") -> bool:
        """Return whether there is a moment within both."""
        return self.first <= other.last and other.first <= self.last


def span(vr: str, value: str, utc_offset: timedelta = timedelta()) -> Span | None:
    """Return the span of a value of VR DA, TM or DT; None if it is not written as that VR.

    `utc_offset` holds for moments that name none themselves.
    """
    try:
        return _SPANS[vr](value.strip(" \0"), utc_offset)
    except (ValueError, OverflowError):  # month 13, or year 0
        return None


def key_span(vr: str, key: str, utc_offset: timedelta = timedelta()) -> Span | None:
    """Return the span that a key asks for: of a single value, or of a range open at one end or none.

    None if the key is neither.
    """
    key = key.strip(" \0")
    ends = _ends(vr, key)
    if ends is None:
        return span(vr, key, utc_offset)
    first, last = (span(vr, end, utc_offset) if end.strip() else Span(MIN, MAX) for end in ends)
    if first is None or last is None or not (ends[0] or ends[1]):
        return None
    return Span(first.first, last.last)


def ends_before_it_begins(vr: str, key: str) -> bool:
    """Return whether a key is a range whose end lies before its beginning."""
    found = key_span(vr, key) if vr in _SPANS else None
    return found is not None and found.last < found.first


def _ends(vr: str, key: str) -> tuple[str, str] | None:
    """Split a range at its hyphen; None for a single value."""
    if vr != "DT":
        first, hyphen, last = key.partition("-")
        return (first, last) if hyphen else None
    found = _MOMENT_RANGE.fullmatch(key.replace(" ", ""))
    return (found[1] or "", found[2]) if found else None


def _date_span(value: str, _: timedelta) -> Span | None:
    found = _DATE.fullmatch(value)
    if found is None:
        return None
    day = datetime(*map(int, found.groups())) - _EPOCH  # type: ignore[arg-type]  # noqa: DTZ001
    return Span(day, day + _DAY - _MICROSECOND)


def _time_span(value: str, _: timedelta) -> Span | None:
    found = _TIME.fullmatch(value)
    if found is None:
        return None
    hour, minute, second, fraction = found.groups()
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        return None
    first = timedelta(hours=int(hour), minutes=int(minute or 0), seconds=int(second or 0))
    return _from(first, _length(minute, second, fraction), fraction)


def _moment_span(value: str, utc_offset: timedelta) -> Span | None:
    found = _MOMENT.fullmatch(value)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    if int(second or 0) > 60:
        return None
    start = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0))  # noqa: DTZ001
    if month is None:
        length = start.replace(year=start.year + 1) - start
    elif day is None:
        length = (start + 31 * _DAY).replace(day=1) - start
    else:
        length = _DAY if hour is None else _length(minute, second, fraction)
    first = start - _EPOCH + timedelta(seconds=int(second or 0))
    first -= offset_of(offset) if offset else utc_offset
    return _from(first, length, fraction)


def offset_of(text: str) -> timedelta:
    """Return the offset from UTC that `+0130` and the like name; none for an empty text."""
    if not re.fullmatch(r"[+-]\d{4}", text):
        return timedelta()
    minutes = int(text[1:3]) * 60 + int(text[3:])
    return timedelta(minutes=-minutes if text[0] == "-" else minutes)


def _length(minute: str | None, second: str | None, fraction: str | None) -> timedelta:
    """Say how long the last component that is given lasts."""
    if minute is None:
        return timedelta(hours=1)
    if second is None:
        return timedelta(minutes=1)
    return timedelta(seconds=1) if fraction is None else _MICROSECOND * 10 ** (6 - len(fraction))


def _from(first: timedelta, length: timedelta, fraction: str | None) -> Span:
    first += _MICROSECOND * int((fraction or "0").ljust(6, "0"))
    return Span(first, first + length - _MICROSECOND)


_SPANS = {"DA": _date_span, "TM": _time_span, "DT": _moment_span}
