"""Compare dates, times and date-times for queries (PS3.4 C.2.2.2.5, PS3.5 6.2 DA, TM, DT).

Each value is a span from its first to its last microsecond; a less precise value is a longer span. Dates and
date-times count from year 1, times from midnight.
"""

import re
from calendar import isleap, monthrange
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

_PATTERNS = {
    "DA": re.compile(r"(\d{4})\.?(\d{2})\.?(\d{2})"),  # with periods: before DICOM 3.0
    "TM": re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?"),
    "DT": re.compile(
        r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?)?)?)?"
        r"([+-]\d{4})?"
    ),
}
_ABSENT = {"DA": (0, 5), "TM": (3, 1), "DT": (0, 0)}
"""The number of components of a DT that a value lacks, before and after its own."""

# A hyphen and four digits are an offset if they can be one, down to -1200 (PS3.5 6.2); as the end of a range,
# they would be a year before 1200.
_OFFSET = r"(?:\+\d{4}|-(?:(?:0\d|1[01])[0-5]\d|1200))"
_MOMENT_RANGE = re.compile(rf"(\d+(?:\.\d+)?(?:{_OFFSET}|(?!{_OFFSET})))?-(.*)")

_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_EPOCH = datetime(1, 1, 1)  # noqa: DTZ001 - offsets have been subtracted

MIN, MAX = timedelta.min, timedelta.max


class Span(NamedTuple):
    """A span of time from the first to the last microsecond, both included."""

    first: timedelta
    last: timedelta

    def overlaps(self, other: "Span") -> bool:
        """Return whether two spans have a common moment."""
        return self.first <= other.last and other.first <= self.last


def span(vr: str, value: str, utc_offset: timedelta = timedelta()) -> Span | None:
    """Return the span of a value of VR DA, TM or DT; None if it is not valid for that VR.

    utc_offset: for date-times without an offset.
    """
    found = _PATTERNS[vr].fullmatch(value.strip(" \0"))
    if found is None:
        return None
    before, behind = _ABSENT[vr]
    parts = [None] * before + [*found.groups()] + [None] * behind
    try:
        return _span(parts, utc_offset if vr == "DT" else timedelta())
    except (ValueError, OverflowError):  # month 13, or year 0
        return None


def key_span(vr: str, key: str, utc_offset: timedelta = timedelta()) -> Span | None:
    """Return the span of a key: of a single value, or of a range, which may be open at one end.

    Returns None if the key is neither.
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
    """Return whether a key is a range that ends before it begins."""
    found = key_span(vr, key) if vr in _PATTERNS else None
    return found is not None and found.last < found.first


def _ends(vr: str, key: str) -> tuple[str, str] | None:
    """Split a range at its hyphen; None for a single value."""
    if vr != "DT":
        first, hyphen, last = key.partition("-")
        return (first, last) if hyphen else None
    found = _MOMENT_RANGE.fullmatch(key.replace(" ", ""))
    return (found[1] or "", found[2]) if found else None


def _span(parts: Sequence[str | None], utc_offset: timedelta) -> Span | None:
    """Return the span of the components of a DT; those that a DA or TM lacks are None."""
    _, month, day, hour, minute, second, fraction, offset = parts
    if int(second or 0) > 60:
        return None
    numbers = [int(part or least) for part, least in zip(parts, (1, 1, 1, 0, 0), strict=False)]
    start = datetime(*numbers)  # type: ignore[arg-type]  # noqa: DTZ001
    if hour is not None:
        length = _length(minute, second, fraction)
    elif day is not None:
        length = _DAY
    elif month is not None:
        length = monthrange(start.year, start.month)[1] * _DAY
    else:
        length = (366 if isleap(start.year) else 365) * _DAY
    microseconds = int((fraction or "0").ljust(6, "0"))
    first = start - _EPOCH + timedelta(seconds=int(second or 0), microseconds=microseconds)
    first -= offset_of(offset) if offset else utc_offset
    return Span(first, first + length - _MICROSECOND)


def offset_of(text: str) -> timedelta:
    """Return the offset from UTC for a text such as `+0130`; zero for any other text."""
    if not re.fullmatch(r"[+-]\d{4}", text):
        return timedelta()
    minutes = int(text[1:3]) * 60 + int(text[3:])
    return timedelta(minutes=-minutes if text[0] == "-" else minutes)


def _length(minute: str | None, second: str | None, fraction: str | None) -> timedelta:
    """Return the duration of the last component that is given."""
    if minute is None:
        return timedelta(hours=1)
    if second is None:
        return timedelta(minutes=1)
    return timedelta(seconds=1) if fraction is None else _MICROSECOND * 10 ** (6 - len(fraction))
