"""Parse dates for --since and --before.

    2020-10-31   20201031   2020-10   today   yesterday   3 days ago   2 weeks ago   a month ago   1 year ago

An ambiguous date, such as 01/02/2020, is rejected.
"""

import re
from datetime import date, timedelta
from typing import Final

from dcm.cli.usage import UsageError

ALLOWED: Final = "2020-10-31, 20201031, 2020-10, today, yesterday, 3 days ago, 2 weeks ago"
_DAY: Final = re.compile(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?|(\d{4})(\d\d)(\d\d)", re.ASCII)
_AGO: Final = re.compile(r"(an?|\d{1,5}) (day|week|month|year)s? ago", re.ASCII)
_NAMED: Final = {"today": 0, "yesterday": 1}


def study_dates(since: str | None, before: str | None, today: date | None = None) -> str:
    """Return the range of Study Date (PS3.4 C.2.2.2.5) from `since` up to the day before `before`.

    The result is empty if neither is given. Raises `UsageError`.
    """
    today = today or date.today()  # noqa: DTZ011 - people mean local days
    first = _day("--since", since, today) if since is not None else None
    end = _day("--before", before, today) if before is not None else None
    if first is None and end is None:
        return ""
    last = end - timedelta(days=1) if end else None
    if first and last and first > last:
        raise UsageError(f"no day is both on or after {first} and before {end}")
    return "-".join(f"{day:%Y%m%d}" if day else "" for day in (first, last))


def _day(option: str, text: str, today: date) -> date:
    words = " ".join(text.lower().split())
    try:
        if words in _NAMED:
            return today - timedelta(days=_NAMED[words])
        if found := _DAY.fullmatch(words):
            year, month, day = (
                found[1] or found[4],
                found[2] or found[5],
                found[3] or found[6] or "1",
            )
            return date(int(year), int(month), int(day))
        if found := _AGO.fullmatch(words):
            return _ago(today, 1 if found[1].startswith("a") else int(found[1]), found[2])
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option} {text!r}: this day does not exist") from error
    raise UsageError(f"{option} {text!r} is not a date: use {ALLOWED}")


def _ago(today: date, count: int, unit: str) -> date:
    """Return the day that long ago; the last day of a month if the month is too short."""
    if unit in ("day", "week"):
        return today - timedelta(days=count * (7 if unit == "week" else 1))
    months = today.year * 12 + today.month - 1 - count * (12 if unit == "year" else 1)
    first = date(months // 12, months % 12 + 1, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(today.day, last.day))
